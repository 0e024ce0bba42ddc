"""Queue of downlinks to devices. A device listens only after a message that asks for a downlink: a command waits for
that.

    queued ─▶ sent, with the answer to a bidir callback ─▶ done or failed, as the acknowledge callback says

Only downlinks that the device's pack knows: their codec makes the 8 bytes.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, NamedTuple

import hub
from hub.sdk.phrases import detail_of, phrase
from hub.sdk.sigfox.callback import ACKNOWLEDGED, ANSWERS

SIZE = 8
WAITING = 8
"""Maximum downlinks queued for one device."""
PENDING = 5


class Waiting(NamedTuple):
    command: hub.Command
    payload: bytes


class Downlinks:
    """Downlinks of all devices of one instance. `now` is Unix seconds."""

    def __init__(self, session: hub.Session, now: Callable[[], float] = time.time) -> None:
        self._session, self._now = session, now
        self._waiting: dict[str, list[Waiting]] = {}
        self._answered: dict[str, tuple[tuple[int, int | None], bytes]] = {}
        self._sent: dict[str, hub.Command] = {}

    async def run(self) -> None:
        """Take commands until cancelled."""
        async for command in self._session.commands:
            await self._take(command)

    async def _take(self, command: hub.Command) -> None:
        answer = self._session.commands.answer
        if command.values is None:
            answer(
                command,
                "failed",
                phrase(
                    "sigfox.only-downlinks-of-pack",
                    "a Sigfox device is told what its pack knows as downlinks, nothing else",
                ),
            )
            return
        try:
            _, payload = await self._session.packs.encode(command.device, command.metric, command.values)
        except (hub.DecodeError, hub.NotReady) as error:
            answer(command, "failed", detail_of(error))
            return
        queue = self._waiting.setdefault(command.device, [])
        self._head(command.device)  # removes commands that are no longer wanted
        if len(payload) != SIZE:
            answer(
                command,
                "failed",
                phrase(
                    "sigfox.codec-gives-wrong-length",
                    "the codec of its pack gives {count} [byte|bytes], a Sigfox downlink has {size}",
                    count=len(payload),
                    size=SIZE,
                ),
            )
        elif len(queue) >= WAITING:
            answer(
                command,
                "failed",
                phrase(
                    "sigfox.downlinks-wait-already",
                    "{count} [downlink waits|downlinks wait] for this device already",
                    count=WAITING,
                ),
            )
        else:
            queue.append(Waiting(command, payload))
            answer(
                command, "queued", phrase("sigfox.leaves-when-asked", "it leaves when the device asks for an answer")
            )

    def answer(self, device: str, message: tuple[int, int | None], standing: bytes | None) -> bytes | None:
        """Return the 8 bytes for a device that asks with this message (time, seqNumber); the same for the same
        message."""
        known = self._answered.get(device)
        if known is not None and known[0] == message:
            return known[1]
        head = self._head(device)
        payload = standing
        if head is not None:
            payload = head.payload
            self._leaves(device, head)
        if payload is not None:
            self._answered[device] = (message, payload)
        return payload

    def _leaves(self, device: str, head: Waiting) -> None:
        self._waiting[device].remove(head)
        self._sent[device] = head.command
        self._session.commands.answer(head.command, "sent", phrase("sigfox.operator-has-it", "the operator has it"))

    def _head(self, device: str) -> Waiting | None:
        queue = self._waiting.get(device, [])
        wanted = self._session.commands.wanted  # expired or stopped commands are already answered
        queue[:] = [one for one in queue if one.command.expires >= self._now() and wanted(one.command)]
        return queue[0] if queue else None

    def acknowledged(self, device: str, code: int | None, info: str) -> None:
        """Handle the network's report on the downlink that was sent last."""
        if code == PENDING:
            return
        if code != ACKNOWLEDGED:
            reason = f"downlink-{code}" if code in ANSWERS else "downlink-failed"
            self._session.radio.report_decode_error(device, hub.DecodeError(reason))
        command = self._sent.pop(device, None)
        if command is None:
            return
        if code == ACKNOWLEDGED:
            self._session.commands.answer(command, "done", ANSWERS[ACKNOWLEDGED])
        else:
            self._session.commands.answer(
                command,
                "failed",
                ANSWERS.get(code or -1, info or phrase("sigfox.network-failed", "the network failed")),
            )

    # through the backend, which answers in the hub's place

    def staged(self, standing: dict[str, bytes]) -> dict[str, dict[str, Any]]:
        """Return the next answer for each device: {"id", "data", "until"}; one with id "" may be used repeatedly."""
        found: dict[str, dict[str, Any]] = {
            device: {"id": "", "data": payload.hex(), "until": None} for device, payload in standing.items()
        }
        for device in list(self._waiting):
            head = self._head(device)
            if head is not None:
                found[device] = {
                    "id": head.command.id, "data": head.payload.hex(), "until": head.command.expires,
                }  # fmt: skip
        return found

    def taken(self, device: str, name: str) -> None:
        """Note that the backend has answered a device with the downlink of this id."""
        for one in self._waiting.get(device, []):
            if one.command.id == name:
                self._leaves(device, one)
                return
