"""Dates a boot once its clock can be believed, and remembers how late it is, so that no clock goes back unseen."""

from __future__ import annotations

import logging
import math
from typing import Any, Protocol

from hub.core.clock import EXACT_S, Mark, SystemClock
from hub.core.text import phrase

FLOOR_KEY, UNSURE_KEY = "clock/floor", "clock/unsure"
"""Keys of the small state: of `SystemClock.remember`, and of the boot whose times are not known exactly yet."""
LOOK_S = 1.0
FLOOR_EVERY_S = 600.0

_log = logging.getLogger("hub.clock")


def _duration(seconds: float) -> str:
    if seconds >= 86_400:
        return phrase("count-days", "{count} [day|days]", count=round(seconds / 86_400))
    if seconds >= 3600:
        return phrase("duration-hours", "{count} [hour|hours]", count=round(seconds / 3600))
    return phrase("duration-minutes", "{count} [minute|minutes]", count=round(seconds / 60))


class Buffer(Protocol):
    """`hub.store_and_forward.buffer.Buffer`, as much as is needed of it."""

    @property
    def local(self) -> dict[str, Any]: ...
    def put_local(self, key: str, value: Any) -> None: ...
    def clock_became_sure(self, wall_minus_monotonic_ms: int, error_ms: int, source: str) -> None: ...


class ClockSync:
    """`run` is its task. Readings taken before the clock was sure carry (boot, monotonic time); a CLOCK record tells
    the backend what that boot's monotonic time means, also for an earlier process of the same boot. One that says how
    inexact it is, is followed by a better one as soon as the time is known twice as exactly."""

    def __init__(self, clock: SystemClock, buffer: Buffer) -> None:
        self._clock, self._buffer = clock, buffer
        self._owed = False  # something waits for a mark
        self._error_s = math.inf  # of the best mark of this process: nothing is owed once that is exact
        clock.recall(buffer.local.get(FLOOR_KEY))

    async def run(self) -> None:
        """Look every second."""
        self._owed = self._buffer.local.get(UNSURE_KEY) == self._clock.boot
        remembered, agreed = -FLOOR_EVERY_S, True
        while True:
            sure = self._clock.sure()
            if self._clock.doubted:  # also for a moment between two looks
                self._clock.doubted = False
                if not self._owed and self._error_s > EXACT_S:
                    self._owed = True
                    self._buffer.put_local(UNSURE_KEY, self._clock.boot)
            mark = self._clock.mark() if self._owed else None
            if mark is not None and mark.error_s <= max(EXACT_S, self._error_s / 2):
                self._date(mark)
            due = self._clock.monotonic() - remembered >= FLOOR_EVERY_S
            if sure and (due or agreed != self._clock.agrees()):
                remembered, agreed = self._clock.monotonic(), self._clock.agrees()
                self._buffer.put_local(FLOOR_KEY, self._clock.remember())
            await self._clock.sleep(LOOK_S)

    def status(self) -> dict[str, Any]:
        """True when the time is sure, and exact, from whom it is, within how many seconds (None: nobody knows), and how
        far this machine's own clock is ahead of the backend's (None: not compared)."""
        mark = self._clock.mark()
        told = {"source": None, "error_s": None} if mark is None else {"source": mark.source, "error_s": mark.error_s}
        return {"sure": mark is not None, "exact": mark is not None and mark.error_s <= EXACT_S, **told,
                "ahead_s": self._clock.ahead_s}  # fmt: skip

    def complaints(self) -> list[str]:
        """Sentences for `ilot status`."""
        mark = self._clock.mark()
        if mark is not None and not self._clock.exact():
            return [
                phrase(
                    "time-not-exact",
                    "the time is known within {seconds} s only, and what is dated by it is marked uncertain; let this "
                    "machine reach a time server",
                    seconds=math.ceil(mark.error_s),
                )
            ]
        ahead = self._clock.ahead_s
        if ahead is None or self._clock.agrees():
            return []
        if ahead > 0:
            return [
                phrase(
                    "clock-ahead",
                    "this machine's clock is {duration} ahead of the backend's: one of them is wrong, and readings "
                    "carry this one's time; let it reach a time server",
                    duration=_duration(ahead),
                )
            ]
        return [
            phrase(
                "clock-behind",
                "this machine's clock is {duration} behind the backend's: one of them is wrong, and readings carry "
                "this one's time; let it reach a time server",
                duration=_duration(-ahead),
            )
        ]

    def _date(self, mark: Mark) -> None:
        self._error_s = mark.error_s
        self._buffer.clock_became_sure(
            round(mark.offset_s * 1000), math.ceil(round(mark.error_s * 1000, 1)), mark.source
        )
        if mark.error_s <= EXACT_S:
            self._owed = False
            self._buffer.put_local(UNSURE_KEY, None)
        _log.info(
            phrase(
                "clock-is-sure",
                "the clock is now sure within {error_s:.1f} s: readings of this boot get their dates",
                error_s=mark.error_s,
            )
        )
