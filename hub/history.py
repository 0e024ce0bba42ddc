"""Raw history in RAM: what each series said, for a day, in a bounded amount of memory.

A ring has up to OPEN of the newest readings of a series as they are, and the others in blocks of up to WHOLE:

    block     packed 1 of seconds · packed 1 of values · then, when n > 1, packed n − 1 of the differences between
              neighbours' seconds · runs n − 1 of those between their values                  (`hub.buffer.ints`)

with a value counted in steps of its metric's resolution, a flag as 0 or 1. That is 2 to 4 bytes a reading. Blocks older
than SPAN_S go; when all rings together pass their budget, the oldest block of all goes first. Nothing here touches the
disk. Readings may come late: a block is sorted when it is made, and reading one merges them.
"""

from __future__ import annotations

import heapq
from array import array
from collections.abc import Callable, Iterator
from decimal import Decimal
from itertools import accumulate, pairwise

from hub.buffer.ints import Reader, put_packed, put_runs

SPAN_S = 24 * 3600
OPEN, WHOLE = 64, 256
BUDGET = 8 << 20
"""Bytes that all rings of a hub take at most."""
RING_BYTES = 1400
"""Of a ring with its arrays full, as `sys.getsizeof` says them together."""
BLOCK_BYTES = 300
"""Of a block beside its readings: the objects, its places in two lists, its times."""

Point = tuple[int, int]


class Block:
    """`data` are `count` readings between `first` and `last`, Unix seconds, both within."""

    __slots__ = ("count", "data", "first", "last")

    def __init__(self, points: list[Point]) -> None:
        self._put(points)

    def _put(self, points: list[Point]) -> None:
        out: list[bytes] = []
        times, values = [time for time, _ in points], [value for _, value in points]
        put_packed(out, [times[0]])
        put_packed(out, [values[0]])
        if len(points) > 1:
            put_packed(out, [b - a for a, b in pairwise(times)])
            put_runs(out, [b - a for a, b in pairwise(values)])
        self.data = b"".join(out)
        self.count, self.first, self.last = len(points), times[0], times[-1]

    def grow(self, points: list[Point]) -> None:
        """Take more readings."""
        self._put(sorted([*self.points(), *points]))

    def points(self) -> list[Point]:
        reader = Reader(self.data)
        [time], [value], more = reader.packed(1), reader.packed(1), self.count - 1
        times = accumulate(reader.packed(more) if more else [], initial=time)
        values = accumulate(reader.runs(more) if more else [], initial=value)
        return list(zip(times, values, strict=True))

    @property
    def size(self) -> int:
        return len(self.data) + BLOCK_BYTES


class Ring:
    """One series. `step` is the resolution of its metric: a value is stored as the nearest whole number of them."""

    __slots__ = ("_scale", "blocks", "cut", "last", "step", "times", "values")

    def __init__(self, step: str) -> None:
        self.step = float(step)
        inverse = 1 / Decimal(step)
        self._scale = float(inverse)
        self.blocks: list[Block] = []
        self.times: array[int] = array("I")  # Unix seconds, until 2106
        self.values: array[int] = array("q")
        self.last = 0
        self.cut = 0
        """The newest reading that was let go; before it, nothing is whole."""

    def steps(self, value: float) -> int:
        """In whole steps of the resolution."""
        return round(value * self._scale)

    def add(self, time: int, value: int) -> bool:
        """Take a reading. Whether the open ones are to be put into a block now."""
        self.times.append(time)
        self.values.append(value)
        self.last = max(self.last, time)
        return len(self.times) >= OPEN

    def close(self) -> tuple[Block, int]:
        """Put the open readings into a block: a new one, or the last one where it has room. And by how many bytes what
        is kept grew."""
        points = sorted(zip(self.times, self.values, strict=True))
        del self.times[:], self.values[:]
        if self.blocks and self.blocks[-1].count + len(points) <= WHOLE:
            block = self.blocks[-1]
            before = block.size
            block.grow(points)
            return block, block.size - before
        block = Block(points)
        self.blocks.append(block)
        return block, block.size

    def points(self, begin: int, end: int) -> list[Point]:
        """The readings in [begin, end), sorted, each once."""
        found = [
            point
            for block in self.blocks
            if block.first < end and begin <= block.last
            for point in block.points()
            if begin <= point[0] < end
        ]
        found += [one for one in zip(self.times, self.values, strict=True) if begin <= one[0] < end]
        return sorted(set(found))

    def before(self, time: int) -> Point | None:
        """The last reading before `time`."""
        found = max((one for one in zip(self.times, self.values, strict=True) if one[0] < time), default=None)
        for block in reversed(self.blocks):
            if block.first < time and (found is None or block.last >= found[0]):
                inside = [one for one in block.points() if one[0] < time]
                found = max(inside[-1], found) if found else inside[-1]
        return found


class History:
    """The rings of one hub, by series (place, metric). `letting_go(ring, block)` is called before a block goes."""

    def __init__(self, budget: int = BUDGET, span_s: int = SPAN_S) -> None:
        self.budget, self.span_s = budget, span_s
        self.rings: dict[tuple[str, str], Ring] = {}
        self.letting_go: Callable[[Ring, Block], None] = lambda ring, block: None
        self.bytes = 0
        self._oldest: list[tuple[int, int, Ring, Block]] = []
        self._n = 0

    def ring(self, place: str, metric: str, step: str) -> Ring:
        """The ring of a series, made at its first reading."""
        ring = self.rings.get((place, metric))
        if ring is None:
            ring = self.rings[place, metric] = Ring(step)
            self.bytes += RING_BYTES
        return ring

    def get(self, place: str, metric: str) -> Ring | None:
        return self.rings.get((place, metric))

    def close(self, ring: Ring) -> None:
        """Put a ring's open readings away, and let the oldest of all go where there is no room."""
        block, grown = ring.close()
        self.bytes += grown
        if grown == block.size:
            self._n += 1
            heapq.heappush(self._oldest, (block.last, self._n, ring, block))
        while self.bytes > self.budget and self._oldest:
            self._drop()

    def expire(self, now: float) -> None:
        """Let go what is older than the span."""
        while self._oldest and self._oldest[0][0] < now - self.span_s:
            self._drop()

    def forget(self, place: str, metric: str | None = None) -> int:
        """Erase the rings of a place, or one of them. How many."""
        gone = [key for key in self.rings if key[0] == place and metric in (None, key[1])]
        for key in gone:
            ring = self.rings.pop(key)
            self.bytes -= RING_BYTES + sum(block.size for block in ring.blocks)
            self._oldest = [one for one in self._oldest if one[2] is not ring]
            heapq.heapify(self._oldest)
        return len(gone)

    def since(self) -> Iterator[tuple[tuple[str, str], int]]:
        """Each series and the second from which its readings are whole."""
        return ((key, ring.cut) for key, ring in self.rings.items())

    def _drop(self) -> None:
        """The block that ends first; or a look at one that grew."""
        last, n, ring, block = heapq.heappop(self._oldest)
        if block.last != last:  # it grew since: its turn comes later
            heapq.heappush(self._oldest, (block.last, n, ring, block))
            return
        self.letting_go(ring, block)
        ring.blocks.remove(block)
        ring.cut = max(ring.cut, block.last)
        self.bytes -= block.size


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
