"""`ilot pack`: packs that describe vendors' devices."""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from hub.cli import output
from hub.cli.hub_client import ask
from hub.cli.pack_import import import_, undecided_values
from hub.cli.pack_remove import remove
from hub.cli.pack_vector import vector
from hub.cli.signing import DAY_S, days_option, key_option, loaded_keys
from hub.core.errors import ConfigError, HubError, NotReady
from hub.core.text import phrase

if TYPE_CHECKING:
    from hub.devices.packs.library import Library
    from hub.devices.packs.loader import Pack
    from hub.devices.packs.vector_tests import Verdict

_UNTESTED = phrase("pack-is-untested", "untested: no example shows that it reads its payloads right")
_TRIED = phrase("pack-is-tried", "tried on real hardware: yes")
_NOT_TRIED = phrase("pack-not-tried", "tried on real hardware: no")
_DIRECTORY = click.Path(path_type=Path, file_okay=False, exists=True)


@click.group(cls=output.Group)
def pack() -> None:
    """Device packs: test, install and show them, or import others'."""


@pack.command()
@click.argument("directory", type=_DIRECTORY, required=False)
@output.with_hub
def test(directory: Path | None, config: Path, state_dir: Path | None, json: bool) -> None:
    """Run every vector of the pack in DIRECTORY, or of every pack in it, through the codec worker.

    Without DIRECTORY: of every pack that ships with the hub or is installed. Exit code 6 when one does not pass: a
    vector fails, a message, a port or a downlink that it declares has none, or nobody has decided on a value that an
    import proposed.
    """
    folders = _packs_in(directory) if directory else None
    library = library_of(config, state_dir)
    verdicts = asyncio.run(_verdicts(_readable(library, folders)))
    if json:
        output.data([verdict.as_data() for verdict in verdicts])
    else:
        for verdict in verdicts:
            tell_verdict(verdict)
    if not all(verdict.ok for verdict in verdicts):
        raise click.exceptions.Exit(6)


@output.of_hub
@pack.command()
@click.argument("directory", type=click.Path(path_type=Path, exists=True))
@click.option("--untested", is_flag=True, help="Install it although no example shows that it reads payloads right.")
@output.with_hub
def install(directory: Path, untested: bool, config: Path, state_dir: Path | None, json: bool) -> None:
    """Test the pack in DIRECTORY and install it. A running hub uses it from now on, and reads again what it kept.

    DIRECTORY may be a signed bundle *.ilot-pack, of a vendor that the configuration trusts.

    A pack that does not pass is not installed, nor is one whose version has not risen, nor one with proposed fields
    that nobody has decided. Before one that is untested, a question.
    """
    library = library_of(config, state_dir)
    with _folder_of(directory, config, state_dir) as folder:
        (found,) = _readable(library, [folder])
    (verdict,) = asyncio.run(_verdicts([found]))
    if not verdict.ok:
        tell_verdict(verdict)
        raise HubError(
            phrase(
                "pack-does-not-pass", "pack {name} does not pass its own tests; it is not installed", name=found.name
            )
        )
    library.install(found, verdict, untested=untested or _wanted_untested(found, json))
    read = _notify_hub(found.name, config, state_dir)
    facts = {
        "pack": found.name, "version": found.keys.version, "digest": found.digest, "vectors": len(found.vectors),
        "running": read is not None, "redecoded": read or 0, "untested": found.keys.untested,
    }  # fmt: skip
    if json:
        output.data(facts)
        return
    output.echo(
        phrase(
            "pack-installed",
            "{pack} {version} is installed; {count} [vector passes|vectors pass]",
            pack=found.name,
            version=found.keys.version,
            count=len(found.vectors),
        )
    )
    if read is not None:
        output.say(
            phrase(
                "pack-used-now",
                "the running hub uses it from now on; {count} [payload|payloads] that it had kept are read now",
                count=read,
            )
        )


@pack.command("list")
@output.with_hub
def list_(config: Path, state_dir: Path | None, json: bool) -> None:
    """List the packs that ship with the hub and those that are installed."""
    library = library_of(config, state_dir)
    packs = _readable(library, None)
    if json:
        output.data([_facts(library, one) for one in packs])
        return
    rows = [
        (p.name, p.keys.version, output.word("pack", library.origin(p)), p.keys.vendor, _name(p.keys), _tests(p))
        for p in packs
    ]
    output.table(("pack", "version", "origin", "vendor", "what-it-is", "vectors"), rows)


@pack.command()
@click.argument("name")
@output.with_hub
def show(name: str, config: Path, state_dir: Path | None, json: bool) -> None:
    """Show what the pack NAME reads, what its devices can be told, and where its vectors come from."""
    library = library_of(config, state_dir)
    found = library.get(name)
    facts = _facts(library, found)
    if json:
        output.data(facts)
        return
    output.echo(
        phrase(
            "pack-name-origin",
            "{pack} {version} ({origin}): {vendor} {models}",
            pack=found.name,
            version=found.keys.version,
            origin=output.word("pack", facts["from"]),
            vendor=found.keys.vendor,
            models=list(found.keys.models),
        )
    )
    click.echo(f"{found.keys.en} · {found.keys.fr}")
    speaks = facts["protocol"]
    if facts["mac"]:
        speaks = phrase(
            "lorawan-class", "LoRaWAN {version}, class {letter}", version=facts["mac"], letter=facts["class"]
        )
    output.echo(
        phrase(
            "pack-protocol-licence",
            "{protocol}, licence {licence}, {digest}",
            protocol=speaks,
            licence=found.keys.licence,
            digest=facts["digest"][:16],
        )
    )
    if found.keys.untested:
        output.echo(_UNTESTED)
    output.echo(_TRIED if found.keys.tried else _NOT_TRIED)
    rows = [
        (m["path"], m["metric"], m["unit"], output.word("privacy", m["privacy"]), f"{m['en']} · {m['fr']}")
        for m in facts["metrics"]
    ]
    if rows:
        output.table(("path", "metric", "unit", "privacy", "meaning"), rows)
    if facts["map"]:
        output.echo(phrase("pack-reads", "reads {metrics}", metrics=facts["map"]))
    for downlink, keys in found.keys.downlinks.items():
        bounds = [
            phrase("field-bounds", "{field} {low:g} to {high:g} {unit}", field=key, low=b.low, high=b.high, unit=b.unit)
            for key, b in keys.fields.items()
        ]
        output.echo(
            phrase(
                "pack-downlink",
                "downlink {downlink}: {name} ({bounds}); it sets a {metric}",
                downlink=downlink,
                name=_name(keys),
                bounds=bounds or phrase("downlink-no-values", "no values"),
                metric=keys.sets,
            )
        )
    for default in found.keys.default_credentials:
        output.echo(
            phrase(
                "pack-default-credential",
                "leaves the factory with a known credential: {credential}; a device that still has it is not written "
                "to",
                credential=_credential(default),
            )
        )
    for source in found.keys.sources.values():
        output.echo(
            phrase(
                "pack-source",
                "source: {by}, {title}, {version} ({kind}; {licence})",
                by=source.by,
                title=source.title,
                version=source.version,
                kind=source.kind,
                licence=source.licence,
            )
        )


@pack.command()
@click.argument("directory", type=_DIRECTORY)
@key_option
@days_option
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False), help="The bundle; else named by the pack.")
@output.as_json
def sign(directory: Path, keys: tuple[Path, ...], days: int, out: Path | None, json: bool) -> None:
    """Sign the pack in DIRECTORY, on its vendor's machine. The key is one of `ilot release key`."""
    from hub.cli.plugin import told
    from hub.devices.packs.loader import read
    from hub.operations.plugins.making import Times, sign_pack
    from hub.operations.plugins.sources import SUFFIXES

    try:
        found = read(directory.resolve())
    except ConfigError as error:
        raise show_problems(error) from error
    now = time.time()
    target = out or Path(f"{found.name}-{found.keys.version}{SUFFIXES['pack']}")
    times = Times(now, now + days * DAY_S, found.keys.version)
    path, made = sign_pack(found.name, found.keys.version, found.files, target, loaded_keys(keys), times)
    told(path, made.id, made.version, made.counter, json=json)


@contextlib.contextmanager
def _folder_of(given: Path, config: Path, state_dir: Path | None) -> Iterator[Path]:
    """Yield the folder of a pack; one out of a bundle is gone afterwards."""
    if given.is_dir():
        yield given
        return
    from hub.cli.plugin import here
    from hub.operations.plugins.packs import unpack_pack

    with tempfile.TemporaryDirectory(prefix="ilot-pack-") as scratch:
        yield unpack_pack(given, Path(scratch), here(config, state_dir))


def _tests(found: Pack) -> str | int:
    return output.word("pack", "untested") if found.keys.untested else len(found.vectors)


def _wanted_untested(found: Pack, json: bool) -> bool:
    """Ask once whether a pack that nobody has tested is wanted; no without a terminal."""
    if not found.keys.untested or json or not sys.stdin.isatty():
        return False
    return output.confirm(
        phrase(
            "pack-untested-question",
            "No example shows that {pack} reads its payloads right. Install it untested?",
            pack=found.name,
        ),
        err=True,
    )


def _name(keys: Any) -> str:
    return str(keys.fr if output.french() else keys.en)


def _credential(default: Any) -> str:
    if default.password is None:
        return phrase("credential-key", "key")
    return phrase("credential-user", "user {user}", user=default.user or phrase("any-user", "(any)"))


pack.add_command(import_)
pack.add_command(output.of_hub(remove))
pack.add_command(vector)


def library_of(config: Path, state_dir: Path | None) -> Library:
    from hub.config.state_dir import state_of
    from hub.core.state_dir import StateDir
    from hub.devices.packs.library import Library
    from hub.plugin_host.plugin_types import part_models
    from hub.plugin_host.registry import Registry

    return Library(StateDir(state_of(config, state_dir)).packs, parts=part_models(Registry.discover()))


def _notify_hub(name: str, config: Path, state_dir: Path | None) -> int | None:
    """Report a new version to the running hub. Return how many stored payloads it decoded with it; None without a
    hub."""
    try:
        answer = ask(config, state_dir, "packs.reload", timeout=600.0, pack=name)
    except NotReady:
        return None
    return len([frame for frame in answer["frames"] if frame["result"] == "decoded"])


def _packs_in(directory: Path) -> list[Path]:
    if (directory / "pack.yaml").is_file():
        return [directory]
    found = sorted(entry.parent for entry in directory.glob("*/pack.yaml"))
    if not found:
        raise click.UsageError(
            phrase(
                "no-pack-in-directory",
                "there is no pack.yaml in {directory} nor in a folder of it",
                directory=directory,
            )
        )
    return found


def _readable(library: Library, folders: Iterable[Path] | None) -> list[Pack]:
    """Return the packs, or raise every problem of those that cannot be read."""
    from hub.devices.packs.loader import read

    packs, problems = [], []
    wanted: list[Any] = library.names() if folders is None else [folder.resolve() for folder in folders]
    for one in wanted:
        try:
            packs.append(library.get(one) if folders is None else read(one, parts=library.parts))
        except ConfigError as error:
            problems += error.problems
    if problems:
        raise show_problems(ConfigError(problems))
    return packs


def show_problems(error: ConfigError) -> click.exceptions.Exit:
    """Print the problems, each with its line of the file."""
    from hub.cli.problems import render

    colour = sys.stderr.isatty() and "NO_COLOR" not in os.environ
    click.echo(render(error.problems, colour=colour, french=output.french()), err=True, nl=False)
    return click.exceptions.Exit(ConfigError.exit_code)


async def _verdicts(packs: Iterable[Pack]) -> list[Verdict]:
    from hub.devices.codecs import Codecs
    from hub.devices.packs.vector_tests import run_vectors

    async with Codecs() as codecs:
        return [await run_vectors(one, codecs) for one in packs]


def tell_verdict(verdict: Verdict) -> None:
    passed = sum(not outcome.wrong for outcome in verdict.outcomes)
    output.echo(
        phrase(
            "vectors-pass",
            "{pack} {version}: {passed} of {count} vectors pass",
            pack=verdict.pack,
            version=verdict.version,
            passed=passed,
            count=len(verdict.outcomes),
        )
    )
    for outcome in verdict.outcomes:
        if outcome.wrong:
            output.say(f"  {outcome.vector}: {output.translated(outcome.wrong)} ({outcome.source})")
    if verdict.undecided:
        output.say("  " + output.translated(undecided_values(len(verdict.undecided))))
    if verdict.unconfirmed:
        output.say("  " + output.translated(verdict.unconfirmed_count))
    for what in verdict.untested:
        output.say("  " + output.translated(phrase("no-vector-shows", "no vector shows {what}", what=what)))
    for what in verdict.unshown:
        said = phrase("no-vector-shows-value", "remark: no vector shows {what}", what=what)
        output.say("  " + output.translated(said))


def _facts(library: Library, found: Pack) -> dict[str, Any]:
    keys = found.keys
    fields = [] if found.fields is None else found.fields.values()
    mapped = [] if found.part is None else sorted(found.part.metrics())
    return {
        "pack": found.name,
        "version": keys.version,
        "digest": found.digest,
        "from": library.origin(found),
        "vendor": keys.vendor,
        "models": list(keys.models),
        "en": keys.en,
        "fr": keys.fr,
        "licence": keys.licence,
        "protocol": keys.protocol,
        "mac": keys.lorawan.mac if keys.lorawan else None,
        "class": keys.lorawan.class_ if keys.lorawan else None,
        "period_s": keys.period.total_seconds() if keys.period else None,
        "automatic": found.fields is None,
        "metrics": [_metric(found, field.path, field.metric) for field in fields],
        "map": mapped,
        "default_credentials": len(keys.default_credentials),
        "messages": {name: list(message.ports) for name, message in keys.messages.items()},
        "downlinks": {name: list(downlink.fields) for name, downlink in keys.downlinks.items()},
        "sources": [source.model_dump() for source in keys.sources.values()],
        "vectors": len(found.vectors),
        "untested": found.keys.untested,
        "tried": found.keys.tried,
        "signs": len(found.keys.signs),
    }


def _metric(found: Pack, path: str, key: str) -> dict[str, str]:
    from hub.i18n.metric_names import metric_name

    m = found.metrics[key]
    name = metric_name(m, "fr")
    return {"path": path, "metric": key, "unit": m.unit, "privacy": m.privacy, "fr": str(name), "en": m.en}
