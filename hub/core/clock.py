"""Time as an argument: wall clock, monotonic clock and sleep behind one small object.

The real one is `SystemClock`; tests inject their own (see `hub.sdk.testing`). No module below `app` reads
`time` by itself.
"""

from __future__ import annotations

import asyncio
import time
import uuid
from pathlib import Path
from typing import Any, NamedTuple, Protocol

BUILD_FLOOR = 1_767_225_600.0
"""2026-01-01T00:00:00Z: this code did not exist earlier, so a wall clock below it is wrong."""


AGREE_S = 300.0
"""Two clocks that differ by less tell the same time."""

EXACT_S = 1.0
"""Promised accuracy in seconds: a reading that the hub dated, and that is not marked uncertain, is dated as exactly as
this."""

STEADY_S = 0.1
"""A time known within this many seconds is not moved for a better one: dates of readings must not step back for
nothing."""

PATIENCE_S = 120.0
"""Seconds to wait for a better exchange. After that a less exact time is better than none."""

DRIFT = 1e-4
"""Largest drift of a monotonic clock: 100 ppm, more than crystals of boards are sold for; 8.6 s a day."""


class Span(NamedTuple):
    """wall − monotonic lies between `low` and `high`, in seconds, as it was at the monotonic time `at`."""

    low: float
    high: float
    at: float

    def later(self, monotonic: float) -> Span:
        """Return the span widened by the drift of the crystal since."""
        drift = DRIFT * max(0.0, monotonic - self.at)
        return Span(self.low - drift, self.high + drift, max(self.at, monotonic))

    def met(self, newer: Span) -> Span:
        """Return the intersection with a newer span; the newer one where they do not meet: a clock was set
        meanwhile."""
        old = self.later(newer.at)
        low, high = max(old.low, newer.low), min(old.high, newer.high)
        return Span(low, high, newer.at) if low <= high else newer

    @property
    def middle(self) -> float:
        return (self.low + self.high) / 2

    def error_s(self, offset_s: float, monotonic: float) -> float:
        """Return the largest error of `offset_s` in seconds."""
        now = self.later(monotonic)
        return max(now.high - offset_s, offset_s - now.low)


class Mark(NamedTuple):
    """wall − monotonic, in seconds, give or take `error_s`, and who says so: "system" or "backend"."""

    offset_s: float
    error_s: float
    source: str


class Clock(Protocol):
    """Wall time in Unix seconds, monotonic time in seconds, whether the wall clock can be believed."""

    def now(self) -> float: ...
    def monotonic(self) -> float: ...
    def sure(self) -> bool: ...
    def date(self) -> float | None:
        """Return the wall time in Unix seconds, None when it cannot be believed. Read once: a clock may be set at any
        moment."""
        ...

    def exact(self) -> bool:
        """Return whether `date()` is within EXACT_S. Otherwise the readings that it dates are to be marked
        uncertain."""
        ...

    @property
    def boot(self) -> bytes: ...  # 16 bytes naming this boot of the machine
    async def sleep(self, seconds: float) -> None: ...


_READS = 3
"""The two clocks are read so often together; the closest pair counts."""


class SystemClock:
    """The machine's clocks. `sure()` is false while the wall clock is below `floor` and no trusted source has told the
    time well enough.

    `floor` is the later of the build date and the last time remembered. That may have been a clock that ran ahead, so
    the backend's time moves it down again, though never below `proven`: the last time at which this machine's own clock
    and a fresh, signed ack agreed. One of them alone proves nothing for good: a battery dies, and so does the clock of
    a backend. An unsure clock delays the dates of readings and the checking of others' dates, and nothing else.

    An ack was signed at some moment between the question and the answer, and nobody knows at which. So each exchange
    gives a span, spans are intersected, and the hub takes the middle of the rest, until that is off by more than
    STEADY_S. The error is the distance to the far end of the span, and grows with DRIFT. The time is sure once the
    error is within EXACT_S; when no exchange is that quick, after PATIENCE_S, and `exact()` is false.
    """

    def __init__(self, floor: float = BUILD_FLOOR) -> None:
        self.floor = max(floor, BUILD_FLOOR)
        self.proven = BUILD_FLOOR
        self.boot = _boot_id()
        self.ahead_s: float | None = None
        """Seconds by which this machine's own clock, while it is believed, is ahead of the backend's; None: unknown."""
        self.doubted = False
        """A date was asked for and there was none: readings of that moment wait for `mark()`."""
        self._span: Span | None = None
        self._offset = 0.0  # wall − monotonic, within the span
        self._since = 0.0  # the monotonic time of the first exchange
        self._ahead_error_s = 0.0

    def now(self) -> float:
        # The machine's own clock wins as soon as it is plausible: something better than us has set it.
        wall = time.time()
        return wall if self._span is None or wall >= self.floor else time.monotonic() + self._offset

    def monotonic(self) -> float:
        return time.monotonic()

    def sure(self) -> bool:
        return self.date() is not None

    def date(self) -> float | None:
        """Return the wall time in Unix seconds, None when it cannot be believed. Read once: a clock may be set at any
        moment."""
        wall = time.time()
        if wall >= self.floor:
            return wall
        if (span := self._span) is not None:
            monotonic = time.monotonic()
            date = monotonic + self._offset
            if date >= self.floor and (
                span.error_s(self._offset, monotonic) <= EXACT_S or monotonic - self._since >= PATIENCE_S
            ):
                return date
        self.doubted = True
        return None

    def exact(self) -> bool:
        """Return whether `date()` is within EXACT_S."""
        return time.time() >= self.floor or (
            self._span is not None and self._span.error_s(self._offset, time.monotonic()) <= EXACT_S
        )

    def mark(self) -> Mark | None:
        """Return the offset that turns monotonic time into wall time; None while the time is not sure."""
        if self.date() is None:
            return None
        best: tuple[float, float] | None = None
        for _ in range(_READS):
            before, wall, after = time.monotonic(), time.time(), time.monotonic()
            if wall < self.floor:
                break
            if best is None or after - before < best[0]:
                best = after - before, wall - (before + after) / 2
        span = self._span
        if best is not None:
            contradicted = abs(best[1] - self._offset) if span is not None else 0.0
            return Mark(best[1], contradicted if contradicted > AGREE_S else EXACT_S, "system")
        if span is None:
            return None
        return Mark(self._offset, span.error_s(self._offset, time.monotonic()), "backend")

    def told(self, unix_s: float, after: float, before: float) -> bool:
        """Take the time of a signed, fresh ack: it was `unix_s` at some moment between the monotonic times `after` and
        `before`. It is used only while nothing better is known; a clock that is believed is compared with it. Returns
        True when the time is not exact yet, and another exchange soon may make it so."""
        drift = DRIFT * (before - after)
        fresh = Span(unix_s - before - drift, unix_s - after + drift, before)
        span = fresh if self._span is None else self._span.met(fresh)
        wall, monotonic = time.time(), time.monotonic()
        believed = wall >= self.floor
        if believed:
            self.ahead_s = wall - monotonic - span.middle
            self._ahead_error_s = span.error_s(span.middle, monotonic)
            if self.agrees():
                self.proven = max(self.proven, min(wall, monotonic + span.low))
        if unix_s + (before - after) < self.proven:
            return False
        if self._span is None:
            self._since = monotonic
        if self._span is None or span.error_s(self._offset, monotonic) > STEADY_S:
            self._offset = span.middle
        self._span = span
        if not believed:
            self.floor = min(self.floor, max(unix_s, BUILD_FLOOR))
        return not self.exact() and monotonic - self._since < PATIENCE_S

    def agrees(self) -> bool:
        """Return whether the backend does not contradict this machine's own clock."""
        return self.ahead_s is None or abs(self.ahead_s) <= AGREE_S + self._ahead_error_s

    def remember(self) -> list[float]:
        """Return the state for the next process: its floor, and the proven time. The floor stays where it is while the
        time is not sure, or contradicted."""
        date = self.date()
        return [self.floor if date is None or not self.agrees() else date, self.proven]

    def recall(self, memory: Any) -> None:
        """Restore the state of an earlier process; anything malformed is ignored."""
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
