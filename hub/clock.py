"""Time as an argument: wall clock, monotonic clock and sleep behind one small object.

The real one is `SystemClock`; tests inject their own (see `hub.testing`). No module below `app` reads
`time` by itself.
"""

from __future__ import annotations

import asyncio
import time
import uuid
from pathlib import Path
from typing import Protocol

BUILD_FLOOR = 1_767_225_600.0
"""2026-01-01T00:00:00Z: this code did not exist earlier, so a wall clock below it is wrong."""


class Clock(Protocol):
    """Wall time in Unix seconds, monotonic time in seconds, whether the wall clock can be believed."""

    def now(self) -> float: ...
    def monotonic(self) -> float: ...
    def sure(self) -> bool: ...
    @property
    def boot(self) -> bytes: ...  # 16 bytes naming this boot of the machine
    async def sleep(self, seconds: float) -> None: ...


class SystemClock:
    """The machine's clocks. `sure()` is false while the wall clock is below `floor` (the later of the build date and
    the last time persisted) and nobody who can be believed has `told` the time. `error_s` and `source` say how well
    it is known once it is."""

    def __init__(self, floor: float = BUILD_FLOOR) -> None:
        self.floor = max(floor, BUILD_FLOOR)
        self.boot = _boot_id()
        self.source, self.error_s = "system", 1.0
        self._offset: float | None = None

    def now(self) -> float:
        # The machine's own clock wins as soon as it is plausible: something better than us has set it.
        wall = time.time()
        return wall if self._offset is None or wall >= self.floor else time.monotonic() + self._offset

    def monotonic(self) -> float:
        return time.monotonic()

    def sure(self) -> bool:
        return self.now() >= self.floor

    def told(self, unix_s: float, error_s: float) -> None:
        """A signed, fresh ack of the backend says what time it is. Heeded only while nothing better is known.

        It may be below `floor`: the clock ran ahead once, that was remembered, and would be the floor for years.
        """
        if not self.sure() and unix_s >= BUILD_FLOOR:
            self.floor = min(self.floor, unix_s)
            self._offset = unix_s - time.monotonic()
            self.source, self.error_s = "backend", error_s

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


def _boot_id() -> bytes:
    try:
        return uuid.UUID(Path("/proc/sys/kernel/random/boot_id").read_text().strip()).bytes
    except (OSError, ValueError):  # not Linux, or /proc hidden: a boot nobody else can name
        return uuid.uuid4().bytes
