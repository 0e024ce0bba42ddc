"""Series of raw history and their secrets: a table of the hub's store that no backup includes."""

from __future__ import annotations

import secrets
from collections.abc import Iterable

import apsw
import msgspec

from hub.core.disk.sqlite import transaction, wipe_journal
from hub.core.store import Store
from hub.history.archive.blocks import SECRET_BYTES


class RawSeries(msgspec.Struct, frozen=True):
    """A series. `n` is never reused; `step`: the resolution in which values are counted; `since`: the second of the
    first reading written; `secret` is half of the key of its blocks."""

    n: int
    place: str
    metric: str
    step: str
    since: int
    secret: bytes

    def __repr__(self) -> str:
        return f"Known({self.n}, {self.place}/{self.metric})"


_QUERY = "SELECT n, place, metric, step, since, secret FROM raw_series"


class RawSeriesTable:
    """The table of series. Every method raises DiskRefuses and StorageError."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def named(self, wanted: Iterable[tuple[str, str, str]], since: int) -> dict[tuple[str, str, str], RawSeries]:
        """Return the series of these (place, metric, step), creating missing ones; durable on return."""
        names = list(wanted)

        def work(db: apsw.Connection) -> dict[tuple[str, str, str], RawSeries]:
            known = {(row[1], row[2], row[3]): RawSeries(*row) for row in db.execute(_QUERY)}
            missing = [name for name in names if name not in known]
            if missing:
                with transaction(db):
                    for name in missing:
                        secret = secrets.token_bytes(SECRET_BYTES)
                        db.execute(
                            "INSERT INTO raw_series (place, metric, step, since, secret) VALUES (?, ?, ?, ?, ?)",
                            (*name, since, secret),
                        )
                        known[name] = RawSeries(db.last_insert_rowid(), *name, since, secret)
            return {name: known[name] for name in names}

        return await self._store.call(work)

    async def find(self, place: str, metric: str) -> list[RawSeries]:
        """Return the series of a place and metric, one per resolution it has had."""

        def work(db: apsw.Connection) -> list[RawSeries]:
            return [RawSeries(*row) for row in db.execute(f"{_QUERY} WHERE place = ? AND metric = ?", (place, metric))]

        return await self._store.call(work)

    async def names(self) -> list[tuple[str, str]]:
        """Return (place, metric) of all series."""

        def work(db: apsw.Connection) -> list[tuple[str, str]]:
            return list(db.execute("SELECT DISTINCT place, metric FROM raw_series"))

        return await self._store.call(work)

    async def destroy(self, place: str | None = None, metric: str | None = None) -> int:
        """Destroy the secrets of a place, of one metric of it, or all. Returns the number of series."""

        def work(db: apsw.Connection) -> int:
            before = db.total_changes()
            with transaction(db):
                db.execute(
                    "DELETE FROM raw_series WHERE (?1 IS NULL OR place = ?1) AND (?2 IS NULL OR metric = ?2)",
                    (place, metric),
                )
            gone = db.total_changes() - before
            if gone:
                wipe_journal(db)
            return gone

        return await self._store.call(work)
