"""Takes the reports of a child in the order in which they came, without making its other calls wait for room."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Any

from hub.core.errors import PluginError, StorageError
from hub.plugin_host.isolation import wire, wire_base
from hub.plugin_host.isolation.calls import Calls
from hub.plugin_host.isolation.failures import told
from hub.plugin_host.isolation.host import SLICE_S
from hub.plugin_host.runtime import InProcessSession
from hub.store_and_forward.buffer import Buffer

LATE = 1 << 20
"""Bytes of reports that wait for room here: those on their way when the buffer was full. From then on the child's
socket fills."""
_left_behind: set[asyncio.Task[None]] = set()
"""Tasks that still wait for room for what an ended child was told is taken."""


class Emits:
    """The reports of one child. `full`: it is told to wait."""

    def __init__(self, session: InProcessSession, buffer: Buffer, calls: Calls) -> None:
        self.full = buffer.full
        self._session, self._buffer, self._calls = session, buffer, calls
        self._late: deque[tuple[wire.Emit, int]] = deque()
        self._late_bytes = 0
        self._room = asyncio.Event()
        self._waiting: asyncio.Task[None] | None = None
        self._awaited = 0
        self._flushes: set[asyncio.Task[None]] = set()

    async def take(self, message: wire.Emit, size: int) -> None:
        """Take the reports of a message, now or as soon as there is room. Raises Hostile for too many at once that
        want an answer."""
        if sum([len(report.values) for report in message.reports]) > wire_base.MOST_VALUES:
            raise wire_base.Hostile(f"more than {wire_base.MOST_VALUES} readings at once")
        if message.n:
            self._calls.number(message.n)
            if self._awaited >= wire_base.MOST_CALLS:
                raise wire_base.Hostile(f"{self._awaited} reports at once that want an answer")
            self._awaited += 1
        if self._waiting is None and not self._buffer.full:
            self._take(message)
            return
        self._late.append((message, size))
        self._late_bytes += size
        self.look()
        while self._late_bytes > LATE:
            self._room.clear()
            await self._room.wait()

    def look(self) -> None:
        """Tell the child to wait when the buffer is full, and go on when it is not."""
        if self._waiting is None and (self._late or self._buffer.full):
            self.full = True
            self._calls.say(wire.Full(True))
            self._waiting = asyncio.create_task(self._take_late())

    def leave(self) -> None:
        """The child is gone. What it was told is taken waits for room on its own."""
        for flush in self._flushes:
            flush.cancel()
        if self._waiting is not None and not self._late:
            self._waiting.cancel()
        elif self._waiting is not None:  # the next process is told to wait, so that this is never much
            _left_behind.add(self._waiting)
            self._waiting.add_done_callback(_left_behind.discard)

    async def _take_late(self) -> None:
        loop = asyncio.get_running_loop()
        while self._late or self._buffer.full:
            await self._buffer.room()
            turn = loop.time()
            while self._late and not self._buffer.full and loop.time() - turn <= SLICE_S:
                message, size = self._late.popleft()
                self._late_bytes -= size
                self._take(message)
            self._room.set()
            await asyncio.sleep(0)  # others wait for that room too
        self._waiting = None
        self.full = False
        self._calls.say(wire.Full(False))

    def _take(self, message: wire.Emit) -> None:
        session, puts = self._session, message.puts
        note = None if puts is None else lambda: _put_all(session, puts)
        try:
            session.take(message.reports, note)
        except (PluginError, StorageError) as error:
            state = {key: session.state.get(key) for key in puts or ()}
            self._failed(message, error, state=state)
            return
        if message.durable:
            flush = asyncio.create_task(self._flushed(message))
            self._flushes.add(flush)
            flush.add_done_callback(self._flushes.discard)
        elif message.n:
            self._awaited -= 1
            self._calls.answered(message.n)

    async def _flushed(self, message: wire.Emit) -> None:
        try:
            await self._buffer.flush()
        except StorageError as error:
            self._failed(message, error, taken=True)
        else:
            self._awaited -= 1
            self._calls.answered(message.n)

    def _failed(self, message: wire.Emit, error: Exception, **more: Any) -> None:
        self._awaited -= bool(message.n)
        self._calls.say(wire.Failed(message.n, told(error), **more))


def _put_all(session: InProcessSession, puts: dict[str, Any]) -> None:
    for key, value in puts.items():
        session.state.put(key, value)
