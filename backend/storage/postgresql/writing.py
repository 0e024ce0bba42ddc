"""The transaction of a worker.

A transaction about some hubs begins without a lock, and reads what it lacks. Its lines and bodies are written at its
end by the statement of `normal_path`, which compares the versions of its hubs' rows with those that are known
(`hub_rows`): who has missed a write of another worker has written nothing. The ids of its records and the numbers of
its acknowledgements are known before, since both lie in the row of that version.

Before its first other write a transaction takes the rows of its hubs, all together and in the order of their numbers,
so that no two workers wait for each other. Where one has another version, the transaction ends as HubMoved.

A transaction about no hubs (a command, a purge) takes a hub's row when it writes something of it, and compares the
version without a lock before it believes a cached stream.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from psycopg import Cursor, sql

from backend.storage.engine import Caches, HubMoved, RecordLine, RowRefused, Stream
from backend.storage.postgresql import normal_path
from backend.storage.postgresql.connection import Database, Session
from backend.storage.postgresql.errors import TryAgain
from backend.storage.postgresql.hub_rows import ROW, HubRow, HubRows, hub_row
from backend.storage.postgresql.normal_path import HubMessage, NewBlock
from backend.storage.tables import Hub
from hub.core.errors import StorageError
from hub.core.text import phrase

_TAKE = f"{ROW} where h.hub = any(%s) order by h.number for update of h"
_RAISE = (
    "update hubs set version = version + 1, changed = case when %s then version + 1 else changed end,"
    " stated = case when %s then version + 1 else stated end where number = %s"
)


@dataclass(slots=True)
class _Work:
    """What a transaction writes of a hub. `raised`: a row of its streams. `stated`: its state. `rare`: something else
    than these, its account and its bodies. `stale`: what the registry tells of it changes."""

    row: HubRow
    blocks: list[NewBlock] = field(default_factory=list)
    acks: int = 0
    floor: int = 0
    raised: bool = False
    stated: bool = False
    rare: bool = False
    stale: bool = False


class Writing:
    """The one transaction of a session, beside the rows that are known."""

    def __init__(self, database: Database, caches: Caches, rows: HubRows) -> None:
        self.database = database
        self._caches, self._rows = caches, rows
        self.forget = self._rows.forget
        self._deleted: set[str] = set()
        self._last: Session | None = None
        self._session: Session | None = None
        self._reset()

    def _reset(self) -> None:
        self._hubs: frozenset[str] = frozenset()
        self._held = False
        self._own: set[str] = set()
        self._checked: set[str] = set()
        self._works: dict[str, _Work] = {}
        self._later: list[tuple[str, list[Any]]] = []
        self._now: float | None = None
        self.new_epochs: set[int] = set()  # of which nobody else can have stored anything
        self.wrote = False

    # statements

    def ask(self, statement: str | sql.Composable, arguments: Iterable[Any] = ()) -> list[tuple[Any, ...]]:
        """Return the rows of a statement, in the transaction or, outside any, in one of its own."""
        if self._session is None:
            with self.database.transaction() as session:
                return session.execute(statement, list(arguments)).fetchall()  # type: ignore[arg-type]
        return self._execute(statement, list(arguments)).fetchall()

    def one(self, statement: str, arguments: Iterable[Any] = ()) -> tuple[Any, ...] | None:
        """Return the first row of a statement."""
        rows = self.ask(statement, arguments)
        return rows[0] if rows else None

    def change(self, statement: str | sql.Composable, arguments: Iterable[Any] = (), *, hub: str | None = None) -> int:
        """Write something rare, of a hub whose caches it concerns or of none; return how many rows it changed."""
        self.write(hub)
        if self._session is None:
            with self.database.transaction() as session:
                return session.execute(statement, list(arguments)).rowcount  # type: ignore[arg-type]
        return self._execute(statement, list(arguments)).rowcount

    def change_later(self, statement: str, arguments: Iterable[Any], *, hub: str | None = None) -> None:
        """Write something rare of which nobody asks how it ended: with what is asked or written next, or at the end of
        the transaction, so that it costs no round trip of its own. Inside a transaction."""
        self._inside()
        self.write(hub)
        self._later.append((statement, list(arguments)))

    def change_many(self, statement: str, rows: Iterable[Iterable[Any]], *, hub: str | None = None) -> None:
        """Write many rows by one statement. Inside a transaction."""
        given = [list(one) for one in rows]
        if given:
            self.write(hub)
            with self.database.errors(), self._inside().pipeline():
                self._send_later()
                self._inside().cursor().executemany(statement, given)

    def change_named(self, statement: str, arguments: Mapping[str, Any]) -> int:
        """Write something rare by a statement with named arguments; return how many rows it changed."""
        self.write()
        return self._execute(statement, arguments).rowcount

    def rewrite(self, table: str) -> None:
        """Write the rows of a small table to a new file, so that what was deleted is in none."""
        with self.database.errors():
            self.database.session().execute(sql.SQL("vacuum (full) {}").format(sql.Identifier(table)))

    def rewrite_deleted(self) -> bool:
        """Rewrite the tables that `deleted` was told; return whether all are."""
        for table in sorted(self._deleted):
            try:
                self.rewrite(table)
            except TryAgain:
                return False
            self._deleted.discard(table)
        return True

    # the transaction

    def begin(self, session: Session, hubs: Collection[str]) -> None:
        """Begin in a session whose transaction has begun."""
        self._reset()
        self._session, self._hubs = session, frozenset(hubs)
        if session is not self._last:  # perhaps another server, after a fault: nothing is known of it
            self._last = None
            self._caches.forget()
            self._last = session
        if self._rows.contested(hubs):
            self._take(hubs)
        elif strange := [hub for hub in hubs if self._rows.get(hub) is None]:
            for row in self.ask(f"{ROW} where h.hub = any(%s)", [strange]):
                self._rows.meet(hub_row(row))

    def finish(self, streams: Iterable[tuple[Any, ...]]) -> None:
        """Write what waits, at the end of the transaction; `streams` are rows for `_STREAMS` of those that changed."""
        self._store()
        self._write_later()
        raised = [(one.rare, one.stated, one.row.number) for one in self._works.values() if one.rare or one.stated]
        raised.sort(key=lambda one: one[-1])
        self.change_many(_RAISE, raised)
        given = list(streams)
        if given:
            self.wrote = True
            with self.database.errors():
                self._inside().cursor().executemany(_STREAMS, given)

    def flush(self) -> None:
        """Write now what waits, since this transaction asks for it."""
        if any(one.blocks for one in self._works.values()):
            self.write()
            self._store()
        self._write_later()

    def committed(self) -> None:
        """Remember the rows as they are after the transaction."""
        for hub, work in self._works.items():
            row = work.row
            if work.stale:
                self._caches.forget(hub)
            elif work.rare or work.stated:
                now = row.version + 1
                changed, stated = now if work.rare else row.changed, now if work.stated else row.stated
                self._rows.put(row._replace(version=now, changed=changed, stated=stated))
            else:
                self._rows.put(row)

    def moved(self) -> None:
        """Forget what a transaction that ends as HubMoved had added to what is cached."""
        for hub, work in self._works.items():
            self._rows.undo(hub, rare=work.rare, stated=work.stated)

    def end(self) -> None:
        self._reset()
        self._session = None

    @property
    def inside(self) -> bool:
        """Whether a transaction runs."""
        return self._session is not None

    @property
    def unchanged(self) -> bool:
        """Whether the transaction wrote nothing yet, and nothing waits to be written."""
        return not (self.wrote or self._works)

    # hubs

    def known(self, hub: str) -> Hub | None:
        """Return what the registry tells of a hub by its version, whose comparison proves it; None where this
        transaction is not about it."""
        if self._session is None or hub not in self._hubs or (row := self._rows.get(hub)) is None:
            return None
        return row.hub

    def number(self, hub: str) -> int | None:
        """Return the number of a hub, None where it is not enrolled."""
        known = self._rows.get(hub)
        if known is not None:
            return known.number
        row = self.one("select number from hubs where hub = %s", [hub])
        return None if row is None else int(row[0])

    def numbered(self, hub: str) -> int:
        """Return the number of a hub. Raises RowRefused where it is not enrolled."""
        number = self.number(hub)
        if number is None:
            raise _not_enrolled(hub)
        return number

    def check(self, hub: str) -> None:
        """Forget what is cached of a hub that moved, before it is believed without a comparison at the end."""
        if self._session is not None and (hub in self._hubs or hub in self._own or hub in self._checked):
            return
        rows = self.ask(f"{ROW} where h.hub = %s", [hub])
        if rows:
            self._rows.meet(hub_row(rows[0]))
        else:
            self._caches.forget(hub)
        if self._session is not None:
            self._checked.add(hub)

    def write(self, hub: str | None = None) -> None:
        """Take the rows of this transaction's hubs before something rare is written, of `hub` or of none. Raises
        HubMoved."""
        if self._hubs and not self._held and self._take(self._hubs):
            raise moved()
        if hub is not None:
            self._work(hub).rare = True
        self.wrote = True

    def write_state(self, hub: str) -> None:
        """Take the rows, as `write` does, before the state of a hub is written."""
        self.write()
        self._work(hub).stated = True

    def registered(self, hub: str) -> None:
        """Take the row of a hub, of which the registry's part is written."""
        self.write(hub)
        self._work(hub).stale = True

    def removed(self, hub: str) -> None:
        """Note that the row of a hub is deleted."""
        self._work(hub).rare = False

    def hold(self, hub: str, *, raised: bool = False) -> None:
        """Have the version of a hub compared, or its row taken, since something of it changes; `raised`: the row of one
        of its streams is written."""
        work = self._work(hub)
        work.raised |= raised

    def deleted(self, table: str) -> None:
        """Note that bytes that somebody may want gone were deleted from a small table."""
        self._deleted.add(table)

    # what waits for the end

    def add_line(self, stream: Stream, line: RecordLine, now: float) -> int:
        """Have a line written; return the id of its record."""
        work = self._work(stream.hub)
        self._now = now if self._now is None else self._now
        work.blocks.append(NewBlock(stream.id, line.seq, line.digest, line.epoch, line.kind, line.readings, b"", None))
        return work.row.last_record + len(work.blocks)

    def set_body(self, hub: str, record: int, boot: bytes, data: bytes) -> None:
        """Have a body written with the line of its record. Raises RowRefused for a record of no line that waits."""
        work = self._work(hub)
        at = record - work.row.last_record - 1
        if not 0 <= at < len(work.blocks):
            raise RowRefused(
                phrase("body-without-record", "a body names record {record}, which is not being stored", record=record)
            )
        work.blocks[at] = work.blocks[at]._replace(boot=boot, data=data)

    def waiting(self, stream: Stream, seq: int) -> bytes | None:
        """Return the digest of a line that waits."""
        work = self._works.get(stream.hub)
        if work is not None:
            for block in reversed(work.blocks):
                if block.stream == stream.id and block.seq == seq:
                    return block.digest
        return None

    def draw(self, hub: str, count: int) -> int:
        """Draw numbers of acknowledgements, above the present time in µs; return the first."""
        work = self._work(hub)
        if not work.acks:
            work.floor = int(time.time() * 1e6)
        first = max(work.row.acks, work.floor) + work.acks + 1
        work.acks += count
        return first

    def _store(self) -> None:
        waiting = (one for one in self._works.values() if one.blocks or one.acks or one.raised)
        works = sorted(waiting, key=lambda one: one.row.number)
        if not works:
            return
        now = time.time() if self._now is None else self._now
        messages = [HubMessage(w.row.number, w.row.version, w.acks, w.blocks, w.floor) for w in works]
        with self.database.errors(), self._inside().pipeline():
            self._send_later()
            drawn = normal_path.store(self._inside(), messages, now)
        missed = False
        for work, got in zip(works, drawn, strict=True):
            hub = work.row.hub.hub
            if got is None:
                missed = True
                self._rows.contend(hub)
                continue
            row = work.row._replace(
                version=work.row.version + 1,
                last_record=work.row.last_record + len(work.blocks),
                acks=max(work.row.acks, work.floor) + work.acks,
            )
            if (got.record, got.ack) != (work.row.last_record + 1, row.acks):
                raise StorageError(
                    phrase("hub-row-unlike-known", "the row of {hub} was changed without its version", hub=hub)
                )
            work.row, work.blocks, work.acks, work.floor, work.raised = row, [], 0, 0, False
        if missed:
            raise moved()
        self.wrote = True

    def _execute(self, statement: str | sql.Composable, arguments: Any) -> Cursor[tuple[Any, ...]]:
        """Execute a statement in the transaction, after what was to be written later."""
        with self.database.errors():
            if not self._later:
                return self._inside().execute(statement, arguments)  # type: ignore[arg-type]
            with self._inside().pipeline():
                self._send_later()
                return self._inside().execute(statement, arguments)  # type: ignore[arg-type]

    def _write_later(self) -> None:
        if self._later:
            with self.database.errors(), self._inside().pipeline():
                self._send_later()

    def _send_later(self) -> None:
        """Execute what was to be written later, in the order in which it was told."""
        waiting, self._later = self._later, []
        for statement, arguments in waiting:
            self._inside().execute(statement, arguments)

    def _inside(self) -> Session:
        if self._session is None:
            raise StorageError(phrase("outside-transaction", "this is written in a transaction only"))
        return self._session

    def _work(self, hub: str) -> _Work:
        work = self._works.get(hub)
        if work is None:
            self._inside()
            row = self._rows.get(hub) if hub in self._hubs or hub in self._own else None
            if row is None:
                row = self._take_one(hub)
            work = self._works[hub] = _Work(row)
        return work

    def _take_one(self, hub: str) -> HubRow:
        rows = self.ask(_TAKE, [[hub]])
        if not rows:
            raise _not_enrolled(hub)
        row = hub_row(rows[0])
        self._rows.meet(row)
        self._own.add(hub)
        return row

    def _take(self, hubs: Collection[str]) -> bool:
        """Take the rows of hubs; return whether one of them moved."""
        self._held = True
        return self._rows.meet_taken([hub_row(row) for row in self.ask(_TAKE, [sorted(hubs)])], hubs)


_STREAMS = """
update streams set stored = %s, forked = %s, readings = %s, announced = %s where id = %s
"""


def moved() -> HubMoved:
    return HubMoved(phrase("hub-moved", "another process stored something of the same hub"))


def _not_enrolled(hub: str) -> RowRefused:
    return RowRefused(phrase("row-of-no-hub", "{hub} is not enrolled", hub=hub[:64]))
