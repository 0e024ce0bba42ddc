"""Moments of a PostgreSQL database: transactions that read, each from one snapshot, and who still holds an older one.

A snapshot keeps the rows that it sees, but not a table that is dropped: a reader who has not yet come to an hour of
bodies would find it gone. So each reader takes a lock before its snapshot, and what somebody may still see is dropped
after those have ended who held the lock when it became needless. Whoever comes later sees it in chunks.

The lock is one of the table `compaction`, in the mode that conflicts with nothing but DDL.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from backend.storage.postgresql.connection import Database, Session

_LOCK = "lock table only compaction in access share mode"
_READERS = (
    "select virtualtransaction from pg_locks where locktype = 'relation' and relation = 'compaction'::regclass"
    " and database = (select oid from pg_database where datname = current_database()) and mode = 'AccessShareLock'"
    " and granted and pid <> pg_backend_pid()"
)


class Moment:
    """A transaction that reads. What it sees stays as it is until it ends."""

    def __init__(self, database: Database, session: Session) -> None:
        self._database, self._session = database, session

    def rows(self, statement: str, arguments: Sequence[object] = ()) -> list[Any]:
        """Return what a statement finds. Raises StorageError."""
        with self._database.errors():
            return self._session.execute(statement, arguments, binary=True).fetchall()


@contextmanager
def moment(database: Database) -> Iterator[Moment]:
    """Begin to read, for the block. Raises StorageError."""
    with database.transaction() as session:
        session.execute(_LOCK)  # takes no snapshot: the first statement that reads does
        yield Moment(database, session)


def readers(session: Session) -> set[str]:
    """Return who reads now: each moment has a name of its own."""
    return {str(name) for (name,) in session.execute(_READERS)}
