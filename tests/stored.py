"""Readings of a backend's database, by the backend's own code, for tests that count what is stored.

readings   of each series, as a query is answered
asked      a connection of Python's SQLite that finds all readings in temporary tables `readings` and `undated`, as
           if each were a row: every chunk and body is decoded once. What reports carry is not among them
newest     when the newest is from, without reading all
count      how many there are, without what reports carry
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import apsw

from backend.queries.series_history import SeriesHistory
from backend.readings.chunks import rewriting as chunks
from backend.readings.stored_bodies import PLACED, Orders, privacy_of, read_body, vocabulary
from backend.storage.reading_rules import EXACT_MS
from backend.storage.sqlite.chunks import SqliteHubSnapshot
from backend.storage.sqlite.schema import open_for_reading

FAR = 1 << 53
ORIGIN_BITS = 12


class Stored(NamedTuple):
    """A reading. `time_ms` is None where it has none, and `mono` is then ms of `boot`; `flags` are quality + 16 ×
    trust."""

    hub: str
    place: str
    metric: str
    device: str
    time_ms: int | None
    value: Any
    flags: int
    record: int
    mono: int | None = None
    boot: bytes = b""


def readings(database: Path) -> list[Stored]:
    """Return all readings by hub, place, metric, device and time, dated ones first."""
    with closing(open_for_reading(database)) as db:
        db.execute("begin")
        return list(_readings(db))


@contextmanager
def asked(database: Path) -> Iterator[apsw.Connection]:
    """Open a database for questions in SQL: readings (series, time, origin, value, flags), and undated (boot, series,
    mono, origin, value, flags). By the backend's own SQLite: another one in a process where a server runs would drop
    its locks."""
    with closing(open_for_reading(database)) as db:
        db.execute("begin")
        db.execute("create temp table readings (series, time, origin, value, flags)")
        db.execute("create temp table undated (boot, series, mono, origin, value, flags)")
        numbers = {
            tuple(names): number
            for number, *names in db.execute("select id, hub, place, metric, device from series").fetchall()
        }
        for one in _decoded(db):
            series, flags = numbers[one[:4]], one.flags
            if one.time_ms is None:
                line: tuple[Any, ...] = (one.boot, series, one.mono, one.record, one.value, flags)
                db.execute("insert into undated values (?, ?, ?, ?, ?, ?)", line)
            else:
                line = series, one.time_ms, one.record, one.value, flags
                db.execute("insert into readings values (?, ?, ?, ?, ?)", line)
        yield db


def newest(database: Path, place: str, metric: str) -> int | None:
    """Return the Unix ms of the newest reading of a metric at a place, of whichever hub, as a query is answered."""
    with closing(open_for_reading(database)) as db:
        db.execute("begin")
        lines = db.execute("select hub, device from series where place = ? and metric = ?", (place, metric)).fetchall()
        found = [
            SeriesHistory(SqliteHubSnapshot(db, str(hub)), str(device), metric, place).latest(FAR)
            for hub, device in lines
        ]
    return max((one.time_ms for one in found if one is not None), default=None)


def count(database: Path) -> int:
    with closing(open_for_reading(database)) as db:
        db.execute("begin")
        return sum(1 for _ in _decoded(db))


def _decoded(db: apsw.Connection) -> Iterator[Stored]:
    """Yield all readings but what reports carry, with the origin in the place of the record."""
    for (hub,) in db.execute("select hub from compacted").fetchall():
        seen = SqliteHubSnapshot(db, str(hub))
        clocks = seen.clocks()
        orders = Orders(seen.jobs(), clocks)
        for boot, privacy, row in _rows(seen):
            subject, shape, time_ms, origin, values, quality, trust, _, _ = row
            clock = clocks.get(boot)
            if boot and clock is not None and clock.error_ms > EXACT_MS and quality == 0:
                quality = 1
            for column, value in zip(shape.columns, values, strict=True):
                own = privacy or privacy_of(column)
                if shape.columns == PLACED.columns or orders.reaching(own, subject, boot, time_ms) is not None:
                    continue
                about = str(hub), subject.place or subject.device, column.metric, subject.device
                flags = quality + 16 * trust
                if boot and clock is None:
                    yield Stored(*about, None, value, flags, origin, time_ms, boot)
                else:
                    yield Stored(*about, time_ms + (clock.offset_ms if clock else 0), value, flags, origin)


def _rows(seen: SqliteHubSnapshot) -> Iterator[tuple[bytes, str, Any]]:
    """Yield (boot, privacy class, report); of a body, "" in the place of the class, which is that of each column."""
    for head in seen.heads():
        for row in chunks.decode(seen.data(head.id)):
            yield head.bucket.boot, head.bucket.privacy, row
    words: dict[int, Any] = {}
    for body in seen.bodies():
        if body.epoch not in words:
            words[body.epoch] = vocabulary(seen.names(body.epoch))
        for at, row in enumerate(read_body(body, words[body.epoch])):
            yield body.boot, "", (*row[:3], (body.record << ORIGIN_BITS) + at, *row[4:])


def _readings(db: apsw.Connection) -> Iterator[Stored]:
    lines = db.execute("select hub, place, metric, device from series order by hub, place, metric, device").fetchall()
    seen: dict[Any, SqliteHubSnapshot] = {}
    for hub, place, metric, device in lines:
        if hub not in seen:
            seen[hub] = SqliteHubSnapshot(db, str(hub))
        history = SeriesHistory(seen[hub], str(device), str(metric), str(place))
        about = str(hub), str(place), str(metric), str(device)
        for one in history.between(-FAR, FAR):
            flags = one.quality + 16 * one.trust
            yield Stored(*about, one.time_ms, one.value, flags, one.origin >> ORIGIN_BITS)
        for one in history.undated():
            flags = one.quality + 16 * one.trust
            yield Stored(*about, None, one.value, flags, one.origin >> ORIGIN_BITS, one.time_ms, one.boot)
