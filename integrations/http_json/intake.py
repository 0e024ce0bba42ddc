"""Takes the messages of a door, each once.

What a message is recognised by is noted in the plugin's state in the commit of its readings: after a kill both are
there or neither. What is said again is not handed over again; it is answered, like the first time, once all that was
taken before is on the disk.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any, NamedTuple

import hub
from hub.sdk.phrases import phrase, reason_of
from integrations.http_json.decode import Reading, read
from integrations.http_json.messages import Memory, Message, message, most_for
from integrations.http_json.roster import Reader, Roster

ID_HEADERS = ("Idempotency-Key", "Webhook-Id", "Ce-Id")
"""Headers in which senders number their messages: IETF httpapi draft, Standard Webhooks, CloudEvents."""
_DEVICES = "devices"


class Taken(NamedTuple):
    """A stored message, of the device."""

    device: str
    message: Message


def counted(session: hub.Session, reader: Reader, document: Any) -> Reading:
    """Read a document, and count what of it has no reading."""
    said = read(document, reader.entries, reader.time)
    for reason in said.skipped:
        session.radio.report_decode_error(reader.device, hub.DecodeError(reason))
    return said


class Intake:
    """Messages of one instance. `roster` is the door's."""

    def __init__(self, session: hub.Session, roster: Roster) -> None:
        self._session, self._roster = session, roster
        self._memories: dict[str, Memory] = {}
        self._turns: dict[str, asyncio.Lock] = {}
        self._hooks: list[str] = []
        self._unsure = False
        self._full = False

    async def take(self, reader: Reader, document: Any, headers: Mapping[str, str]) -> Taken:
        """Store what a message says; it is durable once this returns. Raises DecodeError for one that says nothing
        that is expected; NotReady when it is not known to be stored."""
        said = counted(self._session, reader, document)
        if not said.values:
            raise hub.DecodeError(
                "http-nothing",
                phrase("http_json.no-expected-value", "none of the values that are expected of this device is there"),
            )
        self._forget_former()
        known = message(self._sender_id(reader, document, headers), said.time, said.values)
        async with self._turns.setdefault(
            reader.device, asyncio.Lock()
        ):  # until it is taken: it may come twice at once
            if known.mark in self._memory(reader.device):
                self._session.radio.report_decode_error(
                    reader.device, hub.DecodeError("repeat", phrase("http_json.message-sent-again", "sent again"))
                )
            else:
                await self._hand_over(reader.device, said, known.mark)
        await self._durable()
        return Taken(reader.device, known)

    def answered(self, taken: Taken) -> None:
        """Note that the sender was told that its message is stored."""
        if self._memory(taken.device).answer(taken.message):
            self._remember(taken.device)

    async def _hand_over(self, device: str, said: Reading, mark: bytes) -> None:
        if self._unsure:  # what is refused and yet taken is remembered: that must not become more and more
            await self._durable()

        def note() -> None:
            self._memory(device).take(mark, most_for(len(self._hooks)))
            self._remember(device)

        proof = hub.Proof(scheme="webhook")
        await self._session.emit(hub.Report(device=device, values=said.values, time=said.time, proof=proof), note=note)

    async def _durable(self) -> None:
        """Return once all that was taken is on the disk. Raises NotReady."""
        try:
            await self._session.emit(durable=True)
        except asyncio.CancelledError:
            self._unsure = True
            raise
        except Exception as error:
            unsure, self._unsure = self._unsure, True
            if not unsure:
                self._session.log.warning(
                    phrase(
                        "http_json.messages-not-kept",
                        "messages are not known to be on the disk, their senders are told to send them again: {reason}",
                        reason=reason_of(error),
                    )
                )
            raise hub.NotReady(
                phrase(
                    "http_json.message-not-durable",
                    "not known to be on the disk: {reason}",
                    reason=reason_of(error),
                )
            ) from error
        self._unsure = False

    def _sender_id(self, reader: Reader, document: Any, headers: Mapping[str, str]) -> str:
        if reader.id is not None:
            found = reader.id.of(document)
            if isinstance(found, str | int) and not isinstance(found, bool) and found != "":
                return f"{type(found).__name__} {found}"
            self._session.radio.report_decode_error(reader.device, hub.DecodeError("http-id"))
        return next((f"{name} {headers[name]}" for name in ID_HEADERS if headers.get(name)), "")

    # stored state

    def _memory(self, device: str) -> Memory:
        found = self._memories.get(device)
        if found is None:
            found = self._memories[device] = Memory(self._session.state.get(f"hook/{device}"))
        return found

    def _remember(self, device: str) -> None:
        self._put(f"hook/{device}", self._memory(device).packed(), device)

    def _forget_former(self) -> None:
        """Forget the messages of devices that send here no more."""
        hooks = sorted(reader.device for reader in self._roster.hooks.values())
        if hooks == self._hooks:
            return
        self._hooks = hooks
        former = self._session.state.get(_DEVICES, [])
        if former == hooks:
            return
        for device in set(former if isinstance(former, list) else []).difference(hooks):
            self._memories.pop(device, None)
            self._session.state.put(f"hook/{device}", None)
        self._put(_DEVICES, hooks, "")

    def _put(self, key: str, value: Any, device: str) -> None:
        try:
            self._session.state.put(key, value)
        except Exception as error:  # it is full: the reading is taken, and this process still recognises it
            self._session.radio.report_decode_error(device, hub.DecodeError("state-full"))
            if not self._full:
                self._full = True
                self._session.log.error(
                    phrase(
                        "http_json.too-many-devices",
                        "so many devices send here that a message which comes again after a restart may be kept twice "
                        "({reason}); give some to another instance",
                        reason=reason_of(error),
                    )
                )
