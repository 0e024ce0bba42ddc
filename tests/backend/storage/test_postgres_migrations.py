"""Migrations of PostgreSQL: interrupted anywhere they go on, two never run at once, newer tables are not damaged."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from itertools import count

import postgres_kit as kit
import pytest

from backend.storage.postgresql import migrations
from backend.storage.postgresql.connection import Database, Session
from backend.storage.postgresql.migrations import MIGRATIONS, Migration, Progress, Step, check, migrate, opened
from hub.core.errors import StorageError

pytestmark = pytest.mark.real("network, processes")

LATER = (
    Migration(1, "first", 1, (Step("create table old (n int)"), Step("insert into old select generate_series(1, 25)"))),
    Migration(
        2,
        "moved",
        1,
        (
            Step("create table new (n int primary key)"),
            Step(
                "with gone as (delete from old where n in (select n from old order by n limit 10) returning n)"
                " insert into new select n from gone",
                repeated=True,
            ),
            Step("drop table old"),
        ),
    ),
)
STEPS = sum(len(one.steps) for one in LATER)
NAMES = count()


class Killed(BaseException):
    """The process ended here."""


@pytest.fixture(scope="module")
def server() -> Iterator[kit.Cluster]:
    if not kit.available():
        pytest.skip(kit.MISSING)
    with kit.cluster() as running:
        yield running


@pytest.fixture
def fresh(server: kit.Cluster) -> str:
    """The URL of an empty database."""
    return server.socket_url(server.create(f"m{next(NAMES)}"))


def ask(url: str, what: str) -> list[tuple[object, ...]]:
    database = opened(url, "a look")
    try:
        return database.session().execute(what).fetchall()  # type: ignore[call-overload,no-any-return]
    finally:
        database.close()


def tables(url: str) -> list[tuple[object, ...]]:
    """Every column and index of the backend's tables, and how many partitions each has: their names tell the time."""
    return ask(
        url,
        "select table_name::text, column_name::text, data_type::text, is_nullable::text from information_schema.columns"
        " where table_schema = 'ilot' and table_name !~ '[0-9]$' union all"
        " select tablename, indexdef, '', '' from pg_indexes where schemaname = 'ilot' and tablename !~ '[0-9]$'"
        " union all select p.relname, count(*)::text, '', '' from pg_inherits i join pg_class p on p.oid = i.inhparent"
        " where p.relkind = 'p' group by 1 order by 1, 2",
    )


def done(url: str, **more: object) -> list[Progress]:
    """What a migration reports, from its beginning to its end."""
    told: list[Progress] = []
    database = opened(url, "migrate")
    try:
        migrate(database, told.append, **more)  # type: ignore[arg-type]
    finally:
        database.close()
    return told


def test_an_empty_database_gets_its_tables_and_a_second_run_finds_nothing_to_do(fresh: str) -> None:
    with pytest.raises(StorageError, match="schema 0, this release needs 1: run `ilot backend migrate`"):
        looked_at(fresh)
    steps = done(fresh)
    assert [(one.step, one.steps) for one in steps] == [(n, len(steps)) for n in range(1, len(steps) + 1)]
    looked_at(fresh)
    assert done(fresh) == []
    assert {"hubs", "records", "bodies", "chunks"} <= {name for name, *_ in tables(fresh)}
    assert len(ask(fresh, "select value from meta where key = 'database'")) == 1


def looked_at(url: str, known: tuple[Migration, ...] = MIGRATIONS) -> None:
    database = Database(url, name="a worker")
    try:
        with database.errors():
            check(database.session(), database.place, known)
    finally:
        database.close()


def test_a_migration_that_was_killed_after_or_within_any_step_ends_as_one_that_was_not(
    fresh: str, server: kit.Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    done(fresh)
    expected = tables(fresh)
    real = migrations._do
    total = sum(len(one.steps) for one in MIGRATIONS)
    killed = server.socket_url(server.create(f"m{next(NAMES)}"))
    within: list[int] = []

    def dies_within(session: Session, step: Step) -> int:
        """Each step is killed once after its SQL and before its commit: the server ends the session."""
        changed = real(session, step)
        if len(within) < total and (not within or within[-1] != id(step)):
            within.append(id(step))
            server.run(f"select pg_terminate_backend({session.info.backend_pid}, 60000)")
        return changed

    def dies_after(_: Progress) -> None:
        raise Killed

    monkeypatch.setattr(migrations, "_do", dies_within)
    for _ in range(total):
        with pytest.raises(StorageError, match="terminating connection"):
            done(killed)
        with pytest.raises(StorageError, match="run `ilot backend migrate`"):
            looked_at(killed)
        database = opened(killed, "migrate")
        with pytest.raises(Killed):
            migrate(database, dies_after)
        database.close()
    assert len(within) == total
    assert done(killed) == []
    assert tables(killed) == expected


def test_a_rehearsal_tells_each_step_and_leaves_nothing(fresh: str) -> None:
    rehearsed = done(fresh, rehearse=True)
    assert ask(fresh, "select 1 from information_schema.schemata where schema_name = 'ilot'") == []
    assert [one[:3] for one in rehearsed] == [one[:3] for one in done(fresh)]


def test_a_rehearsal_fails_where_the_migration_would_and_leaves_nothing(fresh: str) -> None:
    done(fresh, known=LATER[:1])
    ask(fresh, "insert into old values (7) returning n")  # the key of the new table does not allow it twice
    with pytest.raises(StorageError, match="duplicate key"):
        done(fresh, known=LATER, rehearse=True)
    assert ask(fresh, "select count(*) from old") == [(26,)]
    looked_at(fresh, LATER[:1])


@pytest.mark.parametrize("commits", range(1, 9))
def test_rows_that_are_moved_in_parts_are_there_once_wherever_it_was_killed(fresh: str, commits: int) -> None:
    left = iter(range(commits))

    def dies(_: Progress) -> None:
        if next(left, None) is None:
            raise Killed

    database = opened(fresh, "migrate")
    with suppress(Killed):
        migrate(database, dies, known=LATER)
    database.close()
    done(fresh, known=LATER)
    assert ask(fresh, "select count(*), sum(n) from new") == [(25, 325)]
    assert ask(fresh, "select to_regclass('ilot.old')") == [(None,)]


def test_progress_says_how_many_rows_have_been_moved(fresh: str) -> None:
    assert [(one.step, one.rows) for one in done(fresh, known=LATER)] == [
        *((1, 0), (2, 25), (3, 0)),
        *((4, 10), (4, 20), (4, 25), (4, 25)),
        (5, 0),
    ]


def test_of_two_that_migrate_at_once_the_second_is_told_of_the_first(fresh: str) -> None:
    first = opened(fresh, "migrate at night")
    refused: list[str] = []

    def meanwhile(_: Progress) -> None:
        with pytest.raises(StorageError, match="another process") as error:
            done(fresh)
        refused.append(str(error.value))

    migrate(first, meanwhile)
    assert len(refused) == len(MIGRATIONS[0].steps)
    assert all("migrate at night" in one for one in refused)
    first.close()
    assert done(fresh) == []


def test_a_release_refuses_tables_that_a_newer_one_has_changed_and_works_with_those_it_has_added_to(fresh: str) -> None:
    done(fresh, known=LATER)
    looked_at(fresh, LATER[:1])  # migration 2 works with schema 1
    ask(fresh, "update migrations set works_with = 2 where number = 2 returning 1")
    with pytest.raises(StorageError, match=r"schema 2, .* would damage; this one knows 1: update it"):
        looked_at(fresh, LATER[:1])
    with pytest.raises(StorageError, match="update it"):
        done(fresh, known=LATER[:1])


def test_a_worker_waits_for_a_migration_that_has_begun_and_not_ended(fresh: str) -> None:
    done(fresh, known=LATER[:1])
    with pytest.raises(StorageError, match="schema 1, this release needs 2"):
        looked_at(fresh, LATER)

    def dies(told: Progress) -> None:
        if told.step == 2:
            raise Killed

    database = opened(fresh, "migrate")
    with pytest.raises(Killed):
        migrate(database, dies, known=LATER)
    database.close()
    with pytest.raises(StorageError, match="needs 2"):
        looked_at(fresh, LATER)
    looked_at(fresh, LATER[:1])  # as it says, the former release goes on meanwhile
