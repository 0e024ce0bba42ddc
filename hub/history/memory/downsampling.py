"""Fewer points that look like all of them, for charts. Pure."""

from __future__ import annotations

from collections.abc import Iterable


class Fold:
    """Points of [begin, end) in bounded memory: all of them while there are at most twice `most`, and then of each of
    `most` stretches of time the lowest and the highest. They may come in any order, and more than once."""

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
        """What is left of them, sorted."""
        if self._all is not None:
            return sorted(self._all)
        return sorted({point for both in self._ends.values() for point in both})


def _value(point: tuple[int, float]) -> float:
    return point[1]


def thinned(points: list[tuple[int, float]], most: int, gap_s: float) -> list[tuple[int, float | None]]:
    """At most about `most` points that look like all of them: of each stretch of time the lowest and the highest, in
    their order; a None where nothing was said for longer than `gap_s`."""
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
