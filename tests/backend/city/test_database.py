"""The city's database, over either engine."""

from __future__ import annotations

import asyncio
import multiprocessing
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psycopg
import pytest
from city_admission import admit_somebody, admitted
from psycopg.conninfo import conninfo_to_dict

from backend.city.city import City
from backend.city.exclusive_work import RightLost, holding
from backend.storage.city import map as map_tables
from backend.storage.city import register
from backend.storage.city.database import CityDatabase, Tables, Transaction, begin_again, open_city
from backend.storage.city.sql import NUMBERS, Value, listed, numbered, rendered
from hub.core.errors import StorageError

Again = Callable[[], CityDatabase]


@pytest.fixture(autouse=True)
def _without_plants(city_address: Path | str) -> None:
    """Begin without what another test of these left in the shared database of PostgreSQL."""
    if isinstance(city_address, str):
        drop_city(city_address)


def drop_city(url: str) -> None:
    given: Any = conninfo_to_dict(url)
    with psycopg.connect(**given, autocommit=True) as session:
        session.execute("drop schema if exists city cascade")


def test_values_come_back_as_they_were_given(open_again: Again) -> None:
    db = open_again()
    with db.transaction() as t:
        t.run("insert into sites values (?, ?, ?, ?, ?, '', '', ?, '', ?)", "é'?", "", "\0", 1.5, None, b"\0\xff", 2)
    with db.snapshot() as now:
        (row,) = now.rows("select id, address, lat, lon, plan, changed_at from sites where id = ?", "é'?")
        assert row == ("é'?", "\0", 1.5, None, b"\0\xff", 2.0)
        assert [type(one) for one in row] == [str, str, float, type(None), bytes, float]
        assert now.one("select '?', count(*), greatest(1, 3, 2), least(2, 1) from sites") == ("?", 1, 3, 1)


def test_what_was_put_back_admits_nobody_by_what_it_held(
    open_again: Again, city_directory: Path, city_address: Path | str
) -> None:
    db = open_again()
    with db.transaction() as t:
        admit_somebody(t)
        assert len(admitted(t)) == 5
    db.close()
    begin_again(city_address if isinstance(city_address, str) else city_directory / "city.db")
    with open_again().transaction() as t:
        assert admitted(t) == []
        assert t.one("select name from people") == ("anna",)


def test_a_database_without_a_city_is_given_none_when_it_begins_again(city_address: Path | str) -> None:
    if isinstance(city_address, str):
        begin_again(city_address)
        with psycopg.connect(**conninfo_to_dict(city_address)) as session:  # type: ignore[arg-type]
            assert session.execute("select to_regclass('city.people')").fetchone() == (None,)


def test_sums_and_means_are_of_the_same_type_in_both_engines(open_again: Again) -> None:
    with open_again().transaction() as t:
        t.next("a", 3), t.next("b", 4)
        row = t.one("select sum(value), avg(value), count(*), max(value) from counters")
    assert row == (7, 3.5, 2, 4)
    assert [type(one) for one in row or ()] == [int, float, int, int]


def test_texts_are_compared_by_bytes_and_like_by_case(open_again: Again) -> None:
    with open_again().transaction() as t:
        t.many("insert into services values (?, ?)", [("b", "x"), ("B", "x"), ("é", "x"), ("a", "x")])
        assert [one for (one,) in t.rows("select id from services order by id")] == ["B", "a", "b", "é"]
        assert t.rows("select id from services where id like 'B%'") == [("B",)]


def test_what_a_failed_transaction_wrote_is_not_there(open_again: Again) -> None:
    db = open_again()

    def failing() -> None:
        with db.transaction() as t:
            t.run("insert into services values ('a', 'A')")
            t.next("n")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        failing()
    with db.transaction() as t:
        assert t.rows("select * from services") == []
        assert (t.next("n"), t.next("n", 5), t.next("n")) == (1, 2, 7)


def test_a_snapshot_stays_as_it_is_and_cannot_write(open_again: Again) -> None:
    db, other = open_again(), open_again()
    with db.snapshot() as now:
        assert now.rows("select * from services") == []
        with other.transaction() as t:
            t.run("insert into services values ('a', 'A')")
        assert now.rows("select * from services") == []
    with db.snapshot() as now:
        assert now.rows("select id from services") == [("a",)]
        with pytest.raises(StorageError):
            now.rows("delete from services returning id")


async def test_the_city_of_the_tests_reads_what_it_wrote(city: City) -> None:
    await city.store.write(lambda t: t.run("insert into services values ('a', 'A')"))
    assert await city.store.read(lambda r: r.rows("select * from services")) == [("a", "A")]


def test_a_directory_that_is_not_there_is_an_error_for_people(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="cannot open the database"):
        open_city(tmp_path / "nowhere", tmp_path / "nowhere" / "backend.db")


# migrations

GROWS = Tables(
    "grows",
    (
        "create table plants (id BIGINT primary key, name TEXT not null)",
        "alter table plants add column height DOUBLE PRECISION; create index plants_by_name on plants (name)",
        "update plants set height = 1.5; create table pots (id TEXT primary key, data BYTES)",
    ),
)


@pytest.mark.parametrize("killed_at", range(1, 8))
def test_a_migration_that_is_killed_anywhere_goes_on_where_it_was(
    open_again: Again, monkeypatch: pytest.MonkeyPatch, killed_at: int
) -> None:
    db = open_again()
    left = [killed_at]
    run = Transaction.run

    def dying(self: Transaction, sql: str, *parameters: Value) -> int:
        left[0] -= sql.startswith("insert into migrations")
        if not left[0]:
            raise KeyboardInterrupt
        return run(self, sql, *parameters)

    with monkeypatch.context() as patched:
        patched.setattr(Transaction, "run", dying)
        try:
            db.migrate([GROWS])
        except KeyboardInterrupt:
            assert killed_at <= len(GROWS.steps)
    other = open_again()
    other.migrate([GROWS])
    assert other.migrate([GROWS]) == 0
    with other.transaction() as t:
        t.run("insert into plants values (1, 'a', ?)", 2)
        assert t.rows("select * from plants") == [(1, "a", 2.0)]
        assert t.rows("select * from pots") == []


def test_the_twin_that_notes_a_step_apart_does_it_twice_when_it_is_killed(open_again: Again) -> None:
    db = open_again()
    with db.transaction() as t:  # the step, without its note
        t._session.script(rendered(GROWS.steps[0], db._engine))
    with pytest.raises(StorageError, match="plants"):
        db.migrate([GROWS])


def test_tables_of_a_newer_release_are_refused(open_again: Again) -> None:
    db = open_again()
    db.migrate([GROWS])
    with pytest.raises(StorageError, match="newer release"):
        db.migrate([GROWS._replace(steps=GROWS.steps[:2])])


def _open_and_count(directory: Path, address: Path | str, pipe: Any) -> None:
    try:
        pipe.recv()
        db = open_city(directory, address)
        for _ in range(20):
            with db.transaction() as t:
                t.next("turns")
        pipe.send("")
    except Exception as error:
        pipe.send(repr(error))


def test_several_processes_open_it_at_once_and_write_in_turns(
    city_directory: Path, city_address: Path | str, request: pytest.FixtureRequest
) -> None:
    if isinstance(city_address, str):
        drop_city(city_address)
    spawn = multiprocessing.get_context("spawn")
    pipes = [spawn.Pipe() for _ in range(3)]
    processes = [
        spawn.Process(target=_open_and_count, args=(city_directory, city_address, theirs)) for _, theirs in pipes
    ]
    for one in processes:
        one.start()
    for ours, _ in pipes:
        ours.send("go")
    assert [ours.recv() for ours, _ in pipes] == ["", "", ""]
    for one in processes:
        one.join()
    db = open_city(city_directory, city_address)
    with db.snapshot() as now:
        assert now.one("select value from counters where name = 'turns'") == (60,)
    db.close()


def test_one_process_has_a_right_until_it_gives_it_back(open_again: Again) -> None:
    one, other, third = open_again().right("work"), open_again().right("work"), open_again().right("else")
    assert one.take()
    assert one.take()
    assert not other.take()
    assert third.take()
    one.release()
    assert other.take()
    assert not one.take()
    for right in (one, other, third):
        right.release()


async def test_work_ends_where_the_right_to_do_it_is_lost_and_another_begins() -> None:
    class Lost:
        """A right that another session takes away at the third question."""

        asked = 0

        def take(self) -> bool:
            self.asked += 1
            return self.asked != 3

        def release(self) -> None:
            self.asked = 0

    began: list[int] = []

    async def work() -> None:
        async with holding(right, ask_s=0.01):
            began.append(1)
            await asyncio.sleep(60)

    right = Lost()
    with pytest.raises(RightLost):
        await work()
    assert began == [1]
    assert right.asked == 0


async def test_work_that_is_ended_gives_its_right_back(city: City) -> None:
    async def work() -> None:
        async with city.alone("cut"):
            held.set()
            await asyncio.sleep(60)

    held = asyncio.Event()
    task = asyncio.create_task(work())
    await held.wait()
    right = city.store.database.right("cut")
    assert not right.take()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert right.take()
    right.release()


def test_more_numbers_than_a_statement_has_places_for_are_one_value(open_again: Again) -> None:
    db = open_again()
    with db.snapshot() as now:
        assert now.one(f"select 70000 in {NUMBERS}, 7 in {NUMBERS}", listed(range(1, 100_000)), listed([])) in (
            (1, 0),
            (True, False),
        )
        assert register.latest_of(now, range(1, 100_000)) == {}
        assert register.series_of(now, range(1, 100_000)) == []
        assert map_tables.newest(now, range(1, 100_000)) == {}


def test_a_text_that_looks_like_a_place_stays_one() -> None:
    assert numbered("select 'json_each(?)', ? where a in (select value from json_each(?)) and b = ?") == (
        "select 'json_each(?)', $1 where a in (select value from json_array_elements_text($2::json)) and b = $3"
    )
