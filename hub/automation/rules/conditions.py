"""Tests of one value: hysteresis, duration, rates, differences, aggregates. Pure state machines.

All times are seconds of one monotonic clock. A value that does not fit its test (a text for `above`) gives None, and
None changes nothing.
"""

from __future__ import annotations

import math
from collections import deque
from typing import Protocol, TypeGuard

import msgspec

from hub.core.model import Value

POINTS = 256
"""Readings kept to compute a rate; a faster source is thinned."""
HUGE = 1e300  # beyond it differences and sums may overflow to infinity
LEAST = 3
"""Equal readings required before a value counts as stuck."""


class Limit(msgspec.Struct, frozen=True):
    """A threshold with hysteresis: true from `limit` on (`up`) or below it; false again below `clears` (`up`), or at
    `clears` and above."""

    limit: float
    clears: float
    up: bool = True

    def holds(self, value: Value, on: bool) -> bool | None:
        """Return whether the test holds, None for values that are no numbers. `on`: it held before."""
        if not is_number(value):
            return None
        edge = self.clears if on else self.limit
        return value >= edge if self.up else value < edge


class Equals(msgspec.Struct, frozen=True):
    """A test for one flag or text."""

    value: bool | str

    def holds(self, value: Value, on: bool) -> bool | None:
        if isinstance(self.value, bool):
            return bool(value) == self.value if value in (0, 1) else None
        return value == self.value if isinstance(value, str) else None


class ForDuration:
    """A delay: turns on after the condition held for `for_s` without a break, off as soon as it does not."""

    __slots__ = ("for_s", "on", "since")

    def __init__(self, for_s: float, *, on: bool = False) -> None:
        self.for_s, self.on = for_s, on
        self.since: float | None = None

    def step(self, holds: bool, at: float) -> bool:
        """Feed one result. Returns whether `on` changed."""
        if not holds:
            self.since = None
            changed, self.on = self.on, False
            return changed
        if self.since is None or at < self.since:
            self.since = at
        return self.due(at)

    def ripe(self, now: float) -> bool:
        """Return whether time alone would turn it on now."""
        return not self.on and self.since is not None and now - self.since >= self.for_s

    def due(self, now: float) -> bool:
        """Advance the clock. Returns whether `on` changed."""
        changed = self.ripe(now)
        self.on = self.on or changed
        return changed


class Operand(Protocol):
    """The quantity that a test applies to.

    `take` is fed a reading of the member `who`, at `at` in monotonic seconds; it returns None while there is nothing to
    test.
    """

    def take(self, who: str, value: Value, at: float) -> Value | None: ...


class MetricValue:
    """The value as read."""

    __slots__ = ()

    def take(self, who: str, value: Value, at: float) -> Value | None:
        return value


class Rate:
    """The change per hour since the last reading that is at least `over_s` older."""

    __slots__ = ("_over_s", "_points")

    def __init__(self, over_s: float) -> None:
        self._over_s = over_s
        self._points: deque[tuple[float, float]] = deque(maxlen=POINTS)

    def take(self, who: str, value: Value, at: float) -> Value | None:
        if not is_number(value):
            return None
        points = self._points
        while len(points) > 1 and at - points[1][0] >= self._over_s:
            points.popleft()
        rate = None
        if points and at - points[0][0] >= self._over_s:
            rate = (float(value) - points[0][1]) / (at - points[0][0]) * 3600
        if not points or at - points[-1][0] >= self._over_s / (POINTS // 2):
            points.append((at, float(value)))
        return rate


class Difference:
    """The first series less the second, when both were read within `within_s`."""

    __slots__ = ("_last", "_within_s")

    def __init__(self, within_s: float) -> None:
        self._within_s = within_s
        self._last: dict[str, tuple[float, float]] = {}

    def take(self, who: str, value: Value, at: float) -> Value | None:
        if not is_number(value):
            return None
        self._last[who] = float(value), at
        first, second = self._last.get("first"), self._last.get("second")
        if first is None or second is None or abs(first[1] - second[1]) > self._within_s:
            return None
        return first[0] - second[0]


class Aggregate:
    """The mean, minimum or maximum of the latest values of several members, read within `within_s`."""

    __slots__ = ("_kind", "_last", "_within_s")

    def __init__(self, kind: str, within_s: float) -> None:
        self._kind, self._within_s = kind, within_s
        self._last: dict[str, tuple[float, float]] = {}

    def take(self, who: str, value: Value, at: float) -> Value | None:
        if not is_number(value):
            return None
        self._last[who] = float(value), at
        fresh = [one for one, told in self._last.values() if at - told <= self._within_s]
        if self._kind == "mean":
            return math.fsum(fresh) / len(fresh)
        return max(fresh) if self._kind == "max" else min(fresh)


class Unchanged:
    """Seconds for which the value has been the same, over LEAST readings or more; 0 when it changed."""

    __slots__ = ("_count", "_since", "_value")

    def __init__(self) -> None:
        self._value: Value | None = None
        self._since, self._count = 0.0, 0

    def take(self, who: str, value: Value, at: float) -> Value | None:
        if self._value is None or value != self._value:
            self._value, self._since, self._count = value, at, 0
        self._count += 1
        return at - self._since if self._count >= LEAST else 0.0


def is_number(value: Value) -> TypeGuard[float]:
    """Return whether this is a number fit for arithmetic: no flag, no text, no NaN or infinity.

    Values that may not leave memory come here without having been checked against bounds.
    """
    return not isinstance(value, bool | str) and -HUGE <= value <= HUGE
