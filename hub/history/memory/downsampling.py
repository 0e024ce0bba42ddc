"""Reduces points for charts while keeping their minima and maxima. Pure."""

from __future__ import annotations

from collections.abc import Iterable


class Downsampler:
    """Collects points of [begin, end) in bounded memory.

    All are kept up to twice `most`; beyond that, the lowest and highest of each of `most` intervals. Points may come in
    any order, and repeatedly.
    """

    def __init__(self, begin: int, end: int, most: int) -> None:
        self._begin, self._most = begin, most
        self._width = max(1, -(-(end - begin) // most))
        self._all: set[tuple[int, float]] | None = set()
        self._ends: dict[int, tuple[tuple[int, float], tuple[int, float]]] = {}

    def add(self, points: Iterable[tuple[int, float]]) -> None:
        if self._all is not None:
            self._all.update(points)
            if len(self._all) <= 2 * self._most:
                return
            points, self._all = self._all, None
        for point in points:
            at = (point[0] - self._begin) // self._width
            low, high = self._ends.get(at, (point, point))
            self._ends[at] = (min(low, point, key=_value), max(high, point, key=_value))

    def points(self) -> list[tuple[int, float]]:
        """Return the remaining points, sorted."""
        if self._all is not None:
            return sorted(self._all)
        return sorted({point for both in self._ends.values() for point in both})


def _value(point: tuple[int, float]) -> float:
    return point[1]


def downsample(points: list[tuple[int, float]], most: int, gap_s: float) -> list[tuple[int, float | None]]:
    """Reduce to about `most` points: the lowest and highest of each interval, in order; None marks gaps longer than
    `gap_s`."""
    if len(points) > most > 1:
        begin, width = points[0][0], max(1, (points[-1][0] - points[0][0]) * 2 // most + 1)
        kept: list[tuple[int, float]] = []
        stretch: list[tuple[int, float]] = []
        edge = begin + width
        for point in [*points, (points[-1][0] + 2 * width, 0.0)]:
            if point[0] >= edge:
                ends = (
                    {min(stretch, key=lambda one: one[1]), max(stretch, key=lambda one: one[1])} if stretch else set()
                )
                kept += sorted(ends)
                stretch = []
                edge += ((point[0] - edge) // width + 1) * width
            stretch.append(point)
        points = kept
        gap_s = max(gap_s, 2.0 * width)
    shown: list[tuple[int, float | None]] = []
    for point in points:
        if shown and point[0] - shown[-1][0] > gap_s:
            shown.append((shown[-1][0] + 1, None))
        shown.append(point)
    return shown
