"""`ilot label` and `ilot claim reset`: first access to the hub's own pages."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import click

from hub.cli import output
from hub.cli.hub_client import ask
from hub.core.disk.atomic_files import write_atomically
from hub.core.errors import StorageError
from hub.core.text import phrase, system_error

_CALL_S = 60.0


@click.command()
@click.option("--new", is_flag=True, help="Make another claim code; the one before is worth nothing then.")
@click.option("--svg", type=click.Path(path_type=Path, dir_okay=False), help="Write the QR code to this file.")
@click.option(
    "--print",
    "printed",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE.png|pdf|svg",
    help="Write the whole label, in French, to print and stick on the hub.",
)
@output.with_hub
def label(new: bool, svg: Path | None, printed: Path | None, config: Path, state_dir: Path | None, json: bool) -> None:
    """Show the address of the hub's pages, their certificate's fingerprint, and the claim code as text and QR code.

    A code is shown when it is made, and never again: only its hash is kept. It makes the first administrateur, once.
    """
    kind = _kind(printed)
    answer = ask(config, state_dir, "web.label", timeout=_CALL_S, new=new)
    if printed is not None:
        _print(answer, printed, kind)
    _show(answer, svg, json)
    if not json and answer["claimed"]:
        output.say(phrase("hub-claimed", "this hub is claimed; `ilot claim reset` lets somebody claim it again"))
    elif not json and not answer["code"]:
        output.say(phrase("claim-code-shown", "its code was shown when it was made; --new makes another"))


@click.group(cls=output.Group)
def claim() -> None:
    """Who administers this hub."""


@claim.command()
@click.option("--svg", type=click.Path(path_type=Path, dir_okay=False), help="Write the QR code to this file.")
@output.with_hub
def reset(svg: Path | None, config: Path, state_dir: Path | None, json: bool) -> None:
    """Make a new claim code when nobody can sign in any more. Accounts stay; everybody is signed out.

    Whoever claims with it becomes an administrateur; with the name of an account, that account gets a new password.
    """
    answer = ask(config, state_dir, "web.reset", timeout=_CALL_S)
    _show(answer, svg, json)


def claim_link(answer: dict[str, Any]) -> str:
    """Return the text of the QR code: the page, and the code behind '#', which browsers do not send."""
    return f"{answer['url']}claim#code={answer['code']}" if answer["code"] else str(answer["url"])


def _kind(file: Path | None) -> str:
    """Return the format of the drawing, checked before a code is made that would be lost."""
    from hub.cli import sheet

    kind = file.suffix.lower().removeprefix(".") if file is not None else "svg"
    if kind not in sheet.KINDS:
        raise click.BadParameter(
            phrase(
                "label-kind-wrong",
                "a label is .png, .pdf or .svg, not {kind}",
                kind=kind or phrase("file-without-ending", "a file without ending"),
            ),
            param_hint="--print",
        )
    sheet.ready(kind)
    return kind


def _print(answer: dict[str, Any], file: Path, kind: str) -> None:
    from hub.cli import sheet

    try:
        write_atomically(file, sheet.draw(sheet.layout(answer, claim_link(answer)), kind))
    except OSError as error:
        reason = system_error(error)
        raise StorageError(
            phrase(
                "label-not-written",
                "{file} cannot be written, make another code with --new: {reason}",
                file=file,
                reason=reason,
            )
            if answer["code"]
            else phrase("file-not-written", "{file} cannot be written: {reason}", file=file, reason=reason)
        ) from error
    if answer["code"]:
        output.say(
            phrase(
                "label-written-with-code",
                "{file} holds the label, with the claim code: print it, then delete it",
                file=file,
            )
        )
    else:
        output.say(phrase("label-written", "{file} holds the label", file=file))


def _show(answer: dict[str, Any], svg: Path | None, json: bool) -> None:
    import segno

    answer = {name: value for name, value in answer.items() if name != "wifi"}  # the key is for the printed label alone
    qr = segno.make(claim_link(answer), error="m", micro=False)
    if svg is not None:
        qr.save(str(svg), kind="svg", scale=4, border=4)
    if json:
        text = io.BytesIO()
        qr.save(text, kind="svg", scale=4, border=4, xmldecl=False)
        output.data({**answer, "link": claim_link(answer), "qr_svg": text.getvalue().decode()})
        return
    _fact(phrase("label-hub", "hub"), answer["hub"])
    _fact(phrase("label-address", "address"), answer["url"])
    _fact(phrase("label-fingerprint", "fingerprint"), answer["fingerprint"])
    if answer["code"]:
        _fact(phrase("label-claim-code", "claim code"), answer["code"])
        drawn = io.StringIO()
        qr.terminal(out=drawn, compact=True, border=2)
        click.echo(drawn.getvalue())


def _fact(name: str, value: str) -> None:
    click.echo(f"{output.translated(name):<11}  {value}")
