"""Time-weighted statistics of a gauge over an interval, in whole steps of its resolution. Pure."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from typing import NamedTuple

HOLD_S = 3600
"""Maximum time for which a value counts in the mean."""
LATE = 2.5
"""Periods of its series that a value covers."""


class Stats(NamedTuple):
    """Statistics of one interval: `weight` seconds with a value, `covered` seconds in which readings came when due,
    `integral` the sum of value × seconds; `low`, `high` and the number of `readings`."""

    weight: int = 0
    covered: int = 0
    integral: int = 0
    low: int = 0
    high: int = 0
    readings: int = 0

    @property
    def mean(self) -> float | None:
        """The mean in steps of the resolution, None without readings."""
        if self.weight:
            return self.integral / self.weight
        return (self.low + self.high) / 2 if self.readings else None


def fold(points: Sequence[tuple[int, int]], begin: int, end: int, period: float | None = None) -> Stats:
    """Compute the statistics of [begin, end) from sorted readings; those before `begin` give the value at its
    beginning.

    `period`: expected seconds between two readings; None: their median.
    """
    inside = [point for point in points if begin <= point[0] < end]
    if period is None:
        steps = [b[0] - a[0] for a, b in itertools.pairwise(points) if b[0] > a[0]]
        period = sorted(steps)[(len(steps) - 1) // 2] if len(steps) > 2 else HOLD_S / LATE
    near = max(60, int(period * LATE))
    hold = max(near, HOLD_S)
    weight = covered = integral = 0
    for at, (time, value) in enumerate(points):
        if time >= end:
            break
        until = points[at + 1][0] if at + 1 < len(points) else end
        low = max(time, begin)
        seconds = min(until, end, time + hold) - low
        if seconds > 0:
            weight += seconds
            integral += value * seconds
            covered += max(0, min(until, end, time + near) - low)
    values = [value for _, value in inside]
    if not values:
        return Stats(weight, covered, integral, 0, 0, 0) if weight else Stats()
    return Stats(weight, covered, integral, min(values), max(values), len(values))


def merge(many: Iterable[Stats]) -> Stats:
    """Add statistics up. Exact for disjoint intervals; seconds of one interval seen by two runs are weighted by
    both."""
    weight = covered = integral = readings = low = high = 0
    for one in many:
        if one.readings:
            low = min(low, one.low) if readings else one.low
            high = max(high, one.high) if readings else one.high
        weight += one.weight
        covered += one.covered
        integral += one.integral
        readings += one.readings
    return Stats(weight, covered, integral, low, high, readings)
