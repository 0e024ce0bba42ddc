"""`ilot run`: the hub itself."""

from __future__ import annotations

from pathlib import Path

import click

from hub.app import run as running
from hub.cli import output


@click.command()
@output.with_config
@output.with_state
@click.option("--drain", type=float, default=10.0, show_default=True, help="Seconds to wait for acks when stopping.")
@click.option("-v", "--verbose", is_flag=True, help="Log debug messages.")
@output.as_json
def run(config: Path, state_dir: Path | None, drain: float, verbose: bool, json: bool) -> None:
    """Run the hub until SIGTERM or Ctrl-C.

    With --json, one object on stdout when it is ready and one when it has stopped; logs go to stderr.
    """
    if code := running.run(running.Options(config, state_dir, drain, verbose, json)):
        raise click.exceptions.Exit(code)
