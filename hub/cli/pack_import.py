"""`ilot pack import`: codecs of others become packs, for a person to review."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from hub.cli import output
from hub.cli.new import write
from hub.core.errors import HubError
from hub.core.text import Phrase, phrase, reason_of

if TYPE_CHECKING:
    from hub.devices.packs.importing.drafts import Draft
    from hub.devices.packs.importing.run import Imported


@click.command("import")
@click.argument("source", type=click.Path(path_type=Path, exists=True))
@click.option("--device", metavar="NAME", default="", help="Only this one: the name of its codec, as it is listed.")
@click.option("--vendor", metavar="NAME", default="", help="Who makes the devices, where SOURCE does not say it.")
@click.option(
    "--payload",
    "payloads",
    metavar="PORT:HEX",
    multiple=True,
    help="A payload of the device, to see its values where there are no examples. May be repeated.",
)
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    default=".",
    show_default=True,
    help="Where to put the packs; it is made if it is not there.",
)
@output.as_json
def import_(source: Path, device: str, vendor: str, payloads: tuple[str, ...], out: Path, json: bool) -> None:
    """Make packs of the codecs in SOURCE: a folder, a ZIP archive, a file of JavaScript or an exported device profile.

    The layouts of The Things Network, ChirpStack, ThingPark and Milesight are known, for one vendor or a whole
    repository. Code is copied as it is; an example becomes a vector where the code returns just what it says. Without
    any, the pack is untested. What the values are is proposed in `pack.yaml`, for you to decide. Whether their licence
    lets you use them is for you to know. Exit code 6 when a codec was left out.
    """
    made = asyncio.run(_imported(source, device, vendor, payloads))
    for draft in made.drafts:
        if (out / draft.name).exists():
            raise HubError(
                phrase(
                    "folder-there-choose-place",
                    "{folder} is there already; remove it, or choose another place",
                    folder=out / draft.name,
                )
            )
    from hub.devices.packs.importing.pack_files import files_of

    for draft in made.drafts:
        write(out / draft.name, files_of(draft))
    if json:
        facts = [_facts(draft, out) for draft in made.drafts]
        output.data({"made": facts, "left_out": {name: str(why) for name, why in made.left_out.items()}})
    else:
        _tell(made, out)
    if made.left_out or not made.drafts:
        raise click.exceptions.Exit(6)


async def _imported(source: Path, device: str, vendor: str, payloads: tuple[str, ...]) -> Imported:
    from hub.devices.codecs import Codecs
    from hub.devices.packs.importing.run import import_codecs, payload_given

    try:
        given = [payload_given(one) for one in payloads]
    except ValueError as error:
        raise click.UsageError(reason_of(error)) from error
    async with Codecs() as codecs:
        return await import_codecs(source, codecs, only=device, vendor=vendor, payloads=given)


def _tell(made: Imported, out: Path) -> None:
    for draft in made.drafts:
        said = [_tests(draft), undecided_values(draft.undecided), *draft.remarks]
        output.echo(f"{out / draft.name}: {output.in_a_row(said)}")
    for name, why in made.left_out.items():
        output.say(phrase("pack-left-out", "{name}: left out: {reason}", name=name, reason=why))
    if made.drafts:
        output.say(
            phrase(
                "packs-made-review",
                "Their licence is for you to respect. Next: decide on `proposed` in each pack.yaml, then ilot pack "
                "test and ilot pack install; or let the page of packs ask you.",
            )
        )


def _tests(draft: Draft) -> Phrase:
    if draft.untested:
        return phrase("import-is-untested", "untested")
    return phrase("import-vectors", "{count} [vector|vectors]", count=len(draft.vectors))


def undecided_values(count: int) -> Phrase:
    return phrase("pack-values-undecided", "{count} [value|values] for a person to decide", count=count)


def _facts(draft: Draft, out: Path) -> dict[str, Any]:
    return {
        "pack": draft.name,
        "folder": str(out / draft.name),
        "layout": draft.layout,
        "untested": draft.untested,
        "examples": draft.examples,
        "vectors": len(draft.vectors),
        "undecided": draft.undecided,
        "proposed": [
            {"path": one.path, "sample": one.sample, "metric": one.metric or None, "confidence": one.confidence}
            for one in draft.proposals
        ],
        "remarks": draft.remarks,
    }
