"""Computes consumption from meter readings, in whole steps of the resolution. Pure.

Two consecutive readings make a segment: the consumption between them. Its amount:

    a declared swap lies between them   final − former index, then index − initial (chained, where there are several)
    another device reports, undeclared  unknown: 0, marked; `places: … meter: swaps:` can declare it later
    the index rose                      the difference
    it fell, the dial rolls over at `wraps`, and the way across is at most a quarter of it              that way
    it fell otherwise                   the meter restarted at 0: the index

A reading that leaves the line and comes back to it is a misread frame and no consumption: it is left out where its two
neighbours agree a hundred times better with each other than with it.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import NamedTuple

GAP_S = 5400
"""Seconds between two readings beyond which the distribution over hours is an estimate."""
NEAR_S = 36 * 3600
"""Within this time a declared swap and the first report of another device are the same event."""
QUARTER, MISREAD = 4, 100

MEASURED, RESET, ROLLOVER, SWAP, UNKNOWN = "measured", "reset", "rollover", "swap", "unknown"

Point = tuple[int, int]
"""(Unix second, index in steps of the metric's resolution)."""


class Swap(NamedTuple):
    """The replacement of a meter at `at`: the old one's `final` index, the new one's `initial`; None: not read."""

    at: int
    final: int | None = None
    initial: int | None = None


class Dial(NamedTuple):
    """The meters of a place. `wraps`: where the dial rolls over; `device_changes`: seconds from which another device
    reported for this place; `continuous`: the index does not depend on the device (a pulse counter's)."""

    wraps: int | None = None
    swaps: tuple[Swap, ...] = ()
    device_changes: tuple[int, ...] = ()
    continuous: bool = False


PLAIN = Dial()


class Segment(NamedTuple):
    """The `amount` consumed between two moments. `gap`: seconds between the two readings."""

    begin: int
    end: int
    amount: int
    kind: str
    gap: int


class Part(NamedTuple):
    """The consumption of one interval: `estimated` of the `amount` is known in sum but not in its distribution;
    `covered`: seconds between readings close enough to each other."""

    amount: int = 0
    estimated: int = 0
    covered: int = 0


def collapse(points: Iterable[Point], cuts: Sequence[int] = ()) -> list[Point]:
    """Reduce the readings of one hour to those needed: the ends of each run that only rises, never across a cut."""
    kept: list[Point] = []
    for point in sorted(set(points)):
        if (
            len(kept) > 1
            and kept[-2][1] <= kept[-1][1] <= point[1]
            and bisect_right(cuts, kept[-2][0]) == bisect_right(cuts, point[0])
        ):
            kept[-1] = point
        else:
            kept.append(point)
    return kept


def segments(points: Sequence[Point], dial: Dial = PLAIN) -> list[Segment]:
    """Compute the consumption between readings, which are sorted and in the resolution of `dial`."""
    swaps = _place_swaps(points, dial)
    unknown = () if dial.continuous else tuple(change for change in dial.device_changes if not _declared(change, dial))
    cuts = sorted([*(at for at, _ in swaps), *unknown])
    found: list[Segment] = []
    for a, b in pairwise(_without_misreadings(points, cuts)):
        between = [(at, swap) for at, swap in swaps if a[0] < at <= b[0]]
        if between:
            found += _swapped(a, b, between, dial)
        elif any(a[0] < change <= b[0] for change in unknown):
            found.append(Segment(a[0], b[0], 0, UNKNOWN, b[0] - a[0]))
        else:
            amount, kind = _step(a[1], b[1], dial.wraps)
            found.append(Segment(a[0], b[0], amount, kind, b[0] - a[0]))
    return found


def split(parts: Sequence[Segment], edges: Sequence[int]) -> list[Part]:
    """Distribute consumption over the intervals between the sorted edges. The parts of a segment add up to its amount
    exactly."""
    amounts, doubts, covered = ([0] * (len(edges) - 1) for _ in range(3))
    cells = len(edges) - 1
    for begin, end, amount, kind, gap in parts:
        sure = gap <= GAP_S and kind != UNKNOWN
        at = max(0, bisect_right(edges, begin) - 1)
        if end == begin:
            if at < cells and edges[at] <= begin:
                amounts[at] += amount
            continue
        whole = end - begin
        while at < cells and edges[at] < end:
            low, high = max(begin, edges[at]), min(end, edges[at + 1])
            if high > low:
                piece = amount * (high - begin) // whole - amount * (low - begin) // whole
                amounts[at] += piece
                if sure:
                    covered[at] += high - low
                else:
                    doubts[at] += piece
            at += 1
    return [Part(*three) for three in zip(amounts, doubts, covered, strict=True)]


def _step(before: int, after: int, wraps: int | None) -> tuple[int, str]:
    if after >= before:
        return after - before, MEASURED
    ahead = after - before + (wraps or 0)
    if wraps is not None and 0 <= ahead * QUARTER <= wraps:
        return ahead, ROLLOVER
    return max(after, 0), RESET


def _swapped(a: Point, b: Point, swaps: Sequence[tuple[int, Swap]], dial: Dial) -> list[Segment]:
    """Compute the segments between two readings with declared swaps between them. Indexes not read count as 0,
    marked."""
    found, (begin, index) = [], a
    known: int | None = index
    for at, swap in swaps:
        amount, kind = (0, UNKNOWN)
        if known is not None and swap.final is not None:
            amount, kind = _step(known, swap.final, dial.wraps)[0], SWAP
        found.append(Segment(begin, at, amount, kind, b[0] - a[0]))
        begin, known = at, swap.initial
    amount, kind = (0, UNKNOWN) if known is None else (_step(known, b[1], dial.wraps)[0], SWAP)
    found.append(Segment(begin, b[0], amount, kind, b[0] - a[0]))
    return found


def _place_swaps(points: Sequence[Point], dial: Dial) -> list[tuple[int, Swap]]:
    """Place each declared swap between the last reading of the old meter and the first of the new one.

    People give the date by a wall clock; readings have their own.
    """
    times = [time for time, _ in points]
    placed = []
    for swap in sorted(dial.swaps):
        at = swap.at
        near = [change for change in dial.device_changes if abs(change - at) <= NEAR_S]
        if near and not dial.continuous:
            change = min(near, key=lambda one: abs(one - at))
            before = bisect_left(times, change) - 1
            at = min(change, max(at, times[before] + 1)) if before >= 0 else min(at, change)
        placed.append((at, swap))
    return placed


def _declared(change: int, dial: Dial) -> bool:
    return any(
        abs(change - swap.at) <= NEAR_S and change == min(dial.device_changes, key=lambda one: abs(one - swap.at))
        for swap in dial.swaps
    )


def _without_misreadings(points: Sequence[Point], cuts: Sequence[int]) -> list[Point]:
    """Drop misread points, which leave the line and come back to it."""
    kept: list[Point] = []
    for at, point in enumerate(points):
        if kept and at + 1 < len(points):
            a, b = kept[-1], points[at + 1]
            alone = bisect_right(cuts, a[0]) == bisect_right(cuts, b[0])
            if alone and _is_misread(a[1], point[1], b[1]):
                continue
        kept.append(point)
    return kept


def _is_misread(a: int, x: int, b: int) -> bool:
    if b < a:
        return False
    if x < a:
        return (b - a) * MISREAD <= b - x
    return a > 0 and x > 2 * b and (b - a) * MISREAD <= x - b
