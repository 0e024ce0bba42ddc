"""`ilot backend alarms` and `quarantine`: alarms and bytes that wait for a person to judge them."""

from __future__ import annotations

import time
from pathlib import Path

import click

from backend.cli.console import DIRECTORY, JSON, database, date, handles_errors, say, show

HUB = click.option("--hub", default="", help="Only of this hub.")


@click.command()
@DIRECTORY
@HUB
@click.option("--all", "everything", is_flag=True, help="Those that are over too.")
@click.option("--close", "numbers", type=int, multiple=True, metavar="NUMBER", help="Somebody has judged it. Repeat.")
@JSON
@handles_errors
def alarms(directory: Path, hub: str, everything: bool, numbers: tuple[int, ...], as_json: bool) -> None:
    """The backend's own alarms, the newest first: forks, holes, forged or unreadable records, full shares."""
    from backend import review

    with database(directory) as db:
        if numbers:
            review.close(db, numbers, time.time())
            say(f"{len(numbers)} closed: should it be so again, it is raised again")
        for one in review.alarms(db, hub, everything=everything):
            over = f"\tover {date(one['cleared_at'])}" if one["cleared_at"] is not None else ""
            line = f"{one['id']}\t{date(one['raised_at'])}\t{one['kind']}\t{one['hub'] or '-'}\t{one['detail']}{over}"
            show(one, as_json, [line])


@click.command()
@DIRECTORY
@HUB
@click.option(
    "--out", type=click.Path(path_type=Path, file_okay=False), help="Write those that are shown to this folder."
)
@click.option("--drop", "numbers", type=int, multiple=True, metavar="NUMBER", help="Take it away for good. Repeat.")
@JSON
@handles_errors
def quarantine(directory: Path, hub: str, out: Path | None, numbers: tuple[int, ...], as_json: bool) -> None:
    """Bytes that are kept for a person: what nobody could read, what a revoked hub sent, what a disk damaged."""
    from backend import review

    with database(directory) as db:
        if numbers:
            review.drop(db, numbers)
            say(f"{len(numbers)} are gone")
        for one in list(review.quarantined(db, hub)):
            written = "" if out is None else f"\t{review.take_out(db, one['id'], out)}"
            line = (
                f"{one['id']}\t{date(one['received_at'])}\t{one['hub'] or '-'}\t{one['reason']}\t{one['bytes']} bytes"
            )
            show(one, as_json, [line + written])
