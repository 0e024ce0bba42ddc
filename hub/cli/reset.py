"""`ilot reset --factory`: destroys the keys of this hub and all its data."""

from __future__ import annotations

from pathlib import Path

import click
import msgspec

from hub.cli import output
from hub.config.state_dir import state_of
from hub.core.state_dir import StateDir
from hub.core.text import phrase
from hub.operations import factory_reset


@click.command()
@click.option("--factory", "whole", is_flag=True, required=True, help="Destroy keys, stores, buffer and enrolment.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.option("--dry-run", is_flag=True, help="Say what would be destroyed, and change nothing.")
@output.with_hub
def reset(whole: bool, yes: bool, dry_run: bool, config: Path, state_dir: Path | None, json: bool) -> None:
    """Make this hub as it was before it was enrolled. Stop it first. Nothing brings back what is destroyed: readings
    that the backend has not got yet are lost. The configuration file, its secrets, backups and the mirror stick are
    yours and stay. Revoke the hub at the backend too: `ilot backend revoke`."""
    state = StateDir(state_of(config, state_dir))
    found = factory_reset.preview(state)
    if not json:
        output.say(
            phrase(
                "reset-preview",
                "{directory}: {keys}, {files}; buffer: {size}",
                directory=found.directory,
                keys=output.counted("keys", len(found.keys)),
                files=output.counted("other-files", found.other_files),
                size=output.size(found.buffered_bytes),
            )
        )
    if not (yes or dry_run):
        output.confirm(
            phrase("reset-question", "Destroy it all? Readings that the backend has not got yet are lost."), abort=True
        )
    if not dry_run:
        factory_reset.reset(state)
    if json:
        output.data({**msgspec.to_builtins(found), "destroyed": not dry_run})
    elif dry_run:
        output.echo(phrase("nothing-changed", "nothing was changed"))
    else:
        output.echo(phrase("reset-done", "destroyed; the configuration file and its secrets stay where they are"))
