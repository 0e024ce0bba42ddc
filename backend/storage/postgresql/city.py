"""Tables of the city's view in the schema `city` of the backend's database. See `backend.storage.city`.

Writers take turns by an advisory lock, as they do over a file: no rule of a room has to think of another writer.
"""

from __future__ import annotations

import threading
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import ClassVar

import psycopg
from psycopg.abc import Buffer
from psycopg.types.numeric import NumericBinaryLoader

from backend.storage.city.sql import Row, Value, numbered, plain
from backend.storage.postgresql.connection import READING, WRITING, Database, Session

SCHEMA = "city"
_TURN = 0x110761C1
"""Key of the advisory lock of the transaction that writes."""
_RIGHTS = 0x110761C2
"""First half of the key of each right; the second is made of its name."""
_WRITES = {**WRITING, "search_path": SCHEMA, "idle_in_transaction_session_timeout": "30s"}
_READS = {**READING, "search_path": SCHEMA}
_RIGHT = {**WRITING, "search_path": SCHEMA, "lock_timeout": "2s", "statement_timeout": "5s"}


class _Number(NumericBinaryLoader):
    """Loads what PostgreSQL counts without bounds, as a sum of integers, as SQLite gives it."""

    def load(self, data: Buffer) -> int | float:  # type: ignore[override]
        found = super().load(data)
        return int(found) if found == found.to_integral_value() and found.as_tuple().exponent == 0 else float(found)


class PostgresCity:
    """The schema `city` of the database at a URL."""

    types: ClassVar[Mapping[str, str]] = {
        "TEXT": 'text collate "C"',
        "BIGINT": "bigint",
        "DOUBLE PRECISION": "double precision",
        "BYTES": "bytea",
    }
    table_suffix = ""

    def __init__(self, url: str) -> None:
        self._url = url
        self._rights = SessionRights(url)

    def prepare(self) -> None:
        database = Database(self._url, name="ilot backend, city", purpose=_WRITES)
        try:
            with database.transaction() as session:
                session.execute("select pg_advisory_xact_lock(%s)", [_TURN])
                if session.execute("select to_regnamespace(%s) is null", [SCHEMA]).fetchone() == (True,):
                    session.execute(f"create schema {SCHEMA}")
        finally:
            database.close()

    def writing(self) -> PostgresSession:
        return PostgresSession(Database(self._url, name="ilot backend, city", purpose=_WRITES), writes=True)

    def reading(self) -> PostgresSession:
        return PostgresSession(Database(self._url, name="ilot backend, city, reading", purpose=_READS), writes=False)

    def right(self, name: str) -> SessionRight:
        return SessionRight(self._rights, name)


class PostgresSession:
    """One session. Raises StorageError."""

    def __init__(self, database: Database, *, writes: bool) -> None:
        self._database, self._writes = database, writes
        self._cursor: psycopg.RawCursor[Row] | None = None

    @contextmanager
    def transaction(self) -> Iterator[None]:
        with self._database.transaction() as session:
            if self._writes:
                session.execute("select pg_advisory_xact_lock(%s)", [_TURN])
            self._cursor = _cursor(session)
            try:
                yield
            finally:
                self._cursor.close()
                self._cursor = None

    def rows(self, sql: str, parameters: Sequence[Value]) -> list[Row]:
        with self._database.errors():
            return self._open.execute(numbered(sql), plain(parameters), binary=True).fetchall()

    def run(self, sql: str, parameters: Sequence[Value]) -> int:
        with self._database.errors():
            return max(0, self._open.execute(numbered(sql), plain(parameters)).rowcount)

    def many(self, sql: str, parameters: Iterable[Sequence[Value]]) -> None:
        with self._database.errors():
            self._open.executemany(numbered(sql), (plain(one) for one in parameters))

    def script(self, statements: Sequence[str]) -> None:
        with self._database.errors():
            for one in statements:
                self._open.execute(one.encode(), prepare=False)

    def has_table(self, name: str) -> bool:
        return self.rows("select to_regclass(?) is not null", (f"{SCHEMA}.{name}",)) == [(True,)]

    def close(self) -> None:
        self._database.close()

    @property
    def _open(self) -> psycopg.RawCursor[Row]:
        if self._cursor is None:
            raise RuntimeError("a session is used outside its transaction")
        return self._cursor


class SessionRights:
    """Advisory locks of one session: they end with it, and with the way to the server."""

    def __init__(self, url: str) -> None:
        self._database = Database(url, name="ilot backend, city, working", purpose=_RIGHT)
        self._lock = threading.Lock()
        self._session: Session | None = None
        self._held: dict[str, SessionRight] = {}

    def take(self, right: SessionRight) -> bool:
        with self._lock, self._database.errors():
            session = self._database.session()
            if self._session is not session:
                self._session = session
                self._held.clear()
            if right.name in self._held:
                session.execute("select 1")  # raises where the session, and each right with it, is lost
                return self._held[right.name] is right
            got = session.execute("select pg_try_advisory_lock(%s, %s)", [_RIGHTS, right.key]).fetchone() == (True,)
            if got:
                self._held[right.name] = right
            elif not self._held:
                self._database.close()
            return got

    def release(self, right: SessionRight) -> None:
        with self._lock:
            if self._held.get(right.name) is right:
                del self._held[right.name]
                if self._session is not None and not self._session.closed:
                    with suppress(psycopg.Error):  # it ends with the session
                        self._session.execute("select pg_advisory_unlock(%s, %s)", [_RIGHTS, right.key])
            if not self._held:
                self._database.close()


class SessionRight:
    """One of them."""

    def __init__(self, rights: SessionRights, name: str) -> None:
        self._rights, self.name = rights, name
        self.key = zlib.crc32(name.encode()) - (1 << 31)

    def take(self) -> bool:
        return self._rights.take(self)

    def release(self) -> None:
        self._rights.release(self)


def _cursor(session: Session) -> psycopg.RawCursor[Row]:
    cursor = psycopg.RawCursor[Row](session)
    cursor.adapters.register_loader("numeric", _Number)
    return cursor
