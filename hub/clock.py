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
    """The machine's clocks. `sure()` is false while the wall clock is below `floor` (the later of the build
    date and the last time persisted)."""

    def __init__(self, floor: float = BUILD_FLOOR) -> None:
        self.floor = max(floor, BUILD_FLOOR)
        self.boot = _boot_id()

    def now(self) -> float:
        return time.time()

    def monotonic(self) -> float:
        return time.monotonic()

    def sure(self) -> bool:
        return time.time() >= self.floor

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


def _boot_id() -> bytes:
    try:
        return uuid.UUID(Path("/proc/sys/kernel/random/boot_id").read_text().strip()).bytes
    except (OSError, ValueError):  # not Linux, or /proc hidden: a boot nobody else can name
        return uuid.uuid4().bytes
