"""Dates a boot once its clock can be believed, and remembers how late it is, so that no clock goes back unseen."""

from __future__ import annotations

import logging
from typing import Any, Protocol

from hub.clock import SystemClock

FLOOR_KEY, UNSURE_KEY = "clock/floor", "clock/unsure"
"""What `SystemClock.remember` says; the boot that began without knowing the time and is not dated yet."""
LOOK_S = 1.0
FLOOR_EVERY_S = 600.0
_UNITS = ((86_400.0, "days"), (3600.0, "hours"), (60.0, "minutes"))

_log = logging.getLogger("hub.clock")


class Buffer(Protocol):
    """`hub.buffer.Buffer`, as much as is needed of it."""

    @property
    def local(self) -> dict[str, Any]: ...
    def put_local(self, key: str, value: Any) -> None: ...
    def clock_became_sure(self, wall_minus_monotonic_ms: int, error_ms: int, source: str) -> None: ...


class Dating:
    """`run` is its task. Readings taken before the clock was sure carry (boot, monotonic time); a CLOCK record tells
    the backend what that boot's monotonic time means, also for an earlier process of the same boot."""

    def __init__(self, clock: SystemClock, buffer: Buffer) -> None:
        self._clock, self._buffer = clock, buffer
        clock.recall(buffer.local.get(FLOOR_KEY))

    async def run(self) -> None:
        """Look every second."""
        undated = not self._clock.sure() or self._buffer.local.get(UNSURE_KEY) == self._clock.boot
        if undated:
            self._buffer.put_local(UNSURE_KEY, self._clock.boot)
        remembered, agreed = -FLOOR_EVERY_S, True
        while True:
            if undated and (now := self._clock.date()) is not None:
                undated = False
                self._date(now - self._clock.monotonic())
            due = self._clock.monotonic() - remembered >= FLOOR_EVERY_S
            if self._clock.sure() and (due or agreed != self._clock.agrees()):
                remembered, agreed = self._clock.monotonic(), self._clock.agrees()
                self._buffer.put_local(FLOOR_KEY, self._clock.remember())
            await self._clock.sleep(LOOK_S)

    def status(self) -> dict[str, Any]:
        """Whether the time is sure, from whom it is, within how many seconds, and how far this machine's own clock is
        ahead of the backend's (None: not compared)."""
        clock = self._clock
        return {"sure": clock.sure(), "source": clock.source, "error_s": clock.error_s, "ahead_s": clock.ahead_s}

    def complaints(self) -> list[str]:
        """Sentences for `ilot status`."""
        ahead = self._clock.ahead_s
        if ahead is None or self._clock.agrees():
            return []
        size, unit = next(((size, unit) for size, unit in _UNITS if abs(ahead) >= size), _UNITS[-1])
        way = "ahead of" if ahead > 0 else "behind"
        told = f"this machine's clock is {abs(ahead) / size:.0f} {unit} {way} the backend's: one of them is wrong"
        return [f"{told}, and readings carry this one's time; let it reach a time server"]

    def _date(self, wall_minus_monotonic: float) -> None:
        offset = round(wall_minus_monotonic * 1000)
        self._buffer.clock_became_sure(offset, round(self._clock.error_s * 1000), self._clock.source)
        self._buffer.put_local(UNSURE_KEY, None)
        _log.info("the clock is sure now: readings of this boot get their dates")
