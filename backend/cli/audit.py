"""`ilot backend audit`: heads of a hub's audit chain, as the hub reported them."""

from __future__ import annotations

from pathlib import Path

import click

from backend.cli.console import DIRECTORY, JSON, date, handles_errors, reading, show


@click.command()
@DIRECTORY
@click.argument("hub")
@click.option("--limit", type=click.IntRange(1, 10_000), default=20, show_default=True, help="The most lines.")
@JSON
@handles_errors
def audit(directory: Path, hub: str, limit: int, as_json: bool) -> None:
    """What HUB told of its audit log: count and head, the newest first.

    `ilot audit verify --witness COUNT:HEAD` at the hub holds its log against them.
    """
    for one in reading(directory).witnessed(hub, limit):
        show(one, as_json, [f"{date(one['at'])}\t{one['count']}:{one['head']}"])
