"""`ilot backend badge …`: badges, which let people work on the hubs of this owner without an account on each."""

from __future__ import annotations

import io
import sys
import time
from pathlib import Path

import click
import msgspec

from backend.cli.console import DIRECTORY, JSON, ROOT, Group, date, handles_errors, row, say, show
from hub.core.text import phrase


@click.group(cls=Group)
def badge() -> None:
    """Badges: credentials of people, signed by the owner, that every hub checks without a network."""


@badge.command()
@DIRECTORY
@click.option("--new", is_flag=True, help="Another key in the place of the one there is: every badge is worth nothing.")
@ROOT
@JSON
@handles_errors
def key(directory: Path, new: bool, root: Path | None, as_json: bool) -> None:
    """Make the key that signs badges, and the trust document that names it. Once for each owner; needs the root."""
    from backend.owner.badges import make_key

    owner = make_key(directory, new=new, root=root)
    say(
        phrase(
            "badge-key-named",
            "Trust document, version {version}, names the badge key. Hubs follow with their next state.",
            version=owner.trust.version,
        )
    )
    show({"trust_version": owner.trust.version}, as_json, [f"trust_version\t{owner.trust.version}"])


@badge.command()
@DIRECTORY
@click.option("--name", required=True, help="Whose it is, as the audit log of each hub will say.")
@click.option(
    "--role",
    type=click.Choice(["lecteur", "auditeur", "technicien", "administrateur"]),
    default="technicien",
    show_default=True,
)
@click.option("--site", "sites", multiple=True, required=True, help="Site or hub where it is good; repeat. * is all.")
@click.option("--days", type=click.FloatRange(0.01, 30), default=30, show_default=True, help="How long it is good.")
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False), help="Its QR code: .svg, .png, .pdf, or .txt.")
@JSON
@handles_errors
def issue(
    directory: Path, name: str, role: str, sites: tuple[str, ...], days: float, out: Path | None, as_json: bool
) -> None:
    """Issue a badge: a QR code, and a passphrase that is shown once. Give them to its holder by different ways."""
    from backend.owner.badges import issue as make
    from hub.core.disk.atomic_files import write_atomically

    kind = out.suffix.lower().removeprefix(".") if out is not None else "txt"
    if kind not in ("svg", "png", "pdf", "txt"):
        raise click.BadParameter(
            phrase("qr-code-kind-wrong", "a QR code is .svg, .png, .pdf or .txt, not {kind!r}", kind=kind),
            param_hint="--out",
        )
    one, text, passphrase = make(directory, name=name, role=role, sites=sites, days=days)
    if out is not None:
        write_atomically(out, _drawn(text, kind))
        say(
            phrase(
                "badge-written",
                "The badge is in {file}. The passphrase is not: it is shown here, and nowhere again.",
                file=out,
            )
        )
    facts = {**msgspec.to_builtins(one), "text": text, "passphrase": passphrase}
    lines = [f"id\t{one.id}", f"until\t{date(one.until)}", f"passphrase\t{passphrase}"]
    show(facts, as_json, lines if out is not None else [*lines, f"text\t{text}"])


@badge.command()
@DIRECTORY
@click.argument("number", metavar="ID")
@JSON
@handles_errors
def revoke(directory: Path, number: str, as_json: bool) -> None:
    """Withdraw the badge ID (its beginning will do). Hubs fetch the list within the hour that they have a link."""
    from backend.owner.badges import REVOKED
    from backend.owner.badges import revoke as withdraw

    one = withdraw(directory, number)
    say(
        phrase(
            "badge-is-withdrawn",
            "{name}'s badge is withdrawn. For hubs without a network: ilot badge load {file}",
            name=one.name,
            file=directory / REVOKED,
        )
    )
    withdrawn = phrase("withdrawn-at", "withdrawn {moment}", moment=date(one.revoked_at))
    show(msgspec.to_builtins(one), as_json, [row(one.id, one.name, withdrawn)])


@badge.command("list")
@DIRECTORY
@JSON
@handles_errors
def listing(directory: Path, as_json: bool) -> None:
    """The badges issued: whose, for which sites, until when."""
    from backend.owner import directory as owners
    from backend.owner.badges import listed

    owners.load(directory)  # a directory without a backend is an error, not an empty list
    known, now = listed(directory), time.time()

    def state(until: int, revoked: int | None) -> str:
        return "withdrawn" if revoked is not None else "expired" if until <= now else "good"

    facts = [{**msgspec.to_builtins(one), "state": state(one.until, one.revoked_at)} for one in known]
    lines = [
        f"{one['id']}\t{one['state']}\t{one['role']}\t{','.join(one['sites'])}\t{date(one['until'])}\t{one['name']}"
        for one in facts
    ]
    show({"badges": facts}, as_json, lines)
    if not known and sys.stderr.isatty():
        say(phrase("no-badge-issued", "no badge was issued: ilot backend badge issue"))


def _drawn(text: str, kind: str) -> bytes:
    if kind == "txt":
        return text.encode() + b"\n"
    import segno

    out = io.BytesIO()
    segno.make(text, error="m", micro=False).save(out, kind=kind, scale=4, border=4)
    return out.getvalue()
