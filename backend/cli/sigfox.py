"""`ilot backend sigfox …`: tokens of callbacks, and callbacks that wait for hubs."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from backend.cli.console import (
    DIRECTORY,
    JSON,
    Group,
    database,
    date,
    handles_errors,
    reading,
    row,
    say,
    show,
    state_of,
)
from hub.core.text import phrase

if TYPE_CHECKING:
    from backend.ingest.sigfox.mailbox import CallbackTokens


@click.group(cls=Group)
def sigfox() -> None:
    """Callbacks of the Sigfox operator that wait here for a hub."""


@sigfox.command()
@DIRECTORY
@click.argument("hub")
@click.option("--name", default="", help="What it is for: a device type, for instance.")
@JSON
@handles_errors
def token(directory: Path, hub: str, name: str, as_json: bool) -> None:
    """Make a token for callbacks whose devices are those of HUB. It is shown once."""
    with _tokens(directory) as doors:
        door, secret = doors.issue(hub, name, time.time())
    say(phrase("callback-token-made", "Put it into the header of each callback: Authorization. It is not shown again."))
    facts = {"id": door, "hub": hub, "authorization": f"Bearer {door}.{secret}"}
    show(facts, as_json, [facts["authorization"]])


@sigfox.command()
@DIRECTORY
@click.argument("token_id", metavar="ID")
@JSON
@handles_errors
def revoke(directory: Path, token_id: str, as_json: bool) -> None:
    """Refuse callbacks with the token ID from now on. What waits stays."""
    with _tokens(directory) as doors:
        doors.revoke(token_id, time.time())
    say(phrase("callback-token-revoked", "callbacks with token {token} are refused from now on", token=token_id))
    show({"id": token_id}, as_json, [])


@sigfox.command()
@DIRECTORY
@click.argument("token_id", metavar="ID")
@click.argument("hub")
@JSON
@handles_errors
def assign(directory: Path, token_id: str, hub: str, as_json: bool) -> None:
    """Let another HUB fetch what comes with the token ID, and what waits of it."""
    with _tokens(directory) as doors:
        moved = doors.assign(token_id, hub, time.time())
    say(
        phrase("callbacks-assigned", "{hub} fetches them from now on, {count} that wait go along", hub=hub, count=moved)
    )
    show({"id": token_id, "hub": hub, "moved": moved}, as_json, [])


@sigfox.command("list")
@DIRECTORY
@JSON
@handles_errors
def listed(directory: Path, as_json: bool) -> None:
    """The tokens, and what waits for each hub."""
    found = reading(directory).callbacks()
    for one in found["tokens"]:
        used = phrase(
            "callback-token-used",
            "used {moment}, {taken} taken, {repeated} came again",
            moment=date(one["used_at"]),
            taken=one["taken"],
            repeated=one["repeated"],
        )
        state = state_of(one["revoked_at"])
        show(one, as_json, [row(one["id"], state, one["hub"], one["name"] or "-", used)])
    for one in found["waiting"]:
        since = date(one["oldest_at"])
        said = phrase("callbacks-wait", "{count} [waits|wait] since {moment}", count=one["waiting"], moment=since)
        show(one, as_json, [row(one["hub"], said)])


@contextmanager
def _tokens(directory: Path) -> Iterator[CallbackTokens]:
    from backend.ingest.sigfox.mailbox import CallbackTokens

    with database(directory) as storage:
        yield CallbackTokens(storage)
