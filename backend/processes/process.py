"""One process of the backend: it runs a part until it is told to end, and says to whoever started it that it works."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import signal
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, suppress
from typing import Any, Protocol, TypeVar

from backend.processes.connections import raise_descriptor_limit
from hub.core.request_log import RequestLog

BEAT_S = 5.0

T = TypeVar("T")


class Manager(Protocol):
    """Who started this process: systemd (`hub.core.service_manager`), or the process that runs all parts."""

    def ready(self, sentence: str) -> None: ...

    def starting(self, sentence: str, seconds: float) -> None:
        """Say that the start goes on, and may take so many seconds more from now."""

    async def feed(self) -> None:
        """Say again and again that the event loop turns; ends at once where nobody asks."""

    def stopping(self) -> None: ...


class Parent:
    """The process that runs all parts, at the other end of a pipe: JSON lines, of which an empty one says that the
    event loop turns."""

    def __init__(self, pipe: int) -> None:
        self._pipe = pipe
        self.facts: dict[str, Any] = {}
        """What is told with `ready`."""

    def ready(self, sentence: str) -> None:
        self._tell(json.dumps({"ready": self.facts}))

    def starting(self, sentence: str, seconds: float) -> None:
        self._tell(json.dumps({"starting": [str(sentence), seconds]}))

    async def feed(self) -> None:
        while True:
            self._tell("")
            await asyncio.sleep(BEAT_S)

    def stopping(self) -> None:
        pass

    def _tell(self, line: str) -> None:
        with suppress(OSError):  # the parent is gone, and so will this process be
            os.write(self._pipe, line.encode() + b"\n")


async def run(part: AbstractAsyncContextManager[T], ready: Callable[[T], str], manager: Manager) -> None:
    """Run a part until SIGTERM or SIGINT. `ready` is called with it once it works, and returns the sentence for
    `manager`. Raises what the part does."""
    raise_descriptor_limit()
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(RequestLog(logging.getLogger("asyncio")).uncaught)
    feeding = asyncio.create_task(manager.feed(), name="watchdog")
    try:
        async with part as running:
            for number in (signal.SIGTERM, signal.SIGINT):
                if signal.getsignal(number) is not signal.SIG_IGN:
                    loop.add_signal_handler(number, stop.set)
            manager.ready(ready(running))
            try:
                await stop.wait()
            finally:
                manager.stopping()
    finally:
        feeding.cancel()
