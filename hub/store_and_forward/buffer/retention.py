"""Retention: which closed segments may leave the disk, and in which order.

A segment is *settled* once every number in it is durably acked or declared lost. It then stays `keep_s` longer, as the
disk allows, so that a backend that was put back to an older copy can ask for it again. The time counts while the hub
runs, by its monotonic clock: no jump of the wall clock makes anything leave early. When room is needed, these go first
to last:

    settled segments of `readings`, oldest first
    settled segments of `alerts`
    unsettled segments of `readings`, oldest first          declared before
    unsettled segments of `alerts` beyond their reserve     declared before
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from itertools import chain
from typing import Any

import msgspec

from hub.protocol.records.rows import ALERTS, READINGS
from hub.store_and_forward.acked_ranges import RunRanges
from hub.store_and_forward.buffer.batch import BufferConfig, Local
from hub.store_and_forward.buffer.catalog import Catalog, unsettled
from hub.store_and_forward.buffer.segment import SegmentInfo

KEPT_KEY, LIFE_KEY = "buffer/kept/", "buffer/life"
_LIFE_EVERY_S = 600.0


class Retention:
    """Chooses segments to unlink. `acks` and `lost` are the durable ones; `monotonic` gives seconds. For the writer
    thread, except `settled_bytes`."""

    def __init__(
        self,
        catalog: Catalog,
        acks: RunRanges,
        lost: RunRanges,
        *,
        config: BufferConfig,
        monotonic: Callable[[], float],
    ) -> None:
        self.stale = True  # something was settled, or no longer is: look again
        self._catalog, self._acks, self._lost = catalog, acks, lost
        self._keep_s, self._most, self._reserve = config.keep_s, config.max_bytes, config.reserve_bytes
        self._monotonic, self._start = monotonic, monotonic()
        self._before = 0.0  # seconds that earlier processes ran
        self._told = 0.0  # of `life`, by LOCAL
        self._since: dict[tuple[str, int], float] = {}  # stream, number → `life` when it was settled
        self._earliest: float | None = None  # of these; None: to be looked for
        self._turns = -1  # of the catalog, at the last look

    def restore(self, key: str, value: Any) -> bool:
        """Take an entry of an earlier process from the small state. Returns False when `key` belongs to something
        else."""
        if key == LIFE_KEY:
            self._before = self._told = float(value)
        elif key.startswith(KEPT_KEY):
            stream, _, number = key.removeprefix(KEPT_KEY).partition("/")
            self._since[stream, int(number)], self._earliest = float(value), None
        else:
            return False
        return True

    def is_evictable(self, info: SegmentInfo) -> bool:
        """True when a segment is closed, and is not the one that names its run for the next."""
        segments = self._catalog.of(info.stream)
        return not info.open and info != segments[-1] and info != self._catalog.keeper(info.stream)

    def changes(self) -> Local:
        """Note which segments are settled by now. Returns the changes for LOCAL."""
        found: Local = {}
        life = self._life()
        if self.stale or self._turns != self._catalog.turns:
            self.stale, self._turns, self._earliest = False, self._catalog.turns, None
            for info in self._catalog.all():
                key = info.stream, info.number
                settled = self.is_evictable(info) and not unsettled(info, self._acks, self._lost)
                if settled and key not in self._since:
                    self._since[key] = life
                    found[_local_key(info)] = _raw(life)
                elif not settled and self._since.pop(key, None) is not None:
                    found[_local_key(info)] = None
        if self._since and life - self._told >= _LIFE_EVERY_S:
            self._told = life
            found[LIFE_KEY] = _raw(life)
        return found if self._keep_s else {}

    def expired(self) -> list[SegmentInfo]:
        """Return the settled segments that stayed long enough."""
        if self._earliest is None:
            self._earliest = min(self._since.values(), default=math.inf)
        life = self._life()
        if life - self._earliest < self._keep_s:
            return []
        due = {key for key, since in self._since.items() if life - since >= self._keep_s}
        return [info for info in self._settled(READINGS, ALERTS) if (info.stream, info.number) in due]

    def forget(self, info: SegmentInfo) -> str | None:
        """Forget a segment that left the disk. Returns its key in LOCAL, when there is one to remove."""
        self._earliest = None
        known = self._since.pop((info.stream, info.number), None) is not None
        return _local_key(info) if known and self._keep_s else None

    def exceeds_cap(self, need: int) -> bool:
        """True when `need` more bytes of readings would pass the cap."""
        alerts = max(self._catalog.size(ALERTS), self._reserve)
        return self._catalog.size(READINGS) + alerts + need > self._most

    def next_settled(self) -> SegmentInfo | None:
        """Return the settled segment that goes first, None when there is none."""
        return next(self._settled(READINGS, ALERTS), None) if self._since else None

    def next_evictable(self, *, full: bool) -> SegmentInfo | None:
        """Return the segment that goes first, settled or not. `full`: the disk itself is full, so any room counts; else
        only segments count that make room for readings."""
        alerts = self._catalog.size(ALERTS)
        settled = self._settled(READINGS, ALERTS) if full or alerts > self._reserve else self._settled(READINGS)
        unsent = [info for info in self._catalog.of(READINGS) if self.is_evictable(info)]
        unsent += [i for i in self._catalog.of(ALERTS) if self.is_evictable(i) and alerts - i.size >= self._reserve]
        return next(chain(settled, unsent), None)

    def settled_bytes(self) -> int:
        """Return the bytes of settled segments. Thread-safe."""
        return sum(info.size for info in self._catalog.all() if (info.stream, info.number) in self._since)

    def _settled(self, *streams: str) -> Iterator[SegmentInfo]:
        return (
            info
            for stream in streams
            for info in self._catalog.of(stream)
            if (stream, info.number) in self._since and not unsettled(info, self._acks, self._lost)
        )

    def _life(self) -> float:
        return self._before + self._monotonic() - self._start


def _local_key(info: SegmentInfo) -> str:
    return f"{KEPT_KEY}{info.stream}/{info.number}"


def _raw(life: float) -> msgspec.Raw:
    return msgspec.Raw(msgspec.msgpack.encode(int(life)))
