"""Migrations: from each former schema to the present one, in steps that may be interrupted anywhere.

A step is one transaction, with the note that it was done. A step that is `repeated` moves a part of the rows in each
transaction, until none is left. Whoever is killed goes on where the last commit was. One process migrates at a time:
another one is told which.

`works_with` of the newest migration that was begun says which releases may still work with these tables: a migration
that only adds leaves it, so that workers of the former release go on while it runs.

A rehearsal does all steps in one transaction and takes them back. It shows what would fail, and how long it lasts; it
holds the locks of all steps for that long, so that it belongs on a restored copy, or into a quiet hour.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import NamedTuple

from psycopg import sql

from backend.storage.postgresql import partitions, schema
from backend.storage.postgresql.connection import MIGRATING, SCHEMA, Database, Session
from hub.core.errors import StorageError
from hub.core.text import phrase

_LOCK = 0x110761A7
"""Key of the advisory lock of the process that migrates."""
_NOTES = f"""
create schema if not exists {SCHEMA};
create table if not exists {SCHEMA}.migrations (
    number integer primary key, name text not null, works_with integer not null, steps integer not null,
    begun_at double precision not null, done_at double precision
)
"""


class Step(NamedTuple):
    """SQL, or a function that executes it. `repeated`: until it changes no row."""

    what: str | Callable[[Session], object]
    repeated: bool = False


class Migration(NamedTuple):
    """The way to a schema. `works_with` is the number of the oldest schema whose code may work with this one."""

    number: int
    name: str
    works_with: int
    steps: tuple[Step, ...]


class Progress(NamedTuple):
    """A step that was done: `step` of `steps` in all; `rows` that a repeated one has moved up to now."""

    name: str
    step: int
    steps: int
    rows: int
    seconds: float


def _first_facts(session: Session) -> None:
    session.execute("insert into meta values ('database', %s)", [secrets.token_bytes(16)])
    session.execute(
        "insert into retention (privacy, days) values ('personal', 396), ('environment', 0), ('technical', 0),"
        " ('alerts', 396), ('alarms', 396), ('forks', 396), ('quarantine', 396), ('callbacks', 396), ('questions', 90),"
        " ('witnesses', 1827)"
    )


MIGRATIONS = (
    Migration(
        1,
        "first schema",
        1,
        (
            Step(schema.HUBS),
            Step(schema.RECORDS),
            Step(schema.READING),
            Step(schema.JUDGED),
            Step(schema.MAILBOX),
            Step(lambda session: partitions.begin(session, time.time())),
            Step(_first_facts),
        ),
    ),
)


def check(session: Session, place: str, known: Sequence[Migration] = MIGRATIONS) -> None:
    """Raise StorageError unless this release may work with the tables as they are, outside a transaction."""
    found = _found(session)
    ours = known[-1].number
    if found is None or found[0] < ours or (found[0] == ours and not found[2]):
        raise StorageError(
            phrase(
                "postgresql-not-migrated",
                "{place} has tables of schema {found}, this release needs {ours}: run `ilot backend migrate`",
                place=place,
                found=0 if found is None else found[0],
                ours=ours,
            )
        )
    _refuse_newer(found, ours, place)


def migrate(
    database: Database,
    told: Callable[[Progress], None] = lambda _: None,
    *,
    rehearse: bool = False,
    known: Sequence[Migration] = MIGRATIONS,
) -> int:
    """Do what is still to be done; return the number of steps. With `rehearse` nothing stays. Raises StorageError."""
    with database.errors():
        session = database.session()
        with _alone(session, database.place):
            if rehearse:
                session.execute("begin")
            try:
                return _all(session, told, known, database.place, rehearse)
            finally:
                if rehearse and not session.closed:
                    session.execute("rollback")


def opened(url: str, name: str) -> Database:
    """Return a database for `migrate`."""
    return Database(url, name=name, purpose=MIGRATING)


def _all(
    session: Session, told: Callable[[Progress], None], known: Sequence[Migration], place: str, rehearse: bool
) -> int:
    session.execute(sql.SQL(_NOTES), prepare=False)
    found = _found(session)
    if found is not None:
        _refuse_newer(found, known[-1].number, place)
    waiting = [(one, at) for one in known for at in range(_steps_done(session, one), len(one.steps))]
    for n, (migration, at) in enumerate(waiting, 1):
        rows, began = 0, time.monotonic()
        while True:
            with _one_transaction(session, rehearse):
                changed = _do(session, migration.steps[at])
                again = migration.steps[at].repeated and changed > 0
                if not again:
                    _note(session, migration, at + 1)
            rows += changed
            told(Progress(migration.name, n, len(waiting), rows, time.monotonic() - began))
            if not again:
                break
    return len(waiting)


def _do(session: Session, step: Step) -> int:
    """Execute a step; return how many rows it changed, where it is one statement."""
    if callable(step.what):
        step.what(session)
        return 0
    return max(0, session.execute(sql.SQL(step.what), prepare=False).rowcount)


def _note(session: Session, migration: Migration, steps: int) -> None:
    """Note how many steps of a migration are done; from the first on, what it says of older releases holds."""
    now = time.time()
    done_at = now if steps == len(migration.steps) else None
    session.execute(
        "insert into migrations values (%s, %s, %s, %s, %s, %s)"
        " on conflict (number) do update set steps = excluded.steps, done_at = excluded.done_at",
        [migration.number, migration.name, migration.works_with, steps, now, done_at],
    )


def _steps_done(session: Session, migration: Migration) -> int:
    row = session.execute("select steps from migrations where number = %s", [migration.number]).fetchone()
    return 0 if row is None else int(row[0])


def _found(session: Session) -> tuple[int, int, bool] | None:
    """Return (number, works_with, done) of the newest migration that was begun, None before the first."""
    there = session.execute("select to_regclass(%s) is not null", [f"{SCHEMA}.migrations"]).fetchone()
    if there != (True,):
        return None
    row = session.execute(
        "select number, works_with, done_at is not null from migrations order by number desc limit 1"
    ).fetchone()
    return None if row is None else (int(row[0]), int(row[1]), bool(row[2]))


def _refuse_newer(found: tuple[int, int, bool], ours: int, place: str) -> None:
    number, works_with, _ = found
    if works_with > ours:
        raise StorageError(
            phrase(
                "postgresql-of-newer-release",
                "{place} has tables of schema {found}, which releases before schema {least} would damage; this one"
                " knows {ours}: update it",
                place=place,
                found=number,
                least=works_with,
                ours=ours,
            )
        )


@contextmanager
def _alone(session: Session, place: str) -> Iterator[None]:
    """Hold the lock of who migrates; it ends with the session at the latest. Raises StorageError."""
    if session.execute("select pg_try_advisory_lock(%s)", [_LOCK]).fetchone() != (True,):
        row = session.execute(
            "select a.application_name, coalesce(host(a.client_addr), '') from pg_locks l"
            " join pg_stat_activity a using (pid)"
            " where l.locktype = 'advisory' and l.objid = %s::bigint::oid and l.granted limit 1",
            [_LOCK],
        ).fetchone()
        name, address = row or ("", "")
        raise StorageError(
            phrase(
                "postgresql-migrates-already",
                "{place} is being migrated by another process ({name} {address}): wait for its end",
                place=place,
                name=name,
                address=address,
            )
        )
    try:
        yield
    finally:
        if not session.closed:
            session.execute("select pg_advisory_unlock(%s)", [_LOCK])


@contextmanager
def _one_transaction(session: Session, rehearse: bool) -> Iterator[None]:
    """One transaction; in a rehearsal the whole is one already."""
    if rehearse:
        yield
        return
    session.execute("begin")
    try:
        yield
        session.execute("commit")
    except BaseException:
        if not session.closed:
            session.execute("rollback")
        raise
