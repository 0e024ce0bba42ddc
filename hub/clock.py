"""Time as an argument: wall clock, monotonic clock and sleep behind one small object.

The real one is `SystemClock`; tests inject their own (see `hub.testing`). No module below `app` reads
`time` by itself.
"""

from __future__ import annotations

import asyncio
import time
import uuid
from pathlib import Path
from typing import Any, Protocol

BUILD_FLOOR = 1_767_225_600.0
"""2026-01-01T00:00:00Z: this code did not exist earlier, so a wall clock below it is wrong."""


AGREE_S = 300.0
"""Two clocks that differ by less tell the same time."""


class Clock(Protocol):
    """Wall time in Unix seconds, monotonic time in seconds, whether the wall clock can be believed."""

    def now(self) -> float: ...
    def monotonic(self) -> float: ...
    def sure(self) -> bool: ...
    def date(self) -> float | None:
        """The wall time, None when it cannot be believed. From one reading: a clock may be set at any moment."""
        ...

    @property
    def boot(self) -> bytes: ...  # 16 bytes naming this boot of the machine
    async def sleep(self, seconds: float) -> None: ...


class SystemClock:
    """The machine's clocks. `sure()` is false while the wall clock is below `floor` and nobody who can be believed has
    `told` the time; `error_s` and `source` say how well it is known once it is.

    `floor` is the later of the build date and the last time remembered. That may have been a clock that ran ahead, so
    the backend's word moves it down again, though never below `proven`: the last time at which this machine's own clock
    and a fresh, signed ack agreed. One of them alone proves nothing for good: a battery dies, and so does the clock of
    a backend. What is not sure delays the dates of readings and the checking of others' dates, and nothing else.
    """

    def __init__(self, floor: float = BUILD_FLOOR) -> None:
        self.floor = max(floor, BUILD_FLOOR)
        self.proven = BUILD_FLOOR
        self.boot = _boot_id()
        self.source, self.error_s = "system", 1.0
        self.ahead_s: float | None = None
        """How far this machine's own clock, while it is believed, is ahead of the backend's; None: nobody said."""
        self._offset: float | None = None

    def now(self) -> float:
        # The machine's own clock wins as soon as it is plausible: something better than us has set it.
        wall = time.time()
        return wall if self._offset is None or wall >= self.floor else time.monotonic() + self._offset

    def monotonic(self) -> float:
        return time.monotonic()

    def sure(self) -> bool:
        return self.date() is not None

    def date(self) -> float | None:
        """The wall time, None when it cannot be believed. From one reading: a clock may be set at any moment."""
        now = self.now()
        return now if now >= self.floor else None

    def told(self, unix_s: float, error_s: float) -> None:
        """A signed, fresh ack of the backend says what time it is. Heeded only while nothing better is known; but a
        clock that is believed is compared with it."""
        wall = time.time()
        if wall >= self.floor:
            self.ahead_s = wall - unix_s
            if self.agrees():
                self.proven = max(self.proven, min(wall, unix_s))
        elif not self.sure() and unix_s + error_s >= self.proven:
            self.floor = min(self.floor, max(unix_s, BUILD_FLOOR))
            self._offset = max(unix_s, self.floor) - time.monotonic()
            self.source, self.error_s = "backend", error_s

    def agrees(self) -> bool:
        """Does the backend not contradict this machine's own clock?"""
        return self.ahead_s is None or abs(self.ahead_s) <= AGREE_S

    def remember(self) -> list[float]:
        """What the next process is to be given: its floor, and what was proven. The floor stays where it is while the
        time is not sure, or contradicted."""
        date = self.date()
        return [self.floor if date is None or not self.agrees() else date, self.proven]

    def recall(self, memory: Any) -> None:
        """Take up what an earlier process remembered; anything else is as good as nothing."""
        if isinstance(memory, list) and len(memory) == 2 and all(type(one) is float for one in memory):
            self.proven = max(BUILD_FLOOR, memory[1])
            self.floor = max(self.proven, memory[0])

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


def _boot_id() -> bytes:
    try:
        return uuid.UUID(Path("/proc/sys/kernel/random/boot_id").read_text().strip()).bytes
    except (OSError, ValueError):  # not Linux, or /proc hidden: a boot nobody else can name
        return uuid.uuid4().bytes
