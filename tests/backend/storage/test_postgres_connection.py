"""The way to PostgreSQL: nobody between, nothing acknowledged that a standby lacks, and a session that comes back."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import postgres_kit as kit
import psycopg
import pytest
from hypothesis import given
from hypothesis import strategies as st

from backend.storage.engine import RowRefused, StandbyAway
from backend.storage.postgresql.address import parse
from backend.storage.postgresql.connection import AGAIN_S, READING, WRITING, Database
from backend.storage.postgresql.errors import DatabaseAway, TryAgain, reason_text
from backend.storage.postgresql.texts import NUL, as_json, rows_of, stored
from hub.core.errors import ConfigError, StorageError

SOCKET = "postgresql:///ilot?host=/run/postgresql"
TCP = "postgresql://ilot@db.ville.example/ilot"


@pytest.fixture(scope="module")
def server() -> Iterator[kit.Cluster]:
    if not kit.available():
        pytest.skip(kit.MISSING)
    with kit.cluster() as running:
        running.create("ilot")
        yield running


@pytest.fixture
def database(server: kit.Cluster) -> Iterator[Database]:
    made = Database(server.url("ilot"), name="a worker")
    yield made
    made.close()


def ask(database: Database, what: str) -> object:
    with database.transaction() as session:
        (row,) = session.execute(what).fetchall()  # type: ignore[call-overload]
        return row[0]


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("mysql://ilot@db/ilot", "does not begin with postgresql://"),
        ("postgresql://ilot:hunter2@db/ilot", "holds a password"),
        (TCP + "?password=hunter2", "holds a password"),
        (TCP + "?sslmode=require", "sslmode=require does not verify who answers"),
        ("postgresql://ilot@127.0.0.1/ilot?sslmode=disable", "sslmode=disable does not verify"),
        ("postgresql://ilot@/ilot?host=/run,db.example&sslmode=prefer", "sslmode=prefer does not verify"),
        (TCP + "?options=-c%20synchronous_commit%3Doff", "it has options; there are"),
        (TCP + "?target_session_attrs=any", "it has target_session_attrs"),
        ("postgresql:///ilot", "names no host, or no database"),
        ("postgresql://db.example", "names no host, or no database"),
        (TCP + "?sslmod=verify-full", "cannot read it"),
    ],
)
def test_a_url_that_would_not_be_safe_is_refused_with_what_to_write_instead(url: str, says: str) -> None:
    with pytest.raises(ConfigError, match="cannot be used") as refused:
        parse(url)
    assert says in str(refused.value)
    assert "hunter2" not in str(refused.value)


def test_over_tcp_the_server_has_to_prove_its_name_and_a_socket_of_this_machine_has_not() -> None:
    assert parse(TCP).parameters["sslmode"] == "verify-full"
    assert "sslmode" not in parse(SOCKET).parameters
    assert parse("postgresql://ilot@db.ville.example:5000/ilot").place == "PostgreSQL ilot at db.ville.example:5000"


@given(
    st.text(alphabet="postgresql:/@?&=%,.-sw0 \0é", max_size=40), st.text(alphabet="abcdefgh", min_size=6, max_size=8)
)
def test_any_text_is_an_address_or_is_refused_and_a_password_is_never_repeated(text: str, secret: str) -> None:
    for url in (text, "postgresql://" + text, f"postgresql://u:{secret}@{text}"):
        try:
            made = parse(url)
        except ConfigError as refused:
            assert secret not in str(refused) or secret in text  # noqa: PT017
        else:
            assert made.parameters["dbname"]
            assert "password" not in made.parameters


@pytest.mark.real("network, processes")
def test_a_session_over_tcp_is_encrypted_and_one_to_another_server_is_not_begun(
    server: kit.Cluster, database: Database, tmp_path: Path
) -> None:
    assert ask(database, "select ssl from pg_stat_ssl where pid = pg_backend_pid()") is True
    other = kit.Authority(tmp_path / "other")
    for url in (
        server.url("ilot", sslrootcert=str(other.root)),
        server.url("ilot").replace(kit.NAME, "other.test"),
    ):
        with pytest.raises(DatabaseAway, match="certificate"):
            ask(Database(url, name="a worker"), "select 1")


@pytest.mark.real("network, processes")
def test_a_worker_writes_durably_whatever_is_set_for_its_user(server: kit.Cluster) -> None:
    server.run("alter role ilot set synchronous_commit = off", "alter role ilot set statement_timeout = 0")
    try:
        with psycopg.connect(server.socket_url("ilot")) as plain:
            assert plain.execute("show synchronous_commit").fetchone() == ("off",)
        worker = Database(server.socket_url("ilot"), name="a worker")
        for name, value in WRITING.items():
            assert ask(worker, f"show {name}") == value
        worker.close()
    finally:
        server.run("alter role ilot reset all")


@pytest.mark.real("network, processes")
def test_a_server_that_does_not_sync_is_refused() -> None:
    if not kit.available():
        pytest.skip(kit.MISSING)
    with kit.cluster(fsync="off") as loose, pytest.raises(StorageError, match="fsync = off"):
        ask(Database(loose.socket_url("postgres"), name="a worker"), "select 1")


@pytest.mark.real("network, processes")
def test_a_reader_sees_one_snapshot_and_writes_nothing(server: kit.Cluster, database: Database) -> None:
    server_side = Database(server.url("ilot"), name="a reader", purpose=READING)
    with database.transaction() as session:
        session.execute("create schema if not exists ilot")
        session.execute("create table ilot.seen (n int)")
    with server_side.transaction() as session:
        assert session.execute("select count(*) from seen").fetchone() == (0,)
        with database.transaction() as other:
            other.execute("insert into seen values (1)")
        assert session.execute("select count(*) from seen").fetchone() == (0,)
    with pytest.raises(DatabaseAway, match="may not write"), server_side.transaction() as session:
        session.execute("insert into seen values (2)")
    assert ask(server_side, "select count(*) from seen") == 1
    server_side.close()


@pytest.mark.real("network, processes")
def test_a_session_that_was_ended_at_rest_is_replaced_and_one_ended_in_a_transaction_fails_it(
    server: kit.Cluster, database: Database
) -> None:
    ended = ask(database, "select pg_backend_pid()")
    server.run(f"select pg_terminate_backend({ended}, 60000)")
    again = ask(database, "select pg_backend_pid()")
    assert again != ended

    def ended_between() -> None:
        with database.transaction() as session:
            session.execute("create table half (n int)")
            server.run(f"select pg_terminate_backend({again}, 60000)")
            session.execute("select 1")

    with pytest.raises(DatabaseAway, match="terminating connection"):
        ended_between()
    assert ask(database, "select to_regclass('half') is null") is True


@pytest.mark.real("network, processes")
def test_a_worker_that_hangs_in_a_transaction_loses_it_and_the_row_that_it_held(server: kit.Cluster) -> None:
    server.run("create table if not exists held (n int)", "insert into held values (1)")
    hasty = {**WRITING, "search_path": "public", "idle_in_transaction_session_timeout": "2s"}
    hangs = Database(server.url("postgres"), name="hangs", purpose=hasty)
    waits = Database(server.url("postgres"), name="waits", purpose={**WRITING, "search_path": "public"})

    def hang() -> None:
        with hangs.transaction() as session:
            session.execute("update held set n = 2")
            with waits.transaction() as other:  # without the time-out, until the lock's own ends it
                other.execute("update held set n = n + 10")
            session.execute("select 1")

    with pytest.raises(DatabaseAway, match="idle-in-transaction timeout"):
        hang()
    assert server.run("select n from held") == [(11,)]
    assert ask(hangs, "select 1") == 1
    hangs.close()
    waits.close()


@pytest.mark.real("network, processes")
@pytest.mark.parametrize(
    ("state", "kind"),
    [
        ("53100", StorageError), ("42501", StorageError), ("23514", StorageError), ("22003", RowRefused),
        ("23505", RowRefused), ("54000", RowRefused),
        ("40001", TryAgain), ("40P01", TryAgain), ("55P03", TryAgain), ("57014", TryAgain),
        ("57P03", DatabaseAway), ("08006", DatabaseAway), ("25006", DatabaseAway),
    ],
)  # fmt: skip
def test_what_the_server_says_is_told_by_who_must_act(database: Database, state: str, kind: type[StorageError]) -> None:
    with pytest.raises(StorageError) as told, database.transaction() as session:
        session.execute(f"do $$ begin raise exception 'so it is' using errcode = '{state}'; end $$")  # type: ignore[call-overload]
    assert type(told.value) is kind
    assert "PostgreSQL ilot at database.test" in str(told.value)
    assert ask(database, "select 1") == 1


@pytest.mark.real("network, processes")
def test_a_value_that_no_table_takes_is_the_rows_fault(database: Database) -> None:
    with pytest.raises(RowRefused), database.transaction() as session:
        session.execute("select %s::bigint", [2**80])


@pytest.mark.real("network, processes")
@pytest.mark.parametrize("binary", [False, True])
def test_a_text_with_a_nul_is_read_as_it_was_written_and_what_is_no_unicode_is_not_lost(
    database: Database, binary: bool
) -> None:
    with database.transaction() as session:
        asked = session.execute(
            "select %s, %s::text, %s::text[], %s", ["a\0b", "\0", ["\0", "x"], "\ud800"], binary=binary
        )
        assert asked.fetchone() == ("a\0b", "\0", ["\0", "x"], "?")


def test_what_a_server_says_is_one_bounded_line() -> None:
    said = reason_text(psycopg.OperationalError("first\n\x1b[31mred\r\n\n" + "x" * 5000))
    assert said.startswith("first; [31mred; xxx")
    assert len(said) == 600


@pytest.mark.real("clock, network, processes")
def test_a_database_that_is_away_is_asked_once_a_second_and_is_found_when_it_is_back() -> None:
    if not kit.available():
        pytest.skip(kit.MISSING)
    with kit.cluster() as running:
        running.stop()
        moment = 0.0
        worker = Database(running.socket_url("postgres"), name="a worker", clock=lambda: moment)
        with pytest.raises(DatabaseAway, match="does not answer"):
            ask(worker, "select 1")
        running.start()
        with pytest.raises(DatabaseAway, match="does not answer"):
            ask(worker, "select 1")
        moment = AGAIN_S
        assert ask(worker, "select 1") == 1
        worker.close()


@pytest.fixture
def pair() -> Iterator[tuple[kit.Cluster, kit.Cluster]]:
    if not kit.available():
        pytest.skip(kit.MISSING)
    with kit.pair() as running:
        yield running


def both(pair: tuple[kit.Cluster, kit.Cluster]) -> str:
    """A URL with both servers, the standby first."""
    first, second = pair
    url = first.url("postgres").replace(
        f"@{kit.NAME}:{first.port}", f"@{kit.NAME}:{second.port},{kit.NAME}:{first.port}"
    )
    return url.replace("hostaddr=127.0.0.1", "hostaddr=127.0.0.1,127.0.0.1")


@pytest.mark.real("network, processes")
def test_the_server_that_may_write_is_found_and_after_its_death_its_standby_with_all_that_was_stored(
    pair: tuple[kit.Cluster, kit.Cluster],
) -> None:
    first, second = pair
    with pytest.raises(DatabaseAway, match="read-only"):
        ask(Database(second.url("postgres"), name="a worker"), "select 1")
    first.run("create schema ilot", "create table ilot.numbers (n int primary key)")
    worker = Database(both(pair), name="a worker")
    for n in range(20):
        with worker.transaction() as session:
            session.execute("insert into numbers values (%s)", [n])
    first.kill()
    with pytest.raises(DatabaseAway):
        ask(worker, "select 1")
    second.promote()
    again = Database(both(pair), name="a worker")
    assert ask(again, "select array_agg(n order by n) from numbers") == list(range(20))
    again.close()


def ended_wait(first: kit.Cluster, write: Callable[[], object]) -> BaseException | None:
    """What became of `write`, whose wait for the standby the operator ends."""
    failed: list[BaseException] = []

    def run() -> None:
        try:
            write()
        except BaseException as error:
            failed.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    cancel = "select pg_cancel_backend(pid) from pg_stat_activity where wait_event = 'SyncRep'"
    while not first.run(cancel):
        pass
    thread.join()
    return failed[0] if failed else None


@pytest.mark.real("clock, network, processes")
def test_a_transaction_that_its_standby_never_got_is_an_error_though_the_server_calls_it_a_success(
    pair: tuple[kit.Cluster, kit.Cluster],
) -> None:
    first, second = pair
    first.run("create schema ilot", "create table ilot.numbers (n int primary key)")
    worker, plain = Database(first.url("postgres"), name="a worker"), first.admin()
    assert ask(worker, "select 1") == 1
    second.stop()

    def write() -> None:
        with worker.transaction() as session:
            session.execute("insert into numbers values (1)")

    told = ended_wait(first, write)
    assert isinstance(told, StandbyAway)
    assert "without its standby" in str(told)
    assert ended_wait(first, lambda: plain.execute("insert into ilot.numbers values (2)")) is None
    assert plain.execute("select count(*) from ilot.numbers").fetchone() == (2,)
    plain.close()
    worker.close()


_TEXTS = st.text(st.one_of(st.characters(), st.sampled_from('\0\ud800\\u0"\u2028é')), max_size=8)


@given(st.lists(st.tuples(_TEXTS, st.integers(-(2**31), 2**31 - 1), _TEXTS), max_size=5))
def test_rows_as_one_value_come_back_as_they_would_one_by_one(rows: list[tuple[str, int, str]]) -> None:
    def told(text: str) -> str:
        return stored(text).replace(NUL, "\0")

    sent = as_json(rows)
    assert "\0" not in sent
    assert "\\u0000" not in sent.replace("\\\\", "")
    sent.encode()
    assert rows_of(sent.encode(), list[tuple[str, int, str]]) == [
        (told(first), number, told(last)) for first, number, last in rows
    ]
