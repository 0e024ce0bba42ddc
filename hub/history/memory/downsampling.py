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
