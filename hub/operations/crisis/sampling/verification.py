"""Verification that a device reports at the period it was told. Pure.

It needs two intervals in a row between reports, both after the command, at most 1.25 times the period (raised), or at
least 0.75 times (restored). One interval alone proves nothing: a lost frame doubles it.
"""

from __future__ import annotations

from collections import deque

QUARTER = 0.25
GRACE_S = 1.5
"""Tolerance in seconds: a check each second may see a report a second late."""
NEEDED = 2


class PeriodObserver:
    """Observer of one device's period since its command. Times are Unix seconds."""

    def __init__(self, seen: float | None) -> None:
        self._last = seen
        self._steps: deque[float] = deque(maxlen=NEEDED)
        self._first = True

    def observe(self, seen: float | None) -> None:
        """Record the time of the last report."""
        if seen is None or seen == self._last:
            return
        if self._last is not None and seen > self._last and not self._first:
            self._steps.append(seen - self._last)
        self._first = False  # the interval in which the command arrived does not count
        self._last = seen

    @property
    def period(self) -> float | None:
        """Return the longer of the last intervals, None before there are enough."""
        return max(self._steps) if len(self._steps) == NEEDED else None

    def faster(self, period: float) -> bool:
        return len(self._steps) == NEEDED and max(self._steps) <= period * (1 + QUARTER) + GRACE_S

    def slower(self, period: float) -> bool:
        return len(self._steps) == NEEDED and min(self._steps) >= period * (1 - QUARTER) - GRACE_S
