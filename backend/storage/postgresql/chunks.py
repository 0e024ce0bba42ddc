"""Chunks in PostgreSQL. See `backend.storage.chunks`.

A body that is compacted stays in its hour until that is dropped whole (`spent`); the watermark alone says which are
read. A chunk that is dropped is deleted; its bytes go when its partition is written anew (`rewriting`), or emptied.

What waits to be compacted is remembered here (`due`): to ask for it costs the server a look at each hub.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any, LiteralString

import msgspec
import psycopg

from backend.storage.chunks import Belief, Bucket, Changes, ChunkHead, LooseBucket
from backend.storage.postgresql import rewriting
from backend.storage.postgresql.connection import READING, Database, Session
from backend.storage.postgresql.due import LooseBuckets, WaitingHubs
from backend.storage.postgresql.hub_snapshot import HEAD, PostgresHubSnapshot, bucket_month, head_of
from backend.storage.postgresql.moments import moment
from backend.storage.postgresql.notes import CLOCK
from backend.storage.postgresql.partitions import UNDATED, month_of
from backend.storage.postgresql.series import PUT, lists
from backend.storage.postgresql.upkeep import Upkeep
from hub.core.errors import StorageError
from hub.core.text import phrase

ASIDE = "body"
"""Reason of bodies in quarantine, which is also the kind of their alarm."""
REST_S = 60.0
"""A hub whose order waits for bodies to be dropped is looked at again after so long."""
_LOCK = 0x11076C0C
"""Key of the advisory lock of the process that compacts."""

_FIRST = (
    "select b.received_at from bodies b where b.hub = h.number and b.record > coalesce(c.through, 0)"
    " order by b.record limit 1"
)
_WAITING = (
    f"select h.hub, ({_FIRST}) as first from hubs h left join compaction c on c.hub = h.number"  # noqa: S608
    " where h.last_record > coalesce(c.through, 0)"
)
_LOOSE = (
    "select h.hub, k.privacy, k.boot, k.hour, max(k.arrived_at), count(*) from chunks k join hubs h on h.number = k.hub"
    " where k.loose group by h.hub, k.privacy, k.boot, k.hour limit %s"
)
_HEAD = ", ".join(f"k.{name}" for name in HEAD.split(", "))
_OF = f"select h.hub, {_HEAD} from chunks k join hubs h on h.number = k.hub"  # noqa: S608
_ENDED = f"{_OF} where k.privacy = %s and k.boot = '' and k.month between 1 and %s and k.hour < %s limit %s"
_AHEAD = f"{_OF} where k.privacy = %s and k.boot = '' and k.month >= %s and k.hour > %s and k.arrived_at < %s limit %s"
_OF_BOOTS = (
    f"{_OF} left join boots b on b.hub = k.hub and b.boot = k.boot"
    f" where k.privacy = %(privacy)s and k.boot <> '' and k.month = {UNDATED} and case"
    "  when b.offset_ms is null or k.hour * 3600000 + b.offset_ms > %(now)s then k.arrived_at < %(before)s"
    "  else (k.hour + 1) * 3600000 + b.offset_ms <= %(before_ms)s end limit %(most)s"
)
_UNFINISHED = (
    "select distinct h.hub from erasures e join hubs h on h.number = e.hub where e.done_at is null"
    " and h.hub <> all(%s) limit %s"
)
_BODIES_LEFT = (
    "select exists (select 1 from hubs h join compaction c on c.hub = h.number join bodies b on b.hub = h.number"
    " and b.record <= c.through where h.hub = %s)"
)
_MOVE = (
    "update compaction set version = version + 1, through = coalesce(%s, through) where hub = %s and version = %s"
    " returning version"
)
_DROP = (
    "delete from chunks where hub = %s and id = any(%s) returning tableoid::regclass::text, privacy, boot, hour, loose"
)
_SETTLE = "update chunks set loose = false where hub = %s and id = any(%s) and loose returning privacy, boot, hour"
_PUT = (
    "insert into chunks (hub, month, privacy, boot, hour, rows, arrived_at, loose, data)"
    " values (%s, %s, %s, %s, %s, %s, %s, %s, %s)"
)
_ASIDE = (
    "insert into quarantine (hub, reason, digest, body, received_at, epoch)"
    " select h.hub, %s, sha256(b.data), b.data, b.received_at, b.epoch from bodies b join hubs h on h.number = b.hub"
    " where b.hub = %s and b.record = %s on conflict do nothing"
)
_ALARM = (
    "insert into alarms (kind, hub, detail, coded, raised_at) select %s, %s, %s, %s, %s where not exists"
    " (select 1 from alarms where kind = %s and hub = %s and cleared_at is null) on conflict do nothing"
)
_FORGET_NAMES = (
    "delete from names where hub = %(hub)s and epoch = %(epoch)s and not exists (select 1 from bodies b"
    " join compaction c on c.hub = b.hub where b.hub = %(hub)s and b.record > c.through and b.epoch = %(epoch)s)"
)
"""A body that came meanwhile found its names stored."""
_JOBS = (
    "insert into erasures (hub, id, kind, name, until_ms, ordered_at, record, cursor, readings, late, done_at,"
    " left_over) values (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s) on conflict (hub, id) do update set"
    " record = excluded.record, cursor = excluded.cursor, readings = excluded.readings, late = excluded.late,"
    " done_at = excluded.done_at, left_over = excluded.left_over"
)


class PostgresChunks:
    """Chunks of one database, for the process that compacts it. One thread. `clock` tells Unix seconds."""

    def __init__(self, url: str, clock: Callable[[], float] = time.time) -> None:
        self._writing = Database(url, name="ilot compact")
        self._reading = Database(url, name="ilot compact, reading", purpose=READING)
        self._upkeep = Upkeep(url, clock)
        self._clock = clock
        self._waiting, self._loose = WaitingHubs(self._look_for_waiting), LooseBuckets(self._look_for_loose)
        self._rests: dict[str, float] = {}  # hub → when its orders are looked at again
        self._right: Session | None = None  # the session that has the right to compact

    def compact_alone(self) -> bool:
        with self._writing.errors():
            session = self._writing.session()
            if self._right is not session and not self._take_right(session):
                return False
        return True

    def upkeep(self) -> None:
        with self._writing.errors():
            self._insist(self._writing.session())
        if self._upkeep.run():
            self._rests.clear()

    def waiting(self, before: float, most: int) -> list[str]:
        return self._waiting.before(before, most)

    def loose(self, before: float, crowd: int, most: int) -> list[LooseBucket]:
        return self._loose.due(before, crowd, most)

    def unfinished(self, most: int) -> list[str]:
        now = self._clock()
        self._rests = {hub: until for hub, until in self._rests.items() if now < until}
        return [hub for (hub,) in self._rows(_UNFINISHED, [list(self._rests), most])]

    def expired(self, privacy: str, before: float, now: float, most: int) -> list[tuple[str, ChunkHead]]:
        ended = [privacy, month_of(before), int(before // 3600), most]
        found = self._rows(_ENDED, ended)
        ahead = [privacy, month_of(now), int(now // 3600), before, most - len(found)]
        found += self._rows(_AHEAD, ahead)
        boots = {"privacy": privacy, "now": int(now * 1000), "before": before, "before_ms": int(before * 1000)}
        found += self._rows(_OF_BOOTS, {**boots, "most": most - len(found)})
        return [(hub, head_of(head)) for hub, *head in found]

    def hubs(self) -> list[str]:
        return [
            hub for (hub,) in self._rows("select h.hub from compaction c join hubs h on h.number = c.hub order by 1")
        ]

    def belief(self) -> Belief:
        days = dict(self._rows("select privacy, days from retention"))
        believed = self._rows("select value from meta where key = %s", [CLOCK])
        return Belief(days, msgspec.msgpack.decode(believed[0][0], type=float) if believed else None)

    @contextmanager
    def snapshot(self, hub: str) -> Iterator[PostgresHubSnapshot]:
        with moment(self._reading) as seen:
            yield PostgresHubSnapshot(seen, hub)

    def apply(self, hub: str, version: int, changes: Changes) -> bool:
        try:
            with self._writing.transaction() as session:
                self._insist(session)
                written = _Change(session, hub, changes)
                if moved := not written.begin(version):
                    self._forget()
                else:
                    written.write()
        except BaseException:
            self._forget()  # perhaps it was stored
            raise
        if moved:
            return False
        for bucket in written.gone:
            self._loose.gone(LooseBucket(hub, bucket))
        for new in changes.put:
            if new.loose:
                self._loose.put(LooseBucket(hub, new.bucket), new.arrived_at)
        if changes.through is not None:
            self._waiting.compacted(hub, written.first_left)
        return True

    def remove_traces(self, hub: str = "") -> bool:
        if hub and self._rows(_BODIES_LEFT, [hub]) == [(True,)]:
            self._rests[hub] = self._clock() + REST_S
            return False
        return rewriting.rewrite_marked(self._writing)

    def close(self) -> None:
        """Give the right to compact back, and close the sessions."""
        if self._right is not None and not self._right.closed:
            with suppress(psycopg.Error):  # else it ends with the session, a moment later
                self._right.execute("select pg_advisory_unlock(%s)", [_LOCK])
        self._right = None
        self._writing.close()
        self._reading.close()
        self._upkeep.close()

    def _insist(self, session: Session) -> None:
        """Take the right to compact again, where it was lost with its session. Raises StorageError when another process
        has it."""
        if self._right not in (None, session) and not self._take_right(session):
            place = self._writing.place
            raise StorageError(phrase("compacted-by-another", "another process compacts {place}", place=place))

    def _take_right(self, session: Session) -> bool:
        if session.execute("select pg_try_advisory_lock(%s)", [_LOCK]).fetchone() != (True,):
            return False
        self._right = session
        self._forget()
        return True

    def _forget(self) -> None:
        self._waiting.forget()
        self._loose.forget()

    def _rows(self, statement: LiteralString, arguments: Any = ()) -> list[Any]:
        with self._reading.errors():
            return self._reading.session().execute(statement, arguments, binary=True).fetchall()

    def _look_for_waiting(self) -> list[tuple[str, float]]:
        return [(hub, first) for hub, first in self._rows(_WAITING) if first is not None]

    def _look_for_loose(self, most: int) -> list[tuple[LooseBucket, float, int]]:
        return [
            (LooseBucket(hub, Bucket(*bucket)), last, count) for hub, *bucket, last, count in self._rows(_LOOSE, [most])
        ]


class _Change:
    """Changes of one hub, in the transaction that writes them."""

    def __init__(self, session: Session, hub: str, changes: Changes) -> None:
        self._session, self._hub, self._changes = session, hub, changes
        self.gone: list[Bucket] = []  # of chunks that are loose no more
        self.first_left: float | None = None

    def begin(self, version: int) -> bool:
        """Take the hub; return whether it is there, and at this version.

        Its row is taken where workers remember what changes: those who write of it come before or after, and read it
        anew. It is taken first, as they do.
        """
        known_elsewhere = self._changes.forget_names or self._changes.forget_series or self._changes.names
        row = self._session.execute(
            "update hubs set version = version + 1, changed = version + 1 where hub = %s returning number"
            if known_elsewhere
            else "select number from hubs where hub = %s",
            [self._hub],
        ).fetchone()
        if row is None:
            return False
        self._number = row[0]
        if version == 0:
            self._run("insert into compaction (hub) values (%s) on conflict do nothing", [self._number])
        return self._run(_MOVE, [self._changes.through, self._number, version]).fetchone() is not None

    def write(self) -> None:
        changes = self._changes
        erased = self._drop() if changes.drop else set[str]()
        if changes.settle:
            self.gone += [Bucket(*row) for row in self._run(_SETTLE, [self._number, changes.settle], binary=True)]
        self._run_many(
            _PUT,
            [
                (self._number, bucket_month(new.bucket), *new.bucket, new.rows, new.arrived_at, new.loose, new.data)
                for new in changes.put
            ],
        )
        for record, _ in changes.aside:
            self._run(_ASIDE, [ASIDE, self._number, record])
        if changes.aside and changes.alarm is not None:
            self._run(_ALARM, [ASIDE, self._hub, *changes.alarm, time.time(), ASIDE, self._hub])
        self._run_many(
            "update names set data = %s where hub = %s and epoch = %s and number = %s",
            [(names.data, self._number, names.epoch, names.number) for names in changes.names],
        )
        for epoch in changes.forget_names:
            self._run(_FORGET_NAMES, {"hub": self._number, "epoch": epoch})
        for some in lists(changes.series):
            self._run(PUT, [self._number, some])
        self._run_many(
            "delete from series where hub = %s and place = %s and metric = %s and device = %s",
            [(self._number, *name) for name in changes.forget_series],
        )
        self._run_many(_JOBS, [(self._number, *job.order, *job[1:]) for job in changes.jobs])
        if changes.purged is not None:
            privacy, readings, now = changes.purged
            self._run(
                "update retention set purged = purged + %s, purged_at = %s where privacy = %s", [readings, now, privacy]
            )
        if changes.names or changes.forget_names:
            erased.add(rewriting.NAMES)
        if changes.forget_series:
            erased.add(rewriting.SERIES)
        rewriting.mark(self._session, erased)
        if changes.through is not None:
            first = _WAITING + " and h.number = %s"
            found = self._run(first, [self._number]).fetchone()
            self.first_left = None if found is None else found[1]

    def _drop(self) -> set[str]:
        """Drop chunks; return the tables in which they lay, where an order erases something of them."""
        rows = self._run(_DROP, [self._number, self._changes.drop], binary=True).fetchall()
        self.gone += [Bucket(*bucket) for _, *bucket, loose in rows if loose]
        return {relation for relation, *_ in rows} if self._changes.jobs else set()

    def _run(self, statement: LiteralString, arguments: Any, *, binary: bool = False) -> Any:
        return self._session.execute(statement, arguments, binary=binary)

    def _run_many(self, statement: LiteralString, rows: Sequence[Sequence[object]]) -> None:
        if rows:
            with self._session.cursor() as cursor:
                cursor.executemany(statement, rows)
