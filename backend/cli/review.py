"""`ilot backend alarms` and `quarantine`: alarms and bytes that wait for a person to judge them."""

from __future__ import annotations

import time
from pathlib import Path

import click

from backend.cli.console import DIRECTORY, JSON, database, date, handles_errors, reading, row, say, show
from hub.core.text import phrase

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
    from backend.maintenance import review

    if numbers:
        with database(directory) as storage:
            review.close(storage, numbers, time.time())
        say(phrase("alarms-closed", "{count} closed: should it be so again, it is raised again", count=len(numbers)))
    for one in reading(directory).alarms(hub, everything=everything):
        cells = [one["id"], date(one["raised_at"]), one["kind"], one["hub"] or "-", one["detail"]]
        if one["cleared_at"] is not None:
            cells.append(phrase("alarm-over", "over {moment}", moment=date(one["cleared_at"])))
        show(one, as_json, [row(*cells)])


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
    from backend.maintenance import review

    with database(directory) as storage:
        if numbers:
            review.drop(storage, numbers)
            say(phrase("quarantined-gone", "{count} [is|are] gone", count=len(numbers)))
        for one in reading(directory).quarantined(hub):
            size = phrase("bytes-counted", "{count} [byte|bytes]", count=one["bytes"])
            cells = [one["id"], date(one["received_at"]), one["hub"] or "-", one["reason"], size]
            if out is not None:
                cells.append(review.take_out(storage, one["id"], out))
            show(one, as_json, [row(*cells)])
