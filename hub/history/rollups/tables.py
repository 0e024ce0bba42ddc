"""Tables of rollups: hours in a file of their own (`rollups.db`), months in the hub's store.

Rows are ordered by hour, so that one hour of all series takes a few pages instead of a page per series: the hourly
write to flash is about as large as its content. A series is read by one look-up per hour. Hours are in no backup (they
are large, and the backend has the readings); months are.

Two files mean two commits. The commit of hours also records which hours they are: their months are computed again at
the next start, so a kill between the two commits loses nothing and counts nothing twice.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import apsw
import msgspec

from hub.core.disk.sqlite import transaction
from hub.core.store import Store

SCHEMA = (
    # 1
    """
    CREATE TABLE series (
        n INTEGER PRIMARY KEY, place TEXT NOT NULL, metric TEXT NOT NULL, unit TEXT NOT NULL, step TEXT NOT NULL,
        counter INTEGER NOT NULL, hands BLOB NOT NULL, UNIQUE (place, metric)
    );
    CREATE TABLE hours (hour INTEGER NOT NULL, series INTEGER NOT NULL, body BLOB NOT NULL, PRIMARY KEY (hour, series))
        WITHOUT ROWID;
    """,
    # 2: the hours of the last write
    """
    CREATE TABLE unreckoned (hour INTEGER PRIMARY KEY);
    """,
)
"""Migrations of the file of hours."""

CHUNK = 750
"""Hours looked up per call: the store's thread does other work in between."""
SILENCE_H = 400 * 24
"""Maximum distance to a reading before or after an interval, in hours."""


class StoredSeries(msgspec.Struct, frozen=True, kw_only=True):
    """A series in the file. `device_changes`: (second, device) from which each device reported for this place."""

    n: int
    place: str
    metric: str
    unit: str
    step: str
    counter: bool
    device_changes: tuple[tuple[int, str], ...] = ()


class RollupTables:
    """The rows, in two stores. Every method raises DiskRefuses and StorageError."""

    def __init__(self, hours: Store, months: Store) -> None:
        self._hours, self._months = hours, months

    async def series(self) -> list[StoredSeries]:
        def work(db: apsw.Connection) -> list[StoredSeries]:
            rows = db.execute("SELECT n, place, metric, unit, step, counter, hands FROM series ORDER BY n")
            return [
                StoredSeries(
                    n=n,
                    place=place,
                    metric=metric,
                    unit=unit,
                    step=step,
                    counter=bool(counter),
                    device_changes=msgspec.msgpack.decode(device_changes, type=tuple[tuple[int, str], ...]),
                )
                for n, place, metric, unit, step, counter, device_changes in rows
            ]

        return await self._hours.call(work)

    async def name(self, wanted: Sequence[StoredSeries]) -> list[StoredSeries]:
        """Write these series; those with n 0 get a number."""

        def work(db: apsw.Connection) -> list[StoredSeries]:
            named = []
            with transaction(db):
                for one in wanted:
                    device_changes = msgspec.msgpack.encode(one.device_changes)
                    db.execute(
                        "INSERT INTO series (place, metric, unit, step, counter, hands) VALUES (?, ?, ?, ?, ?, ?)"
                        " ON CONFLICT (place, metric) DO UPDATE SET hands = excluded.hands",
                        (one.place, one.metric, one.unit, one.step, one.counter, device_changes),
                    )
                    # `.get`: apsw 3.54 never frees a cursor that is open while another statement runs
                    number = db.execute(
                        "SELECT n FROM series WHERE place = ? AND metric = ?", (one.place, one.metric)
                    ).get
                    named.append(msgspec.structs.replace(one, n=number))
            return named

        return await self._hours.call(work)

    async def bodies(self, wanted: Sequence[tuple[int, int]]) -> dict[tuple[int, int], bytes]:
        """Return the existing rows among these (hour, series)."""

        def work(db: apsw.Connection) -> dict[tuple[int, int], bytes]:
            found = {}
            for key in wanted:
                body = db.execute("SELECT body FROM hours WHERE hour = ? AND series = ?", key).get
                if body is not None:
                    found[key] = body
            return found

        return await self._hours.call(work)

    async def put(self, rows: Sequence[tuple[int, int, bytes]], pending_hours: Iterable[int]) -> None:
        """Write (hour, series, body) in one transaction; repeating it changes nothing.

        `pending_hours`: hours that the months do not include yet, those of these rows among them.
        """
        hours = [(hour,) for hour in set(pending_hours)]

        def work(db: apsw.Connection) -> None:
            with transaction(db):
                db.executemany("INSERT OR REPLACE INTO hours VALUES (?, ?, ?)", rows)
                db.execute("DELETE FROM unreckoned")
                db.executemany("INSERT INTO unreckoned VALUES (?)", hours)

        await self._hours.call(work)

    async def pending_hours(self) -> list[tuple[int, int]]:
        """Return (series, hour) that their months may not include."""
        query = "SELECT h.series, h.hour FROM unreckoned u CROSS JOIN hours h ON h.hour = u.hour"
        return await self._hours.call(lambda db: list(db.execute(query)))

    async def read(self, n: int, hours: Sequence[int]) -> dict[int, bytes]:
        """Return the rows of one series, by hour."""
        found: dict[int, bytes] = {}
        for at in range(0, len(hours), CHUNK):
            some = hours[at : at + CHUNK]

            def work(db: apsw.Connection, some: Sequence[int] = some) -> list[tuple[int, bytes]]:
                query = (
                    "WITH RECURSIVE h(x) AS (SELECT ? UNION ALL SELECT x + 3600 FROM h WHERE x < ?)"
                    " SELECT r.hour, r.body FROM h CROSS JOIN hours r ON r.hour = h.x AND r.series = ?"
                )
                return list(db.execute(query, (some[0], some[-1], n)))

            found |= dict(await self._hours.call(work))
        return found

    async def nearest(self, n: int, hour: int, end: int) -> tuple[int, bytes] | None:
        """Return the row of a series at `hour` or the nearest one towards `end`, which is whole hours away, or None."""
        step, most = (3600, end - hour) if end >= hour else (-3600, hour - end)

        def work(db: apsw.Connection) -> tuple[int, bytes] | None:
            query = (
                "WITH RECURSIVE h(x, i) AS (SELECT ?, 0 UNION ALL SELECT x + ?, i + 1 FROM h WHERE i < ?)"
                " SELECT r.hour, r.body FROM h CROSS JOIN hours r ON r.hour = h.x AND r.series = ? LIMIT 1"
            )
            return next(iter(db.execute(query, (hour, step, min(SILENCE_H, most // 3600), n))), None)

        return await self._hours.call(work)

    async def bounds(self) -> tuple[int, int, int] | None:
        """Return the first and last hour with rows and the bytes used by the file, None while it is empty."""

        def work(db: apsw.Connection) -> tuple[int, int, int] | None:
            first, last = next(db.execute("SELECT (SELECT min(hour) FROM hours), (SELECT max(hour) FROM hours)"))
            used = (db.pragma("page_count") - db.pragma("freelist_count")) * db.pragma("page_size")
            return None if first is None else (first, last, used)

        return await self._hours.call(work)

    async def purge(self, before: int) -> None:
        """Delete the hours before this one."""

        def work(db: apsw.Connection) -> None:
            with transaction(db):
                db.execute("DELETE FROM hours WHERE hour < ?", (before,))

        await self._hours.call(work)

    async def months(self, series: Iterable[str] | None = None) -> dict[tuple[str, int], bytes]:
        """Return months by (series id, month), of some series or of all."""

        def work(db: apsw.Connection) -> dict[tuple[str, int], bytes]:
            rows = db.execute("SELECT series, month, body FROM rollup_months")
            return {(name, month): body for name, month, body in rows if wanted is None or name in wanted}

        wanted = None if series is None else set(series)
        return await self._months.call(work)

    async def put_months(self, rows: Mapping[tuple[str, int], bytes], before: int) -> None:
        """Write months, and delete those before `before`."""

        def work(db: apsw.Connection) -> None:
            with transaction(db):
                db.executemany(
                    "INSERT OR REPLACE INTO rollup_months VALUES (?, ?, ?)",
                    [(month, name, body) for (name, month), body in rows.items()],
                )
                db.execute("DELETE FROM rollup_months WHERE month < ?", (before,))

        await self._months.call(work)

    async def erase(self, numbers: Sequence[int], names: Sequence[str]) -> int:
        """Delete all rows of these series. Returns the number of hours and months.

        Months first: after a kill in between, the series is still known and can be erased again.
        """

        def hours(db: apsw.Connection) -> int:
            before = db.total_changes()
            with transaction(db):
                for n in numbers:
                    db.execute("DELETE FROM hours WHERE series = ?", (n,))
                    db.execute("DELETE FROM series WHERE n = ?", (n,))
            return db.total_changes() - before

        def months(db: apsw.Connection) -> int:
            before = db.total_changes()
            with transaction(db):
                for name in names:
                    db.execute("DELETE FROM rollup_months WHERE series = ?", (name,))
            return db.total_changes() - before

        count = await self._months.call(months)
        return count + await self._hours.call(hours)
