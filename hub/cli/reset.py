"""`ilot reset --factory`: destroys the keys of this hub and all its data."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click
import msgspec

from hub.cli import output
from hub.cli.hub_client import ask
from hub.config.state_dir import state_of
from hub.core.errors import NotReady
from hub.core.state_dir import StateDir
from hub.core.text import phrase
from hub.operations import factory_reset


@click.command()
@click.option("--factory", "whole", is_flag=True, required=True, help="Destroy keys, stores, buffer and enrolment.")
@click.option("--config-too", is_flag=True, help="Destroy the configuration and its secrets as well.")
@click.option("--why", default="", help="The reason, for the audit log and the district, when the hub runs.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.option("--dry-run", is_flag=True, help="Say what would be destroyed, and change nothing.")
@output.with_hub
def reset(
    whole: bool,
    config_too: bool,
    why: str,
    yes: bool,
    dry_run: bool,
    config: Path,
    state_dir: Path | None,
    json: bool,
) -> None:
    """Make this hub as it was before it was enrolled: nothing brings back what is destroyed.

    Readings that the backend has not got yet are lost. A hub that runs tells its district, ends, destroys everything
    and begins anew, with the claim code that is printed here. A stopped one is destroyed at once. What is cut short
    goes on at the next start. The configuration stays unless --config-too; backups and the mirror's stick are yours and
    stay. Revoke the hub at the backend too: `ilot backend revoke`.
    """
    state = StateDir(state_of(config, state_dir))
    found = factory_reset.preview(state, config if config_too else None)
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
        for name in found.configuration:
            output.say(phrase("reset-preview-config", "of the configuration: {file}", file=name))
    if not (yes or dry_run):
        output.confirm(
            phrase("reset-question", "Destroy it all? Readings that the backend has not got yet are lost."), abort=True
        )
    running = None if dry_run else _asked(config, state_dir, config_too, why)
    if not dry_run and running is None:
        found = factory_reset.reset(state, config if config_too else None)
    if json:
        output.data({**msgspec.to_builtins(found), "destroyed": not dry_run, "running": running is not None,
                     "code": running["code"] if running else ""})  # fmt: skip
    elif dry_run:
        output.echo(phrase("nothing-changed", "nothing was changed"))
    elif running is not None:
        output.echo(
            phrase(
                "reset-begun",
                "{hub} tells its district, ends, and begins anew; the claim code is then {code}",
                hub=running["hub"],
                code=running["code"],
            )
        )
    elif config_too:
        output.echo(phrase("reset-done-all", "destroyed; a first configuration takes the place of the former one"))
    else:
        output.echo(phrase("reset-done", "destroyed; the configuration file and its secrets stay where they are"))
    for sentence in () if json else found.left:
        output.say(sentence)


def _asked(config: Path, state_dir: Path | None, config_too: bool, why: str) -> dict[str, Any] | None:
    """Have a running hub reset itself; None where none runs, or one that is not enrolled."""
    try:
        return dict(ask(config, state_dir, "factory.reset", config=config_too, why=why))
    except NotReady:
        return None
