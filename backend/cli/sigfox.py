"""`ilot backend sigfox …`: the tokens that let callbacks in, and what waits for hubs."""

from __future__ import annotations

import time
from pathlib import Path

import click

from backend.cli.console import DIRECTORY, JSON, Group, answers, date, say, show


@click.group(cls=Group)
def sigfox() -> None:
    """Callbacks of the Sigfox operator that wait here for a hub."""


@sigfox.command()
@DIRECTORY
@click.argument("hub")
@click.option("--name", default="", help="What it is for: a device type, for instance.")
@JSON
@answers
def token(directory: Path, hub: str, name: str, as_json: bool) -> None:
    """Make a token for callbacks whose devices are those of HUB. It is shown once."""
    door, secret = _doors(directory).issue(hub, name, time.time())
    say("Put it into the header of each callback: Authorization. It is not shown again.")
    facts = {"id": door, "hub": hub, "authorization": f"Bearer {door}.{secret}"}
    show(facts, as_json, [facts["authorization"]])


@sigfox.command()
@DIRECTORY
@click.argument("token_id", metavar="ID")
@JSON
@answers
def revoke(directory: Path, token_id: str, as_json: bool) -> None:
    """Refuse callbacks with the token ID from now on. What waits stays."""
    _doors(directory).revoke(token_id, time.time())
    say(f"callbacks with token {token_id} are refused from now on")
    show({"id": token_id}, as_json, [])


@sigfox.command()
@DIRECTORY
@click.argument("token_id", metavar="ID")
@click.argument("hub")
@JSON
@answers
def assign(directory: Path, token_id: str, hub: str, as_json: bool) -> None:
    """Let another HUB fetch what comes with the token ID, and what waits of it."""
    moved = _doors(directory).assign(token_id, hub, time.time())
    say(f"{hub} fetches them from now on, {moved} that wait go along")
    show({"id": token_id, "hub": hub, "moved": moved}, as_json, [])


@sigfox.command("list")
@DIRECTORY
@JSON
@answers
def listed(directory: Path, as_json: bool) -> None:
    """The tokens, and what waits for each hub."""
    doors = _doors(directory)
    for one in doors.listed():
        state = "revoked" if one["revoked_at"] is not None else "active"
        used = f"used {date(one['used_at'])}, {one['taken']} taken, {one['repeated']} came again"
        show(one, as_json, [f"{one['id']}\t{state}\t{one['hub']}\t{one['name'] or '-'}\t{used}"])
    for one in doors.waiting():
        text = f"{one['hub']}\t{one['waiting']} wait since {date(one['oldest_at'])}"
        show(one, as_json, [text])


def _doors(directory: Path):  # type: ignore[no-untyped-def]  # the import is paid only when used
    from backend import owner as owners
    from backend.mailbox import Doors
    from backend.schema import open_database

    return Doors(open_database(owners.load(directory).database))
