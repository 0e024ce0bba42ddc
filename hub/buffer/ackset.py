"""Sets of record numbers as ranges, per (stream, run): what the backend has committed, what is lost for good. Pure."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator

Range = tuple[int, int]
Key = tuple[str, bytes]
"""(stream, run)"""


class Ranges:
    """Disjoint, rising, inclusive ranges that never touch one another."""

    __slots__ = ("_both",)

    def __init__(self, ranges: Iterable[Range] = ()) -> None:
        # firsts and lasts; swapped as one, so that another thread never sees half a change
        self._both: tuple[list[int], list[int]] = ([], [])
        for first, last in ranges:
            self.add(first, last)

    def add(self, first: int, last: int) -> None:
        """Add `first` … `last`. Raises ValueError when that is no range of positive numbers."""
        if not 0 < first <= last:
            raise ValueError(f"{first}…{last} is no range of record numbers")
        firsts, lasts = self._both
        low = bisect_left(lasts, first - 1)
        high = bisect_right(firsts, last + 1)
        if low < high:
            first, last = min(first, firsts[low]), max(last, lasts[high - 1])
        self._both = ([*firsts[:low], first, *firsts[high:]], [*lasts[:low], last, *lasts[high:]])

    def __contains__(self, number: int) -> bool:
        return self.covers(number, number)

    def covers(self, first: int, last: int) -> bool:
        """Whether every number of `first` … `last` is in; an empty range always is."""
        if first > last:
            return True
        firsts, lasts = self._both
        at = bisect_left(lasts, last)
        return at < len(firsts) and firsts[at] <= first

    def missing(self, first: int, last: int) -> Iterator[Range]:
        """The ranges of `first` … `last` that are not in."""
        firsts, lasts = self._both
        at = bisect_left(lasts, first)
        while first <= last:
            if at >= len(firsts) or firsts[at] > last:
                yield first, last
                return
            if firsts[at] > first:
                yield first, firsts[at] - 1
            first = lasts[at] + 1
            at += 1

    def count(self, first: int, last: int) -> int:
        """How many numbers of `first` … `last` are in."""
        return max(0, last - first + 1) - sum(end - start + 1 for start, end in self.missing(first, last))

    def __iter__(self) -> Iterator[Range]:
        return zip(*self._both, strict=True)

    def __bool__(self) -> bool:
        return bool(self._both[0])

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Ranges) and list(self) == list(other)

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"Ranges({list(self)})"


class AckSet:
    """`Ranges` by (stream, run)."""

    def __init__(self) -> None:
        self._sets: dict[Key, Ranges] = {}

    def add(self, stream: str, run: bytes, first: int, last: int) -> None:
        self._sets.setdefault((stream, run), Ranges()).add(first, last)

    def of(self, stream: str, run: bytes) -> Ranges:
        """The ranges of one (stream, run); empty when nothing is known of it."""
        return self._sets.get((stream, run)) or Ranges()

    def covers(self, stream: str, run: bytes, first: int, last: int) -> bool:
        return self.of(stream, run).covers(first, last)

    def forget(self, stream: str, run: bytes) -> None:
        self._sets.pop((stream, run), None)

    def __iter__(self) -> Iterator[Key]:
        return iter(list(self._sets))
