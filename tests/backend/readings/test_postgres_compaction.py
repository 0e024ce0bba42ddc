"""Bodies and chunks in PostgreSQL: the suite of every engine, and what is PostgreSQL's own: what one snapshot keeps
while partitions are dropped and written anew, and who may compact.

Twins: ids of records from a cached sequence; a watermark that is one for all hubs; a partition that is dropped, or
written anew, under a reader.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest

from backend.queries.series_history import SeriesHistory
from backend.readings.compaction import QUIET_S, WAIT_S
from backend.storage.chunks import Bucket, Changes, LooseBucket, NewChunk
from backend.storage.postgresql import chunks as postgres_chunks
from backend.storage.postgresql import moments, partitions, rewriting
from backend.storage.postgresql import upkeep as spent
from backend.storage.postgresql.chunks import PostgresChunks
from backend.storage.postgresql.connection import READING, WRITING, Database
from backend.storage.postgresql.due import LOOK_S, LooseBuckets, WaitingHubs
from backend.storage.postgresql.hub_snapshot import PostgresHubSnapshot
from hub.core.errors import StorageError
from hub.protocol.records.rows import Row

from ..compaction_kit import BOOT, FAR, HOUR, NOW, count, report
from ..postgres_town import PostgresTown, killed_at
from .test_compaction import *  # noqa: F403  the suite of every engine, with the town below
from .test_compaction import PERSON

pytestmark = pytest.mark.real("network, processes")

del test_ingest_adds_bodies_in_its_own_transaction_and_knows_no_hub_of_one_that_failed  # noqa: F821  see workers

HOURS = 3 * 3600.0


@pytest.fixture
def town(postgres_url: str) -> Iterator[PostgresTown]:
    made = PostgresTown(postgres_url)
    yield made
    made.close()


@pytest.fixture(autouse=True)
def _short_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rewriting, "LOCK_TIMEOUT", "50ms")
    monkeypatch.setattr(rewriting, "_ATTEMPTS", 1)


def counts(seen: Any, device: str = "ble:1") -> list[int]:
    return [int(one.value) for one in SeriesHistory(seen, device, "count").between(-FAR, FAR)]


def hours_of(town: PostgresTown) -> list[int]:
    with town.storage.database.errors():
        return partitions.hours(town.storage.database.session())


# -- in the place of those of the suite that name SQLite -----------------------------------------------------------


def test_an_order_is_not_confirmed_while_somebody_may_still_read_what_it_erases(town: PostgresTown) -> None:
    town.arrive("h", [report(NOW, 21.0, PERSON)])
    with town.snapshot("h"):
        town.order("h", "pseudonym", "~lilac-nine")
        town.settle()
        assert town.sql("select done_at from erasing") == [(None,)]
        assert int(NOW // HOUR) in hours_of(town), "the hour of the body waits too"
    assert town.read("h", "ble:9", "temperature") == []
    town.settle()
    assert town.sql("select done_at > 0 from erasing") == [(True,)]


def test_two_compactors_do_not_work_at_once(town: PostgresTown) -> None:
    other = PostgresChunks(town.url)
    assert town.chunks.compact_alone()
    assert town.chunks.compact_alone()
    assert not other.compact_alone()
    town.chunks.close()
    assert any(other.compact_alone() or time.sleep(0.05) for _ in range(100)), (
        "a lock ends with its session, a moment later"
    )
    other.close()
    town.start()


def test_a_database_that_refuses_is_told_as_such(town: PostgresTown) -> None:
    town.arrive("h", [report(NOW)])
    town.now += WAIT_S + 1
    town.sql("alter table ilot.chunks rename to elsewhere")
    try:
        with pytest.raises(StorageError, match="chunks"):
            town.compactor.work()
    finally:
        town.sql("alter table ilot.elsewhere rename to chunks")
    assert town.sql("select count(*) from bodies") == [(1,)]
    town.settle()
    assert town.sql("select count(*) from bodies") == [(0,)]


def test_what_was_worked_out_of_a_hub_that_is_gone_is_not_written(town: PostgresTown) -> None:
    town.arrive("h", [report(NOW)])
    with town.chunks.snapshot("h") as seen:
        version = seen.version
        with town.storage.transaction():
            assert town.storage.trials.remove("h", 1000)
    assert not town.chunks.apply("h", version, Changes(through=1))
    assert town.sql("select count(*) from compacted") == [(0,)]


# -- who may compact -----------------------------------------------------------------------------------------------


def test_who_has_lost_the_right_to_compact_writes_nothing_while_another_has_it(town: PostgresTown) -> None:
    town.arrive("h", [count(NOW, 1)])
    assert town.chunks.compact_alone()
    town.sql(
        "select pg_terminate_backend(pid, 60000) from pg_stat_activity where application_name = 'ilot compact'"
        " and datname = current_database()"
    )
    other = PostgresChunks(town.url)
    while not other.compact_alone():  # its server's process ends in a moment
        pass
    town.now += WAIT_S + 1
    with pytest.raises(StorageError, match="another process compacts"):
        town.compactor.work()
    assert town.sql("select count(*) from chunks") == [(0,)]
    other.close()
    town.settle()
    assert town.values("h", "ble:1", "count") == [(NOW, 1)]


HAVE_RIGHTS = (
    "select count(*) from pg_locks where locktype = 'advisory'"
    " and database = (select oid from pg_database where datname = current_database())"
)


def test_the_right_to_compact_is_free_as_soon_as_who_had_it_has_closed(town: PostgresTown) -> None:
    for _ in range(30):  # the server ends a session a moment after its client has left
        other = PostgresChunks(town.url)
        assert other.compact_alone()
        assert town.sql(HAVE_RIGHTS) == [(1,)]
        other.close()
        assert town.sql(HAVE_RIGHTS) == [(0,)]


def test_changes_of_a_hub_that_is_gone_are_not_written_and_nobody_waits_for_it(town: PostgresTown) -> None:
    town.arrive("h", [count(NOW, 1)])
    town.now += WAIT_S + 1
    assert town.chunks.waiting(town.now - WAIT_S, 9) == ["h"]
    with town.storage.transaction():
        assert town.storage.trials.remove("h", 1000)
    town.settle()
    assert not town.chunks.apply("h", 0, Changes(through=1))


# -- each reading once, whatever is committed meanwhile ------------------------------------------------------------


def test_each_reading_is_read_once_at_any_moment_while_workers_write_and_a_compactor_works(
    town: PostgresTown, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("backend.readings.compaction.WAIT_S", -1.0)
    stored: set[int] = set()
    failed: list[BaseException] = []
    done = threading.Event()
    second = PostgresTown(town.url)

    def write(worker: PostgresTown, first: int) -> None:
        try:
            for n in range(first, first + 25):
                for _ in range(50):  # the other worker may come between each time
                    try:
                        worker.arrive("h", [count(NOW + n, n)], epoch=first)
                        break
                    except StorageError:
                        continue
                stored.add(n)
        except BaseException as error:
            failed.append(error)

    def compact() -> None:
        try:
            while not done.is_set():
                town.compactor.work()
        except BaseException as error:
            failed.append(error)

    town.enrol("h")
    second._enrolled.add("h")
    second.records = 10_000  # numbers of its own
    workers = [threading.Thread(target=write, args=(one, n)) for one, n in ((town, 0), (second, 100))]
    compactor = threading.Thread(target=compact)
    for thread in (*workers, compactor):
        thread.start()
    reader = Database(town.url, name="the watcher", purpose=READING)
    while any(thread.is_alive() for thread in workers):
        known = set(stored)
        with moments.moment(reader) as moment:
            found = counts(PostgresHubSnapshot(moment, "h"))
        assert len(set(found)) == len(found)
        assert known <= set(found)
    done.set()
    compactor.join()
    reader.close()
    second.close()
    assert failed == []
    assert {value for _, value in town.values("h", "ble:1", "count")} == {*range(25), *range(100, 125)}


def test_a_twin_whose_ids_come_from_a_cached_sequence_loses_what_is_committed_late(town: PostgresTown) -> None:
    """Two workers draw ids each from its own fifty. What the first commits last has an id below the watermark."""
    rows = [town.arrive("h", [count(NOW + n, n)]) for n in range(2)]
    town.chunks.upkeep()
    town.sql("create sequence ilot.cached_ids cache 50")
    draw = (
        "insert into bodies (hour, hub, record, epoch, received_at, boot, data) select hour, hub,"
        " nextval('ilot.cached_ids') + 1000, epoch, received_at, boot, data from bodies where record = %s"
    )
    patient = {**WRITING, "idle_in_transaction_session_timeout": "0"}
    first, other = (Database(town.url, name=f"worker {n}", purpose=patient) for n in range(2))
    try:
        with first.transaction() as session:
            session.execute(draw, [rows[0]])
            with other.transaction() as beside:
                beside.execute(draw, [rows[1]])
            town.settle(WAIT_S + 1)
        assert town.sql("select count(*) from ilot.bodies where record > 1000") == [(2,)]
        assert sorted(value for _, value in town.values("h", "ble:1", "count")) == [0, 1, 1], "one of four is lost"
    finally:
        first.close()
        other.close()
        town.sql("drop sequence ilot.cached_ids")


def test_a_twin_whose_watermark_is_one_for_all_hubs_loses_what_another_hub_sent(
    town: PostgresTown, monkeypatch: pytest.MonkeyPatch
) -> None:
    town.arrive("i", [count(NOW, 1)])
    town.settle(WAIT_S + 1)
    for n in range(3):
        town.arrive("h", [count(NOW + n, n)])
    town.now += WAIT_S + 1
    town.arrive("i", [count(NOW + 1, 2)])
    one, all_hubs = "where hub = %s and version = %s", "where (hub = %s or true) and (version = %s or true)"
    assert one in postgres_chunks._MOVE
    with monkeypatch.context() as twin:
        twin.setattr(postgres_chunks, "_MOVE", postgres_chunks._MOVE.replace(one, all_hubs))
        town.compactor.work()
    assert town.values("i", "ble:1", "count") == [(NOW, 1)], "the second is lost"


# -- room that is given back ---------------------------------------------------------------------------------------


def test_an_hour_of_bodies_is_dropped_when_all_of_it_is_in_chunks_and_an_hour_has_passed(town: PostgresTown) -> None:
    first = int(NOW // HOUR)
    town.arrive("h", [count(NOW, 1)])
    town.arrive("i", [count(NOW, 2)])
    town.compactor.work()
    assert hours_of(town)[0] <= first
    town.now += 3600.0
    town.settle()
    assert town.sql("select count(*) from bodies") == [(0,)]
    assert first in hours_of(town), "a worker's clock may be late"
    town.settle(3600.0)
    assert first not in hours_of(town)
    assert town.values("h", "ble:1", "count") == [(NOW, 1)]


def test_an_hour_with_a_body_that_is_not_compacted_stays(town: PostgresTown, monkeypatch: pytest.MonkeyPatch) -> None:
    town.arrive("h", [count(NOW, 1)])
    town.arrive("i", [count(NOW, 2)])
    monkeypatch.setattr(town.chunks, "waiting", lambda *_: [])
    town.compactor.compact("h")
    for _ in range(5):
        town.settle(3600.0)
    assert int(NOW // HOUR) in hours_of(town)
    assert town.values("i", "ble:1", "count") == [(NOW, 2)]


@pytest.mark.parametrize("twin", [False, True])
def test_no_hour_is_dropped_under_a_reader_who_has_yet_to_come_to_it(
    town: PostgresTown, monkeypatch: pytest.MonkeyPatch, twin: bool
) -> None:
    """The twin takes no lock before its snapshot, and what it reads later is gone."""
    if twin:
        monkeypatch.setattr(moments, "_LOCK", "select 1")
    town.arrive("h", [count(NOW, 1)])
    with moments.moment(town.reading) as reader:
        assert reader.rows("select hub from hubs") == [("h",)]
        town.settle(WAIT_S + 1)
        town.settle(HOURS)
        town.settle(120.0)
        seen = PostgresHubSnapshot(reader, "h")
        assert seen.through == 0
        assert counts(seen) == ([] if twin else [1])
    town.settle(120.0)
    assert int(NOW // HOUR) not in hours_of(town)
    assert town.values("h", "ble:1", "count") == [(NOW, 1)]


@pytest.mark.parametrize("twin", [False, True])
def test_no_partition_is_written_anew_under_a_reader_who_has_yet_to_come_to_it(
    town: PostgresTown, monkeypatch: pytest.MonkeyPatch, twin: bool
) -> None:
    if twin:
        monkeypatch.setattr(rewriting, "without_readers", lambda *_: None)
    town.arrive("h", [report(NOW, 21.0), report(NOW, 22.0, PERSON)])
    town.settle(WAIT_S + QUIET_S + 1)
    town.settle(HOURS)
    seen: list[Row] = []
    with town.snapshot("h") as before:
        assert before.version > 0
        with town.storage.database.transaction() as session:
            rewriting.mark(session, [f"chunks_environment_{partitions.month_of_hour(int(NOW // HOUR))}"])
        assert town.chunks.remove_traces() == twin
        seen += SeriesHistory(before, "ble:1", "temperature").between(-FAR, FAR)  # type: ignore[arg-type]
    assert len(seen) == (0 if twin else 1)
    assert town.chunks.remove_traces()
    assert town.sql("select * from rewriting") == []
    assert town.values("h", "ble:1", "temperature") == [(NOW, 21.0)]


@pytest.mark.parametrize("twin", [False, True])
def test_no_month_is_made_out_of_those_ahead_under_a_reader_who_has_yet_to_come_to_it(
    town: PostgresTown, monkeypatch: pytest.MonkeyPatch, twin: bool
) -> None:
    """A hub dates a reading half a year ahead. The twin makes that month though somebody reads."""
    if twin:
        monkeypatch.setattr(partitions, "without_readers", lambda *_: None)
    later = partitions.month_of(town.now)
    with town.storage.database.errors():
        names = [name for name, _ in partitions._partitions(town.storage.database.session(), "chunks_technical")]
    made = max(int(name.rpartition("_")[2]) for name in names if name[-1].isdigit())
    ahead = NOW + (made - later + 2) * 31 * 24 * HOUR
    town.arrive("h", [count(ahead, 1)])
    town.settle(WAIT_S + QUIET_S + 1)
    with town.snapshot("h") as seen:
        town.now = ahead / 1000
        with town.storage.database.transaction() as session:
            assert (partitions.ensure(session, town.now) > 14) == twin
        assert counts(seen) == ([] if twin else [1])
    with town.storage.database.transaction() as session:
        partitions.ensure(session, town.now)
    assert town.values("h", "ble:1", "count") == [(ahead, 1)]


def test_tables_are_written_anew_whole_though_the_process_is_killed_at_each_statement(town: PostgresTown) -> None:
    for n in range(3):
        town.arrive("h", [report(NOW + n, 20.0 + n), report(NOW + n, 22.0, PERSON)])
        town.settle(WAIT_S + QUIET_S + 1)
    expected = town.values("h", "ble:1", "temperature")
    month = partitions.month_of_hour(int(NOW // HOUR))
    marked = ["names", "series", f"chunks_environment_{month}", f"chunks_personal_{month}"]
    with town.storage.database.transaction() as session:
        rewriting.mark(session, marked)
    for statement in range(1, 60):
        killed_at(town.chunks._writing.session(), statement, Gone)
        try:
            assert town.chunks.remove_traces()
            break
        except Gone:
            assert town.values("h", "ble:1", "temperature") == expected
            town.restart()
    else:
        raise AssertionError("it never ends")
    assert statement > 15
    town.restart()
    assert town.sql("select * from rewriting") == []
    assert town.values("h", "ble:1", "temperature") == expected
    town.arrive("h", [report(NOW + 9, 29.0)])
    town.settle(WAIT_S + QUIET_S + 1)
    assert len(town.values("h", "ble:1", "temperature")) == 4


class Gone(Exception):
    """The process ends here."""


def test_what_a_killed_process_had_detached_is_finished_before_anything_is_compacted(town: PostgresTown) -> None:
    """A worker whose clock is hours late stored a body in the hour that was being dropped."""
    hour = int(NOW // HOUR)
    town.arrive("h", [count(NOW, 1)])
    town.settle(WAIT_S + 1)
    town.arrive("h", [count(NOW + 1, 2)])
    with town.storage.database.errors():
        partitions.detach_hour(town.storage.database.session(), hour)
    assert town.values("h", "ble:1", "count") == [(NOW, 1)], "nobody sees it meanwhile"
    town.restart()
    town.now += HOURS
    town.make_room()
    town.arrive("h", [count(NOW + 2, 3)])
    town.settle(WAIT_S + 1)
    assert town.values("h", "ble:1", "count") == [(NOW, 1), (NOW + 1, 2), (NOW + 2, 3)]
    assert hour not in hours_of(town)


def test_what_arrives_in_an_hour_whose_detachment_is_held_up_is_moved_before_anything_is_compacted(
    town: PostgresTown, monkeypatch: pytest.MonkeyPatch
) -> None:
    upkeep = town.chunks._upkeep
    hour = int(NOW // HOUR)
    town.arrive("h", [count(NOW, 1)])
    town.settle(WAIT_S + 1)
    late, town.now = town.now, town.now + 3600.0
    upkeep.run()  # hours of other tests
    town.now = late + HOURS
    town.make_room()

    def then_it_arrives(_: Any) -> set[str]:
        """A worker whose clock is hours late stores after the hour was found spent."""
        if town.records == 1:
            now, town.now = town.now, late
            town.arrive("h", [count(NOW + 1, 2)])
            town.now = now
        return set()

    monkeypatch.setattr(spent, "readers", then_it_arrives)
    upkeep._patience = 4  # enough to begin
    with town.snapshot("h") as seen:
        list(seen.bodies())
        assert not upkeep.run()
    with town.storage.database.errors():
        assert partitions.pending_hours(town.storage.database.session()) == [hour]
    assert town.sql("select hour from bodies") == [(partitions.hour_of(town.now),)]
    town.settle(WAIT_S + spent.LOOK_S)
    assert town.values("h", "ble:1", "count") == [(NOW, 1), (NOW + 1, 2)]


def test_a_detachment_that_readers_hold_up_is_tried_with_more_patience_and_then_finished(
    town: PostgresTown, monkeypatch: pytest.MonkeyPatch
) -> None:
    upkeep = town.chunks._upkeep
    town.arrive("h", [count(NOW, 1)])
    town.settle(WAIT_S + 1)
    town.now += HOURS
    upkeep._patience = 1
    with monkeypatch.context() as alone:
        alone.setattr(spent, "readers", lambda _: set())
        with town.snapshot("h") as seen:
            list(seen.bodies())
            assert not upkeep.run()
    assert upkeep._patience == 2
    upkeep._patience = spent.MOST_PATIENCE_S  # nobody reads any more, however slow this machine is
    town.now += spent.LOOK_S
    assert upkeep.run()
    assert upkeep._patience == spent.FIRST_PATIENCE_S
    assert int(NOW // HOUR) not in hours_of(town)


def test_a_month_of_personal_readings_that_is_too_old_leaves_no_byte_in_the_files(town: PostgresTown) -> None:
    town.arrive("h", [report(NOW)])
    town.settle(WAIT_S + QUIET_S + 1)
    table = f"ilot.chunks_personal_{partitions.month_of_hour(int(NOW // HOUR))}"
    assert town.sql(f"select pg_relation_size('{table}') > 0") == [(True,)]
    town.now += 95 * 86_400
    assert town.compactor.purge({"personal": 30}) == 1
    town.settle()
    assert town.sql(f"select pg_relation_size('{table}')") == [(0,)]
    assert town.values("h", "ble:1", "motion") == []
    assert len(town.values("h", "ble:1", "temperature")) == 1


# -- where chunks lie, and how they are asked for ------------------------------------------------------------------


def test_a_chunk_lies_under_the_month_of_its_hour_or_of_none_and_is_found_whatever_the_date(town: PostgresTown) -> None:
    dates = (0, NOW, NOW - 400 * 24 * HOUR, NOW + 3 * 365 * 24 * HOUR, FAR - 1)
    town.arrive("h", [count(date, n) for n, date in enumerate(dates)])
    town.arrive("h", [count(5, 9)], BOOT)
    town.settle(WAIT_S + QUIET_S + 1)
    assert sorted(town.values("h", "ble:1", "count")) == sorted(zip(dates, range(5), strict=True))
    assert [one.value for one in town.undated("h", "ble:1", "count")] == [9]
    months = {month for (month,) in town.sql("select distinct month from ilot.chunks")}
    assert {0, 1, 12 * 57, (9999 - 1970) * 12 + 11} <= months
    assert [one.value for one in town.read("h", "ble:1", "count", NOW, NOW + 1)] == [1]


def test_a_day_is_asked_for_in_few_questions(town: PostgresTown, monkeypatch: pytest.MonkeyPatch) -> None:
    for hour in range(24):
        town.arrive("h", [report(NOW + hour * HOUR), count(NOW + hour * HOUR)])
    for n in range(20):
        town.arrive("h", [count(n)], bytes([n]) * 16)
        town.date("h", bytes([n]) * 16, NOW - 90 * 24 * HOUR)
    town.settle(WAIT_S + QUIET_S + 1)
    asked: list[str] = []
    rows = moments.Moment.rows

    def counted(self: moments.Moment, statement: str, *arguments: Any) -> list[Any]:
        asked.append(statement)
        return rows(self, statement, *arguments)

    monkeypatch.setattr(moments.Moment, "rows", counted)
    assert len(town.read("h", "ble:1", "temperature", NOW, NOW + 24 * HOUR)) == 24
    assert len(asked) <= 9, asked
    assert len([one for one in asked if "data from chunks" in one]) == 2


def test_a_name_with_a_nul_is_the_name_of_nothing(town: PostgresTown) -> None:
    town.arrive("h", [count(NOW)])
    with town.snapshot("h\0") as seen:
        assert (seen.through, seen.series_named("ble:1\0"), seen.classes_of("\ud800", "count")) == (0, [], -1)


# -- what waits ----------------------------------------------------------------------------------------------------


def test_hubs_that_wait_are_looked_for_now_and_then_and_whenever_nothing_else_helps() -> None:
    there = {"b": 5.0, "a": 1.0}
    looks = []

    def look() -> list[tuple[str, float]]:
        looks.append(1)
        return list(there.items())

    waiting = WaitingHubs(look)
    assert waiting.before(3.0, 9) == ["a"]
    waiting.compacted("a", 7.0)
    there["a"] = 7.0
    assert (waiting.before(6.0, 9), len(looks)) == (["b"], 1)
    assert (waiting.before(6.0, 9), len(looks)) == (["b"], 2), "told twice: is it true?"
    waiting.compacted("b", None)
    del there["b"]
    there["c"] = 8.0
    assert waiting.before(3.0 + LOOK_S + 9, 1) == ["a"]
    waiting.forget()
    assert waiting.before(9.0, 9) == ["a", "c"]


def test_loose_buckets_are_counted_by_what_is_put_and_gone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("backend.storage.postgresql.due.MOST_LOOSE", 2)
    first, second, third = (LooseBucket("h", Bucket("personal", b"", n)) for n in range(3))
    there = [(first, 1.0, 1), (second, 9.0, 4)]
    loose = LooseBuckets(lambda most: there[:most])
    loose.put(third, 1.0)  # nothing is remembered yet
    assert loose.due(5.0, 4, 9) == [first]
    loose.gone(first)
    loose.put(second, 8.0)
    assert loose.due(5.0, 4, 9) == [second], "five are a crowd"
    for _ in range(5):
        loose.gone(second)
    loose.put(first, 2.0)
    loose.put(second, 2.0)
    loose.put(third, 2.0)  # one too many to remember
    there[:] = [(third, 2.0, 1)]
    loose.gone(first)
    loose.gone(second)
    assert loose.due(5.0, 4, 9) == [third], "looked for when the others are done"


def test_a_loose_chunk_that_was_put_is_loose_and_one_that_was_settled_is_not(town: PostgresTown) -> None:
    town.enrol("h")
    bucket = Bucket("technical", b"", int(NOW // HOUR))
    assert town.chunks.loose(town.now, 9, 9) == []
    assert town.chunks.apply("h", 0, Changes(put=[NewChunk(bucket, 1, 5.0, True, b"x")]))
    assert town.chunks.loose(town.now, 9, 9) == [LooseBucket("h", bucket)]
    with town.chunks.snapshot("h") as seen:
        (head,) = seen.heads()
    assert not town.chunks.apply("h", 0, Changes(settle=[head.id])), "it is at version 1"
    assert town.chunks.apply("h", 1, Changes(settle=[head.id]))
    assert town.chunks.loose(town.now, 9, 9) == []
