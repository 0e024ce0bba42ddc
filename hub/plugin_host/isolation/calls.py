"""Calls of a child that wait for their answer, as tasks of the hub: bounded in number and bytes, each answered once."""

from __future__ import annotations

import asyncio
import io
import socket
from collections.abc import Callable, Coroutine
from typing import Any, Protocol

import msgspec

from hub.core.cancellation import cancelled
from hub.core.errors import NotReady
from hub.core.text import phrase
from hub.plugin_host.isolation import framing, wire, wire_base
from hub.plugin_host.isolation.failures import told
from hub.plugin_host.isolation.wire_base import Hostile


class Say(Protocol):
    """Sends the child a message, with copies of these descriptors."""

    def __call__(self, message: wire_base.Message, *descriptors: int) -> None: ...


class Calls:
    """The calls of one child; `say` sends it a message."""

    def __init__(self, say: Say) -> None:
        self.say = say
        self.last = self._held = 0
        self._tasks: dict[int, asyncio.Task[None]] = {}

    def number(self, n: int) -> None:
        """Take the number of a call. Raises Hostile for one that was used."""
        if n <= self.last:
            raise Hostile(f"call {n} after call {self.last}")
        self.last = n

    def begin(self, n: int, size: int, work: Coroutine[Any, Any, Any]) -> None:
        """Run the work of a call in a task; its result is the answer. Raises Hostile for one too many."""
        if len(self._tasks) >= wire_base.MOST_CALLS or self._held > wire_base.MOST_HELD:
            work.close()
            raise Hostile(f"{len(self._tasks)} calls of {self._held} bytes at once")
        self._held += size
        task = self._tasks[n] = asyncio.create_task(self._run(n, work))

        def done(_: asyncio.Task[None]) -> None:
            self._held -= size
            del self._tasks[n]

        task.add_done_callback(done)

    def answer(self, n: int, work: Callable[[], Any]) -> None:
        """Answer a call at once."""
        try:
            self.answered(n, work())
        except Exception as error:  # whatever it is, it is the answer
            self.say(wire.Failed(n, told(error)))

    def answered(self, n: int, value: Any = None) -> None:
        """Answer a call. A socket or an open file is handed over, and closed here."""
        if isinstance(value, socket.socket | io.FileIO):
            with value:
                self.say(wire.Passed(n), value.fileno())
            return
        self.say(wire.Answered(n, msgspec.Raw(framing.packed(value))))

    def cancel(self, n: int) -> None:
        """Cancel a call, which may have been answered meanwhile. Raises Hostile for one that never was."""
        if n > self.last:
            raise Hostile(f"cancels call {n}, which it never made")
        if (task := self._tasks.get(n)) is not None:
            task.cancel()

    async def close(self) -> None:
        """Cancel all that run."""
        tasks = list(self._tasks.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _run(self, n: int, work: Coroutine[Any, Any, Any]) -> None:
        try:
            self.answered(n, await work)
        except asyncio.CancelledError:
            self.say(wire.Failed(n, told(NotReady(phrase("call-cancelled", "the call was cancelled")))))
            if cancelled():
                raise
        except Exception as error:
            self.say(wire.Failed(n, told(error)))
