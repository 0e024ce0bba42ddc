"""Manifest: figures of every closed segment, kept outside of it, so that one that vanished is declared exactly.

    LOCAL key   buffer/held/<stream>/<segment number>
    value       [run, first seq, last seq, readings before, readings after, from s, to s]

The times are Unix seconds: none of its readings was taken in before `from`, and none committed after `to`.

A segment's line is told with the commit after it was closed, and removed with the commit after it was unlinked. A file
that is not there at the start although its line is, was not unlinked by the hub, or its numbers are settled anyway.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgspec

from hub.protocol.records.bodies import DAMAGED, Gap
from hub.store_and_forward.buffer.batch import Local
from hub.store_and_forward.buffer.catalog import Catalog
from hub.store_and_forward.buffer.segment import SegmentInfo

HELD_KEY = "buffer/held/"


class HeldSegment(msgspec.Struct, array_like=True, frozen=True):
    """Figures of one closed segment. Times are Unix seconds."""

    run: bytes
    first: int
    last: int
    base: int
    total: int
    from_s: int
    to_s: int


class Manifest:
    """Figures of the closed segments of both streams. For one thread."""

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog
        self._told: dict[tuple[str, int], HeldSegment] = {}
        self._aside: set[tuple[str, int]] = set()
        self._turns = -1  # of the catalog, at the last look

    def restore(self, key: str, value: Any) -> bool:
        """Take an entry from the small state. Returns False when `key` belongs to something else."""
        if not key.startswith(HELD_KEY):
            return False
        stream, _, number = key.removeprefix(HELD_KEY).partition("/")
        self._told[stream, int(number)] = msgspec.convert(value, HeldSegment)
        return True

    def check(self, aside: Iterable[SegmentInfo] = ()) -> list[Gap]:
        """Correct the guesses of recovery about the segments found, and return a GAP for each that is missing. `aside`
        are on disk too, but not in the catalog."""
        self._aside = {(info.stream, info.number) for info in aside}
        found = {(info.stream, info.number): info for info in self._catalog.all()}
        gaps, corrected = [], []
        for (stream, number), held in self._told.items():
            info = found.get((stream, number))
            if (stream, number) in self._aside:
                continue
            if info is None:
                readings = held.total - held.base
                gaps.append(Gap(stream, held.run, held.first, held.last, readings, held.from_s, held.to_s, DAMAGED))
            elif (info.run, info.first) == (held.run, held.first):
                counts = info._replace(last=held.last, base=held.base, total=held.total)
                corrected.append(counts._replace(started_s=held.from_s, ended_s=held.to_s))
        self._catalog.correct(corrected)
        return gaps

    def changes(self) -> Local:
        """Return the entries that changed since the last call: of segments that were closed, or that left the disk."""
        if self._turns == self._catalog.turns:
            return {}
        self._turns = self._catalog.turns
        closed = {
            (info.stream, info.number): info
            for info in self._catalog.all()
            if not info.open and info.last >= info.first
        }
        found: Local = {}
        for key in self._told.keys() - closed.keys() - self._aside:
            del self._told[key]
            found[_key(*key)] = None
        for key in closed.keys() - self._told.keys():
            held = self._told[key] = _held(closed[key])
            found[_key(*key)] = msgspec.Raw(msgspec.msgpack.encode(held))
        return found


def _held(info: SegmentInfo) -> HeldSegment:
    return HeldSegment(info.run, info.first, info.last, info.base, info.total, info.started_s, info.ended_s)


def _key(stream: str, number: int) -> str:
    return f"{HELD_KEY}{stream}/{number}"
