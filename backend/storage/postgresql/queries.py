"""Reading side in PostgreSQL: sessions that are kept, each a snapshot at a time. See `backend.storage.queries`.

Everything is read from the primary: on a standby, what was just ordered to be erased would be seen for a moment more,
and what was just acknowledged not yet.
"""

from __future__ import annotations

import threading
import weakref
from collections.abc import Iterator
from contextlib import contextmanager

from backend.storage.postgresql.connection import READING, Database
from backend.storage.postgresql.integrity import find_damage, sample
from backend.storage.postgresql.moments import moment
from backend.storage.postgresql.snapshot import PostgresSnapshot
from backend.storage.queries import Damage, Progress, Sample
from hub.core.errors import StorageError
from hub.core.text import phrase

MOST, IDLE = 16, 4
"""Sessions of one process, and how many of them are kept when nobody reads."""
WAIT_S = 10.0
"""Seconds that somebody waits for a session."""


class PostgresQueries:
    """Reading side of one database. Raises ConfigError for a URL."""

    def __init__(self, url: str, name: str = "ilot backend, reading") -> None:
        self._url, self._name = url, name
        self._room = threading.BoundedSemaphore(MOST)
        self._idle: list[Database] = [self._session()]
        self._lock = threading.Lock()
        weakref.finalize(self, _close, self._idle)  # nobody ends a reading side: it goes with who has it

    @contextmanager
    def snapshot(self) -> Iterator[PostgresSnapshot]:
        if not self._room.acquire(timeout=WAIT_S):
            raise StorageError(phrase("postgresql-many-readers", "{count} others read now: try again", count=MOST))
        try:
            with self._lock:
                database = self._idle.pop() if self._idle else self._session()
            try:
                with moment(database) as seen:
                    yield PostgresSnapshot(seen)
            finally:
                self._put_back(database)
        finally:
            self._room.release()

    def damage(self, progress: Progress) -> Iterator[Damage]:
        return find_damage(self._url, progress)

    def sample(self, seconds: float) -> Sample:
        return sample(self._url, seconds)

    def _session(self) -> Database:
        return Database(self._url, name=self._name, purpose=READING)

    def _put_back(self, database: Database) -> None:
        with self._lock:
            if keep := len(self._idle) < IDLE:
                self._idle.append(database)
        if not keep:
            database.close()


def _close(sessions: list[Database]) -> None:
    while sessions:
        sessions.pop().close()
