"""`ilot device availability`: the share of each day that devices were present."""

from __future__ import annotations

from pathlib import Path

import click

from hub.cli import output
from hub.cli.hub_client import ask
from hub.core.text import phrase


@click.command()
@click.argument("device", required=False)
@output.with_hub
def availability(device: str | None, config: Path, state_dir: Path | None, json: bool) -> None:
    """How much of each day DEVICE, or every device, was there, in percent of the time when it should have spoken."""
    answer = ask(config, state_dir, "availability", device=device or "")
    if json:
        output.data(answer)
        return
    rows = []
    for one in answer["devices"]:
        days = one["days"] if device else one["days"][:1]
        left = one["battery_days"]
        battery = "" if left is None else phrase("battery-days", "{days:.0f} d", days=float(left))
        rows += [(one["id"], day["day"], _percent(day["percent"]), f"{day['hours']:g} h", battery) for day in days]
    if device and not rows:
        output.say(
            phrase(
                "availability-not-known",
                "nothing is known of {device} yet: it counts once the hub has learnt how often it speaks",
                device=device,
            )
        )
        return
    output.table(("device", "day", "there", "of-hours", "battery-empty-in"), rows)


def _percent(value: float) -> str:
    return phrase("percent-of-day", "{value:g} %", value=float(value))
