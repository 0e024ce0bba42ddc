"""Registration of the series that arriving blocks name, so that they are listed before a compactor gets to them.

What was seen once is remembered by its subject and shape, which are objects of one epoch and so of one hub; in the
next epoch, by what they say, so that a hub that begins again has nothing listed that is listed already. On which later
days a series has readings is told by the compactor.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache

from backend.readings.bucketing import DAY_MS, carried, series_line, series_name, there
from backend.readings.chunks.rows import CARRIED
from backend.readings.stored_bodies import TURNED, privacy_of
from backend.storage.chunks import SeriesLine
from backend.storage.engine import ErasureOrder, Storage
from hub.protocol.records.rows import Column, Row, Shape, Subject

MAX_KNOWN = 100_000
"""Pairs of a subject and a shape that are remembered."""


@dataclass(slots=True)
class _Seen:
    """What was seen of one hub. `told` is by hashes, of a name and of what is told of it: should two ever be alike, the
    compactor lists what is missing."""

    pairs: set[tuple[Subject, Shape, tuple[bool, ...]]] = field(default_factory=set)  # with what reports carry
    told: dict[int, int] = field(default_factory=dict)


class SeriesRegister:
    """Lists series of one database, inside the caller's transaction. One thread."""

    def __init__(self, storage: Storage) -> None:
        self._storage = storage
        self._known: dict[str, _Seen] = {}
        self._count = 0
        storage.caches.add(self.forget)

    def add(self, hub: str, record: int, rows: Sequence[Row], now: float) -> None:
        """List the series of the rows of a record. A device of which a series turns personal has what was stored of it
        divided anew."""
        lines: list[SeriesLine] = []
        seen = self._known.setdefault(hub, _Seen())
        known = seen.pairs
        for subject, shape, _, _, _, _, _, rssi, position in rows:
            carries = (False,) if rssi is None and position is None else there(rssi, position)
            key = subject, shape, carries
            if key in known:
                continue
            known.add(key)
            self._count += 1
            name, told = _hashes(subject, shape, carries)
            if seen.told.get(name) == told:
                continue
            seen.told[name] = told
            lines += self._lines(hub, subject, shape, carries, int(now * 1000) // DAY_MS)
        if not lines:
            return
        for device in self._storage.series.register(hub, lines):
            order = ErasureOrder(f"{TURNED}:{device}:{record}", TURNED, device, 0, now)
            self._storage.bodies.order(hub, order, record)
        if self._count > MAX_KNOWN:
            self.forget()

    def forget(self, hub: str | None = None) -> None:
        """Forget what was seen: series of a hub, or of all, may be gone."""
        if hub is None:
            self._known.clear()
            self._count = 0
        else:
            self._count -= len(self._known.pop(hub, _Seen()).pairs)

    def _lines(self, hub: str, subject: Subject, shape: Shape, carries: tuple[bool, ...], day: int) -> list[SeriesLine]:
        beside = carried(shape, *carries)
        if any(carries):  # a device that measures something of that name in other reports
            apart = [series_name(subject, CARRIED + column.metric) for column in beside]
            listed = self._storage.seen(hub).series(apart)
            beside = [column for column, name in zip(beside, apart, strict=True) if name not in listed]
        columns: list[Column] = [*shape.columns, *beside]
        return [series_line(subject, column, day, privacy_of(column), 0) for column in columns]


def _hashes(subject: Subject, shape: Shape, carries: tuple[bool, ...]) -> tuple[int, int]:
    """Return hashes of what names the series of a subject and shape, and of what else is told of them."""
    metrics, columns = _hashes_of(shape)
    told = subject.site, subject.zone, subject.model, subject.integration, columns
    return hash((subject.place, subject.device, metrics, carries)), hash(told)


@lru_cache(1024)
def _hashes_of(shape: Shape) -> tuple[int, int]:
    """Return hashes of the metrics of a shape, and of all that it says."""
    return hash(tuple(column.metric for column in shape.columns)), hash(shape.columns)
