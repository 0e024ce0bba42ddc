"""Carries out commands (GroupValueWrite) and checks the status that follows."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Protocol

import hub
from hub.sdk.phrases import phrase
from hub.sdk.session import Answer
from integrations.knx import addresses, values
from integrations.knx.book import Book, Entry

LOOK_S = 1.0
"""Seconds to wait for an unsolicited status before requesting it."""
MOST_AT_ONCE = 16
"""Maximum commands whose confirmation is awaited at the same time."""


class Bus(Protocol):
    """The part of Link that a writer needs."""

    async def ask(self, address: int) -> None: ...
    async def write(self, address: int, payload: int | bytes) -> None: ...


class Writer:
    """Carries out commands for metrics that have an address for writing; a command that is no longer `wanted` when its
    turn comes is not written."""

    def __init__(
        self,
        book: Book,
        bus: Bus,
        answer: Callable[[hub.Command, Answer, str], None],
        levels: int,
        wanted: Callable[[hub.Command], bool] = lambda command: True,
    ) -> None:
        self._book = book
        self._bus = bus
        self._answer = answer
        self._levels, self._wanted = levels, wanted
        self._waiting: dict[tuple[str, str], list[asyncio.Event]] = {}
        self._room = asyncio.Semaphore(MOST_AT_ONCE)

    def heard(self, device: str, metric: str) -> None:
        """Note a value received for that metric."""
        for event in self._waiting.get((device, metric), ()):
            event.set()

    async def carry_out(self, command: hub.Command) -> None:
        """Execute a command up to its last answer. Raises NotReady when the connection is lost, after answering."""
        try:
            async with self._room:
                detail = await self._write(command)
        except hub.DecodeError as error:
            self._answer(command, "failed", error.detail or error.reason)
        except hub.NotReady:
            self._answer(
                command,
                "failed",
                phrase("knx.lost-while-writing", "the connection to the bus was lost: send it again once it is back"),
            )
            raise
        else:
            if detail is not None:
                self._answer(command, "done", detail)

    async def _write(self, command: hub.Command) -> str | None:
        entry = self._book.metrics.get((command.device, command.metric))
        if entry is None or entry.group.write is None:
            raise hub.DecodeError(
                "knx-no-write",
                phrase(
                    "knx.metric-without-write",
                    "{metric} has no `write:` address in the device's settings",
                    metric=command.metric,
                ),
            )
        if command.value is None:
            raise hub.DecodeError(
                "knx-no-release",
                phrase("knx.no-release", "KNX lets nothing go: it keeps its last value until another is written"),
            )
        if command.expires and time.time() >= command.expires:
            self._answer(command, "expired", "")
            return None
        if not self._wanted(command):  # all writes were stopped while it waited: already answered
            return None
        address = addresses.group(entry.group.write)
        payload = values.payload(entry.group, command.value)
        confirmed = self._waiting.setdefault((command.device, command.metric), [])
        event = asyncio.Event()
        confirmed.append(event)
        try:
            await self._bus.write(address, payload)
            self._answer(command, "sent", "")
            if address == entry.main:
                return phrase("knx.sent-unconfirmed", "on the bus; no status address confirms it")
            return await self._confirm(entry, payload, event)
        finally:
            confirmed.remove(event)
            if not confirmed:
                self._waiting.pop((command.device, command.metric), None)

    async def _confirm(self, entry: Entry, payload: int | bytes, event: asyncio.Event) -> str:
        """Wait for a status that equals the written value; request it when it does not come by itself. The status may
        change (a moving blind), so the last one counts."""
        wanted = values.value(entry.group, payload)
        loop = asyncio.get_running_loop()
        end = loop.time() + entry.group.confirm.total_seconds()
        said: values.Value | None = None
        while (left := end - loop.time()) > 0:
            came = await _soon(event, min(LOOK_S, left))
            if came:
                event.clear()
                said = self._book.states[entry.main].values.get((entry.device, entry.group.metric))
                if said is not None and values.same(entry.group, said, wanted):
                    return phrase(
                        "knx.confirmed-by",
                        "{address} confirms it",
                        address=addresses.show_group(entry.main, self._levels),
                    )
            else:
                await self._bus.ask(entry.main)
        where = addresses.show_group(entry.main, self._levels)
        if said is None:
            raise hub.DecodeError(
                "knx-no-status",
                phrase(
                    "knx.sent-without-status",
                    "it was sent, but {address} does not answer: it may have been done",
                    address=where,
                ),
            )
        raise hub.DecodeError(
            "knx-not-done",
            phrase("knx.sent-but-other-status", "it was sent, but {address} says {value}", address=where, value=said),
        )


async def _soon(event: asyncio.Event, seconds: float) -> bool:
    try:
        async with asyncio.timeout(seconds):
            await event.wait()
    except TimeoutError:
        return False
    return True


async def serve(commands: hub.Session, writer: Writer) -> None:
    """Carry out the commands of this plugin until cancelled. Raises NotReady."""
    async with asyncio.TaskGroup() as tasks:
        async for command in commands.commands:
            tasks.create_task(writer.carry_out(command), name=f"command {command.id}")
