"""The city's database, of any thread and any number of processes.

Over SQLite it is a file of its own beside the readings, so that whoever writes here never keeps ingest waiting; over
PostgreSQL it is the schema `city` of the same database. Writers take turns, in all processes together: a transaction
sees all that was committed before it began, and nothing is committed while it lasts.
"""

from __future__ import annotations

import threading
import time
import weakref
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from backend.storage.city.sql import Engine, Right, Row, Session, Tables, Value, rendered
from backend.storage.opening import city_engine
from hub.core.errors import StorageError
from hub.core.text import phrase

IDLE = 4
"""Reading sessions that are kept when nobody reads."""

_OWN = """
create table migrations (room TEXT not null, step BIGINT not null, done_at DOUBLE PRECISION not null,
    primary key (room, step));
create table counters (name TEXT primary key, value BIGINT not null)
"""


__all__ = ["CityDatabase", "Reader", "Tables", "Transaction", "begin_again", "migrate_city", "open_city"]


class Reader:
    """Reads one consistent state of the database. Raises StorageError."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def rows(self, sql: str, *parameters: Value) -> list[Row]:
        return self._session.rows(sql, parameters)

    def one(self, sql: str, *parameters: Value) -> Row | None:
        """Return the first row, None where there is none."""
        found = self._session.rows(sql, parameters)
        return found[0] if found else None


class Transaction(Reader):
    """Reads and writes. What it wrote is durable when its block is left, or not there at all. Raises StorageError."""

    def run(self, sql: str, *parameters: Value) -> int:
        """Execute one statement; return how many rows it changed."""
        return self._session.run(sql, parameters)

    def many(self, sql: str, parameters: Iterable[Sequence[Value]]) -> None:
        """Execute one statement for each of these rows of values."""
        self._session.many(sql, parameters)

    def next(self, counter: str, step: int = 1) -> int:
        """Return the next number of a counter, the first is 1; `step` numbers are taken, and the first returned."""
        found = self.rows(
            "insert into counters (name, value) values (?, ?)"
            " on conflict (name) do update set value = counters.value + ? returning value",
            counter,
            step,
            step,
        )
        return int(found[0][0]) - step + 1


class CityDatabase:
    """One open database. Any thread."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._turn = threading.Lock()
        self._writer: Session | None = None
        self._idle: list[Session] = []
        self._lock = threading.Lock()
        weakref.finalize(self, _close, self._idle)

    @contextmanager
    def transaction(self) -> Iterator[Transaction]:
        """Run the block in one transaction that writes. Raises StorageError."""
        with self._turn:
            if self._writer is None:
                self._writer = self._engine.writing()
            with self._writer.transaction():
                yield Transaction(self._writer)

    @contextmanager
    def snapshot(self) -> Iterator[Reader]:
        """Read one state of the database, for the block. Raises StorageError."""
        with self._lock:
            session = self._idle.pop() if self._idle else None
        if session is None:
            session = self._engine.reading()
        try:
            with session.transaction():
                yield Reader(session)
        finally:
            with self._lock:
                if keep := len(self._idle) < IDLE:
                    self._idle.append(session)
            if not keep:
                session.close()

    def right(self, name: str) -> Right:
        """Return the right to do alone, among all processes, what `name` names."""
        return self._engine.right(name)

    def migrate(self, tables: Sequence[Tables]) -> int:
        """Make what these rooms need and is not there yet; return how many steps that took. Whoever is killed goes on
        where the last step was done; several processes may do it at once. Raises StorageError."""
        self._engine.prepare()
        if not self._has_migrations():
            with self.transaction() as t:
                if not _there(t):
                    t._session.script(rendered(_OWN, self._engine))
        with self.snapshot() as now:
            done = {(room, step) for room, step in now.rows("select room, step from migrations")}
        _refuse_newer(done, tables)
        waiting = [(one, n) for one in tables for n in range(1, len(one.steps) + 1) if (one.name, n) not in done]
        return sum(self._step(one, n) for one, n in waiting)

    def close(self) -> None:
        """Close what is open; a session that is still used is closed by whoever uses it."""
        with self._turn:
            if self._writer is not None:
                self._writer.close()
                self._writer = None
        with self._lock:
            _close(self._idle)

    def _step(self, tables: Tables, number: int) -> int:
        with self.transaction() as t:
            if t.one("select 1 from migrations where room = ? and step = ?", tables.name, number):
                return 0  # another process was faster
            t._session.script(rendered(tables.steps[number - 1], self._engine))
            t.run("insert into migrations values (?, ?, ?)", tables.name, number, time.time())
        return 1

    def _has_migrations(self) -> bool:
        with self.snapshot() as now:
            return _there(now)


def migrate_city(url: str) -> int:
    """Make the city's tables in the database of a URL; return how many steps that took. Whoever serves later needs no
    right to make any. Raises StorageError, ConfigError for a URL."""
    from backend.storage.city.tables import ALL

    database = CityDatabase(city_engine(Path(), url))
    try:
        return database.migrate(ALL)
    finally:
        database.close()


def begin_again(address: Path | str) -> None:
    """Make the city's tables ready to take the place of later ones: a copy of the file `city.db`, or the schema in the
    database of a URL, nothing where there is none. Raises StorageError, ConfigError for a URL."""
    from backend.storage.city.tables import ALL

    if isinstance(address, Path):
        database = CityDatabase(city_engine(address.parent, address, address.name))
    else:
        database = CityDatabase(city_engine(Path(), address))
    try:
        if isinstance(address, str) and not database._has_migrations():
            return
        database.migrate(ALL)
        with database.transaction() as t:
            for statement in (one for tables in ALL for one in tables.again):
                t.run(statement)
    finally:
        database.close()


def open_city(directory: Path, address: Path | str) -> CityDatabase:
    """Open the city's database of an owner's directory, with all tables that this release needs: in the file `city.db`
    there, or in the database of a `postgresql://` URL. Raises StorageError, ConfigError for a URL."""
    from backend.storage.city.tables import ALL

    opened = CityDatabase(city_engine(directory, address))
    try:
        opened.migrate(ALL)
    except BaseException:
        opened.close()
        raise
    return opened


def _there(reader: Reader) -> bool:
    return reader._session.has_table("migrations")


def _refuse_newer(done: set[tuple[str, int]], tables: Sequence[Tables]) -> None:
    """Raise StorageError where a newer release has been: this one would not know what its tables mean."""
    known = {one.name: len(one.steps) for one in tables}
    newer = sorted(room for room, step in done if step > known.get(room, step))
    if newer:
        raise StorageError(
            phrase(
                "city-of-newer-release",
                "the city's tables {room} are of a newer release: update this one",
                room=newer[0],
            )
        )


def _close(sessions: list[Session]) -> None:
    while sessions:
        sessions.pop().close()
