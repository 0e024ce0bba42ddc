"""`ilot run`: the hub itself."""

from __future__ import annotations

import asyncio
import logging
import os
import sys
import time
from pathlib import Path

import click
import msgspec

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
    from hub.hardening import harden

    open_still = harden()  # before any key is read, any plugin imported, any child started
    from hub.thrift import give_back, spare

    spare()
    from hub.app import Settings, serve
    from hub.registry import Registry

    answers = os.fdopen(os.dup(1), "wb", buffering=0)
    os.dup2(2, 1)  # what a plugin prints must not be taken for one of ours
    _log_to_stderr(verbose)
    for sentence in open_still:
        logging.getLogger("hub").warning("%s", sentence)
    settings = Settings(config=config, state_dir=state_dir, drain_s=drain)

    def ready(facts: dict[str, object]) -> None:
        give_back()
        facts["start_s"] = round(_process_age_s(), 3)
        if json:
            answers.write(msgspec.json.encode(facts) + b"\n")
        else:
            logging.getLogger("hub").info("%s ready in %.2f s", facts["hub"], facts["start_s"])

    last = asyncio.run(serve(settings, Registry.discover(), ready))
    if json:
        answers.write(msgspec.json.encode(last) + b"\n")
    if last["error"]:
        raise click.exceptions.Exit(7)


def _process_age_s() -> float:
    """Seconds since the kernel made this process: imports count too."""
    ticks = int(Path("/proc/self/stat").read_text().rpartition(")")[2].split()[19])
    return time.clock_gettime(time.CLOCK_BOOTTIME) - ticks / os.sysconf("SC_CLK_TCK")


def _log_to_stderr(verbose: bool) -> None:
    handler = logging.StreamHandler(sys.stderr)
    # Under systemd the journal dates each line itself.
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)-7s %(name)s: %(message)s", "%H:%M:%S"))
    root = logging.getLogger()
    root.addHandler(handler)
    root.setLevel(logging.INFO)
    logging.getLogger("hub").setLevel(logging.DEBUG if verbose else logging.INFO)
