"""A session with the PostgreSQL server that may write, made again when it is lost.

A transaction that ends without an error is on the disks of the primary and of a synchronous standby: `fsync` and
`synchronous_commit` are on, or no session begins. When somebody ends a session that waits for the standby, PostgreSQL
stores the transaction on the primary alone, says so in a warning, and reports success; here that is an error.

An error at the commit says nothing of what was stored. The caller acknowledges nothing, and hubs send again.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

import psycopg

from backend.storage.engine import StandbyAway
from backend.storage.postgresql import texts
from backend.storage.postgresql.address import Address, parse
from backend.storage.postgresql.errors import not_connected, storage_error
from hub.core.errors import StorageError
from hub.core.text import phrase

log = logging.getLogger(__name__)

Session = psycopg.Connection[tuple[Any, ...]]

OLDEST_SERVER = 170_000
SCHEMA = "ilot"
AGAIN_S = 1.0
"""Seconds from an attempt to connect that failed to the next one: what comes meanwhile is answered at once."""

_COMMON = {
    "search_path": SCHEMA,
    "timezone": "UTC",
    "client_min_messages": "warning",
    "lock_timeout": "10s",
    "jit": "off",
}
WRITING = {
    **_COMMON,
    "synchronous_commit": "on",
    "default_transaction_isolation": "read committed",
    "idle_in_transaction_session_timeout": "5s",
    "statement_timeout": "30s",
}
"""Of a worker. One that hangs in a transaction holds a hub's row for 5 seconds, then the server ends its session."""
READING = {
    **_COMMON,
    "default_transaction_isolation": "repeatable read",
    "default_transaction_read_only": "on",
    "idle_in_transaction_session_timeout": "60s",
    "transaction_timeout": "300s",
}
"""Of readers: one snapshot, bounded, so that a partition that it sees can be dropped in the end."""
MIGRATING = {**_COMMON, "synchronous_commit": "on", "default_transaction_isolation": "read committed"}

_WAITS_FOR_STANDBY = "SyncRepWaitForLSN"
"""The function in PostgreSQL that warns; its sentence is in the server's language, this is not."""


class Database:
    """One session at a time, of one thread. `purpose` is WRITING, READING or MIGRATING; `name` is seen in the server's
    `pg_stat_activity`. Raises ConfigError for a URL that cannot be used, else StorageError."""

    def __init__(
        self,
        url: str,
        *,
        name: str,
        purpose: dict[str, str] = WRITING,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._address = _for(parse(url), name, purpose)
        self._purpose = purpose
        self._clock = clock
        self._session: Session | None = None
        self._failed: tuple[float, StorageError] | None = None  # when the last attempt failed, and how
        self._not_replicated = False

    @property
    def place(self) -> str:
        return self._address.place

    def session(self) -> Session:
        """Return the session, made where there is none. It is in autocommit: outside `transaction` each statement is a
        transaction of its own, for which `errors` must stand around it."""
        if self._session is None or self._session.closed:
            self._session = self._connect()
        return self._session

    @contextmanager
    def errors(self) -> Iterator[None]:
        """Turn errors of psycopg into StorageError, also one that the server reports as success."""
        self._not_replicated = False
        try:
            yield
        except psycopg.Error as error:
            self._drop_broken()
            raise storage_error(error, self.place) from error
        if self._not_replicated:
            raise StandbyAway(
                phrase(
                    "postgresql-not-replicated",
                    "{place} stored a transaction without its standby: none answered, or somebody ended the wait for "
                    "it. It is not acknowledged; start a standby",
                    place=self.place,
                )
            )

    @contextmanager
    def transaction(self) -> Iterator[Session]:
        """Run the block in one transaction, durable on leaving. A session that broke at rest is replaced first."""
        with self.errors():
            session = self._begin()
            try:
                yield session
                session.execute("commit")
            except BaseException:
                with suppress(psycopg.Error):  # a broken session has rolled back by itself
                    session.execute("rollback")
                raise

    def close(self) -> None:
        if self._session is not None:
            self._session.close()
            self._session = None

    def _begin(self) -> Session:
        session = self.session()
        try:
            session.execute("begin")
        except psycopg.OperationalError:
            self._drop_broken()
            if self._session is not None:
                raise
            session = self.session()
            session.execute("begin")
        return session

    def _connect(self) -> Session:
        if self._failed is not None and self._clock() - self._failed[0] < AGAIN_S:
            raise self._failed[1]
        try:
            session = psycopg.connect(**self._address.parameters, autocommit=True)  # type: ignore[arg-type]
            try:
                self._prepare(session)
            except BaseException:
                session.close()
                raise
        except psycopg.Error as error:
            told = not_connected(error, self.place)
            self._failed = self._clock(), told
            raise told from error
        except StorageError as error:
            self._failed = self._clock(), error
            raise
        self._failed = None
        return session

    def _prepare(self, session: Session) -> None:
        version = session.info.server_version
        if version < OLDEST_SERVER:
            raise StorageError(
                phrase(
                    "postgresql-too-old",
                    "{place} is PostgreSQL {version}; 17 or later is needed",
                    place=self.place,
                    version=version // 10_000,
                )
            )
        settings = ", ".join("set_config(%s, %s, false)" for _ in self._purpose)
        session.execute(f"select {settings}", [part for pair in self._purpose.items() for part in pair])
        row = session.execute("select current_setting('fsync')").fetchone()
        if row != ("on",):
            raise StorageError(
                phrase(
                    "postgresql-without-fsync",
                    "{place} runs with fsync = off: what it calls stored is lost with the power. Set it on",
                    place=self.place,
                )
            )
        texts.adapt(session)
        session.prepare_threshold = 1
        session.add_notice_handler(self._notice)

    def _notice(self, told: psycopg.errors.Diagnostic) -> None:
        if told.source_function == _WAITS_FOR_STANDBY:
            self._not_replicated = True

    def _drop_broken(self) -> None:
        if self._session is not None and self._session.closed:
            self._session = None


def _for(address: Address, name: str, purpose: dict[str, str]) -> Address:
    """Return the address with who calls. A standby will not do, and who only reads takes a primary that is read only
    by its operator's will."""
    attributes = "primary" if purpose.get("default_transaction_read_only") == "on" else "read-write"
    return address._replace(
        parameters={**address.parameters, "application_name": name, "target_session_attrs": attributes}
    )
