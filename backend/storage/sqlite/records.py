"""Epochs and the account of records in SQLite. See `backend.storage.engine.Epochs` and `.Records`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, cast

import apsw

from backend.storage.engine import RecordLine, Stream
from backend.storage.epoch_context import Context
from backend.storage.sqlite.errors import refusals
from hub.protocol.ranges import Range, Ranges
from hub.protocol.records.opening import Gap

_EPOCH = "select id, stream, eid, raw from epochs"


class Epochs:
    """The tables `epochs` and `tables`."""

    def __init__(self, connection: apsw.Connection) -> None:
        self._db = connection

    @refusals()
    def find(self, eid: bytes) -> Context | None:
        return self._context(self._db.execute(f"{_EPOCH} where eid = ?", (eid,)).get)

    @refusals()
    def numbered(self, number: int) -> Context | None:
        return self._context(self._db.execute(f"{_EPOCH} where id = ?", (number,)).get)

    @refusals()
    def add(self, stream: Stream, eid: bytes, raw: bytes, now: float) -> Context:
        number = self._db.execute(
            "insert into epochs (eid, stream, raw, received_at) values (?, ?, ?, ?)"
            " on conflict (eid) do update set stream = excluded.stream, raw = excluded.raw returning id",
            (eid, stream.id, raw, now),
        ).get
        return Context(cast(int, number), stream.id, eid, raw, self._tables(cast(int, number)))

    @refusals()
    def add_table(self, hub: str, epoch: int, number: int, raw: bytes) -> None:
        self._db.execute("insert or replace into tables values (?, ?, ?)", (epoch, number, raw))

    def _context(self, row: Any) -> Context | None:
        if row is None:
            return None
        number, stream, eid, raw = row
        return Context(number, stream, bytes(eid), bytes(raw), self._tables(number))

    def _tables(self, epoch: int) -> list[tuple[int, bytes]]:
        rows = self._db.execute("select number, raw from tables where epoch = ? order by number", (epoch,)).fetchall()
        return cast("list[tuple[int, bytes]]", rows)


class Records:
    """The tables `records` and `gaps`."""

    def __init__(self, connection: apsw.Connection) -> None:
        self._db = connection

    @refusals()
    def digest(self, stream: Stream, seq: int) -> bytes | None:
        found = self._db.execute("select digest from records where stream = ? and seq = ?", (stream.id, seq)).get
        return None if found is None else bytes(cast(bytes, found))

    @refusals()
    def add(self, stream: Stream, line: RecordLine, now: float) -> int:
        self._db.execute(
            "insert into records (stream, seq, digest, epoch, kind, readings, received_at)"
            " values (?, ?, ?, ?, ?, ?, ?)",
            (stream.id, *line, now),
        )
        return self._db.last_insert_rowid()

    @refusals()
    def last(self) -> int:
        return cast(int, self._db.execute("select coalesce(max(id), 0) from records").get)

    @refusals()
    def numbers(self, stream: Stream) -> Ranges:
        found = Ranges()
        for (seq,) in self._db.execute("select seq from records where stream = ? order by seq", (stream.id,)):
            found.add(cast(int, seq))
        return found

    @refusals()
    def add_gap(self, hub: str, gap: Gap, record: int, now: float) -> None:
        at = hub, gap.run, gap.stream
        self._db.execute(
            "insert or ignore into gaps (hub, run, stream, first, last, readings, from_s, to_s, reason, declared_by,"
            " received_at) select ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ? where not exists (select 1 from gaps"
            " where hub = ? and run = ? and stream = ? and first <= ? and last >= ?)",
            (
                *at, gap.first, gap.last, gap.readings, gap.from_s, gap.to_s, gap.reason, record, now,
                *at, gap.first, gap.last,
            ),
        )  # fmt: skip

    def gaps(self, hub: str, run: bytes, stream: str) -> Iterator[Range]:
        with refusals():  # read one by one: a hub decides how many there are
            yield from cast(
                "Iterator[Range]",
                self._db.execute(
                    "select first, last from gaps where hub = ? and run = ? and stream = ? order by first, last",
                    (hub, run, stream),
                ),
            )

    @refusals()
    def newest_arrival(self) -> float | None:
        return cast("float | None", self._db.execute("select max(received_at) from records").get)
