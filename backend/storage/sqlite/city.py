"""Tables of the city's view in a file of their own. See `backend.storage.city`."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ClassVar

import apsw

from backend.storage.city.sql import Row, Value, plain
from backend.storage.sqlite.errors import refusals
from backend.storage.sqlite.schema import BUSY_MS, begin_file, transaction
from hub.core.disk.atomic_files import PRIVATE
from hub.core.errors import StorageError
from hub.core.text import phrase, reason_of

_WRITING: tuple[tuple[str, str | int], ...] = (
    ("journal_mode", "wal"), ("synchronous", "full"), ("foreign_keys", "on"), ("temp_store", "memory"),
    ("cache_size", -16_384), ("journal_size_limit", 16 << 20), ("case_sensitive_like", "on"),
)  # fmt: skip
_READING: tuple[tuple[str, str | int], ...] = (
    ("query_only", "on"), ("temp_store", "memory"), ("cache_size", -8192), ("case_sensitive_like", "on"),
)  # fmt: skip


class SqliteCity:
    """A file of an owner's directory."""

    types: ClassVar[Mapping[str, str]] = {
        "TEXT": "text",
        "BIGINT": "integer",
        "DOUBLE PRECISION": "real",
        "BYTES": "blob",
    }
    table_suffix = " strict"

    def __init__(self, path: Path) -> None:
        self._path = path

    def prepare(self) -> None:
        """Make the file, of its directory's user."""
        try:
            begin_file(self._path)
        except OSError as error:
            raise _not_opened(self._path, error) from error
        self.writing().close()

    def writing(self) -> SqliteSession:
        return SqliteSession(self._path, writes=True)

    def reading(self) -> SqliteSession:
        return SqliteSession(self._path, writes=False)

    def right(self, name: str) -> FileRight:
        return FileRight(self._path.with_name(f"city.{name}.lock"))


class SqliteSession:
    """One connection. Raises StorageError."""

    def __init__(self, path: Path, *, writes: bool) -> None:
        self._writes = writes
        try:
            self._connection = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READWRITE)
            self._connection.set_busy_timeout(BUSY_MS)
            for name, value in _WRITING if writes else _READING:
                self._connection.pragma(name, value)
        except apsw.Error as error:
            raise _not_opened(path, error) from error
        self._connection.create_scalar_function("greatest", _greatest, deterministic=True)
        self._connection.create_scalar_function("least", _least, deterministic=True)

    @contextmanager
    def transaction(self) -> Iterator[None]:
        with refusals():
            if self._writes:
                with transaction(self._connection):
                    yield
                return
            self._connection.execute("begin")
            try:
                yield
            finally:
                if self._connection.in_transaction:
                    self._connection.execute("rollback")

    def rows(self, sql: str, parameters: Sequence[Value]) -> list[Row]:
        with refusals():
            return self._connection.execute(sql, plain(parameters)).fetchall()

    def run(self, sql: str, parameters: Sequence[Value]) -> int:
        with refusals():
            self._connection.execute(sql, plain(parameters)).fetchall()
            return self._connection.changes()

    def many(self, sql: str, parameters: Iterable[Sequence[Value]]) -> None:
        with refusals():
            self._connection.executemany(sql, (plain(one) for one in parameters))

    def script(self, statements: Sequence[str]) -> None:
        with refusals():
            for one in statements:
                self._connection.execute(one)

    def has_table(self, name: str) -> bool:
        return bool(self.rows("select 1 from sqlite_schema where type = 'table' and name = ?", (name,)))

    def close(self) -> None:
        self._connection.close()


class FileRight:
    """A lock on a file, which ends with the process at the latest."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._descriptor = -1

    def take(self) -> bool:
        if self._descriptor >= 0:
            return True
        try:
            begin_file(self._path)
            descriptor = os.open(self._path, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW, PRIVATE)
        except OSError as error:
            raise _not_opened(self._path, error) from error
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            return False
        self._descriptor = descriptor
        return True

    def release(self) -> None:
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1


def _greatest(*values: Any) -> Any:
    return max((one for one in values if one is not None), default=None)


def _least(*values: Any) -> Any:
    return min((one for one in values if one is not None), default=None)


def _not_opened(path: Path, error: Exception) -> StorageError:
    return StorageError(
        phrase("database-not-opened", "cannot open the database {file}: {reason}", file=path, reason=reason_of(error))
    )
