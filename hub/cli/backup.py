"""`ilot backup` and `ilot restore`: this hub's state, sealed to the owner's recovery key."""

from __future__ import annotations

import asyncio
import base64
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click
import msgspec

from hub.cli import output
from hub.state import StateDir, state_of

_CALL_S = 300.0


@click.command()
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False), help="Write it to this file and nowhere else.")
@output.with_config
@output.with_state
@output.as_json
def backup(out: Path | None, config: Path, state_dir: Path | None, json: bool) -> None:
    """Back up this hub's state now, sealed to the owner's recovery key.

    A running hub keeps it in `backup.directory` and sends it to its backend, as it does by itself every night. With
    --out it is written to a file instead; that works on a stopped hub too.
    """
    from hub.control import call
    from hub.errors import NotReady

    state = StateDir(state_of(config, state_dir))
    try:
        answer = call(state.socket, "backup", timeout=_CALL_S, document=out is not None)
    except NotReady:
        if out is None:
            raise
        from hub.keeper import of_stopped

        answer = {"document": base64.b64encode(asyncio.run(of_stopped(state, config))).decode()}
    facts = _written(out, answer["document"]) if out is not None else answer
    if json:
        output.data(facts)
        return
    click.echo(f"backup {facts['generation']}, {output.size(facts['bytes'])}")
    if out is not None:
        click.echo(f"in {out}; only the owner's recovery key opens it")
    else:
        click.echo(f"in {facts['directory']}" if facts["directory"] else "in no directory")
        click.echo("at the backend" if facts["sent"] else f"not at the backend yet: {facts['error']}")
    if facts.get("error"):
        raise click.exceptions.Exit(6)


def _written(out: Path, document: str) -> dict[str, Any]:
    from hub.backup import read
    from hub.errors import StorageError
    from hub.keys import write_atomically

    data = base64.b64decode(document)
    try:
        write_atomically(out, data)
    except OSError as error:
        raise StorageError(f"cannot write {out}: {error.strerror or error}") from error
    head = read(data).head
    return {"hub": head.hub, "generation": head.generation, "made": head.made, "bytes": len(data), "file": str(out)}


@click.command()
@click.argument("file", type=click.Path(path_type=Path, exists=True))
@click.option(
    "--recovery-key-file", required=True, type=click.Path(path_type=Path, dir_okay=False, allow_dash=True),
    help="The owner's recovery.key; - is stdin.",
)  # fmt: skip
@click.option(
    "--config-dir", type=click.Path(path_type=Path, file_okay=False), default=Path("/etc/ilot"), show_default=True,
    help="Where the configuration files go.",
)  # fmt: skip
@click.option("--hub", default="", help="The hub it must be; needed when FILE is a directory of several hubs' backups.")
@click.option("--at-least", type=int, default=0, help="Refuse a backup of an older generation than this.")
@click.option("--dry-run", is_flag=True, help="Open and check everything, change nothing.")
@output.with_state
@output.as_json
def restore(
    file: Path, recovery_key_file: Path, config_dir: Path, hub: str, at_least: int, dry_run: bool,
    state_dir: Path | None, json: bool,
) -> None:  # fmt: skip
    """Make this machine the hub whose backup FILE is (or, of a directory, the newest in it).

    The old machine must not run any more. Sensors keep their keys and need no visit: what the old hub accepted is
    refused here, what it sent is skipped. An enrolled state directory is never overwritten.
    """
    from hub.backup import read_recovery_key
    from hub.hardening import harden
    from hub.restore import Restoration, read_file

    harden()  # before a key is read
    try:
        key = sys.stdin.buffer.read() if str(recovery_key_file) == "-" else recovery_key_file.read_bytes()
    except OSError as error:
        raise click.UsageError(f"the recovery key file cannot be read: {error}") from error
    found = Restoration(
        read_file(file, hub), read_recovery_key(key), config_dir=config_dir, state_dir=state_dir, hub=hub,
        at_least=at_least,
    )  # fmt: skip
    plan = found.plan
    generation = None
    if dry_run:
        found.check()
    else:
        generation = found.apply()
    if json:
        output.data({**msgspec.to_builtins(plan), "restored": not dry_run, "starts_at": generation})
        return
    made = datetime.fromtimestamp(plan.made, UTC).strftime("%Y-%m-%d %H:%M UTC")
    age = (time.time() - plan.made) / 3600
    click.echo(
        f"{'would restore' if dry_run else 'restored'} {plan.hub}, backup {plan.generation} of {made} ({age:.1f} h)"
    )
    click.echo(f"state in {plan.state_dir}, configuration {plan.config}")
    click.echo(f"{plan.windows} replay windows kept, sent counters ahead, a new run")
    if plan.undelivered:
        output.say(
            f"{plan.undelivered} records were not acknowledged when this backup was made: if the old disk can be read, "
            "`ilot buffer export` them"
        )
    if not dry_run:
        output.say(f"next: `ilot run --config {plan.config} --state-dir {plan.state_dir}`; keep the old machine off")
