"""Columns of integers of which a part can be read alone: byte planes behind a short head. Pure.

packed n    as in `hub.protocol.records.integers`, whole planes only
track n     of n items that belong to s subjects, one subject after the other: u8 mode, then
              0   packed s levels, packed n: item = level of its subject + what is packed
              1   packed s levels, packed n: each subject's first item is its level, what is packed there is 0;
                  the others are the item before + what is packed
              2   packed n: the items, where a difference would pass 64 bit
runs n      as in `hub.protocol.records.integers`
may n       u8 0 = none of n; 1 = runs n of 0 and 1 (there is one), then track n, in which those that are not there
            repeat a neighbour
"""

from __future__ import annotations

import sys
from array import array
from bisect import bisect_right
from collections.abc import Iterable, Sequence
from itertools import accumulate, chain, compress, repeat
from operator import add, sub

from hub.core.errors import DecodeError
from hub.core.text import phrase
from hub.protocol.records.integers import I64_MAX, I64_MIN, Reader, put_packed, put_runs

LEVELS, STEPS, PLAIN = 0, 1, 2
_BIG = sys.byteorder == "big"
_CODES = (None, None, "H", "I", "I", "Q", "Q", "Q", "Q")


def differences(items: Sequence[int]) -> list[int]:
    """Return the first item, then the differences between neighbours: `accumulate` gives the items again."""
    return [*items[:1], *map(sub, items[1:], items)]


def put_track(out: list[bytes], items: Sequence[int], marks: Sequence[int]) -> None:
    """Append items of several subjects. `marks` are the places where each subject begins, then how many items there
    are."""
    steps = [0, *map(sub, items[1:], items)]
    for mark in marks[:-1]:
        steps[mark] = 0
    if not any(steps):  # each subject says the same all the time
        out.append(bytes((STEPS,)))
        put_packed(out, [items[mark] for mark in marks[:-1]])
        put_packed(out, steps)
        return
    counts = list(map(sub, marks[1:], marks))
    sums = [0, *accumulate(items)]
    means = [(sums[end] - sums[end - count]) // count for end, count in zip(marks[1:], counts, strict=True)]
    offsets = list(map(sub, items, chain.from_iterable(map(repeat, means, counts))))
    closer = sum(map(abs, offsets)) < sum(map(abs, steps))
    cells = offsets if closer else steps
    if min(cells) < I64_MIN or max(cells) > I64_MAX:
        out.append(bytes((PLAIN,)))
        put_packed(out, items)
        return
    out.append(bytes((LEVELS if closer else STEPS,)))
    put_packed(out, means if closer else [items[mark] for mark in marks[:-1]])
    put_packed(out, cells)


def put_may(out: list[bytes], items: Sequence[int | None], marks: Sequence[int]) -> None:
    """Append items of which some are None."""
    there = [item is not None for item in items]
    if not any(there):
        out.append(bytes(1))
        return
    out.append(b"\1")
    put_runs(out, bytes(there))
    last = next(compress(items, there))
    filled = [last := last if item is None else item for item in items]
    put_track(out, filled, marks)  # type: ignore[arg-type]


class Planes:
    """A packed column, read where it is asked for."""

    __slots__ = ("_base", "_count", "_raw", "_width")

    def __init__(self, base: int, width: int, raw: bytes, count: int) -> None:
        self._base, self._width, self._raw, self._count = base, width, raw, count

    def part(self, begin: int, end: int) -> list[int]:
        """Return the items from `begin` up to `end`."""
        base, width, raw = self._base, self._width, self._raw
        if width == 0:
            return [base] * (end - begin)
        if width == 1:
            cells: Sequence[int] = raw[begin:end]
            return [cell + base for cell in cells] if base else list(cells)
        cells = array(_CODES[width] or "B")
        mixed = bytearray((end - begin) * cells.itemsize)
        for plane in range(width):
            mixed[plane :: cells.itemsize] = raw[plane * self._count + begin : plane * self._count + end]
        cells.frombytes(mixed)
        if _BIG:
            cells.byteswap()
        return [cell + base for cell in cells] if base else cells.tolist()


class Track:
    """A column of items of several subjects, read where it is asked for."""

    __slots__ = ("_levels", "_mode", "_planes")

    def __init__(self, mode: int, levels: Sequence[int], planes: Planes) -> None:
        self._mode, self._levels, self._planes = mode, levels, planes

    def part(self, subject: int, begin: int, end: int) -> list[int]:
        """Return the items of a subject, which lie from `begin` to `end`. Raises DecodeError when one is beyond 64
        bits."""
        cells = self._planes.part(begin, end)
        if self._mode == STEPS:
            cells[0] += self._levels[subject]
            cells = list(accumulate(cells))
        elif self._mode == LEVELS:
            level = self._levels[subject]
            cells = [cell + level for cell in cells]
        return _within_64_bits(cells)

    def whole(self, marks: Sequence[int], counts: Sequence[int]) -> list[int]:
        """Return the items of all subjects, which begin at `marks` and are so many. Raises DecodeError as `part`
        does."""
        cells = self._planes.part(0, marks[-1])
        lifts: Iterable[int] = self._levels
        if self._mode == STEPS:  # one running sum over all, from which each subject is lifted to its own level
            cells = list(accumulate(cells))
            lifts = map(sub, lifts, [0, *(cells[mark - 1] for mark in marks[1:-1])])
        if self._mode != PLAIN:
            cells = list(map(add, cells, chain.from_iterable(map(repeat, lifts, counts))))
        return _within_64_bits(cells)


def _within_64_bits(cells: list[int]) -> list[int]:
    if min(cells) < I64_MIN or max(cells) > I64_MAX:
        raise DecodeError("bad-chunk", phrase("block-item-out-of-range", "an item is out of its range"))
    return cells


class May:
    """A column in which some items are missing."""

    __slots__ = ("_there", "_track")

    def __init__(self, there: Runs | None, track: Track | None) -> None:
        self._there, self._track = there, track

    def part(self, subject: int, begin: int, end: int) -> list[int | None]:
        """Return the items of a subject; None for those that are missing."""
        if self._there is None or self._track is None:
            return [None] * (end - begin)
        return self._with_gaps(self._track.part(subject, begin, end), begin, end)

    def whole(self, marks: Sequence[int], counts: Sequence[int]) -> list[int | None]:
        """Return the items of all subjects, as `Track.whole` does."""
        if self._there is None or self._track is None:
            return [None] * marks[-1]
        return self._with_gaps(self._track.whole(marks, counts), 0, marks[-1])

    def _with_gaps(self, items: list[int], begin: int, end: int) -> list[int | None]:
        there = self._there.part(begin, end) if self._there is not None else ()
        return [item if here else None for item, here in zip(items, there, strict=True)]


class Runs:
    """A column of runs, or of packed items."""

    __slots__ = ("_ends", "_planes", "_values")

    def __init__(self, planes: Planes | None, values: Sequence[int], ends: Sequence[int]) -> None:
        self._planes, self._values, self._ends = planes, values, ends

    def part(self, begin: int, end: int) -> list[int]:
        """Return the items from `begin` up to `end`."""
        if self._planes is not None:
            return self._planes.part(begin, end)
        items: list[int] = []
        at = bisect_right(self._ends, begin)
        while begin < end:
            until = min(end, self._ends[at])
            items += [self._values[at]] * (until - begin)
            begin, at = until, at + 1
        return items


class Cursor(Reader):
    """Reads columns one after the other, without their items. Raises DecodeError, nothing else."""

    def planes(self, count: int) -> Planes:
        base, width = self.head()
        if width > 8:
            raise DecodeError("bad-chunk", phrase("column-planes-invalid", "{width} byte planes", width=width))
        return Planes(base, width, self.take(width * count), count)

    def track(self, subjects: int, count: int) -> Track:
        mode = self.byte()
        if mode > PLAIN:
            raise DecodeError("bad-chunk", phrase("chunk-track-mode", "a column in an unknown form, {mode}", mode=mode))
        levels = self.planes(subjects).part(0, subjects) if mode != PLAIN else ()
        return Track(mode, levels, self.planes(count))

    def part_runs(self, count: int) -> Runs:
        runs = self.varint()
        if runs == 0:
            return Runs(self.planes(count), (), ())
        if runs > count:
            raise DecodeError("bad-chunk", phrase("column-too-many-runs", "more runs than reports"))
        values = self.planes(runs).part(0, runs)
        lengths = self.planes(runs).part(0, runs) if runs > 1 else [count]
        if min(lengths) < 1 or sum(lengths) != count:
            raise DecodeError("bad-chunk", phrase("column-run-lengths-wrong", "run lengths do not add up"))
        return Runs(None, values, list(accumulate(lengths)))

    def may(self, subjects: int, count: int) -> May:
        there = self.byte()
        if there > 1:
            raise DecodeError(
                "bad-chunk", phrase("chunk-track-mode", "a column in an unknown form, {mode}", mode=there)
            )
        return May(self.part_runs(count), self.track(subjects, count)) if there else May(None, None)
