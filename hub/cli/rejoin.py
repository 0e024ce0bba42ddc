"""`ilot device rejoin`: lets a device join again that lost its count ("Autoriser à rejoindre")."""

from __future__ import annotations

import sys
import time
from pathlib import Path

import click

from hub.cli import output
from hub.cli.command import sentence, why
from hub.cli.hub_client import ask
from hub.core.text import phrase

DAY_S = 86_400.0


@click.command()
@click.argument("device")
@why
@output.with_hub
def rejoin(device: str, why: str, config: Path, state_dir: Path | None, json: bool) -> None:
    """Let DEVICE join once within 24 hours, whatever its DevNonce: a LoRaWAN sensor that lost its count with its
    battery. Audited; it ends when the device has spoken in its new session. `ilot command list` shows how it stands."""
    # Only root and the hub's user reach the socket: the person at the machine is named as the author.
    now = ask(
        config,
        state_dir,
        "command.set",
        role="administrateur",
        device=device,
        metric="rejoin",
        values={},
        why=why,
        ttl_s=DAY_S,
    )
    until = time.monotonic() + 5
    while now["state"] == "accepted" and time.monotonic() < until:
        now = ask(config, state_dir, "command.wait", id=now["id"], seconds=0.1)
    if json:
        output.data(now)
    elif now["state"] in ("queued", "done"):
        output.echo(
            phrase(
                "rejoin-allowed",
                "{device} may join once within 24 hours ({command})",
                device=device,
                command=now["id"],
            )
        )
    else:
        output.say(sentence(now))
    if now["state"] in ("failed", "expired"):
        sys.exit(1)
