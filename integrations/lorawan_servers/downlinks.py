"""Tracks commands of the hub in a server's queue. No I/O except the answers.

    command ─▶ queued ─▶ sent ─▶ done          confirmed: the device acknowledged it
                           │                    unconfirmed: a gateway sent it
                           └──▶ failed | expired

A command that waits in the server's queue when the hub stops is delivered to the plugin again, but not queued twice:
its queue id is derived from its own, and the ids already queued are stored.
"""

from __future__ import annotations

import uuid

import hub
from hub.sdk.phrases import phrase
from hub.sdk.session import Answer
from integrations.lorawan_servers.parts import Moved

MOST_REMEMBERED = 256
_SPACE = uuid.UUID("6f0b4a5e-3a0d-5d0c-9d0e-0b6c1b7f2a11")
_PUSHED = "pushed"


def item_of(command: hub.Command) -> str:
    """Return the command's id in the queue; it is always the same."""
    return str(uuid.uuid5(_SPACE, command.id))


class Downlinks:
    """Pending downlinks by queue id."""

    def __init__(self, session: hub.Session) -> None:
        self._session = session
        self._open: dict[str, tuple[hub.Command, bool]] = {}
        kept = session.state.get(_PUSHED, [])
        self._pushed: list[str] = [item for item in kept if isinstance(item, str)] if isinstance(kept, list) else []

    def wait(self, command: hub.Command, *, confirmed: bool) -> bool:
        """Track it from now on. Returns False when an earlier process has already queued it."""
        item = item_of(command)
        self._open[item] = command, confirmed
        return item not in self._pushed

    def pushed(self, command: hub.Command) -> None:
        """Note that it is in the server's queue, or may be."""
        self._pushed = [*self._pushed, item_of(command)][-MOST_REMEMBERED:]
        self._session.state.put(_PUSHED, self._pushed)

    def end(self, command: hub.Command, state: Answer, why: str = "") -> None:
        """Answer the command and forget it."""
        item = item_of(command)
        self._open.pop(item, None)
        if item in self._pushed:
            self._pushed = [other for other in self._pushed if other != item]
            self._session.state.put(_PUSHED, self._pushed)
        self._session.commands.answer(command, state, why)

    def moved(self, device: str, moved: Moved) -> None:
        """Handle a state change from the server. Downlinks of others are ignored."""
        for item in moved.items:
            command, confirmed = self._open.get(item, (None, False))
            if command is None or command.device != device:
                continue
            if moved.state == "acked":
                self.end(command, "done", phrase("lorawan_servers.device-acknowledged", "the device acknowledged it"))
            elif moved.state == "sent" and not confirmed:
                self.end(command, "done", _sent(moved.gateway))
            elif moved.state in ("failed", "expired"):
                self.end(command, moved.state, moved.why)
            else:
                self._session.commands.answer(command, moved.state, moved.why)
            return


def _sent(gateway: str) -> str:
    if not gateway:
        return phrase("lorawan_servers.sent-unconfirmed", "sent; the device is not asked to acknowledge")
    return phrase(
        "lorawan_servers.sent-unconfirmed-by-gateway",
        "sent by gateway {gateway}; the device is not asked to acknowledge",
        gateway=gateway,
    )
