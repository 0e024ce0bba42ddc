"""`ilot backend erasures` and `retention`: executed erasures, and how long data is kept."""

from __future__ import annotations

from pathlib import Path

import click

from backend.cli.console import DIRECTORY, JSON, database, date, handles_errors, say, show


@click.command()
@DIRECTORY
@JSON
@handles_errors
def erasures(directory: Path, as_json: bool) -> None:
    """The erasures that hubs ordered, the newest first: each was executed, and its hub has its word."""
    from backend import owner as owners
    from backend.views import Views

    for one in Views(owners.load(directory).database).erased():
        late = f", {one['late']} that came later dropped" if one["late"] else ""
        left = f", {one['left_over']} of the plant stay" if one["left_over"] else ""
        show(
            one,
            as_json,
            [
                (
                    f"{date(one['done_at'])}\t{one['hub']}\t{one['kind']} {one['name']}\t"
                    f"{one['readings']} readings erased{late}{left}"
                )
            ],
        )


@click.command()
@DIRECTORY
@click.option("--set", "wanted", multiple=True, metavar="CLASS=DAYS", help="personal=396; 0: for ever. Repeat.")
@click.option("--dry-run", is_flag=True, help="Say what would be set, and change nothing.")
@JSON
@handles_errors
def retention(directory: Path, wanted: tuple[str, ...], dry_run: bool, as_json: bool) -> None:
    """How long what came is kept: readings by their privacy class, and what lies beside them. A running backend follows
    within an hour."""
    from backend import owner as owners
    from backend import retention as kept
    from backend.schema import transaction
    from backend.views import Views

    changes = [kept.days_of(text) for text in wanted]
    if changes and not dry_run:
        with database(directory) as db, transaction(db):
            for privacy, days in changes:
                kept.put(db, privacy, days)
    if dry_run:
        for privacy, days in changes:
            say(f"{privacy} would be kept for {days or 'ever, no'} days")
    for one in Views(owners.load(directory).database).retention():
        told = f"{one['days']} days" if one["days"] else "for ever"
        show(one, as_json, [f"{one['privacy']}\t{told}\t{one['purged']} purged so far"])
