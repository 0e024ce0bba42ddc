"""`ilot backend tokens make|list|cancel`: enrolment tokens for many hubs."""

from __future__ import annotations

import csv
import io
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from backend.cli.console import DIRECTORY, JSON, Group, Lifetime, database, date, handles_errors, row, say, show
from backend.cli.enrolment import URL, address_of, draw, read_enrolment_table, write_file
from hub.core.errors import HubError
from hub.core.text import phrase

if TYPE_CHECKING:
    from backend.storage.tables import EnrolmentToken


@click.group(cls=Group)
def tokens() -> None:
    """Enrolment tokens: for many hubs at once from a table, which ones there are, and cancelled ones."""


@tokens.command()
@DIRECTORY
@click.argument("table", type=click.Path(path_type=Path, dir_okay=False, exists=True))
@click.option("--expires", type=Lifetime(), default="7d", show_default=True, help="How long they may be used.")
@URL
@click.option(
    "--out",
    type=click.Path(path_type=Path, dir_okay=False),
    required=True,
    help="Write them to this file: TABLE with the columns id, token, expires.",
)
@click.option(
    "--qr", type=click.Path(path_type=Path, file_okay=False), help="Draw each as QR code into this folder, ID.svg."
)
@JSON
@handles_errors
def make(directory: Path, table: Path, expires: float, url: str, out: Path, qr: Path | None, as_json: bool) -> None:
    """Make a token for each row of TABLE (CSV: name, tags). None is made while a row is wrong."""
    from backend.hubs.registry import Registry
    from backend.owner import directory as owners

    owner = owners.load(directory)
    url = address_of(url, owner)
    wanted = [line.newcomer for line in read_enrolment_table(table, requests=False)]
    now = time.time()
    with database(directory) as storage:
        registry = Registry(storage)
        made = registry.issue_many(wanted, url=url, root=owner.settings.root, now=now, lifetime=expires)
        try:
            rows = [
                (one.name, " ".join(one.tags), token.id, str(token), date(token.expires))
                for one, token in zip(wanted, made, strict=True)
            ]
            write_file(out, _table(rows))
            if qr is not None:
                qr.mkdir(mode=0o700, parents=True, exist_ok=True)
                for token in made:
                    write_file(qr / f"{token.id}.svg", draw(str(token), "svg"))
        except (HubError, OSError):
            registry.cancel([token.id for token in made], now)  # nobody has them
            raise
    say(
        phrase(
            "tokens-made",
            "{count} [token|tokens], good until {moment}, in {file}, which is worth as much as they are: delete it "
            "once they were used",
            count=len(made),
            moment=date(now + expires),
            file=out,
        )
    )
    show({"count": len(made), "file": str(out), "ids": [token.id for token in made]}, as_json, [])


@tokens.command("list")
@DIRECTORY
@click.option("--all", "everything", is_flag=True, help="Used, cancelled and expired ones too.")
@click.option("--tag", default="", help="Only those with this tag.")
@JSON
@handles_errors
def listing(directory: Path, everything: bool, tag: str, as_json: bool) -> None:
    """The tokens that may still be used, the oldest first: for whom, and until when. Never the secret."""
    from backend.hubs.registry import Registry

    now = time.time()
    with database(directory) as storage:
        found = Registry(storage).tokens()
    for one in found:
        state = _state(one, now)
        if (state == "open" or everything) and (not tag or tag in one.tags):
            facts = one._asdict() | {"state": state}
            del facts["secret"]
            cells = [one.id, _words(state), date(one.expires_at), one.hub or "-", one.name or "-", " ".join(one.tags)]
            show(facts, as_json, [row(*(cells if one.tags else cells[:-1]))])


@tokens.command()
@DIRECTORY
@click.argument("ids", metavar="ID…", nargs=-1, required=True)
@JSON
@handles_errors
def cancel(directory: Path, ids: tuple[str, ...], as_json: bool) -> None:
    """Let the tokens ID… admit nobody; all or none. A hub that enrolled with one stays enrolled."""
    from backend.hubs.registry import Registry

    with database(directory) as storage:
        Registry(storage).cancel(ids, time.time())
    say(phrase("tokens-cancelled", "{count} [token|tokens] cancelled", count=len(ids)))
    show({"cancelled": ids}, as_json, [])


def _state(token: EnrolmentToken, now: float) -> str:
    if token.used_at is not None:
        return "used"
    if token.cancelled_at is not None:
        return "cancelled"
    return "open" if now < token.expires_at else "expired"


def _words(state: str) -> str:
    return {
        "used": phrase("token-is-used", "used"),
        "cancelled": phrase("token-is-cancelled", "cancelled"),
        "open": phrase("token-is-open", "open"),
        "expired": phrase("token-is-expired", "expired"),
    }[state]


def _table(rows: Sequence[tuple[str, ...]]) -> bytes:
    text = io.StringIO(newline="")
    writer = csv.writer(text, delimiter=";")
    writer.writerow(("name", "tags", "id", "token", "expires"))
    writer.writerows(rows)
    return text.getvalue().encode("utf-8-sig")  # so that a spreadsheet reads the accents
