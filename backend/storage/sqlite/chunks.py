"""Chunks in SQLite. See `backend.storage.chunks`.

chunks   content of buckets; `loose` ones wait to be put together
series   as ingest lists them; `classes` tells in which classes' chunks a series is, `day` of which day the newest are
boots    read only: the clocks of boots, as ingest notes them
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing, contextmanager
from functools import partial, reduce
from operator import or_
from pathlib import Path
from typing import Any, cast

import apsw

from backend.storage.chunks import (
    Belief,
    Body,
    BootClock,
    Bucket,
    Changes,
    ChunkHead,
    ErasureJob,
    LooseBucket,
    Names,
    SeriesName,
    SeriesSeen,
)
from backend.storage.engine import ErasureOrder
from backend.storage.sqlite import series
from backend.storage.sqlite.errors import refusals
from backend.storage.sqlite.notes import Notes
from backend.storage.sqlite.schema import open_database, open_for_reading, transaction
from backend.storage.sqlite.unjudged import Alarms
from hub.core.errors import StorageError
from hub.core.text import phrase, system_error

LOCK = "compacting"
"""File beside the database, locked by the process that compacts."""

_HEAD = "id, privacy, boot, hour, rows, arrived_at, loose"
_OLDEST = "select b.received_at from bodies b where b.hub = c.number and b.record > c.through order by b.record limit 1"
_WAITING = (
    f"select hub from (select c.hub as hub, ({_OLDEST}) as oldest from compacted c)"  # noqa: S608
    " where oldest < ? order by oldest limit ?"
)
_LOOSE = (
    "select c.hub, k.privacy, k.boot, k.hour from chunks k join compacted c on c.number = k.hub where k.loose = 1"
    " group by k.hub, k.privacy, k.boot, k.hour having max(k.arrived_at) < ? or count(*) > ? limit ?"
)
_ENDED = (
    f"select c.hub, {', '.join('k.' + name for name in _HEAD.split(', '))} from chunks k"  # noqa: S608
    " join compacted c on c.number = k.hub left join boots b on k.boot <> x'' and b.hub = c.hub and b.boot = k.boot"
    " where k.privacy = ?1 and case"
    "  when k.boot <> x'' and b.offset_ms is null then k.arrived_at < ?2"
    "  when k.hour * 3600.0 + coalesce(b.offset_ms, 0) / 1000.0 > ?3 then k.arrived_at < ?2"
    "  else (k.hour + 1) * 3600.0 + coalesce(b.offset_ms, 0) / 1000.0 <= ?2 end"
)
_EXPIRED = f"{_ENDED} and k.boot = x'' and (k.hour < ?2 / 3600 or k.hour > ?3 / 3600 - 1) limit ?4"
_EXPIRED_OF_BOOTS = f"{_ENDED} and k.boot > x'' limit ?4"
_JOBS = (
    "insert into erasing (hub, id, kind, name, until_ms, ordered_at, record, cursor, readings, late, done_at,"
    " left_over)"
    " values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) on conflict (hub, id) do update set record = excluded.record,"
    " cursor = excluded.cursor, readings = excluded.readings, late = excluded.late, done_at = excluded.done_at,"
    " left_over = excluded.left_over"
)
_FORGET_NAMES = (
    "delete from names where hub = ?1 and epoch = ?2"
    " and not exists (select 1 from bodies where hub = ?1 and epoch = ?2)"
)
"""A body that came meanwhile found its names stored."""
ASIDE = "body"
"""Reason of bodies in quarantine, which is also the kind of the alarm."""
_ASIDE = (
    "insert or ignore into quarantine (hub, reason, digest, body, received_at, epoch)"
    " select ?1, ?2, ?3, data, received_at, epoch from bodies where record = ?4 and hub = ?5"
)


class SqliteHubSnapshot:
    """One hub, over a connection whose transaction has begun to read."""

    def __init__(self, connection: apsw.Connection, hub: str) -> None:
        self._db, self._hub = connection, hub
        found = connection.execute("select number, through, version from compacted where hub = ?", (hub,)).get
        self._number, self.through, self.version = cast("tuple[int, int, int]", found or (0, 0, 0))

    def bodies(self, most: int = -1, after: int = 0) -> Iterator[Body]:
        cursor = self._db.cursor()
        try:
            with refusals():
                for row in cursor.execute(
                    "select record, epoch, boot, received_at, data from bodies where hub = ? and record > ?"
                    " order by record limit ?",
                    (self._number, max(self.through, after), most),
                ):
                    yield Body(*cast("tuple[int, int, bytes, float, bytes]", row))
        finally:
            cursor.close()  # one that is left open would keep this snapshot for all that follow

    @refusals()
    def aside(self) -> int:
        of = "select count(*) from quarantine where hub = ? and reason = ?"
        return int(self._db.execute(of, (self._hub, ASIDE)).get)

    @refusals()
    def names(self, epoch: int) -> list[Names]:
        rows = self._db.execute("select epoch, number, data from names where epoch = ? order by number", (epoch,))
        return [Names(*row) for row in cast("list[tuple[int, int, bytes]]", rows.fetchall())]

    @refusals()
    def named_epochs(self) -> list[int]:
        rows = self._db.execute("select distinct epoch from names where hub = ? order by epoch", (self._number,))
        return [cast(int, epoch) for (epoch,) in rows.fetchall()]

    @refusals()
    def heads(self, first: int | None = None, last: int | None = None, boot: bytes | None = None) -> list[ChunkHead]:
        where = "hub = ?1 and (?4 is null or boot = ?4)" if boot is None else "hub = ?1 and boot = ?4"
        rows = self._db.execute(
            f"select {_HEAD} from chunks where {where} and (?2 is null or hour >= ?2) and (?3 is null or hour <= ?3)"  # noqa: S608
            " order by hour, id"
            if first is None or last is None
            else f"select {_HEAD} from chunks where {where} and hour between ?2 and ?3 order by hour, id",  # noqa: S608
            (self._number, first, last, boot),
        )
        return [_head(row) for row in rows.fetchall()]

    @refusals()
    def boots(self) -> list[bytes]:
        rows = self._db.execute("select distinct boot from chunks where hub = ? and boot > x''", (self._number,))
        return [bytes(cast(bytes, boot)) for (boot,) in rows.fetchall()]

    @refusals()
    def after(self, chunk: int, most: int) -> list[ChunkHead]:
        rows = self._db.execute(
            f"select {_HEAD} from chunks where hub = ? and id > ? order by id limit ?",  # noqa: S608
            (self._number, chunk, most),
        )
        return [_head(row) for row in rows.fetchall()]

    @refusals()
    def data(self, chunk: int) -> bytes:
        return bytes(self._db.execute("select data from chunks where id = ?", (chunk,)).get)

    @refusals()
    def clocks(self) -> dict[bytes, BootClock]:
        rows = self._db.execute(
            "select boot, offset_ms, error_ms from boots where hub = ? and offset_ms is not null", (self._hub,)
        )
        return {boot: BootClock(*clock) for boot, *clock in cast("list[tuple[bytes, int, int]]", rows.fetchall())}

    @refusals()
    def jobs(self) -> list[ErasureJob]:
        rows = self._db.execute(
            "select id, kind, name, until_ms, ordered_at, record, cursor, readings, late, done_at,"
            " left_over from erasing"
            " where hub = ? order by record, id",
            (self._number,),
        )
        return [ErasureJob(ErasureOrder(*row[:5]), *row[5:]) for row in cast("list[Any]", rows.fetchall())]

    @refusals()
    def series(self, names: Iterable[SeriesName]) -> dict[SeriesName, SeriesSeen]:
        found = {}
        for name in names:
            row = self._db.execute(
                "select privacy, coalesce(day, 0), coalesce(classes, 0) from series where hub = ? and place = ?"
                " and metric = ? and device = ?",
                (self._hub, *name),
            ).get
            if row is not None:
                found[name] = SeriesSeen(*cast("tuple[str, int, int]", row))
        return found

    @refusals()
    def all_series(self, most: int) -> dict[SeriesName, SeriesSeen] | None:
        rows = self._db.execute(
            "select place, metric, device, privacy, coalesce(day, 0), coalesce(classes, 0) from series where hub = ?"
            " limit ?",
            (self._hub, most + 1),
        ).fetchall()
        if len(rows) > most:
            return None
        name, seen = partial(tuple.__new__, SeriesName), partial(tuple.__new__, SeriesSeen)  # as `_make`, in C
        return {name(row[:3]): seen(row[3:]) for row in rows}

    @refusals()
    def classes_of(self, device: str, metric: str) -> int:
        rows = self._db.execute(
            "select coalesce(classes, 0) from series where +hub = ? and device = ? and metric = ?",
            (self._hub, device, metric),
        ).fetchall()
        found = [cast(int, classes) for (classes,) in rows]
        return reduce(or_, found) if found and all(found) else -1

    @refusals()
    def series_named(self, name: str) -> list[SeriesName]:
        return series.named(self._db, self._hub, name)

    @refusals()
    def personal_before(self, day: int) -> list[SeriesName]:
        rows = self._db.execute(
            "select place, metric, device from series where hub = ? and privacy = 'personal' and day < ?",
            (self._hub, day),
        )
        return [SeriesName(*row) for row in cast("list[tuple[str, str, str]]", rows.fetchall())]


class SqliteChunks:
    """Chunks of one database, for the process that compacts it. One thread."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._db = open_database(path)
        self._db.pragma("secure_delete", "on")
        self._reading = open_for_reading(path)
        self._lock = -1

    def compact_alone(self) -> bool:
        if self._lock < 0:
            file = self._path.with_name(LOCK)
            try:
                self._lock = os.open(file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
            except OSError as error:
                raise StorageError(
                    phrase(
                        "file-not-written", "{file} cannot be written: {reason}", file=file, reason=system_error(error)
                    )
                ) from error
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    def upkeep(self) -> None:
        """See `Chunks.upkeep`. What is compacted is deleted at once."""

    @refusals()
    def waiting(self, before: float, most: int) -> list[str]:
        return [str(hub) for (hub,) in self._reading.execute(_WAITING, (before, most)).fetchall()]

    @refusals()
    def loose(self, before: float, crowd: int, most: int) -> list[LooseBucket]:
        rows = self._reading.execute(_LOOSE, (before, crowd, most)).fetchall()
        return [LooseBucket(hub, Bucket(*bucket)) for hub, *bucket in cast("list[Any]", rows)]

    @refusals()
    def unfinished(self, most: int) -> list[str]:
        rows = self._reading.execute(
            "select distinct c.hub from erasing e join compacted c on c.number = e.hub where e.done_at is null limit ?",
            (most,),
        )
        return [str(hub) for (hub,) in rows.fetchall()]

    @refusals()
    def expired(self, privacy: str, before: float, now: float, most: int) -> list[tuple[str, ChunkHead]]:
        found: list[tuple[str, ChunkHead]] = []
        for statement in (_EXPIRED, _EXPIRED_OF_BOOTS):
            rows = self._reading.execute(statement, (privacy, before, now, most - len(found))).fetchall()
            found += [(hub, _head(head)) for hub, *head in cast("list[Any]", rows)]
        return found

    @refusals()
    def hubs(self) -> list[str]:
        return [str(hub) for (hub,) in self._reading.execute("select hub from compacted order by number").fetchall()]

    @refusals()
    def belief(self) -> Belief:
        days = self._reading.execute("select privacy, days from retention").fetchall()
        return Belief(dict(cast("list[tuple[str, int]]", days)), Notes(self._reading).believed())

    @contextmanager
    def snapshot(self, hub: str) -> Iterator[SqliteHubSnapshot]:
        with hub_snapshot(self._reading, hub) as snapshot:
            yield snapshot

    @refusals()
    def apply(self, hub: str, version: int, changes: Changes) -> bool:
        with transaction(self._db):
            found = self._db.execute("select number from compacted where hub = ?", (hub,)).get
            if found is None:  # all that was stored of a hub on trial is deleted
                return False
            number = cast(int, found)
            self._db.execute(
                "update compacted set version = version + 1, through = coalesce(?, through)"
                " where number = ? and version = ?",
                (changes.through, number, version),
            )
            if not self._db.changes():
                return False
            write_changes(self._db, hub, number, changes)
        return True

    @refusals()
    def remove_traces(self, hub: str = "") -> bool:
        self._db.set_busy_timeout(0)
        try:
            return self._db.execute("pragma wal_checkpoint(truncate)").fetchall()[0][0] == 0
        finally:
            self._db.set_busy_timeout(10_000)

    def close(self) -> None:
        """Close the connections, and give the right to compact back."""
        self._reading.close()
        self._db.close()
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1


def write_changes(db: apsw.Connection, hub: str, number: int, changes: Changes) -> None:
    """Write the changes of a hub, inside a transaction."""
    run: Callable[..., Any] = db.executemany
    run("delete from chunks where id = ? and hub = ?", [(chunk, number) for chunk in changes.drop])
    run("update chunks set loose = 0 where id = ? and hub = ?", [(chunk, number) for chunk in changes.settle])
    run(
        "insert into chunks (hub, privacy, boot, hour, rows, arrived_at, loose, data) values (?, ?, ?, ?, ?, ?, ?, ?)",
        [(number, *new.bucket, new.rows, new.arrived_at, int(new.loose), new.data) for new in changes.put],
    )
    _set_aside(db, hub, number, changes)
    if changes.through is not None:
        run("delete from bodies where hub = ? and record <= ?", [(number, changes.through)])
    run(
        "update names set data = ? where hub = ? and epoch = ? and number = ?",
        [(names.data, number, names.epoch, names.number) for names in changes.names],
    )
    run(_FORGET_NAMES, [(number, epoch) for epoch in changes.forget_names])
    run(series.PUT, [(hub, *line.name, *line[1:]) for line in changes.series])
    run(series.DELETE, [(hub, *name) for name in changes.forget_series])
    run(_JOBS, [(number, *job.order, *job[1:]) for job in changes.jobs])
    if changes.purged is not None:
        privacy, readings, now = changes.purged
        run("update retention set purged = purged + ?, purged_at = ? where privacy = ?", [(readings, now, privacy)])


def _set_aside(db: apsw.Connection, hub: str, number: int, changes: Changes) -> None:
    for record, _ in changes.aside:
        data = db.execute("select data from bodies where record = ? and hub = ?", (record, number)).get
        if data is not None:
            digest = hashlib.sha256(cast(bytes, data)).digest()
            db.execute(_ASIDE, (hub, ASIDE, digest, record, number))
    if changes.aside and changes.alarm is not None:
        Alarms(db).raise_one(ASIDE, hub, *changes.alarm, time.time(), 1)


@contextmanager
def hub_snapshot(connection: apsw.Connection, hub: str) -> Iterator[SqliteHubSnapshot]:
    """Begin a snapshot of a hub on a connection that reads, and end it."""
    with refusals():
        connection.execute("begin")
    try:
        with refusals():
            snapshot = SqliteHubSnapshot(connection, hub)
        yield snapshot
    finally:
        connection.execute("rollback")


@contextmanager
def read_hub(path: Path, hub: str) -> Iterator[SqliteHubSnapshot]:
    """Open a snapshot of a hub in a connection of its own."""
    with closing(open_for_reading(path)) as connection, hub_snapshot(connection, hub) as snapshot:
        yield snapshot


def _head(row: Any) -> ChunkHead:
    number, privacy, boot, hour, rows, arrived_at, loose = row
    return ChunkHead(number, Bucket(privacy, boot, hour), rows, arrived_at, bool(loose))
