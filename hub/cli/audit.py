"""`ilot audit`: who did what, and whether the log is intact."""

from __future__ import annotations

from pathlib import Path

import click
import msgspec

from hub.cli import output
from hub.cli.hub_client import ask
from hub.core.text import phrase


@click.group(cls=output.Group)
def audit() -> None:
    """The audit log: who did what, from where; and whether nothing of it was changed."""


@audit.command("list")
@click.option("--limit", type=click.IntRange(1, 1000), default=50, show_default=True, help="The most entries.")
@output.with_hub
def listing(limit: int, config: Path, state_dir: Path | None, json: bool) -> None:
    """The last entries, the newest first."""
    answer = ask(config, state_dir, "audit.list", limit=limit)
    if json:
        output.data(answer)
        return
    rows = []
    for one in answer["entries"]:
        when = output.moment(one["at"])
        rows.append((one["n"], when, one["who"], msgspec.json.encode(one["what"], enc_hook=output.translated).decode()))
    output.table(("number", "when", "who", "what"), rows)


@audit.command()
@click.option(
    "--witness",
    metavar="COUNT:HEAD",
    multiple=True,
    help="A head that the backend holds (`ilot backend audit`); repeat.",
)
@output.with_hub
def verify(witness: tuple[str, ...], config: Path, state_dir: Path | None, json: bool) -> None:
    """Check the whole chain: an entry edited, deleted or moved is found.

    With what the backend witnessed, an end that was cut off is found too.
    """
    heads = []
    for one in witness:
        count, _, head = one.partition(":")
        if not count.isdigit() or not head:
            raise click.UsageError(
                phrase("witness-form-wrong", "--witness {witness!r}: expected COUNT:HEAD, like 812:9f3a…", witness=one)
            )
        heads.append((int(count), head))
    answer = ask(config, state_dir, "audit.verify", timeout=120.0, witness=heads)
    if json:
        output.data(answer)
    else:
        output.say(
            phrase(
                "audit-whole",
                "whole: {count} [entry|entries]; witnesses that agree: {agree} of {witnesses}",
                count=answer["count"],
                agree=answer["witnessed"],
                witnesses=len(heads),
            )
        )
