"""Reads durable records from segment files, in any thread. Records that are missing are declared.

Only bytes below `SegmentInfo.size` are looked at: what a failed commit left above never counts.
"""

from __future__ import annotations

import threading
from array import array
from collections import OrderedDict
from collections.abc import Callable
from typing import NamedTuple

from hub.protocol.records import framing
from hub.protocol.records.bodies import DAMAGED, Gap
from hub.protocol.records.seal import H
from hub.store_and_forward.buffer.catalog import Catalog
from hub.store_and_forward.buffer.disk import Disk
from hub.store_and_forward.buffer.segment import MAGIC, SegmentInfo

_CACHED = 4


class Stored(NamedTuple):
    """One record as it lies in its segment. `seq` is 0 for context (EPOCH, TABLE)."""

    kind: int
    seq: int
    readings: int
    eid: bytes
    raw: bytes


class _Spot(NamedTuple):
    offset: int
    size: int
    kind: int
    readings: int
    total: int
    commit_s: int


class SegmentIndex:
    """Offsets of the records of one segment. Grows with the segment; 31 bytes per record."""

    def __init__(self, info: SegmentInfo) -> None:
        self._first = info.first
        self._offsets, self._sizes, self._kinds = array("Q"), array("I"), array("B")
        self._readings, self._totals, self._seconds = array("H"), array("Q"), array("I")
        self.tables: dict[int, tuple[int, int]] = {}  # counter → offset, size of the first intact copy
        self.epoch = b""
        self.eid = b""
        self.damaged = False
        self.scanned = 0

    def extend(self, data: bytes) -> None:
        """Index `data`, which continues the segment from `scanned`."""
        base = self.scanned
        for item in framing.scan(data, 0 if base else len(MAGIC)):
            if isinstance(item, framing.Damage):
                self.damaged = True
            elif item.kind in framing.NUMBERED:
                self._put(item, base, base + len(data))
            elif item.kind == framing.TABLE:
                self.tables.setdefault(item.seq, (base + item.offset, item.size))
            elif item.kind == framing.EPOCH and not self.epoch:
                self.epoch = data[item.offset : item.offset + item.size]
                self.eid = H(framing.parse(self.epoch).payload)
        self.scanned += len(data)

    def _put(self, head: framing.Head, base: int, end: int) -> None:
        at = head.seq - self._first
        count = len(self._offsets)
        if not 0 <= at <= end // framing.HEADER_SIZE:
            return  # a number this segment cannot hold, wherever in it a disk shows it, with a third of its bytes left
        columns = (self._offsets, self._sizes, self._kinds, self._readings, self._totals, self._seconds)
        for column in columns:
            column.extend([0] * (at + 1 - count))
        if self._sizes[at]:
            return  # a copy: the first one counts
        values = (base + head.offset, head.size, head.kind, head.readings, head.total, head.commit_s)
        for column, value in zip(columns, values, strict=True):
            column[at] = value

    def spot(self, seq: int) -> _Spot | None:
        """Return where record `seq` lies; None when no intact one does."""
        at = seq - self._first
        if not 0 <= at < len(self._sizes) or not self._sizes[at]:
            return None
        return _Spot(
            self._offsets[at], self._sizes[at], self._kinds[at], self._readings[at], self._totals[at], self._seconds[at]
        )

    def gap(self, info: SegmentInfo, first: int, last: int, reason: str = DAMAGED) -> Gap:
        """Return a GAP for `first` … `last`: from their own headers where both ends are intact, else from their
        neighbours, and then as damaged, whatever the reason."""
        before = next((spot for seq in range(first - 1, info.first - 1, -1) if (spot := self.spot(seq))), None)
        after = next((spot for seq in range(last + 1, info.last + 1) if (spot := self.spot(seq))), None)
        low = before.total if before else info.base
        high = after.total - after.readings if after else info.total
        # all of them, not those at the ends alone: the clock may have been set in between
        seconds = [spot.commit_s for seq in range(first, last + 1) if (spot := self.spot(seq))]
        begins, ends = self.spot(first) is not None, self.spot(last) is not None
        seconds += [spot.commit_s for spot, own in ((before, begins), (after, ends)) if spot and not own]
        from_s = min(seconds, default=info.started_s) - info.lag_s
        if from_s < info.started_s <= min(seconds, default=info.started_s):
            from_s = info.started_s
        if not begins and not before:
            from_s = min(from_s, info.started_s)
        to_s = max(seconds, default=from_s)
        if not ends and not after:
            to_s = max(to_s, info.ended_s)
        reason = reason if begins and ends else DAMAGED
        return Gap(info.stream, info.run, first, last, max(0, high - low), max(0, from_s), to_s, reason)

    def context(self, end: int) -> list[tuple[int, int]]:
        """Return offset and size of the TABLE records that blocks before `end` may need."""
        # after damage the first copy of one may be gone and only a later one be left
        return [spot for spot in self.tables.values() if self.damaged or spot[0] < end]


class SegmentReader:
    """Reads records by number. Thread-safe."""

    def __init__(self, disk: Disk, catalog: Catalog, declare: Callable[[Gap], None]) -> None:
        self._disk, self._catalog, self._declare = disk, catalog, declare
        self._lock = threading.Lock()
        self._indexes: OrderedDict[tuple[str, int], SegmentIndex] = OrderedDict()

    def read(self, stream: str, run: bytes, first: int, last: int, max_bytes: int) -> list[Stored]:
        """Return the durable records `first` … `last`, up to `max_bytes` of them but at least one, their context before
        them.

        Context does not count towards `max_bytes`. Damaged records are left out and declared. Raises OSError.
        """
        found: list[Stored] = []
        room = max_bytes
        for info in self._catalog.of(stream):
            if info.run != run or info.last < first or info.first > last:
                continue
            with self._lock:
                room = self._read(info, max(first, info.first), min(last, info.last), room, found)
            if room <= 0:
                break
        return found

    def gap(self, info: SegmentInfo, first: int, last: int, reason: str) -> Gap:
        """Return a GAP for `first` … `last` of a segment, as exact as the segment can still be read."""
        try:
            with self._lock:
                return self._index(info).gap(info, first, last, reason)
        except OSError:
            return without_reading(info, DAMAGED, first, last)

    def _index(self, info: SegmentInfo) -> SegmentIndex:
        """Return the index of a segment up to its durable size."""
        key = info.stream, info.number
        index = self._indexes.pop(key, None) or SegmentIndex(info)
        if index.scanned < info.size:
            index.extend(self._disk.read(info.path, index.scanned, info.size - index.scanned))
        self._indexes[key] = index
        while len(self._indexes) > _CACHED:
            self._indexes.popitem(last=False)
        return index

    def _read(self, info: SegmentInfo, first: int, last: int, room: int, found: list[Stored]) -> int:
        try:
            index = self._index(info)
        except FileNotFoundError:
            if self._catalog.holds(info):
                self._declare(without_reading(info, DAMAGED, first, last))
            return room
        if not index.epoch:  # nobody can open what follows
            self._declare(index.gap(info, first, last))
            return room
        chosen: list[tuple[int, _Spot]] = []
        hole = 0
        for seq in range(first, last + 1):
            spot = index.spot(seq)
            if spot is None:
                hole = hole or seq
                continue
            if hole:
                self._declare(index.gap(info, hole, seq - 1))
                hole = 0
            if (chosen or found) and spot.size > room:
                room = 0
                break
            chosen.append((seq, spot))
            room -= spot.size
            if room <= 0:
                break
        if hole:
            self._declare(index.gap(info, hole, last))
        if chosen:
            found.extend(self._load(info, index, chosen))
        return room

    def _load(self, info: SegmentInfo, index: SegmentIndex, chosen: list[tuple[int, _Spot]]) -> list[Stored]:
        start, end = min(spot.offset for _, spot in chosen), max(spot.offset + spot.size for _, spot in chosen)
        data = self._disk.read(info.path, start, end - start)
        records = [Stored(framing.EPOCH, 0, 0, index.eid, index.epoch)]
        for offset, size in index.context(end):
            raw = self._disk.read(info.path, offset, size)
            if _holds(raw):
                records.append(Stored(framing.TABLE, 0, 0, index.eid, raw))
        for seq, spot in chosen:
            raw = data[spot.offset - start : spot.offset - start + spot.size]
            if _holds(raw):
                records.append(Stored(spot.kind, seq, spot.readings, index.eid, raw))
            else:  # it was intact when the segment was scanned
                self._declare(index.gap(info, seq, seq))
        return records


def without_reading(info: SegmentInfo, reason: str, first: int, last: int) -> Gap:
    """Return a GAP for `first` … `last` from the figures of the whole segment: for a part, its share of the
    readings."""
    share = (info.total - info.base) * (last - first + 1) // (info.last - info.first + 1)
    return Gap(info.stream, info.run, first, last, share, info.started_s, info.ended_s, reason)


def _holds(raw: bytes) -> bool:
    head = framing.read_head(raw, 0)
    return head is not None and head.size == len(raw) and framing.intact(raw, head)
