"""`ilot backend migrate`: gives a database of a former release the form that this one needs."""

from __future__ import annotations

import time
from pathlib import Path

import click

from backend.cli.console import JSON, handles_errors, row, say, show
from hub.core.errors import ConfigError
from hub.core.text import phrase

TELL_S = 2.0


@click.command()
@click.argument("directory", required=False, type=click.Path(path_type=Path, file_okay=False))
@click.option(
    "--database",
    "url",
    default="",
    envvar="ILOT_DATABASE",
    help="postgresql://USER@HOST/NAME, with sslrootcert= and passfile=.",
)
@click.option("--dry-run", is_flag=True, help="Do all of it, and take it back.")
@JSON
@handles_errors
def migrate(directory: Path | None, url: str, dry_run: bool, as_json: bool) -> None:
    """Give the database of DIRECTORY, or one of PostgreSQL, the form of this release, step by step; an interrupted call
    is taken up by the next.

    In DIRECTORY, readings that lie as rows are moved into chunks. The server does the same when it starts, and answers
    no hub before it is done; hubs keep what they have. Stop it before. With --dry-run each step is taken back at once.

    Workers of the former release may go on meanwhile where the new tables allow it; those that may not are refused by
    name. With --dry-run nothing stays, but its locks are held until it ends: try it on a restored copy.
    """
    if (directory is None) is (not url):
        raise ConfigError(phrase("migrate-what", "name a DIRECTORY, or a database with --database"))
    if directory is not None:
        _move_rows(directory, dry_run=dry_run, as_json=as_json)
        return
    from backend.storage.city.database import migrate_city
    from backend.storage.opening import migrate_database

    last, before = 0.0, 0

    def tell(name: str, step: int, steps: int, rows: int) -> None:
        nonlocal last, before
        now = time.monotonic()
        if step != before or now - last >= TELL_S:
            last, before = now, step
            say(
                phrase(
                    "migration-step-done",
                    "{name}: step {step} of {steps}, {rows} rows moved",
                    name=name,
                    step=step,
                    steps=steps,
                    rows=rows,
                )
            )

    began = time.monotonic()
    done = migrate_database(url, tell, rehearse=dry_run)
    if dry_run:
        say(phrase("migration-rehearsed", "Every step passed, and was taken back."))
    else:
        migrate_city(url)
    _show("steps", done, began, dry_run=dry_run, as_json=as_json)


def _move_rows(directory: Path, *, dry_run: bool, as_json: bool) -> None:
    from backend.maintenance.row_migration import Moved, move_rows_of
    from backend.owner import directory as owner

    last = float("-inf")

    def tell(now: Moved) -> None:
        nonlocal last
        if time.monotonic() - last >= TELL_S:
            last = time.monotonic()
            say(
                phrase(
                    "rows-moved-so-far",
                    "{share:.1%}: {count} readings are moved into chunks",
                    share=now.share,
                    count=now.rows,
                )
            )

    began = time.monotonic()
    done = move_rows_of(owner.load(directory).database, tell, rehearse=dry_run)
    if dry_run:
        say(phrase("migration-rehearsed", "Every step passed, and was taken back."))
    _show("readings", done, began, dry_run=dry_run, as_json=as_json)


def _show(what: str, done: int, began: float, *, dry_run: bool, as_json: bool) -> None:
    facts = {what: done, "seconds": round(time.monotonic() - began, 3), "kept": not dry_run}
    show(facts, as_json, [row(name, value) for name, value in facts.items()])
