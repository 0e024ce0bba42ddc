"""One test of one value: hysteresis, duration, rates, differences, aggregates. Pure state machines.

All times are seconds of one clock that never goes back. A value that makes no sense for its test (a text for `above`)
gives None, and None leaves everything as it is.
"""

from __future__ import annotations

import math
from collections import deque
from typing import Protocol, TypeGuard

import msgspec

from hub.core.model import Value

POINTS = 256
"""Readings kept to tell a rate; a faster source is thinned."""
HUGE = 1e300
LEAST = 3
"""Readings that must say the same before a value is called stuck."""


class Limit(msgspec.Struct, frozen=True):
    """True from `limit` on (`up`) or below it. It is over past `clears`: below it (`up`), or at it and above."""

    limit: float
    clears: float
    up: bool = True

    def holds(self, value: Value, on: bool) -> bool | None:
        """`on`: was it true before?"""
        if not number(value):
            return None
        edge = self.clears if on else self.limit
        return value >= edge if self.up else value < edge


class Equals(msgspec.Struct, frozen=True):
    """True while the value is this flag or text."""

    value: bool | str

    def holds(self, value: Value, on: bool) -> bool | None:
        if isinstance(self.value, bool):
            return bool(value) == self.value if value in (0, 1) else None
        return value == self.value if isinstance(value, str) else None


class ForDuration:
    """Turns on when something was true for `for_s` without a break, off when it is not true any more."""

    __slots__ = ("for_s", "on", "since")

    def __init__(self, for_s: float, *, on: bool = False) -> None:
        self.for_s, self.on = for_s, on
        self.since: float | None = None

    def step(self, holds: bool, at: float) -> bool:
        """Returns whether `on` changed."""
        if not holds:
            self.since = None
            changed, self.on = self.on, False
            return changed
        if self.since is None or at < self.since:
            self.since = at
        return self.due(at)

    def ripe(self, now: float) -> bool:
        """Is it to turn on by the clock alone?"""
        return not self.on and self.since is not None and now - self.since >= self.for_s

    def due(self, now: float) -> bool:
        """The clock went on. Returns whether `on` changed."""
        changed = self.ripe(now)
        self.on = self.on or changed
        return changed


class Operand(Protocol):
    """What the test is of. `take` is given a reading of the member `who`; None: there is nothing to test yet."""

    def take(self, who: str, value: Value, at: float) -> Value | None: ...


class MetricValue:
    """The value itself."""

    __slots__ = ()

    def take(self, who: str, value: Value, at: float) -> Value | None:
        return value


class Rate:
    """How fast it changes, per hour, since the last reading that is at least `over_s` older."""

    __slots__ = ("_over_s", "_points")

    def __init__(self, over_s: float) -> None:
        self._over_s = over_s
        self._points: deque[tuple[float, float]] = deque(maxlen=POINTS)

    def take(self, who: str, value: Value, at: float) -> Value | None:
        if not number(value):
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
    """The first series less the second, when both were told within `within_s`."""

    __slots__ = ("_last", "_within_s")

    def __init__(self, within_s: float) -> None:
        self._within_s = within_s
        self._last: dict[str, tuple[float, float]] = {}

    def take(self, who: str, value: Value, at: float) -> Value | None:
        if not number(value):
            return None
        self._last[who] = float(value), at
        first, second = self._last.get("first"), self._last.get("second")
        if first is None or second is None or abs(first[1] - second[1]) > self._within_s:
            return None
        return first[0] - second[0]


class Aggregate:
    """One number of the last values of many, those told within `within_s`."""

    __slots__ = ("_kind", "_last", "_within_s")

    def __init__(self, kind: str, within_s: float) -> None:
        self._kind, self._within_s = kind, within_s
        self._last: dict[str, tuple[float, float]] = {}

    def take(self, who: str, value: Value, at: float) -> Value | None:
        if not number(value):
            return None
        self._last[who] = float(value), at
        fresh = [one for one, told in self._last.values() if at - told <= self._within_s]
        if self._kind == "mean":
            return math.fsum(fresh) / len(fresh)
        return max(fresh) if self._kind == "max" else min(fresh)


class Unchanged:
    """For how many seconds the value has been the same, over LEAST readings or more; 0 when it moved."""

    __slots__ = ("_count", "_since", "_value")

    def __init__(self) -> None:
        self._value: Value | None = None
        self._since, self._count = 0.0, 0

    def take(self, who: str, value: Value, at: float) -> Value | None:
        if self._value is None or value != self._value:
            self._value, self._since, self._count = value, at, 0
        self._count += 1
        return at - self._since if self._count >= LEAST else 0.0


def number(value: Value) -> TypeGuard[float]:
    """A number that can be reckoned with: no flag, no text, nothing that is no double. What may not leave RAM was not
    held against any bounds before it came here."""
    return not isinstance(value, bool | str) and -HUGE <= value <= HUGE
