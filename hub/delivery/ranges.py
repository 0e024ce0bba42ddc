"""A set of record numbers, kept as ranges: in order, apart, both ends included. Pure."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator

Range = tuple[int, int]


class Ranges:
    """Adding and removing cost the number of ranges touched, not of numbers held.

    A range whose `first` is above its `last` is empty: nothing is removed, nothing is inside; it must not be added.
    """

    __slots__ = ("_firsts", "_lasts")

    def __init__(self, ranges: Iterable[Range] = ()) -> None:
        self._firsts: list[int] = []
        self._lasts: list[int] = []
        for first, last in ranges:
            self.add(first, last)

    def __iter__(self) -> Iterator[Range]:
        return zip(self._firsts, self._lasts, strict=True)

    def __bool__(self) -> bool:
        return bool(self._firsts)

    def __repr__(self) -> str:
        return f"Ranges({list(self)})"

    def count(self) -> int:
        """How many numbers, not how many ranges."""
        return sum(self._lasts) - sum(self._firsts) + len(self._firsts)

    def head(self) -> Range:
        """The lowest range. Raises IndexError when there is none."""
        return self._firsts[0], self._lasts[0]

    def add(self, first: int, last: int) -> None:
        low = bisect_left(self._lasts, first - 1)
        high = bisect_right(self._firsts, last + 1)
        if low < high:
            first, last = min(first, self._firsts[low]), max(last, self._lasts[high - 1])
        self._firsts[low:high] = [first]
        self._lasts[low:high] = [last]

    def discard(self, first: int, last: int) -> None:
        low = bisect_left(self._lasts, first)
        high = bisect_right(self._firsts, last)
        if low >= high or first > last:
            return
        kept = [(self._firsts[low], first - 1), (last + 1, self._lasts[high - 1])]
        kept = [(a, b) for a, b in kept if a <= b]
        self._firsts[low:high] = [a for a, _ in kept]
        self._lasts[low:high] = [b for _, b in kept]

    def inside(self, first: int, last: int) -> list[Range]:
        """The parts of first…last that are in the set."""
        low = bisect_left(self._lasts, first)
        high = bisect_right(self._firsts, last)
        return [(max(first, self._firsts[i]), min(last, self._lasts[i])) for i in range(low, high)]

    def outside(self, first: int, last: int) -> list[Range]:
        """The parts of first…last that are not in the set."""
        out = []
        for low, high in self.inside(first, last):
            if first < low:
                out.append((first, low - 1))
            first = high + 1
        if first <= last:
            out.append((first, last))
        return out

    def clear(self) -> None:
        self._firsts.clear()
        self._lasts.clear()
