"""Epochs and the account of records in PostgreSQL. See `backend.storage.engine.Epochs` and `.Records`.

`digests` holds lines of old records, packed as in `backend.ingest.packed_records`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from backend.storage.engine import RecordLine, Stream
from backend.storage.epoch_context import Context
from backend.storage.postgresql.streams import Streams
from backend.storage.postgresql.writing import Writing
from hub.protocol.ranges import Range, Ranges
from hub.protocol.records.opening import Gap

_EPOCH = "select id, stream, eid, raw from epochs"
_ISLANDS = (
    "select min(seq), max(seq) from (select seq, seq - row_number() over (order by seq) as island from records"
    " where stream = %s) as numbered group by island order by 1"
)
_GAPS = (
    "select g.id, g.first, g.last from gaps g join hubs h on h.number = g.hub where h.hub = %s and g.run = %s"
    " and g.stream = %s and (g.first, g.last, g.id) > (%s, %s, %s) order by g.first, g.last, g.id limit 1000"
)


class Epochs:
    """The tables `epochs` and `epoch_tables`."""

    def __init__(self, writing: Writing) -> None:
        self._writing = writing

    def find(self, eid: bytes) -> Context | None:
        return self._context(self._writing.one(f"{_EPOCH} where eid = %s", (eid,)))

    def numbered(self, number: int) -> Context | None:
        return self._context(self._writing.one(f"{_EPOCH} where id = %s", (number,)))

    def add(self, stream: Stream, eid: bytes, raw: bytes, now: float) -> Context:
        self._writing.write(stream.hub)
        # a row that this statement inserted was locked or updated by nobody: its xmax is 0
        ((number, is_new),) = self._writing.ask(
            "insert into epochs (eid, stream, raw, received_at) values (%s, %s, %s, %s) on conflict (eid)"
            " do update set stream = excluded.stream, raw = excluded.raw returning id, xmax = 0",
            (eid, stream.id, raw, now),
        )
        if is_new:
            self._writing.new_epochs.add(number)
        return Context(number, stream.id, eid, raw, [] if is_new else self._tables(number))

    def add_table(self, hub: str, epoch: int, number: int, raw: bytes) -> None:
        self._writing.change_later(
            "insert into epoch_tables (epoch, number, raw) values (%s, %s, %s)"
            " on conflict (epoch, number) do update set raw = excluded.raw",
            (epoch, number, raw),
            hub=hub,
        )

    def _context(self, row: Any) -> Context | None:
        if row is None:
            return None
        number, stream, eid, raw = row
        return Context(number, stream, eid, raw, self._tables(number))

    def _tables(self, epoch: int) -> list[tuple[int, bytes]]:
        rows = self._writing.ask("select number, raw from epoch_tables where epoch = %s order by number", (epoch,))
        return [(int(number), bytes(raw)) for number, raw in rows]


class Records:
    """The tables `records`, `digests` and `gaps`."""

    def __init__(self, writing: Writing, streams: Streams) -> None:
        self._writing, self._streams = writing, streams

    def digest(self, stream: Stream, seq: int) -> bytes | None:
        """See `engine.Records.digest`. A line never changes, so that no lock is needed to compare with it."""
        if (waiting := self._writing.waiting(stream, seq)) is not None:
            return waiting
        row = self._writing.one("select digest from records where stream = %s and seq = %s", (stream.id, seq))
        return None if row is None else bytes(row[0])

    def add(self, stream: Stream, line: RecordLine, now: float) -> int:
        record = self._writing.add_line(stream, line, now)
        self._streams.line(stream, line)
        return record

    def last(self) -> int:
        """See `engine.Records.last`. Ids are of one hub each: this is the greatest of all hubs."""
        self._writing.flush()
        return int(self._writing.ask("select coalesce(max(last_record), 0) from hubs")[0][0])

    def numbers(self, stream: Stream) -> Ranges:
        self._writing.flush()
        return Ranges((int(first), int(last)) for first, last in self._writing.ask(_ISLANDS, (stream.id,)))

    def add_gap(self, hub: str, gap: Gap, record: int, now: float) -> None:
        self._writing.write(hub)
        at = self._writing.numbered(hub), gap.run, gap.stream
        self._writing.change(
            "insert into gaps (hub, run, stream, first, last, readings, from_s, to_s, reason, declared_by, received_at)"
            " select %s, %s, %s, %s::bigint, %s::bigint, %s, %s, %s, %s, %s, %s where not exists (select 1 from gaps"
            " where hub = %s and run = %s and stream = %s and first <= %s and last >= %s) on conflict do nothing",
            (
                *at, gap.first, gap.last, gap.readings, gap.from_s, gap.to_s, gap.reason, record, now,
                *at, gap.first, gap.last,
            ),
        )  # fmt: skip

    def gaps(self, hub: str, run: bytes, stream: str) -> Iterator[Range]:
        after = 0, 0, 0
        while rows := self._writing.ask(_GAPS, (hub, run, stream, *after)):  # a hub decides how many there are
            for _, first, last in rows:
                yield int(first), int(last)
            number, first, last = rows[-1]
            after = first, last, number

    def newest_arrival(self) -> float | None:
        """See `engine.Records.newest_arrival`. It reads the whole account: who asks does so once in its life."""
        self._writing.flush()
        row = self._writing.one("select max(received_at) from records")
        return None if row is None else row[0]
