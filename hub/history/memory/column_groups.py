"""Column groups, their blocks, and the rings that read them. Pure; see `hub.history.memory`."""

from __future__ import annotations

import zlib
from array import array
from collections.abc import Iterator
from decimal import Decimal

from hub.history.memory.pages import Point, points, put_page, without

PAGE, WHOLE = 32, 1024
"""Maximum rows of a page; values of a block."""
LEAST_ROWS = 8
"""Minimum rows of a page with many columns."""
BLOCK_S = 6 * 3600
FAST = 1
"""zlib level: the highest one gains two percent on a kilobyte."""
GROUP_BYTES, RING_BYTES = 420, 280
"""Memory of a column group and of a series beside their readings: objects and entries in dictionaries and lists."""
BLOCK_BYTES = 220
"""Memory of a block beside its readings."""


class Block:
    """Consecutive pages. `data` are pages with `count` rows from the Unix second `first` to `last`; `packed`:
    compressed."""

    __slots__ = ("count", "data", "first", "last", "packed")

    def __init__(self, page: bytes, count: int, first: int, last: int) -> None:
        self.data, self.count, self.first, self.last, self.packed = page, count, first, last, False

    def grow(self, page: bytes, count: int, first: int, last: int) -> None:
        """Append a page."""
        self.data += page
        self.count += count
        self.first, self.last = min(self.first, first), max(self.last, last)

    def close(self) -> None:
        """Compress the block; no more pages will come."""
        if not self.packed:
            small = zlib.compress(self.data, FAST)
            if len(small) < len(self.data):
                self.data, self.packed = small, True

    def pages(self) -> bytes:
        return zlib.decompress(self.data) if self.packed else self.data

    def drop(self, column: int) -> None:
        """Remove one column."""
        packed, self.data, self.packed = self.packed, without(self.pages(), column), False
        if packed:
            self.close()

    @property
    def size(self) -> int:
        return len(self.data) + BLOCK_BYTES


class ColumnGroup:
    """The metrics that one place reports together: a row of values for each moment.

    `rings`: its columns in order. `page`: maximum uncompressed rows; `handed_over`: how many of them were handed over
    already (`History.hand_over`).
    """

    __slots__ = ("blocks", "handed_over", "open", "page", "place", "rings", "width")

    def __init__(self, place: str, rings: list[Ring]) -> None:
        self.place, self.rings = place, rings
        self.width = len(rings) + 1
        self.page = max(LEAST_ROWS, min(PAGE, PAGE * 4 // len(rings))) if len(rings) > 1 else PAGE // 2
        self.blocks: list[Block] = []
        self.open: array[int] = array("q")
        self.handed_over = 0
        for at, ring in enumerate(rings):
            ring.columns.append((self, at))

    def add(self, row: list[int]) -> bool:
        """Add a row: the Unix second and a value in steps for each column. Returns whether the open rows must be put
        into a page.

        Raises OverflowError, and adds nothing, when a value exceeds 64 bits.
        """
        self.open.fromlist(row)
        return len(self.open) >= self.page * self.width

    def rows(self) -> list[tuple[int, ...]]:
        """Return the open rows in order of arrival."""
        return list(zip(*[iter(self.open)] * self.width, strict=True))

    def pending_page(self) -> bytes:
        """Return the open rows that were not handed over yet as a page, b"" where there are none, and count them as
        handed over."""
        rows = self.rows()[self.handed_over :]
        self.handed_over += len(rows)
        return put_page(sorted(rows)) if rows else b""

    def close(self) -> tuple[bytes, int]:
        """Put the open rows, at least one, into a page of a block: the last one if it has room, otherwise a new one.

        Returns the page, and by how many bytes the memory grew.
        """
        rows = sorted(self.rows())
        del self.open[:]
        self.handed_over = 0
        page, count, first, last = put_page(rows), len(rows), rows[0][0], rows[-1][0]
        block, before = self.blocks[-1] if self.blocks else None, 0
        if block is not None:
            before = block.size
            near = max(last, block.last) - min(first, block.first) <= BLOCK_S
            if near and (block.count + count) * len(self.rings) <= WHOLE:
                block.grow(page, count, first, last)
                return page, block.size - before
            block.close()
            before -= block.size
        block = Block(page, count, first, last)
        self.blocks.append(block)
        return page, block.size - before

    def points(self, column: int, begin: int, end: int) -> Iterator[Point]:
        """Yield the readings of a column in [begin, end), unordered."""
        for block in self.blocks:
            if block.first < end and begin <= block.last:
                yield from points(block.pages(), column, begin, end)
        width = self.width
        for time, value in zip(self.open[::width], self.open[column + 1 :: width], strict=True):
            if begin <= time < end:
                yield time, value

    def before(self, column: int, time: int) -> Point | None:
        """Return the last reading of a column before `time`, or None."""
        width = self.width
        both = zip(self.open[::width], self.open[column + 1 :: width], strict=True)
        found = max((one for one in both if one[0] < time), default=None)
        for block in reversed(self.blocks):
            if block.first < time and (found is None or block.last >= found[0]):
                begin = block.first if found is None else found[0]
                found = max([*points(block.pages(), column, begin, time), *([found] if found else [])])
        return found

    def last(self) -> int:
        """Return the newest second, 0 if empty."""
        return max([*self.open[:: self.width], *(block.last for block in self.blocks)], default=0)

    def first(self, after: int) -> int | None:
        """Return the oldest second after `after`, or None."""
        times = [time for time in self.open[:: self.width] if time > after]
        for block in self.blocks:
            if block.first > after:
                times.append(block.first)
            elif block.last > after:  # a late reading
                times.append(min(points(block.pages(), 0, after + 1, block.last + 1))[0])
        return min(times, default=None)

    def drop(self, ring: Ring) -> int:
        """Remove a column. Returns by how many bytes the memory grew, a negative number."""
        column, before = self.rings.index(ring), self.size
        rows = [row[: column + 1] + row[column + 2 :] for row in self.rows()]
        del self.open[:]
        for block in self.blocks:
            block.drop(column)
        self.rings.remove(ring)
        self.width -= 1
        for row in rows:
            self.open.extend(row)
        for at, other in enumerate(self.rings):
            other.columns = [(group, at if group is self else old) for group, old in other.columns]
        ring.columns = [one for one in ring.columns if one[0] is not self]
        return self.size - before

    @property
    def size(self) -> int:
        """Bytes used, with the open rows counted at their maximum."""
        cells = self.page * self.width
        return GROUP_BYTES + cells * 8 + cells // 2 + 64 + sum(block.size for block in self.blocks)


class Ring:
    """A series: a `metric` at the place of its column groups. Values are stored as the nearest multiple of `step`, the
    metric's resolution: `scale` is 1 / `step`."""

    __slots__ = ("columns", "cut", "metric", "resolution", "scale", "step")

    def __init__(self, step: str, metric: str = "") -> None:
        self.metric, self.resolution = metric, step
        self.step = float(step)
        self.scale = float(1 / Decimal(step))
        self.columns: list[tuple[ColumnGroup, int]] = []
        self.cut = 0
        """Second of the newest reading dropped; the series is incomplete up to it."""

    def points(self, begin: int, end: int) -> list[Point]:
        """Return the readings in [begin, end), sorted, without duplicates."""
        return sorted({point for group, column in self.columns for point in group.points(column, begin, end)})

    def before(self, time: int) -> Point | None:
        """Return the last reading before `time`, or None."""
        found = (group.before(column, time) for group, column in self.columns)
        return max((one for one in found if one is not None), default=None)

    @property
    def last(self) -> int:
        """The newest second, 0 if empty."""
        return max((group.last() for group, _ in self.columns), default=0)

    def whole_from(self) -> int | None:
        """Return the second from which the series is complete, None if empty."""
        return min((one for group, _ in self.columns if (one := group.first(self.cut)) is not None), default=None)
