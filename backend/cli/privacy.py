"""`ilot backend erasures` and `retention`: executed erasures, and how long data is kept."""

from __future__ import annotations

import time
from pathlib import Path

import click

from backend.cli.console import DIRECTORY, JSON, database, date, handles_errors, reading, row, say, show, translated
from hub.core.text import phrase


@click.command()
@DIRECTORY
@JSON
@handles_errors
def erasures(directory: Path, as_json: bool) -> None:
    """The erasures that hubs ordered, the newest first. Each hides at once; once it is executed its hub has its
    word."""
    for one in reading(directory).erased():
        said = [phrase("readings-erased", "{count} [reading|readings] erased", count=one["readings"])]
        if one["late"]:
            said.append(phrase("late-dropped", "{count} that came later dropped", count=one["late"]))
        if one["left_over"]:
            said.append(phrase("plant-readings-stay", "{count} of the plant stay", count=one["left_over"]))
        if one["done_at"] is None:
            said.append(phrase("erasure-under-way", "hidden, and not yet erased from the disk"))
        what = ", ".join(map(translated, said))
        show(
            one,
            as_json,
            [row(date(one["done_at"] or one["ordered_at"]), one["hub"], f"{one['kind']} {one['name']}", what)],
        )


@click.command()
@DIRECTORY
@click.option("--set", "wanted", multiple=True, metavar="CLASS=DAYS", help="personal=396; 0: for ever. Repeat.")
@click.option("--dry-run", is_flag=True, help="Say what would be set, and change nothing.")
@click.option(
    "--clock-is-right",
    is_flag=True,
    help="Believe this machine's clock after a large step: delete by age from now on, and let the backend start.",
)
@JSON
@handles_errors
def retention(directory: Path, wanted: tuple[str, ...], dry_run: bool, clock_is_right: bool, as_json: bool) -> None:
    """How long what came is kept: readings by their privacy class, and what lies beside them. A running backend follows
    within an hour."""
    from backend.readings import retention as kept
    from backend.readings.purge_clock import believe

    changes = [kept.days_of(text) for text in wanted]
    if clock_is_right and not dry_run:
        with database(directory) as storage, storage.transaction():
            believe(storage, time.time())
    if changes and not dry_run:
        with database(directory) as storage, storage.transaction():
            for privacy, days in changes:
                storage.retention.set_days(privacy, days)
    if dry_run:
        for privacy, days in changes:
            say(
                phrase("would-be-kept", "{privacy} would be kept for {count} [day|days]", privacy=privacy, count=days)
                if days
                else phrase("would-be-kept-forever", "{privacy} would be kept for ever", privacy=privacy)
            )
    for one in reading(directory).retention():
        told = phrase("count-days", "{count} [day|days]", count=one["days"])
        if not one["days"]:
            told = phrase("for-ever", "for ever")
        purged = phrase("purged-so-far", "{count} purged so far", count=one["purged"])
        show(one, as_json, [row(one["privacy"], told, purged)])
