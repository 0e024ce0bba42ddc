"""The normal path in PostgreSQL, by any number of workers, and the partitions that it writes to."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from itertools import pairwise

import postgres_kit as kit
import pytest

from backend.storage.engine import RowRefused
from backend.storage.postgresql import partitions
from backend.storage.postgresql.connection import READING, WRITING, Database
from backend.storage.postgresql.errors import TryAgain
from backend.storage.postgresql.migrations import migrate, opened
from backend.storage.postgresql.normal_path import Drawn, HubMessage, NewBlock, store

pytestmark = pytest.mark.real("network, processes")

NOW = time.time()
LONG_AGO = NOW - 10 * 86_400
HUBS = 4


@pytest.fixture(scope="module")
def server() -> Iterator[kit.Cluster]:
    if not kit.available():
        pytest.skip(kit.MISSING)
    with kit.cluster() as running:
        running.create("one")
        database = opened(running.socket_url("one"), "migrate")
        migrate(database)
        with database.transaction() as session:
            partitions.ensure(session, NOW)  # it may be hours since these tests were collected
            for n in range(HUBS):
                session.execute(
                    "insert into hubs (hub, identity, name, enrolled_at) values (%s, %s, '', 0)",
                    [f"hub-{n}", bytes([n])],
                )
            session.execute(
                "insert into streams (hub, run, stream, started_at) select number, 'run', 'readings', 0 from hubs"
            )
        database.close()
        yield running


@pytest.fixture
def url(server: kit.Cluster) -> str:
    """A database with the backend's tables and a few hubs, each with a stream of its own number, and nothing else."""
    with server.admin("one") as session:
        for table in ("records", "bodies", "chunks"):
            session.execute(f"delete from ilot.{table}")  # type: ignore[call-overload]
        session.execute("update ilot.hubs set version = 0, acks = 0, last_record = 0, revoked_at = null")
    return server.socket_url("one")


@pytest.fixture
def worker(url: str) -> Iterator[Database]:
    made = Database(url, name="a worker")
    yield made
    made.close()


@pytest.fixture
def other(url: str) -> Iterator[Database]:
    made = Database(url, name="another worker")
    yield made
    made.close()


def block(hub: int, seq: int) -> NewBlock:
    return NewBlock(hub, seq, seq.to_bytes(32, "big"), 1, 1, 160, b"", b"body %d" % seq)


def put(database: Database, *messages: HubMessage, now: float = NOW) -> list[Drawn | None]:
    with database.transaction() as session:
        return store(session, messages, now)


def rows(database: Database, what: str) -> list[tuple[object, ...]]:
    with database.transaction() as session:
        return session.execute(what).fetchall()  # type: ignore[call-overload,no-any-return]


def test_a_message_stores_its_line_and_its_body_and_draws_its_numbers_from_the_hubs_row(worker: Database) -> None:
    message = HubMessage(1, 0, 2, [block(1, 5), block(1, 6)])
    (first,) = put(worker, message)
    assert first is not None
    assert (first.record, first.ack) == (1, int(NOW * 1e6) + 2)
    (second,) = put(worker, HubMessage(1, 1, 1, [block(1, 7)]))
    assert second == Drawn(3, first.ack + 1)
    assert rows(worker, "select id, seq, digest, readings, epoch, kind from records order by seq") == [
        (n, seq, seq.to_bytes(32, "big"), 160, 1, 1) for n, seq in ((1, 5), (2, 6), (3, 7))
    ]
    assert rows(worker, "select record, hub, hour, data from bodies order by record") == [
        (n, 1, int(NOW // 3600), b"body %d" % seq) for n, seq in ((1, 5), (2, 6), (3, 7))
    ]
    assert rows(worker, "select version, acks, last_record from hubs where number = 1") == [(2, second.ack, 3)]


def test_an_acknowledgement_alone_is_a_transaction_that_writes_its_number(worker: Database) -> None:
    (drawn,) = put(worker, HubMessage(2, 0, 1, []))
    assert drawn is not None
    assert rows(worker, "select version, acks from hubs where number = 2") == [(1, drawn.ack)]


def test_numbers_of_acknowledgements_rise_also_where_the_clock_goes_back(worker: Database) -> None:
    (first,) = put(worker, HubMessage(1, 0, 1, []))
    (second,) = put(worker, HubMessage(1, 1, 3, []), now=NOW - 1e6)
    assert first is not None
    assert second is not None
    assert second.ack == first.ack + 3


@pytest.mark.parametrize("case", ["stale", "revoked", "unknown"])
def test_a_message_for_a_hub_that_changed_meanwhile_is_a_miss_that_writes_nothing(worker: Database, case: str) -> None:
    put(worker, HubMessage(1, 0, 1, [block(1, 1)]))
    if case == "revoked":
        rows(worker, "update hubs set revoked_at = 1 where number = 1 returning 1")
    hub, version = {"stale": (1, 0), "revoked": (1, 1), "unknown": (99, 0)}[case]
    missed, stored = put(worker, HubMessage(hub, version, 1, [block(1, 2)]), HubMessage(2, 0, 1, [block(2, 1)]))
    assert missed is None
    assert stored is not None
    assert rows(worker, "select stream, seq from records order by 1") == [(1, 1), (2, 1)]
    assert rows(worker, "select version from hubs where number = 1") == [(1,)]


def test_a_number_that_is_stored_already_is_refused_even_by_a_worker_that_believes_it_is_new(worker: Database) -> None:
    put(worker, HubMessage(1, 0, 1, [block(1, 1)]))
    with pytest.raises(RowRefused):
        put(worker, HubMessage(2, 0, 1, [block(2, 1)]), HubMessage(1, 1, 1, [block(1, 1)]))
    assert rows(worker, "select stream, seq from records") == [(1, 1)]
    assert rows(worker, "select sum(version) from hubs") == [(1,)]


def test_of_two_workers_with_the_same_version_the_second_waits_and_misses(
    server: kit.Cluster, worker: Database, other: Database
) -> None:
    answers: list[Drawn | None] = []
    other.session()
    with server.admin() as looks, worker.transaction() as session:  # which may not rest for 5 s
        assert store(session, [HubMessage(1, 0, 1, [block(1, 1)])], NOW) != [None]
        thread = threading.Thread(target=lambda: answers.extend(put(other, HubMessage(1, 0, 1, [block(1, 2)]))))
        thread.start()
        look = "select count(*) from pg_stat_activity where wait_event_type = 'Lock' and datname = 'one'"
        while looks.execute(look).fetchone() != (1,):
            time.sleep(0.01)
        assert answers == []
    thread.join()
    assert answers == [None]
    assert rows(worker, "select seq from records") == [(1,)]


def test_many_messages_of_one_batch_in_any_order_never_make_two_workers_wait_for_each_other(
    worker: Database, other: Database
) -> None:
    failed: list[BaseException] = []
    versions = [0] * (HUBS + 1)
    lock = threading.Lock()

    def run(database: Database, numbers: list[int]) -> None:
        try:
            for _ in range(20):
                with lock:
                    known = list(versions)
                done = put(database, *(HubMessage(n, known[n], 1, []) for n in numbers))
                with lock:
                    for n, drawn in zip(numbers, done, strict=True):
                        versions[n] = max(versions[n], known[n] + 1 if drawn else versions[n])
        except BaseException as error:
            failed.append(error)

    numbers = list(range(1, HUBS + 1))
    threads = [
        threading.Thread(target=run, args=(worker, numbers)),
        threading.Thread(target=run, args=(other, numbers[::-1])),
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == []


def test_record_ids_and_acknowledgements_of_a_hub_rise_in_the_order_of_its_commits_whoever_makes_them(
    url: str, worker: Database
) -> None:
    """Three workers store for one hub; each reads the hub's row anew after a miss."""
    done: list[tuple[int, Drawn]] = []

    def run(of: int) -> None:
        mine, version, seq = Database(url, name=f"worker {of}"), 0, of * 1000
        for _ in range(15):
            seq, stored = seq + 1, None
            while stored is None:
                (stored,) = put(mine, HubMessage(1, version, 1, [block(1, seq)]))
                if stored is None:
                    version = int(str(rows(mine, "select version from hubs where number = 1")[0][0]))
            done.append((version, stored))
            version += 1
        mine.close()

    threads = [threading.Thread(target=run, args=(of,)) for of in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    done.sort()
    assert [version for version, _ in done] == list(range(45))
    assert [drawn.record for _, drawn in done] == list(range(1, 46))
    assert all(a.ack < b.ack for (_, a), (_, b) in pairwise(done))
    assert rows(worker, "select count(*), count(distinct id) from records") == [(45, 45)]


def test_a_twin_that_trusts_its_cache_without_the_version_would_draw_ids_for_a_number_that_another_stored(
    worker: Database, other: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two workers got the same record. The one who compares misses; the twin is caught by the account's key alone."""
    from psycopg import sql

    from backend.storage.postgresql import normal_path

    put(worker, HubMessage(1, 0, 1, [block(1, 1)]))
    assert put(other, HubMessage(1, 0, 1, [block(1, 1)])) == [None]
    text = normal_path._STORE.as_string(None)
    trusting = text.replace("and version = %s::bigint", "and %s::bigint is not null")
    assert trusting != text
    monkeypatch.setattr(normal_path, "_STORE", sql.SQL(trusting))
    with pytest.raises(RowRefused):
        put(other, HubMessage(1, 0, 1, [block(1, 1)]))
    assert put(other, HubMessage(1, 0, 1, [block(1, 2)])) != [None], "and it acknowledges by what it has not read"


def hours(database: Database) -> list[int]:
    with database.errors():
        return partitions.hours(database.session())


def test_partitions_are_made_ahead_once_by_whoever_comes_first(worker: Database, other: Database) -> None:
    first, later = partitions.hour_of(NOW), NOW + 8 * 3600
    assert hours(worker)[-1] >= first + partitions.HOURS_AHEAD - 1
    with worker.transaction() as session:
        assert partitions.ensure(session, later) > 0
    with other.transaction() as session:
        assert partitions.ensure(session, later) == 0
    assert hours(worker)[-1] == partitions.hour_of(later) + partitions.HOURS_AHEAD
    put(worker, HubMessage(1, 0, 1, [block(1, 1)]), now=later)


def test_after_a_pause_of_months_no_month_is_missing_and_rows_with_wrong_dates_lie_where_they_belong(
    worker: Database,
) -> None:
    month = partitions.month_of(NOW)
    dates = (partitions.UNDATED, 1, month, month + 6, month + 500)
    with worker.transaction() as session:
        for at in dates:
            session.execute(
                "insert into chunks (privacy, month, hub, boot, hour, rows, arrived_at, loose, data)"
                " values ('personal', %s, 1, '', 0, 1, 0, true, '')",
                [at],
            )
    half_a_year = NOW + 184 * 86_400
    with worker.transaction() as session:
        assert partitions.ensure(session, half_a_year) > 0
    placed = dict(rows(worker, "select month, tableoid::regclass::text from chunks"))  # type: ignore[arg-type]
    assert placed == {
        partitions.UNDATED: "chunks_personal_undated",
        1: "chunks_personal_old",
        month: f"chunks_personal_{month}",
        month + 6: f"chunks_personal_{month + 6}",
        month + 500: "chunks_personal_ahead",
    }
    last = partitions.month_of(half_a_year) + partitions.MONTHS_AHEAD
    with worker.errors():
        names = [name for name, _ in partitions._partitions(worker.session(), "chunks_personal")]
    months = sorted(int(name.rpartition("_")[2]) for name in names if name[-1].isdigit())
    assert months == list(range(months[0], last + 1))


def test_an_hour_is_detached_only_when_no_reader_has_it_open_and_what_was_begun_is_finished(
    url: str, worker: Database
) -> None:
    old = partitions.hour_of(LONG_AGO)
    with worker.transaction() as session:
        partitions.ensure(session, LONG_AGO)
    put(worker, HubMessage(1, 0, 1, [block(1, 1)]), now=LONG_AGO)
    put(worker, HubMessage(1, 1, 1, [block(1, 2)]), now=LONG_AGO + 3600)
    hasty = Database(url, name="drops", purpose={**WRITING, "statement_timeout": "1s"})
    reader = Database(url, name="reads", purpose=READING)
    with reader.transaction() as snapshot:
        assert snapshot.execute("select count(*) from bodies").fetchone() == (2,)
        with pytest.raises(TryAgain), hasty.errors():
            partitions.detach_hour(hasty.session(), old)
        assert snapshot.execute("select count(*) from bodies").fetchone() == (2,)
    assert old in hours(worker)
    with worker.errors():
        partitions.detach_hour(worker.session(), old)
        assert partitions.detached_hours(worker.session()) == [f"bodies_{old}"]
    assert rows(worker, "select count(*), min(hour) from bodies") == [(1, old + 1)]
    assert old not in hours(worker)
    with worker.transaction() as session:
        session.execute(f"drop table bodies_{old}")  # type: ignore[call-overload]
    hasty.close()
    reader.close()
