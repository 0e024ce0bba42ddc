"""A set of record numbers, kept as ranges in order and apart. Pure.

Numbers mostly arrive in order, so the set is nearly always one or two ranges; adding at the end is O(1).
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable


class Ranges:
    """Closed ranges `first … last` of integers from 1."""

    __slots__ = ("_firsts", "_lasts")

    def __init__(self, ranges: Iterable[tuple[int, int]] = ()) -> None:
        self._firsts: list[int] = []
        self._lasts: list[int] = []
        for first, last in ranges:
            self.add(first, last)

    def add(self, first: int, last: int | None = None) -> None:
        """Add one number, or all from `first` to `last`. Raises ValueError when the range is empty or below 1."""
        last = first if last is None else last
        if not 1 <= first <= last:
            raise ValueError(f"no range of record numbers: {first}-{last}")
        firsts, lasts = self._firsts, self._lasts
        if lasts and lasts[-1] + 1 == first:
            lasts[-1] = last
            return
        low = bisect_right(lasts, first - 2)  # the first range that touches or follows
        high = bisect_right(firsts, last + 1)  # behind the last one that touches
        if low < high:
            first, last = min(first, firsts[low]), max(last, lasts[high - 1])
        firsts[low:high] = [first]
        lasts[low:high] = [last]

    def __contains__(self, number: int) -> bool:
        at = bisect_right(self._firsts, number) - 1
        return at >= 0 and number <= self._lasts[at]

    def __bool__(self) -> bool:
        return bool(self._firsts)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Ranges) and self.pairs() == other.pairs()

    __hash__ = None  # type: ignore[assignment]

    def pairs(self) -> list[tuple[int, int]]:
        return list(zip(self._firsts, self._lasts, strict=True))

    def through(self) -> int:
        """The last number up to which, from 1, nothing is missing; 0 when 1 is missing."""
        return self._lasts[0] if self._firsts and self._firsts[0] == 1 else 0

    def last(self) -> int:
        """The highest number, 0 when empty."""
        return self._lasts[-1] if self._lasts else 0

    def missing(self, first: int, last: int) -> list[tuple[int, int]]:
        """What of `first … last` is not in the set."""
        holes = []
        at = first
        for low in range(bisect_right(self._lasts, first - 1), len(self._firsts)):
            if self._firsts[low] > last:
                break
            if self._firsts[low] > at:
                holes.append((at, self._firsts[low] - 1))
            at = self._lasts[low] + 1
        if at <= last:
            holes.append((at, last))
        return holes

    def copy(self) -> Ranges:
        other = Ranges()
        other._firsts, other._lasts = self._firsts.copy(), self._lasts.copy()
        return other
