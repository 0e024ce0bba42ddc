"""`ilot redecode`: decodes stored payloads again."""

from __future__ import annotations

from pathlib import Path

import click

from hub.cli import output
from hub.cli.hub_client import ask
from hub.core.text import phrase


@click.command()
@click.argument("device", required=False)
@output.with_hub
def redecode(device: str | None, config: Path, state_dir: Path | None, json: bool) -> None:
    """Read the kept payloads of DEVICE, or of all devices, again.

    A payload that its codec could not read is kept for seven days. The hub reads it again by itself when the pack of
    its device changes; its readings carry the time at which it was received, and come once. Exit code 6 when some
    cannot be read yet.
    """
    answer = ask(config, state_dir, "redecode", timeout=600.0, device=device)
    frames = answer["frames"]
    left = [frame for frame in frames if frame["result"] != "decoded"]
    if json:
        output.data(answer)
    else:
        if frames:
            output.table(
                ("received", "device", "port", "bytes", "result", "readings", "why"),
                [
                    (
                        _when(f["time"]), f["device"], f["port"], f["size"], f["result"], f["readings"] or "",
                        f["reason"],
                    )
                    for f in frames
                ],
            )  # fmt: skip
        read = len(frames) - len(left)
        output.say(
            phrase("payloads-read-now", "{read} of {count} kept payloads are read now", read=read, count=len(frames))
        )
    if left:
        raise click.exceptions.Exit(6)


def _when(time: float | None) -> str:
    return output.moment(time) if time is not None else phrase("time-not-known", "not known")
