"""What tests of compaction share: hubs whose blocks lie as bodies in a database, and what of them is read."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import apsw

from backend.queries.series_history import SeriesHistory, StoredReading
from backend.readings.compaction import Compactor
from backend.readings.stored_bodies import encoded_table
from backend.storage.chunks import Body, Names
from backend.storage.engine import ErasureOrder
from backend.storage.opening import read_hub
from backend.storage.sqlite.bodies import SqliteBodies
from backend.storage.sqlite.chunks import SqliteChunks
from backend.storage.sqlite.schema import open_database, transaction
from hub.protocol.records import columns
from hub.protocol.records.bodies import Table
from hub.protocol.records.compression import Squeezer
from hub.protocol.records.dictionary import Numbering
from hub.protocol.records.rows import Column, Row, Shape, Subject

NOW = 1_800_000_000_000
HOUR = 3_600_000
FAR = 1 << 52
BOOT = b"b" * 16
CLIMATE = Shape(
    (Column("temperature", "Cel", "0.01", privacy="environment"), Column("motion", kind="flag", privacy="personal"))
)
COUNT = Shape((Column("count", resolution="1"),))
LABEL = Shape((Column("label", kind="text"), Column("temperature", "Cel", "0.01", privacy="environment")))
ROOM = Subject("ble:1", "room-1", "school", "ground")


def report(time_ms: int, value: float = 20.0, subject: Subject = ROOM, **more: Any) -> Row:
    return Row(subject, CLIMATE, time_ms, True, (value, True), **{"quality": 0, "trust": 1, **more})


def count(time_ms: int, value: int = 1, subject: Subject = ROOM, **more: Any) -> Row:
    return Row(subject, COUNT, time_ms, True, (value,), **{"quality": 0, "trust": 1, **more})


class Town:
    """A database with the bodies of several hubs, and its compactor."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.now = NOW / 1000
        self.db = open_database(path)
        self.bodies = SqliteBodies(self.db)
        self.records = 0
        self._numberings: dict[tuple[str, int], Numbering] = {}
        self.start()

    def start(self) -> None:
        self.chunks = SqliteChunks(self.path)
        self.compactor = Compactor(self.chunks, now=lambda: self.now)

    def restart(self) -> None:
        self.chunks.close()
        self.start()

    def close(self) -> None:
        self.chunks.close()
        self.db.close()

    def arrive(self, hub: str, rows: Sequence[Row], boot: bytes = b"", epoch: int = 0) -> int:
        """Store one block; return the id of its record. Each hub has epochs of its own."""
        own = 2 * (sum(hub.encode()) * 1000 + epoch)
        numbering = self._numberings.setdefault((hub, epoch), Numbering())
        data = Squeezer()(columns.encode(rows, numbering, boot))
        shapes, subjects = numbering.fresh()
        self.records += 1
        with transaction(self.db):
            if shapes or subjects:
                table = Table(dict(shapes), dict(subjects))
                self.bodies.add_names(hub, Names(own, self.records, encoded_table(table)))
            self.bodies.add(hub, Body(self.records, own, boot, self.now, data))
        return self.records

    def raw(self, hub: str, data: bytes, epoch: int = 0) -> int:
        self.records += 1
        with transaction(self.db):
            self.bodies.add(hub, Body(self.records, 2 * (sum(hub.encode()) * 1000 + epoch), b"", self.now, data))
        return self.records

    def date(self, hub: str, boot: bytes, offset_ms: int, error_ms: int = 0) -> None:
        """Note the clock of a boot, as ingest does."""
        with transaction(self.db):
            self.db.execute(
                "insert into boots (hub, boot, offset_ms, error_ms) values (?, ?, ?, ?)"
                " on conflict (hub, boot) do update set offset_ms = excluded.offset_ms, error_ms = excluded.error_ms",
                (hub, boot, offset_ms, error_ms),
            )

    def order(self, hub: str, kind: str, name: str, until_ms: int = FAR, number: str = "") -> bool:
        self.records += 1
        order = ErasureOrder(number or f"order-{self.records}", kind, name, until_ms, self.now)
        with transaction(self.db):
            return self.bodies.order(hub, order, self.records)

    def settle(self, wait_s: float = 0.0) -> None:
        """Let time pass, and the compactor do all that is due."""
        self.now += wait_s
        for _ in range(1000):
            if not self.compactor.work():
                return
        raise AssertionError("the compactor finds no end")

    def read(self, hub: str, device: str, metric: str, start: int = -FAR, end: int = FAR) -> list[StoredReading]:
        with read_hub(self.path, hub) as seen:
            return list(SeriesHistory(seen, device, metric).between(start, end))

    def undated(self, hub: str, device: str, metric: str) -> list[StoredReading]:
        with read_hub(self.path, hub) as seen:
            return SeriesHistory(seen, device, metric).undated()

    def latest(self, hub: str, device: str, metric: str, before: int = FAR) -> StoredReading | None:
        with read_hub(self.path, hub) as seen:
            return SeriesHistory(seen, device, metric).latest(before)

    def values(self, hub: str, device: str, metric: str) -> list[tuple[int, Any]]:
        return [(one.time_ms, one.value) for one in self.read(hub, device, metric)]

    def sql(self, statement: str, *arguments: Any) -> list[Any]:
        with closing(apsw.Connection(str(self.path))) as db:
            return db.execute(statement, arguments).fetchall()

    def files(self) -> bytes:
        """Return all bytes of the database's files."""
        return b"".join(file.read_bytes() for file in self.path.parent.glob(self.path.name + "*"))
