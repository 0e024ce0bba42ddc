"""`ilot backend alerts list|ack|mute|clear`: the alerts of all hubs, and what the operator answers."""

from __future__ import annotations

import getpass
import time
from datetime import timedelta
from pathlib import Path

import click

from backend.cli.console import (
    DIRECTORY,
    JSON,
    Group,
    Lifetime,
    database,
    date,
    french,
    handles_errors,
    reading,
    row,
    say,
    show,
)
from hub.core.text import phrase

BY = click.option("--by", default="", help="Who answers. Default: the user at this machine.")
WHY = click.option("--why", default="", help="Your reason; it stands in the hub's audit log.")
HUB = click.option("--hub", default="", help="The alert of this hub, where two have one of the same name.")


@click.group(cls=Group)
def alerts() -> None:
    """Alerts of the hubs, and answers to them; a hub fetches these as soon as its link is up."""


@alerts.command("list")
@DIRECTORY
@click.option("--hub", default="", help="Only of this hub.")
@click.option("--all", "everything", is_flag=True, help="Cleared ones too.")
@JSON
@handles_errors
def listing(directory: Path, hub: str, everything: bool, as_json: bool) -> None:
    """The open alerts, the newest first."""
    for one in reading(directory).raised(hub, everything):
        said = (one["text_fr"] if french() else "") or one["text"]
        cells = [date(one["raised_at"]), one["alert"], one["hub"], one["severity"], one["state"], said]
        if wanted := one["wanted"]:
            cells.append(phrase("alert-asked", "asked: {state} by {by}", state=wanted["state"], by=wanted["by"]))
        show(one, as_json, [row(*cells)])


@alerts.command()
@DIRECTORY
@click.argument("alert")
@BY
@WHY
@HUB
@JSON
@handles_errors
def ack(directory: Path, alert: str, by: str, why: str, hub: str, as_json: bool) -> None:
    """Acknowledge ALERT: somebody has seen it."""
    _want(directory, alert, "acknowledged", by, why, hub, as_json)


@alerts.command()
@DIRECTORY
@click.argument("alert")
@click.option("--for", "seconds", type=Lifetime(), default="1h", show_default=True, help="For how long.")
@BY
@WHY
@HUB
@JSON
@handles_errors
def mute(directory: Path, alert: str, seconds: float, by: str, why: str, hub: str, as_json: bool) -> None:
    """Say nothing of ALERT for a while."""
    until = time.time() + min(seconds, timedelta(days=31).total_seconds())
    _want(directory, alert, "muted", by, why, hub, as_json, until)


@alerts.command()
@DIRECTORY
@click.argument("alert")
@BY
@WHY
@HUB
@JSON
@handles_errors
def clear(directory: Path, alert: str, by: str, why: str, hub: str, as_json: bool) -> None:
    """Close ALERT."""
    _want(directory, alert, "cleared", by, why, hub, as_json)


def _want(
    directory: Path, alert: str, state: str, by: str, why: str, of: str, as_json: bool, until: float | None = None
) -> None:
    from backend.hubs.alerts import request_change

    with database(directory) as storage, storage.transaction():
        hub = request_change(storage.alerts, alert, state, by or getpass.getuser(), why, until, of)
    say(
        phrase(
            "hub-asked",
            "{hub} is asked; it answers within half a minute of its link being up (five on a metered line).",
            hub=hub,
        )
    )
    show({"alert": alert, "hub": hub, "wanted": state}, as_json, [])
