"""Received data behind one connection and one thread: streams, epochs, records, gaps, forks, alarms.

Everything is written inside `transaction()`; when it fails, the caches are discarded with it.
"""

from __future__ import annotations

import hashlib
import secrets
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

import apsw
import msgspec

from backend.epoch_context import Context
from backend.quotas import (
    MANY_DETAIL,
    PARTS,
    PARTS_ALARM,
    RUNS_ALARM,
    RUNS_DETAIL,
    EvidenceQuota,
    QuotaExceeded,
    StreamQuota,
)
from backend.readings import Readings
from backend.schema import open_database, transaction
from hub.core.disk.atomic_files import write_atomically
from hub.core.errors import StorageError
from hub.core.text import Phrase, as_data, phrase, reason_of, system_error
from hub.protocol.ranges import Ranges
from hub.protocol.records.opening import ClockMark, Epoch, Gap, Opened

ACK_LEASE = 65536
MAX_CACHED_STREAMS = 20_000
"""Streams that stay in memory between two transactions."""
MAX_OPEN_ALARMS = 64
MAX_CODED = 4000
"""Bytes of code and parameters of an alarm."""
_IN_QUARANTINE = phrase("bytes-in-quarantine", "bytes are kept in quarantine")
"""Open alarms of one kind and hub: their text is partly the hub's own."""

_encode = msgspec.msgpack.encode


@dataclass(slots=True)
class Stream:
    """A stream: (hub, run, stream). `stored` are the committed numbers, `forked` those that arrived with two contents,
    `announced` the highest number that the hub said exists."""

    id: int
    hub: str
    run: bytes
    stream: str
    stored: Ranges = field(default_factory=Ranges)
    forked: Ranges = field(default_factory=Ranges)
    readings: int = 0
    announced: int = 0


class Storage:
    """Writing side of the database. Use it from one thread at a time. Raises StorageError from the disk."""

    def __init__(self, path: Path) -> None:
        self.connection = open_database(path)
        self.readings = Readings(self.connection)
        self._path = path
        self._streams: dict[tuple[str, bytes, str], Stream] = {}
        self._changed: dict[int, Stream] = {}
        self.runs = StreamQuota(self.connection)
        self.evidence = EvidenceQuota(self.connection)
        self.touched: set[int] | None = None  # streams to check for holes; None: all
        self.db = self._incarnation()
        self._n = self._leased = self._meta_n()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Run the block in one transaction, durable on leaving."""
        try:
            with transaction(self.connection):
                yield
                self.readings.flush()
                self._save_streams()
            if len(self._streams) > MAX_CACHED_STREAMS:
                self._streams.clear()
        except BaseException as error:
            self._streams.clear()
            self._changed.clear()
            self.runs.rolled_back()
            self.evidence.rolled_back()
            self.readings.rolled_back()
            if isinstance(error, apsw.Error):
                raise StorageError(
                    phrase(
                        "database-file-refuses",
                        "the database {file} refuses: {reason}",
                        file=self._path,
                        reason=reason_of(error),
                    )
                ) from error
            raise

    def next_n(self) -> int:
        """Return the number of the next acknowledgement; it never repeats, also after a crash.

        Each lease begins at the current time in µs, if that is greater: a database that was put back, with all that lay
        beside it, continues above what it signed before, or hubs would take its acknowledgements for old ones.
        """
        if self._n >= self._leased:
            self._n = max(self._n, int(time.time() * 1e6))
            with self.transaction():
                self.connection.execute("update meta set value = ? where key = 'n'", (self._n + ACK_LEASE,))
            self._remember(self._n + ACK_LEASE)  # before any is used, or a rollback to this point would not be noticed
            self._leased = self._n + ACK_LEASE
        self._n += 1
        return self._n

    # streams

    def stream(self, hub: str, run: bytes, stream: str, *, named: bool = False) -> Stream:
        """Return the stream with this identity, created on first use. Inside a transaction. Raises QuotaExceeded, with
        an alarm, when its hub may begin none now. A stream that an existing one `named` is always created, or its end
        would not be missed."""
        known = self.find_stream(hub, run, stream)
        if known is not None:
            return known
        now = time.time()
        if not named:
            self._begin(hub, now)
        self.connection.execute(
            "insert into streams (hub, run, stream, started_at, stored, forked) values (?, ?, ?, ?, ?, ?)",
            (hub, run, stream, now, b"\x90", b"\x90"),
        )
        self.runs.add(hub, now)
        made = self._streams[hub, run, stream] = Stream(self.connection.last_insert_rowid(), hub, run, stream)
        return made

    def may_begin(self, hub: str, run: bytes, stream: str) -> None:
        """Raise QuotaExceeded, with an alarm, when this stream does not exist and may not be created now."""
        if self.find_stream(hub, run, stream) is None:
            self._begin(hub, time.time())

    def find_stream(self, hub: str, run: bytes, stream: str) -> Stream | None:
        known = self._streams.get((hub, run, stream))
        if known is None:
            row = self.connection.execute(
                "select id, hub, run, stream, stored, forked, readings, announced from streams"
                " where hub = ? and run = ? and stream = ?",
                (hub, run, stream),
            ).get
            if row is None:
                return None
            known = self._streams[hub, run, stream] = _stream(row)
        return known

    def stream_by_id(self, number: int) -> Stream:
        row = self.connection.execute("select hub, run, stream from streams where id = ?", (number,)).get
        if row is None:
            raise StorageError(
                phrase(
                    "database-lost-stream",
                    "the database {file} lost stream {number}: restore it from a backup",
                    file=self._path,
                    number=number,
                )
            )
        hub, run, stream = row
        return self.stream(hub, bytes(run), stream)

    def known_stream(self, number: int) -> Stream | None:
        """Return the stream of this number, None when there is none."""
        there = self.connection.execute("select 1 from streams where id = ?", (number,)).get
        return None if there is None else self.stream_by_id(number)

    def streams_to_check(self) -> Iterator[Stream]:
        """Yield the touched streams, all of them while `touched` is None, one by one: there are as many as hubs ever
        began, and they are not all loaded at once."""
        numbers: Iterable[int] = self.touched or ()
        if self.touched is None:
            numbers = [cast(int, number) for (number,) in self.connection.execute("select id from streams")]
        for number in sorted(numbers):
            stream = self.known_stream(number)
            if stream is not None:  # None: created by a transaction that was rolled back
                yield stream
                if len(self._streams) > MAX_CACHED_STREAMS and number not in self._changed:
                    self._streams.pop((stream.hub, stream.run, stream.stream), None)

    def change(self, stream: Stream) -> None:
        """Mark `stream` as changed, so that this transaction writes it."""
        self._changed[stream.id] = stream
        self.touch(stream)

    def touch(self, stream: Stream) -> None:
        """Mark `stream` to be checked for holes."""
        if self.touched is not None:
            self.touched.add(stream.id)

    def fits(self, stream: Stream, seq: int, *beside: Ranges) -> bool:
        """Return whether this number may join the stored ones and `beside`: not where it makes one range too many."""
        have = stream.stored, *beside
        if sum(one.parts() for one in have) < PARTS or any(seq - 1 in one or seq + 1 in one for one in have):
            return True
        self.alarm(PARTS_ALARM, stream.hub, _scattered(stream))
        return False

    def link(self, stream: Stream, previous: bytes) -> None:
        """Record the run before that of `stream`."""
        self.connection.execute("update streams set previous = ? where id = ?", (previous, stream.id))

    def announce(self, stream: Stream, last: int) -> None:
        """Record that numbers up to `last` exist."""
        if last > stream.announced:
            stream.announced = last
            self.change(stream)

    # epochs

    def find_context(self, eid: bytes) -> Context | None:
        row = self.connection.execute("select id, stream, eid, raw from epochs where eid = ?", (eid,)).get
        return None if row is None else self._context(*row)

    def context_by_id(self, epoch: int) -> Context | None:
        row = self.connection.execute("select id, stream, eid, raw from epochs where id = ?", (epoch,)).get
        return None if row is None else self._context(*row)

    def add_epoch(self, epoch: Epoch, stream: Stream) -> Context:
        """Store an epoch; replace the same one where that was damaged, keeping its tables."""
        number = self.connection.execute(
            "insert into epochs (eid, stream, raw, received_at) values (?, ?, ?, ?)"
            " on conflict (eid) do update set stream = excluded.stream, raw = excluded.raw returning id",
            (epoch.eid, stream.id, epoch.raw, time.time()),
        ).get
        return self._context(cast(int, number), stream.id, epoch.eid, epoch.raw)

    def add_table(self, epoch: int, number: int, raw: bytes) -> None:
        """Store a TABLE record; replace the same one where that was damaged."""
        self.connection.execute("insert or replace into tables values (?, ?, ?)", (epoch, number, raw))

    # records

    def digest(self, stream: Stream, seq: int) -> bytes | None:
        """Return the digest stored under this number, None when there is no such record."""
        found = self.connection.execute("select digest from records where stream = ? and seq = ?", (stream.id, seq)).get
        return None if found is None else bytes(found)

    def add_record(self, stream: Stream, epoch: int, opened: Opened) -> int:
        """Store the row of a new record; return its id, the origin of its readings."""
        self.connection.execute(
            "insert into records (stream, seq, digest, epoch, kind, readings, received_at)"
            " values (?, ?, ?, ?, ?, ?, ?)",
            (stream.id, opened.seq, opened.digest, epoch, opened.kind, opened.readings, time.time()),
        )
        stream.stored.add(opened.seq)
        stream.readings += opened.readings
        self.change(stream)
        return self.connection.last_insert_rowid()

    def add_gap(self, hub: str, gap: Gap, record: int) -> None:
        """Store a declared gap. A hub killed between a GAP and the note that it was written declares the same again; it
        is stored once."""
        at = hub, gap.run, gap.stream
        self.connection.execute(
            "insert or ignore into gaps (hub, run, stream, first, last, readings, from_s, to_s, reason, declared_by,"
            " received_at) select ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ? where not exists (select 1 from gaps"
            " where hub = ? and run = ? and stream = ? and first <= ? and last >= ?)",
            (
                *at, gap.first, gap.last, gap.readings, gap.from_s, gap.to_s, gap.reason, record, time.time(),
                *at, gap.first, gap.last,
            ),
        )  # fmt: skip
        if (of := self.find_stream(*at)) is not None:
            self.touch(of)

    def add_mark(self, hub: str, mark: ClockMark) -> None:
        """Date the readings of `mark.boot` from before its clock was certain, and those still to come."""
        self.readings.flush()
        self.readings.date(hub, mark)

    def add_fork(self, stream: Stream, seq: int, digest: bytes, eid: bytes, raw: bytes) -> None:
        """Store a second content of a number while its hub has room for evidence, and raise an alarm in any case."""
        same = stream.id, seq, digest
        known = self.connection.execute("select 1 from forks where stream = ? and seq = ? and digest = ?", same).get
        if known is None and self._room(stream.hub, len(raw)):
            self.connection.execute(
                "insert into forks (stream, seq, digest, eid, raw, received_at) values (?, ?, ?, ?, ?, ?)",
                (*same, eid, raw, time.time()),
            )
        if stream.forked.parts() < PARTS:
            stream.forked.add(seq)
        else:
            # No room for another range: extend the last one. Too much counts as forked, and is not acknowledged,
            # never too little.
            first, last = list(stream.forked)[-1]
            stream.forked.add(min(seq, first), max(seq, last))
        self.change(stream)
        self.alarm(
            "fork",
            stream.hub,
            phrase("stream-forks", "{stream} of run {run} forks", stream=stream.stream, run=stream.run.hex()),
        )

    # what waits for a person

    def alarm(self, kind: str, hub: str, detail: str) -> bool:
        """Raise an alarm; return whether it is open now. One that is open already is not raised twice, and the number
        of one kind is limited for each hub."""
        self.connection.execute(
            "insert or ignore into alarms (kind, hub, detail, raised_at, coded) select ?1, ?2, ?3, ?4, ?6 where"
            " (select count(*) from alarms where kind = ?1 and hub = ?2 and cleared_at is null) < ?5",
            (kind, hub, detail[:500], time.time(), MAX_OPEN_ALARMS, _coded(detail)),
        )
        return (
            self.connection.changes() > 0
            or self.connection.execute(
                "select 1 from alarms where kind = ? and hub = ? and detail = ? and cleared_at is null",
                (kind, hub, detail[:500]),
            ).get
            is not None
        )

    def clear_alarm(self, kind: str, hub: str, detail: str, now: float) -> None:
        self.connection.execute(
            "update alarms set cleared_at = ? where kind = ? and hub = ? and detail = ? and cleared_at is null",
            (now, kind, hub, detail[:500]),
        )

    def quarantine(
        self,
        hub: str,
        reason: str,
        body: bytes,
        said: str = _IN_QUARANTINE,
        *,
        epoch: int | None = None,
        owed: bool = False,
    ) -> bool:
        """Store bytes for a person to judge, of a record that its `epoch` truly sealed. False when this hub has no room
        left; bytes that are `owed`, since they were acknowledged, are stored all the same."""
        self.alarm(reason, hub, said)
        digest = hashlib.sha256(body).digest()
        if self.connection.execute("select 1 from quarantine where digest = ?", (digest,)).get is not None:
            return True
        if not (owed or self._room(hub, len(body))):
            return False
        self.connection.execute(
            "insert into quarantine (hub, reason, digest, body, received_at, epoch) values (?, ?, ?, ?, ?, ?)",
            (hub, reason, digest, body, time.time(), epoch),
        )
        return True

    def _room(self, hub: str, size: int) -> bool:
        fits = self.evidence.room(hub, size)
        if not fits:
            self.alarm(
                "evidence-full",
                hub,
                phrase("evidence-full", "what a person must judge of it has filled its share: no more is kept"),
            )
        return fits

    def close(self) -> None:
        self.connection.close()

    def _begin(self, hub: str, now: float) -> None:
        try:
            if self.runs.check(hub, now):
                self.alarm(RUNS_ALARM, hub, MANY_DETAIL)
        except QuotaExceeded:
            self.alarm(RUNS_ALARM, hub, RUNS_DETAIL)
            raise

    def _context(self, epoch: int, stream: int, eid: bytes, raw: bytes) -> Context:
        tables = self.connection.execute("select number, raw from tables where epoch = ? order by number", (epoch,))
        return Context(epoch, stream, bytes(eid), bytes(raw), cast(list[tuple[int, bytes]], tables.fetchall()))

    def _save_streams(self) -> None:
        rows = [
            (_encode(list(s.stored)), _encode(list(s.forked)), s.readings, s.announced, s.id)
            for s in self._changed.values()
        ]
        self.connection.executemany(
            "update streams set stored = ?, forked = ?, readings = ?, announced = ? where id = ?", rows
        )
        self._changed.clear()

    def _meta_n(self) -> int:
        return int(self.connection.execute("select value from meta where key = 'n'").get)

    def _incarnation(self) -> bytes:
        """Return this database's id, a new one when it was rolled back: hubs then start its ack set anew.

        The file `incarnation` beside the database holds the highest leased number of acks.
        """
        db, n = bytes(self.connection.execute("select value from meta where key = 'db'").get), self._meta_n()
        beside = self._path.with_name("incarnation")
        try:
            known_db, known_n = beside.read_text(encoding="ascii").split()
            rolled_back = known_db == db.hex() and int(known_n) > n
        except (FileNotFoundError, ValueError):
            rolled_back = False
        if rolled_back:
            db = secrets.token_bytes(16)
            with transaction(self.connection):
                self.connection.execute("update meta set value = ? where key = 'db'", (db,))
                self.alarm(
                    "restored",
                    "",
                    phrase("database-put-back", "an older database was put back: hubs are asked to send again"),
                )
        return db

    def _remember(self, leased: int) -> None:
        text = f"{self.db.hex()} {leased}\n"
        try:
            write_atomically(self._path.with_name("incarnation"), text.encode())
        except OSError as error:
            raise StorageError(
                phrase(
                    "beside-database-not-written",
                    "{directory} cannot be written: {reason}",
                    directory=self._path.parent,
                    reason=system_error(error),
                )
            ) from error


def _scattered(stream: Stream) -> Phrase:
    return phrase(
        "stream-scattered",
        "{stream} of run {run} comes in too many pieces",
        stream=stream.stream,
        run=stream.run.hex(),
    )


def _coded(detail: str) -> bytes | None:
    """Return code and parameters of an alarm, to be stored beside its sentence; None where it has none, or much."""
    coded = msgspec.json.encode(as_data(detail)) if isinstance(detail, Phrase) else None
    return coded if coded is not None and len(coded) <= MAX_CODED else None


def _stream(row: tuple[int, str, bytes, str, bytes, bytes, int, int]) -> Stream:
    number, hub, run, stream, stored, forked, readings, announced = row
    return Stream(
        number,
        hub,
        bytes(run),
        stream,
        Ranges(msgspec.msgpack.decode(stored)),
        Ranges(msgspec.msgpack.decode(forked)),
        readings,
        announced,
    )
