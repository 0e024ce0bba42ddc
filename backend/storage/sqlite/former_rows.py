"""Rows of format 1 in SQLite. See `backend.storage.former_rows`.

readings   (series, time, origin) → value, flags
undated    the same of boots whose clock is unknown, by (boot, series, mono, origin); `boot` is a number of `boots`
latest     the newest reading of each series, told by chunks now
erasures   executed orders, carried over when the database is opened (`backend.storage.sqlite.schema`)
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

from backend.storage.chunks import Changes, HubSnapshot, SeriesLine, SeriesName
from backend.storage.former_rows import FormerRow, Window
from backend.storage.sqlite.bodies import hub_number
from backend.storage.sqlite.chunks import SqliteHubSnapshot, write_changes
from backend.storage.sqlite.errors import refusals
from backend.storage.sqlite.schema import has_rows, open_database, open_former, upgrade

_SERIES = (
    "select id, place, metric, device, privacy, 0, 0, unit, resolution, kind, device_class, state_class, site, zone,"
    " model, integration from series where hub = ?"
)
_OF_HUB = "series in (select value from json_each(?1))"
_BOOT = "boot = (select id from boots where hub = ?1 and boot = ?2)"


class SqliteFormerRows:
    """The rows of one database. `rehearse`: nothing stays."""

    def __init__(self, path: Path, *, rehearse: bool) -> None:
        self._rehearse = rehearse
        self._db = open_former(path) if rehearse else open_database(path)
        with refusals():
            self._db.pragma("secure_delete", "on")
            self._there = has_rows(self._db)

    @refusals()
    def hubs(self) -> list[str]:
        if not self._there:
            return []
        return [str(hub) for (hub,) in self._db.execute("select distinct hub from series order by hub").fetchall()]

    @contextmanager
    def piece(self) -> Iterator[None]:
        with refusals():
            self._db.execute("begin immediate")
        try:
            with refusals():
                if self._rehearse:
                    upgrade(self._db)
            yield
            with refusals():
                self._db.execute("rollback" if self._rehearse else "commit")
        except BaseException:
            if self._db.in_transaction:
                self._db.execute("rollback")
            raise

    @refusals()
    def series(self, hub: str) -> dict[int, SeriesLine]:
        rows = cast("list[Any]", self._db.execute(_SERIES, (hub,)).fetchall())
        return {number: SeriesLine(SeriesName(*names), *line) for number, *names, line in map(_split, rows)}

    @refusals()
    def boots(self, hub: str) -> list[bytes]:
        rows = self._db.execute(
            "select boot from boots b where hub = ? and exists (select 1 from undated where boot = b.id)", (hub,)
        )
        return [b"", *(bytes(cast(bytes, boot)) for (boot,) in rows.fetchall())]

    @refusals()
    def first(self, hub: str, boot: bytes, after_ms: int) -> int | None:
        if boot:
            statement = f"select min(mono) from undated where {_BOOT} and mono >= ?3"  # noqa: S608
            return cast("int | None", self._db.execute(statement, (hub, boot, after_ms)).get)
        statement = (
            "select min((select time from readings where series = s.id and time >= ?2 order by time limit 1))"
            " from series s where hub = ?1"
        )
        return cast("int | None", self._db.execute(statement, (hub, after_ms)).get)

    @refusals()
    def last(self, hub: str, boot: bytes) -> int:
        if boot:
            statement = f"select max(mono) from undated where {_BOOT}"  # noqa: S608
            return int(self._db.execute(statement, (hub, boot)).get)
        statement = (
            "select max((select time from readings where series = s.id order by time desc limit 1))"
            " from series s where hub = ?1"
        )
        return int(self._db.execute(statement, (hub,)).get)

    @refusals()
    def rows(self, hub: str, window: Window, most: int) -> list[FormerRow]:
        if window.boot:
            statement = (
                f"select series, mono, origin, value, flags from undated where {_BOOT} and mono >= ?3 and mono < ?4"  # noqa: S608
                " limit ?5"
            )
            rows = self._db.execute(statement, (hub, *window, most)).fetchall()
        else:
            statement = (
                "select r.series, r.time, r.origin, r.value, r.flags from series s join readings r on r.series = s.id"
                " and r.time >= ?2 and r.time < ?3 where s.hub = ?1 limit ?4"
            )
            rows = self._db.execute(statement, (hub, window.first_ms, window.last_ms, most)).fetchall()
        return list(map(FormerRow._make, cast("list[Any]", rows)))

    @refusals()
    def arrived(self, record: int) -> float:
        found = self._db.execute("select received_at from records where id <= ? order by id desc limit 1", (record,))
        return float(found.get or 0.0)

    @refusals()
    def seen(self, hub: str) -> HubSnapshot:
        return SqliteHubSnapshot(self._db, hub)

    @refusals()
    def move(self, hub: str, window: Window, changes: Changes) -> None:
        number = hub_number(self._db, hub)
        self._db.execute("update compacted set version = version + 1 where number = ?", (number,))
        write_changes(self._db, hub, number, changes)
        if window.boot:
            statement = f"delete from undated where {_BOOT} and mono >= ?3 and mono < ?4"  # noqa: S608
            self._db.execute(statement, (hub, *window))
            return
        numbers = [number for (number,) in self._db.execute("select id from series where hub = ?", (hub,)).fetchall()]
        self._db.executemany(
            "delete from readings where series = ? and time >= ? and time < ?",
            [(number, window.first_ms, window.last_ms) for number in numbers],
        )

    @refusals()
    def finish(self) -> None:
        if self._there and not self._rehearse:
            with self.piece():
                left = [self._db.execute(f"select 1 from {table} limit 1").get for table in ("readings", "undated")]  # noqa: S608
                if left == [None, None]:
                    self._db.execute("drop table readings; drop table undated; drop table latest")
            self._db.execute("pragma wal_checkpoint(truncate)").fetchall()

    def close(self) -> None:
        self._db.close()


def _split(row: Any) -> tuple[Any, ...]:
    number, place, metric, device, *line = row
    return number, place, metric, device, line
