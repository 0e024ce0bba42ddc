"""A set of record numbers, kept as ranges: in order, apart, both ends included. Pure.

Numbers mostly come in order, so a set is nearly always one or two ranges, and a number that follows the last one costs
O(1). Any other change costs the number of ranges, never of numbers; `add_all` and `discard_all` make many changes for
little more than the cost of one.

One thread changes a set; others may read it meanwhile: each of their calls sees it before a change or after it.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator
from heapq import merge

from hub.core.text import phrase

FEW = 4
"""Changes that are made one by one."""

Range = tuple[int, int]
"""First and last record number. When asking or discarding, `first` above `last` is the empty range."""


class Ranges:
    """Disjoint, rising ranges of numbers from 1 that never touch one another."""

    __slots__ = ("_both",)

    def __init__(self, ranges: Iterable[Range] = ()) -> None:
        """Raises ValueError, as `add` does."""
        # swapped as one, so that no other thread sees a first without its last
        self._both: tuple[list[int], list[int]] = ([], [])
        for first, last in ranges:
            firsts, lasts = self._both
            if lasts and lasts[-1] + 1 < first <= last:  # in order, as they mostly come: none is moved for the next
                firsts.append(first)
                lasts.append(last)
            else:
                self.add(first, last)

    def add(self, first: int, last: int | None = None) -> None:
        """Add one number, or all from `first` to `last`. Raises ValueError when the range is empty or below 1."""
        last = first if last is None else last
        if not 1 <= first <= last:
            raise ValueError(
                phrase("not-a-range", "{first}-{last} is not a range of record numbers", first=first, last=last)
            )
        firsts, lasts = self._both
        if lasts and lasts[-1] + 1 == first:
            lasts[-1] = last
            return
        low = bisect_left(lasts, first - 1)  # the first range that touches or follows
        high = bisect_right(firsts, last + 1)  # behind the last one that touches
        if low < high:
            first, last = min(first, firsts[low]), max(last, lasts[high - 1])
        self._both = [*firsts[:low], first, *firsts[high:]], [*lasts[:low], last, *lasts[high:]]

    def add_all(self, ranges: Iterable[Range]) -> None:
        """Add many, in any order. Raises ValueError as `add` does; then nothing was added."""
        many = sorted(ranges)
        for first, last in many:
            if not 1 <= first <= last:
                raise ValueError(
                    phrase("not-a-range", "{first}-{last} is not a range of record numbers", first=first, last=last)
                )
        if len(many) <= FEW:
            for first, last in many:
                self.add(first, last)
            return
        firsts: list[int] = []
        lasts: list[int] = []
        for first, last in merge(self, many):
            if lasts and first <= lasts[-1] + 1:
                lasts[-1] = max(lasts[-1], last)
            else:
                firsts.append(first)
                lasts.append(last)
        self._both = firsts, lasts

    def discard_all(self, ranges: Iterable[Range]) -> None:
        """Remove what of many ranges, in any order, is in."""
        many = [(max(1, first), last) for first, last in ranges if max(1, first) <= last]
        if len(many) <= FEW:
            for first, last in many:
                self.discard(first, last)
            return
        gone = Ranges()
        gone.add_all(many)
        left = [part for span in self for part in gone.missing(*span)]
        self._both = [first for first, _ in left], [last for _, last in left]

    def discard(self, first: int, last: int) -> None:
        """Remove what of `first` … `last` is in."""
        firsts, lasts = self._both
        low, high = bisect_left(lasts, first), bisect_right(firsts, last)
        if first > last or low >= high:
            return
        left = [(firsts[low], first - 1), (last + 1, lasts[high - 1])]
        left = [(start, end) for start, end in left if start <= end]
        self._both = (
            [*firsts[:low], *(start for start, _ in left), *firsts[high:]],
            [*lasts[:low], *(end for _, end in left), *lasts[high:]],
        )

    def clear(self) -> None:
        self._both = ([], [])

    def copy(self) -> Ranges:
        """A set of its own with the same numbers."""
        other = Ranges()
        firsts, lasts = self._both
        other._both = firsts.copy(), lasts.copy()
        return other

    def __contains__(self, number: int) -> bool:
        return self.covers(number, number)

    def covers(self, first: int, last: int) -> bool:
        """True when every number of `first` … `last` is in; of an empty range all are."""
        if first > last:
            return True
        firsts, lasts = self._both
        at = bisect_left(lasts, last)
        return at < len(firsts) and firsts[at] <= first

    def inside(self, first: int, last: int) -> list[Range]:
        """The parts of `first` … `last` that are in."""
        firsts, lasts = self._both
        if first > last:
            return []
        return [
            (max(first, firsts[at]), min(last, lasts[at]))
            for at in range(bisect_left(lasts, first), bisect_right(firsts, last))
        ]

    def missing(self, first: int, last: int) -> list[Range]:
        """The parts of `first` … `last` that are not in."""
        holes = []
        for start, end in self.inside(first, last):
            if first < start:
                holes.append((first, start - 1))
            first = end + 1
        if first <= last:
            holes.append((first, last))
        return holes

    def count(self) -> int:
        """Return how many numbers there are, not how many ranges."""
        firsts, lasts = self._both
        return sum(lasts) - sum(firsts) + len(firsts)

    def parts(self) -> int:
        """Return how many ranges there are."""
        return len(self._both[0])

    def head(self) -> Range:
        """The lowest range. Raises IndexError when there is none."""
        firsts, lasts = self._both
        return firsts[0], lasts[0]

    def through(self) -> int:
        """The last number up to which, from 1, nothing is missing; 0 when 1 is missing."""
        firsts, lasts = self._both
        return lasts[0] if firsts and firsts[0] == 1 else 0

    def last(self) -> int:
        """The highest number, 0 when empty."""
        lasts = self._both[1]
        return lasts[-1] if lasts else 0

    def __iter__(self) -> Iterator[Range]:
        return zip(*self._both, strict=True)

    def __bool__(self) -> bool:
        return bool(self._both[0])

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Ranges) and self._both == other._both

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"Ranges({list(self)})"
