"""A town of `compaction_kit` in PostgreSQL: stored by a worker, compacted and read as there."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import psycopg

from backend.queries.series_history import SeriesHistory, StoredReading
from backend.readings.compaction import Compactor
from backend.readings.stored_bodies import encoded_table
from backend.storage.chunks import Body, Names
from backend.storage.engine import ErasureOrder, HubMoved, RecordLine
from backend.storage.postgresql import partitions
from backend.storage.postgresql.chunks import PostgresChunks
from backend.storage.postgresql.connection import READING, Database
from backend.storage.postgresql.hub_snapshot import PostgresHubSnapshot
from backend.storage.postgresql.moments import moment
from backend.storage.postgresql.storage import PostgresStorage
from backend.storage.tables import Hub
from hub.protocol.records import columns
from hub.protocol.records.bodies import Table
from hub.protocol.records.compression import Squeezer
from hub.protocol.records.dictionary import Numbering
from hub.protocol.records.rows import READINGS, Row

from .compaction_kit import FAR, NOW, Town

RUN = b"r" * 16
PATIENT = {**READING, "idle_in_transaction_session_timeout": "0", "transaction_timeout": "0"}
"""Purpose of a reader that holds its snapshot while a busy machine does much else."""
T = TypeVar("T")
_SAME = """
drop schema if exists alike cascade;
create schema alike;
create view alike.bodies as select b.* from ilot.bodies b left join ilot.compaction c using (hub)
    where b.record > coalesce(c.through, 0);
create view alike.chunks as select id, hub, privacy, boot, hour, rows, loose::integer, data from ilot.chunks;
create view alike.erasing as select * from ilot.erasures;
create view alike.compacted as select c.hub as number, h.hub, c.through, c.version from ilot.compaction c
    join ilot.hubs h on h.number = c.hub;
create view alike.bodies_aside as select body as data from ilot.quarantine where reason = 'body' order by id;
"""
"""What stands in the tables of SQLite, under their names: the same questions are asked of both."""


class PostgresTown(Town):
    """A database with the bodies of several hubs, and its compactor."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.now = NOW / 1000
        self.records = 0
        self._numberings: dict[tuple[str, int], Numbering] = {}
        self._enrolled: set[str] = set()
        self._hour = -1
        self.storage = PostgresStorage(url)
        self.bodies = self.storage.bodies
        self.reading = Database(url, name="a reader", purpose=PATIENT)
        with self.storage.database.transaction() as session:
            session.execute(_SAME)  # type: ignore[arg-type]
        self.start()

    def start(self) -> None:
        self.chunks: Any = PostgresChunks(self.url, clock=lambda: self.now)
        self.compactor = Compactor(self.chunks, now=lambda: self.now)

    def close(self) -> None:
        self.chunks.close()
        self.storage.close()
        self.reading.close()

    def arrive(self, hub: str, rows: Sequence[Row], boot: bytes = b"", epoch: int = 0) -> int:
        numbering = self._numberings.setdefault((hub, epoch), Numbering())
        data = Squeezer()(columns.encode(rows, numbering, boot))
        shapes, subjects = numbering.fresh()
        names = encoded_table(Table(dict(shapes), dict(subjects))) if shapes or subjects else None
        return self._store(hub, data, epoch, boot, names)

    def raw(self, hub: str, data: bytes, epoch: int = 0) -> int:
        return self._store(hub, data, epoch, b"", None)

    def date(self, hub: str, boot: bytes, offset_ms: int, error_ms: int = 0) -> None:
        self.enrol(hub)
        self.sql(
            "insert into boots (hub, boot, offset_ms, error_ms) select number, ?, ?, ? from hubs where hub = ?"
            " on conflict (hub, boot) do update set offset_ms = excluded.offset_ms, error_ms = excluded.error_ms",
            *(boot, offset_ms, error_ms, hub),
        )

    def order(self, hub: str, kind: str, name: str, until_ms: int = FAR, number: str = "") -> bool:
        record = self._store(hub, None, 0, b"", None)
        order = ErasureOrder(number or f"order-{record}", kind, name, until_ms, self.now)
        return self._again(hub, lambda: self.storage.bodies.order(hub, order, record))

    def enrol(self, hub: str) -> None:
        if hub not in self._enrolled:
            self._enrolled.add(hub)
            with self.storage.transaction():
                self.storage.registry.enrol(Hub(hub, hub.encode(), hub, 1.0, None, None))

    def _store(self, hub: str, data: bytes | None, epoch: int, boot: bytes, names: bytes | None) -> int:
        """Store a record as a worker does; return its id."""
        self.enrol(hub)
        self.make_room()
        own = 2 * (sum(hub.encode()) * 1000 + epoch)
        self.records += 1
        line = RecordLine(self.records, hashlib.sha256(b"%d" % self.records).digest(), own, 1, 1)

        def add() -> int:
            stream = self.storage.streams.find(hub, RUN, READINGS) or self.storage.streams.begin(
                hub, RUN, READINGS, self.now
            )
            record = self.storage.records.add(stream, line, self.now)
            if names is not None:
                self.storage.bodies.add_names(hub, Names(own, record, names))
            if data is not None:
                self.storage.bodies.add(hub, Body(record, own, boot, self.now, data))
            return record

        return self._again(hub, add)

    def _again(self, hub: str, write: Callable[[], T]) -> T:
        """Run a transaction about a hub, once more where the compactor came between."""
        try:
            with self.storage.transaction((hub,)):
                return write()
        except HubMoved:
            with self.storage.transaction((hub,)):
                return write()

    def make_room(self) -> None:
        """Make partitions for the hour that it is here."""
        if self._hour != partitions.hour_of(self.now):
            self._hour = partitions.hour_of(self.now)
            with self.storage.database.transaction() as session:
                partitions.ensure(session, self.now)

    @contextmanager
    def snapshot(self, hub: str) -> Iterator[PostgresHubSnapshot]:
        with moment(self.reading) as seen:
            yield PostgresHubSnapshot(seen, hub)

    def settle(self, wait_s: float = 0.0) -> None:
        """Bodies are dropped by the hour: where an order waits for that, let hours pass too."""
        super().settle(wait_s)
        if self.sql("select 1 from erasing where done_at is null"):
            super().settle(3 * 3600.0)

    def read(self, hub: str, device: str, metric: str, start: int = -FAR, end: int = FAR) -> list[StoredReading]:
        with self.snapshot(hub) as seen:
            return list(SeriesHistory(seen, device, metric).between(start, end))

    def undated(self, hub: str, device: str, metric: str) -> list[StoredReading]:
        with self.snapshot(hub) as seen:
            return SeriesHistory(seen, device, metric).undated()

    def latest(self, hub: str, device: str, metric: str, before: int = FAR) -> StoredReading | None:
        with self.snapshot(hub) as seen:
            return SeriesHistory(seen, device, metric).latest(before)

    def sql(self, statement: str, *arguments: Any) -> list[Any]:
        with psycopg.connect(self.url, autocommit=True, options="-c search_path=alike,ilot") as session:
            done = session.execute(statement.replace("?", "%s"), arguments)  # type: ignore[arg-type]
            return done.fetchall() if done.description else []

    def files(self) -> bytes:
        """Return all bytes of the database's own files: not of the write-ahead log."""
        self.sql("checkpoint")
        ((where,),) = self.sql(
            "select current_setting('data_directory') || '/base/' || oid from pg_database"
            " where datname = current_database()"
        )
        return b"".join(file.read_bytes() for file in Path(where).iterdir())


def killed_at(session: psycopg.Connection[Any], statement: int, error: Callable[[], BaseException]) -> None:
    """Have the client vanish before its nth statement: its server finds the connection closed."""
    left = statement

    class Killed(psycopg.Cursor[Any]):
        def execute(self, *arguments: Any, **named: Any) -> Any:
            nonlocal left
            left -= 1
            if left == 0:
                session.close()
                raise error()
            return super().execute(*arguments, **named)

    session.cursor_factory = Killed
