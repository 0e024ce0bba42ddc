"""Reading of PostgreSQL beyond the suite of every engine (`test_queries`): sessions, what lags in a stream's row, and
damage in the server's files."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import postgres_kit as kit
import psycopg
import pytest
from backend_kit import NOW, row

from backend.storage.opening import open_chunks, open_queries, open_storage
from backend.storage.postgresql import integrity, queries
from backend.storage.postgresql.connection import READING, Database
from backend.storage.postgresql.errors import DatabaseAway
from backend.storage.postgresql.migrations import migrate, opened
from backend.storage.postgresql.queries import PostgresQueries
from backend.storage.queries import Damage
from hub.core.errors import StorageError
from hub.protocol.ranges import Ranges
from tests.backend.storage.test_queries import READINGS, RUN, A, B, Hub, RecordLine, Storage, record

pytestmark = pytest.mark.real("clock, network, processes")


@pytest.fixture
def storage(postgres_url: str) -> Iterator[Storage]:
    made = open_storage(postgres_url)
    with made.transaction():
        for hub in (A, B):
            made.registry.enrol(Hub(hub, hub.encode(), hub, 1.0, None, None))
    yield made
    made.close()


@pytest.fixture
def reading(postgres_url: str, storage: Storage) -> PostgresQueries:
    return PostgresQueries(postgres_url, name="of this test")


def sessions(server: kit.Cluster) -> int:
    ((count,),) = server.run("select count(*) from pg_stat_activity where application_name = 'of this test'")
    return int(count)


def test_a_session_is_used_again_and_no_more_are_kept_than_needed(
    postgres: kit.Shared, postgres_url: str, storage: Storage
) -> None:
    reading = PostgresQueries(postgres_url, name="of this test")
    for _ in range(3):
        with reading.snapshot() as now:
            assert [line.hub.hub for line in now.hubs()] == [A, B]
    assert sessions(postgres.server) == 1
    with ExitStack() as stack:
        for _ in range(queries.IDLE + 2):
            stack.enter_context(reading.snapshot())
        assert sessions(postgres.server) == queries.IDLE + 2
    assert len(reading._idle) == queries.IDLE
    kept = list(reading._idle)
    del reading, now, stack
    assert [one._session for one in kept] == [None] * queries.IDLE, "they are closed with who had them"


def test_no_more_read_at_once_than_there_are_sessions_and_who_waits_too_long_is_told(
    reading: PostgresQueries, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(queries, "WAIT_S", 0.01)
    reading._room = threading.BoundedSemaphore(1)
    with reading.snapshot() as now:
        with pytest.raises(StorageError, match="others read now"), reading.snapshot():
            pass
        assert len(now.hubs()) == 2
    with reading.snapshot() as now:
        assert len(now.hubs()) == 2


def test_a_session_that_was_ended_at_rest_is_made_again_and_one_that_ends_meanwhile_is_an_error(
    postgres: kit.Shared, reading: PostgresQueries
) -> None:
    end = "select pg_terminate_backend(pid, 60000) from pg_stat_activity where application_name = 'of this test'"

    def read(*, broken: bool = False) -> int:
        with reading.snapshot() as now:
            if broken:
                postgres.server.run(end)
            return len(now.hubs())

    assert read() == 2
    postgres.server.run(end)
    assert read() == 2
    with pytest.raises(DatabaseAway):
        read(broken=True)
    assert read() == 2


def test_readings_of_a_stream_are_those_of_its_row_and_of_the_lines_beyond_it(
    storage: Storage, reading: PostgresQueries, postgres: kit.Shared
) -> None:
    """A worker writes the row of a stream now and then; number 2 arrives late, below what the row tells of."""
    for seq in (1, 3):
        with storage.transaction((A,)):
            record(storage, A, seq, [row(NOW), row(NOW + 1)])
    with storage.transaction((A,)):
        stream = storage.streams.find(A, RUN, READINGS)
        assert stream is not None
        storage.records.add(stream, RecordLine(2, b"2" * 32, 1, 1, 5), time.time())
        storage.records.add(stream, RecordLine(4, b"4" * 32, 1, 1, 7), time.time())
    with postgres.server.admin("shared") as session:
        ((packed, readings),) = session.execute("select stored, readings from ilot.streams").fetchall()
    assert readings < 16
    with reading.snapshot() as now:
        (line,) = now.streams(A)
        assert (line.stored, line.readings) == (Ranges([(1, 4)]), 16)
        assert now.newest_streams([A], 1)[A] == ([line], 1)
        totals = now.totals()
    assert (totals.readings, totals.of_stream, totals.counts["records"]) == (16, {READINGS: 16}, 4)
    assert packed != b""


def test_how_long_the_oldest_body_waits_for_a_compactor_is_told(
    storage: Storage, reading: PostgresQueries, postgres_url: str
) -> None:
    with reading.snapshot() as now:
        assert now.compacts_since() is None
    before = time.time()
    with storage.transaction((A,)):
        number = record(storage, A, 1, [row(NOW)])
    with reading.snapshot() as now:
        assert before <= (now.compacts_since() or 0.0) <= time.time()
    chunks = open_chunks(postgres_url)
    from backend.storage.chunks import Changes

    assert chunks.apply(A, 0, Changes(through=number))
    with reading.snapshot() as now:
        assert now.compacts_since() is None
    assert chunks.belief().believed is None
    with storage.transaction():
        storage.notes.believe(5.0)
    assert chunks.belief() == (storage.retention.days(), 5.0)
    chunks.close()


def test_pages_of_series_go_on_over_hubs(storage: Storage, reading: PostgresQueries) -> None:
    for hub in (A, B):
        with storage.transaction((hub,)):
            record(storage, hub, 1, [row(NOW)])
    with reading.snapshot() as now:
        lines = now.series(after=("", "", ""), limit=100)
        found, after = [], ("", "", "")
        while page := now.series(after=after, limit=1):
            found += page
            after = page[-1][:3]
        assert found == lines
        assert [(line.hub, line.metric) for line in lines] == [
            (hub, metric) for hub in (A, B) for metric in ("motion", "temperature")
        ]
        assert now.series(metric="motion", after=(A, lines[0].place, "motion"), limit=9) == [lines[2]]
        assert now.sites() == [(hub, lines[0].site) for hub in (A, B)] or len(now.sites()) == 2


# -- damage --------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def damaged() -> Iterator[kit.Cluster]:
    """A server of its own with checksums, of which files may be altered while it is stopped."""
    if not kit.available():
        pytest.skip(kit.MISSING)
    with kit.folder() as where:
        made = kit.Cluster(where / "a", kit.Authority(where / "tls"))
        made.init()
        made._tool("pg_checksums", "--enable", "-D", made.data, "--no-sync")
        made.start()
        database = opened(made.socket_url(made.create("one")), "migrate")
        migrate(database)
        with database.transaction() as session:
            session.execute(
                "insert into quarantine (hub, reason, digest, body, received_at)"
                " select 'h', 'unreadable', sha256(n::text::bytea), convert_to(repeat(md5(n::text), 200), 'UTF8'), 0"
                " from generate_series(1, 400) n"
            )
            session.execute("insert into alarms (kind, hub, detail, raised_at) values ('forged', 'h', 'x', 1)")
        database.close()
        with made.admin("one") as admin:
            admin.execute("create extension amcheck")
        try:
            yield made
        finally:
            made.end()


def files(server: kit.Cluster, relation: str) -> Path:
    with server.admin("one") as session:
        ((path,),) = session.execute("select pg_relation_filepath(%s)", [relation]).fetchall()
    return server.data / str(path)


def with_flipped_byte(server: kit.Cluster, relation: str, page: int = 0) -> None:
    """Alter one byte in the middle of a page of a stopped server's table or index."""
    path = files(server, relation)
    server.stop()
    with path.open("r+b") as file:
        file.seek(page * 8192 + 8000)
        byte = file.read(1)
        file.seek(page * 8192 + 8000)
        file.write(bytes([byte[0] ^ 0xFF]))
    server.start()


def found(server: kit.Cluster) -> list[Damage]:
    shares: list[float] = []
    damage = list(open_queries(server.socket_url("one")).damage(shares.append))
    assert shares == sorted(shares)
    assert len(shares) > 20
    return damage


def test_a_whole_database_is_told_whole_and_a_sample_of_it_too(damaged: kit.Cluster) -> None:
    assert found(damaged) == []
    told = open_queries(damaged.socket_url("one")).sample(600.0)
    assert (told.damage, told.release[:13]) == ("", "PostgreSQL 17")
    assert told.whole == told.tables


def test_of_a_large_table_a_sample_reads_some_pages(damaged: kit.Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(integrity, "SMALL", 1 << 16)
    monkeypatch.setattr(integrity, "_PAGES", 1 << 20)
    told = open_queries(damaged.socket_url("one")).sample(600.0)
    assert told.whole == told.tables - 1
    assert told.rows == 400


def test_a_table_that_takes_longer_than_its_share_is_left_out(
    damaged: kit.Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(integrity, "_READ", "select count(pg_sleep(2)) from {} t")
    told = open_queries(damaged.socket_url("one")).sample(0.5)
    assert (told.damage, told.whole < told.tables) == ("", True)


def test_a_damaged_table_and_a_damaged_index_are_named_with_what_to_do(damaged: kit.Cluster) -> None:
    with_flipped_byte(damaged, "ilot.quarantine")
    (table,) = [one for one in found(damaged) if one.kind == "table"]
    assert (table.name, table.findings) == ("quarantine", 1)
    assert "invalid page" in table.first
    assert "Hand over to the standby" in table.remedy
    assert open_queries(damaged.socket_url("one")).sample(600.0).damage.startswith("quarantine: invalid page")
    with_flipped_byte(damaged, "ilot.quarantine")
    assert found(damaged) == []
    with_flipped_byte(damaged, "ilot.alarms_open", 1)
    (index,) = found(damaged)
    assert (index.kind, index.name) == ("index", "alarms_open")
    assert index.remedy.endswith("`reindex index concurrently ilot.alarms_open`")
    with_flipped_byte(damaged, "ilot.alarms_open", 1)


def test_a_server_that_does_not_answer_is_an_error(damaged: kit.Cluster) -> None:
    elsewhere = open_queries(damaged.socket_url("elsewhere"))
    with pytest.raises(DatabaseAway):
        elsewhere.sample(1.0)
    with pytest.raises(DatabaseAway):
        list(elsewhere.damage(lambda _: None))


def test_who_reads_takes_the_primary_also_where_it_is_read_only() -> None:
    if not kit.available():
        pytest.skip(kit.MISSING)
    with kit.pair() as (first, second):
        first.run("create schema ilot")
        both = f"postgresql://ilot@/postgres?host={second.where},{first.where}&port={second.port},{first.port}"
        url = f"{both}&passfile={first.pass_file()}"
        reader = Database(url, name="reads", purpose=READING)
        with reader.transaction() as session:
            assert session.execute("select pg_is_in_recovery()").fetchone() == (False,)
        reader.close()
        first.run("alter system set default_transaction_read_only = on", "select pg_reload_conf()")
        again = Database(url, name="reads", purpose=READING)
        with again.transaction() as session:
            assert session.execute("select pg_is_in_recovery()").fetchone() == (False,)
        again.close()
        assert isinstance(session, psycopg.Connection)
