"""What was received, one connection, one thread: streams, epochs, records, gaps, forks, alarms.

Everything is written inside `transaction()`; when it fails, the caches go with it.
"""

from __future__ import annotations

import hashlib
import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple, cast

import apsw
import msgspec

from backend.readings import Readings
from backend.schema import open_database, transaction
from hub.buffer.opening import ClockMark, Epoch, Gap, Opened
from hub.disk.files import write_atomically
from hub.errors import StorageError
from hub.ranges import Ranges

ACK_LEASE = 65536
MAX_QUARANTINE = 64 << 20
"""Bytes of what waits for a person, all hubs together; beyond it the sender keeps its data and is told so."""
MAX_OPEN_ALARMS = 64
"""Of one kind and hub: what alarms tell is partly the hub's own words."""

_encode = msgspec.msgpack.encode


@dataclass(slots=True)
class Stream:
    """One (hub, run, stream). `stored` is what the database has committed, `forked` what came twice with different
    content, `announced` the highest number that the hub said exists."""

    id: int
    hub: str
    run: bytes
    stream: str
    stored: Ranges = field(default_factory=Ranges)
    forked: Ranges = field(default_factory=Ranges)
    readings: int = 0
    announced: int = 0


class Context(NamedTuple):
    """What is kept to open an epoch's records again: its number here, its EPOCH record, its TABLE records."""

    id: int
    stream: int
    raw: bytes
    tables: list[tuple[int, bytes]]


class Storage:
    """The writing side of the database. Use it from one thread at a time. Raises StorageError from the disk."""

    def __init__(self, path: Path) -> None:
        self.connection = open_database(path)
        self.readings = Readings(self.connection)
        self._path = path
        self._streams: dict[tuple[str, bytes, str], Stream] = {}
        self._changed: dict[int, Stream] = {}
        self.db = self._incarnation()
        self._n = self._leased = self._meta_n()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All or nothing, durable on leaving."""
        try:
            with transaction(self.connection):
                yield
                self.readings.flush()
                self._save_streams()
        except BaseException as error:
            self._streams.clear()
            self._changed.clear()
            self.readings.forget()
            if isinstance(error, apsw.Error):
                raise StorageError(f"the database {self._path} refuses: {error}") from error
            raise

    def next_n(self) -> int:
        """The number of the next acknowledgement; it never repeats, also after a crash.

        Each lease begins at the microsecond of the day, if it is not past that: a database that was put back, with all
        that lay beside it, goes on above what it signed before, or hubs would take its acknowledgements for old ones.
        """
        if self._n >= self._leased:
            self._n = max(self._n, int(time.time() * 1e6))
            with self.transaction():
                self.connection.execute("update meta set value = ? where key = 'n'", (self._n + ACK_LEASE,))
            self._remember(self._n + ACK_LEASE)  # before any of them is used: or going back to here would not be seen
            self._leased = self._n + ACK_LEASE
        self._n += 1
        return self._n

    # streams

    def stream(self, hub: str, run: bytes, stream: str) -> Stream:
        """The stream with this identity, made at first sight (inside a transaction)."""
        known = self.find_stream(hub, run, stream)
        if known is not None:
            return known
        self.connection.execute(
            "insert into streams (hub, run, stream, started_at, stored, forked) values (?, ?, ?, ?, ?, ?)",
            (hub, run, stream, time.time(), b"\x90", b"\x90"),
        )
        made = self._streams[hub, run, stream] = Stream(self.connection.last_insert_rowid(), hub, run, stream)
        return made

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
            raise StorageError(f"the database {self._path} lost stream {number}: restore it from a backup")
        hub, run, stream = row
        return self.stream(hub, bytes(run), stream)

    def all_streams(self) -> list[Stream]:
        rows = self.connection.execute("select id from streams order by id").fetchall()
        return [self.stream_by_id(cast(int, row[0])) for row in rows]

    def change(self, stream: Stream) -> None:
        """Have `stream`'s fields written with this transaction."""
        self._changed[stream.id] = stream

    def link(self, stream: Stream, previous: bytes) -> None:
        """The run before that of `stream`."""
        self.connection.execute("update streams set previous = ? where id = ?", (previous, stream.id))

    def announce(self, stream: Stream, last: int) -> None:
        """The hub says that numbers up to `last` exist."""
        if last > stream.announced:
            stream.announced = last
            self.change(stream)

    # epochs

    def find_context(self, eid: bytes) -> Context | None:
        row = self.connection.execute("select id, stream, raw from epochs where eid = ?", (eid,)).get
        return None if row is None else self._context(*row)

    def context_by_id(self, epoch: int) -> Context | None:
        row = self.connection.execute("select id, stream, raw from epochs where id = ?", (epoch,)).get
        return None if row is None else self._context(*row)

    def add_epoch(self, epoch: Epoch, stream: Stream) -> int:
        self.connection.execute(
            "insert into epochs (eid, stream, raw, received_at) values (?, ?, ?, ?)",
            (epoch.eid, stream.id, epoch.raw, time.time()),
        )
        return self.connection.last_insert_rowid()

    def add_table(self, epoch: int, number: int, raw: bytes) -> None:
        self.connection.execute("insert or ignore into tables values (?, ?, ?)", (epoch, number, raw))

    # records

    def digest(self, stream: Stream, seq: int) -> bytes | None:
        """The digest stored under this number, None when there is no such record."""
        found = self.connection.execute("select digest from records where stream = ? and seq = ?", (stream.id, seq)).get
        return None if found is None else bytes(found)

    def add_record(self, stream: Stream, epoch: int, opened: Opened) -> int:
        """Write the line of a record that is not stored yet; returns its id, the origin of its rows."""
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
        """Declared once: a hub killed between a GAP and the note that it was written declares the same again."""
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

    def add_mark(self, hub: str, mark: ClockMark) -> None:
        """Date what `mark.boot` said before its clock was sure, and what of it is still to come."""
        self.readings.flush()
        self.readings.date(hub, mark)

    def add_fork(self, stream: Stream, seq: int, digest: bytes, eid: bytes, raw: bytes) -> None:
        """Keep a second content of a number aside, and say so."""
        self.connection.execute(
            "insert or ignore into forks (stream, seq, digest, eid, raw, received_at) values (?, ?, ?, ?, ?, ?)",
            (stream.id, seq, digest, eid, raw, time.time()),
        )
        stream.forked.add(seq)
        self.change(stream)
        self.alarm("fork", stream.hub, f"{stream.stream} of run {stream.run.hex()} forks")

    # what waits for a person

    def alarm(self, kind: str, hub: str, detail: str) -> None:
        """Raise an alarm; one that is open already is not raised twice, and no hub fills the list with one kind."""
        self.connection.execute(
            "insert or ignore into alarms (kind, hub, detail, raised_at) select ?1, ?2, ?3, ?4 where"
            " (select count(*) from alarms where kind = ?1 and hub = ?2 and cleared_at is null) < ?5",
            (kind, hub, detail[:500], time.time(), MAX_OPEN_ALARMS),
        )

    def clear_alarm(self, kind: str, hub: str, detail: str, now: float) -> None:
        self.connection.execute(
            "update alarms set cleared_at = ? where kind = ? and hub = ? and detail = ? and cleared_at is null",
            (now, kind, hub, detail),
        )

    def quarantine(self, hub: str, reason: str, body: bytes) -> bool:
        """Keep bytes for a person to judge. False when there is no room left for more."""
        self.alarm(reason, hub, "bytes are kept in quarantine")
        held = self.connection.execute("select coalesce(sum(length(body)), 0) from quarantine").get
        if held + len(body) > MAX_QUARANTINE:
            return False
        self.connection.execute(
            "insert or ignore into quarantine (hub, reason, digest, body, received_at) values (?, ?, ?, ?, ?)",
            (hub, reason, hashlib.sha256(body).digest(), body, time.time()),
        )
        return True

    def close(self) -> None:
        self.connection.close()

    def _context(self, epoch: int, stream: int, raw: bytes) -> Context:
        tables = self.connection.execute("select number, raw from tables where epoch = ? order by number", (epoch,))
        return Context(epoch, stream, bytes(raw), cast(list[tuple[int, bytes]], tables.fetchall()))

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
        """This database's id, a new one when it was rolled back: hubs then start its ack set anew.

        `incarnation` beside the database remembers how far acks were numbered.
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
                self.alarm("restored", "", "an older database was put back: hubs are asked to send again")
        return db

    def _remember(self, leased: int) -> None:
        text = f"{self.db.hex()} {leased}\n"
        try:
            write_atomically(self._path.with_name("incarnation"), text.encode())
        except OSError as error:
            raise StorageError(f"cannot write beside {self._path}: {error.strerror or error}") from error


def _stream(row: tuple[int, str, bytes, str, bytes, bytes, int, int]) -> Stream:
    number, hub, run, stream, stored, forked, readings, announced = row
    return Stream(
        number, hub, bytes(run), stream, Ranges(msgspec.msgpack.decode(stored)), Ranges(msgspec.msgpack.decode(forked)),
        readings, announced,
    )  # fmt: skip
