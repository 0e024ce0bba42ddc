"""Contributions of series to cells, out of readings. Pure.

A counter's increase is taken between its values at the edges of a cell, each by linear interpolation between the
readings beside it, when these are at most GAP_S apart. A counter that fell was replaced: the cell has no contribution.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Iterable, Sequence
from itertools import pairwise

from backend.city.publication.calendar import HOUR_S
from backend.city.publication.definition import Statistic

GAP_S = 2 * HOUR_S
Points = Sequence[tuple[float, float]]
"""(Unix s, value), in order."""


def by_cell(points: Points, cells: Iterable[tuple[float, float]], statistic: Statistic) -> dict[float, float]:
    """Return start → the number of each cell that has one; `cells` are (start, end). Points around the cells are needed
    for an increase."""
    times = [at for at, _ in points]
    found: dict[float, float] = {}
    for start, end in cells:
        if statistic == Statistic.INCREASE:
            value = _increase(points, times, start, end)
        else:
            inside = [value for _, value in points[bisect_left(times, start) : bisect_left(times, end)]]
            value = _of(inside, statistic) if inside else None
        if value is not None and math.isfinite(value):
            found[start] = value
    return found


def _of(values: Sequence[float], statistic: Statistic) -> float:
    if statistic == Statistic.MEAN:
        return math.fsum(values) / len(values)
    if statistic == Statistic.SUM:
        return math.fsum(values)
    if statistic == Statistic.ANY:
        return float(any(values))
    if statistic == Statistic.LAST:
        return values[-1]
    return min(values) if statistic == Statistic.MIN else max(values)


def _increase(points: Points, times: Sequence[float], start: float, end: float) -> float | None:
    first, last = _at(points, times, start), _at(points, times, end)
    if first is None or last is None:
        return None
    inside = [value for _, value in points[bisect_left(times, start) : bisect_left(times, end)]]
    line = [first, *inside, last]
    if any(after < before for before, after in pairwise(line)):
        return None
    return last - first


def _at(points: Points, times: Sequence[float], moment: float) -> float | None:
    after = bisect_left(times, moment)
    if after < len(points) and times[after] == moment:
        return points[after][1]
    if after == 0 or after == len(points):
        return None
    (left, low), (right, high) = points[after - 1], points[after]
    if right - left > GAP_S:
        return None
    return low + (high - low) * (moment - left) / (right - left)
