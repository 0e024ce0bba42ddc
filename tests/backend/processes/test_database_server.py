"""The operator is told how the database's server is: by the doctor, and by metrics."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

import postgres_kit as kit
import pytest
from worker_kit import Worker

from backend.ingest.core import RECORDS, Message
from backend.maintenance.doctor import database_server
from backend.maintenance.doctor.examination import examine
from backend.maintenance.doctor.findings import DATABASE, NOTE, OK, STANDBY, WRITE_AHEAD_LOG, WRONG, Finding
from backend.owner import directory as owners
from backend.processes.compactor_metrics import _of_server
from backend.storage.engine import StandbyAway
from backend.storage.opening import begin_again
from backend.storage.postgresql import connection
from backend.storage.postgresql.migrations import migrate, opened
from hub.core.errors import StorageError
from tests.journeys.patience import PATIENCE_S

from ..backend_kit import NOW, row

pytestmark = pytest.mark.real("clock, network, processes")

T = TypeVar("T")


@pytest.fixture(scope="module")
def pair() -> Iterator[tuple[kit.Cluster, kit.Cluster, str]]:
    """A primary with its synchronous standby and the backend's tables."""
    if not kit.available():
        pytest.skip(kit.MISSING)
    with kit.pair(archive_mode="on") as (first, second):
        first.run("alter system set archive_command = 'true'", "select pg_reload_conf()")
        url = first.url(first.create("town"))
        database = opened(url, "migrate")
        migrate(database)
        database.close()
        yield first, second, url


def states(url: str) -> dict[str, str]:
    return {one.what: one.state for one in database_server.look(url)}


def values(url: str) -> dict[str, float]:
    return {one.name.removeprefix("ilot_backend_database_"): one.samples[0][1] for one in _of_server(url)}


def until(found: object, ask: object) -> None:
    end = time.monotonic() + PATIENCE_S
    while ask() != found:  # type: ignore[operator]
        assert time.monotonic() < end, ask()  # type: ignore[operator]
        time.sleep(0.1)


def cancelled(first: kit.Cluster, take: Callable[[], T]) -> T:
    """Do something whose wait for the standby somebody ends, once."""
    with ThreadPoolExecutor(1) as beside:
        doing = beside.submit(take)
        while not first.run("select pg_cancel_backend(pid) from pg_stat_activity where wait_event = 'SyncRep'"):
            assert not doing.done(), doing.result()
            time.sleep(0.05)
        return doing.result(PATIENCE_S)


def test_a_server_that_is_right_is_said_to_be(pair: tuple[kit.Cluster, kit.Cluster, str]) -> None:
    _, _, url = pair
    until({DATABASE: OK, STANDBY: OK, WRITE_AHEAD_LOG: OK}, lambda: states(url))
    until({"writable": 1.0, "standbys": 1.0, "log_unarchived_seconds": 0.0}, lambda: values(url))


def test_a_server_that_is_set_to_read_only_or_away_is_said_with_a_remedy(
    pair: tuple[kit.Cluster, kit.Cluster, str],
) -> None:
    first, _, url = pair
    first.run("alter system set default_transaction_read_only = on", "select pg_reload_conf()")
    try:
        until(WRONG, lambda: states(url)[DATABASE])
        assert values(url)["writable"] == 0.0
        (told,) = (one for one in database_server.look(url) if one.what == DATABASE)
        assert told.remedy
    finally:
        first.run("set default_transaction_read_only = off", "alter system reset default_transaction_read_only")
        first.run("select pg_reload_conf()")
    until(OK, lambda: states(url)[DATABASE])
    nobody = url.replace(f":{first.port}", f":{kit.free_port()}")
    assert [(one.what, one.state) for one in database_server.look(nobody)] == [(DATABASE, WRONG)]
    assert values(nobody) == {"writable": 0.0}


def test_an_archive_that_refuses_is_said_and_for_how_long(pair: tuple[kit.Cluster, kit.Cluster, str]) -> None:
    first, _, url = pair
    first.run("alter system set archive_command = 'false'", "select pg_reload_conf()")
    try:
        first.run("create table if not exists moved (n int)", "insert into moved values (1)", "select pg_switch_wal()")
        until(NOTE, lambda: states(url)[WRITE_AHEAD_LOG])
        assert values(url)["log_unarchived_seconds"] > 0
        state = database_server._log(database_server.server_health(url)._replace(unarchived_s=601.0))
        assert [one.state for one in state] == [WRONG]
    finally:
        first.run("alter system set archive_command = 'true'", "select pg_reload_conf()")
    until(OK, lambda: states(url)[WRITE_AHEAD_LOG])


def test_nothing_is_acknowledged_without_the_standby_and_a_batch_waits_for_it_once(
    pair: tuple[kit.Cluster, kit.Cluster, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second, url = pair
    worker = Worker(owners.init(tmp_path / "owner", owner="Ville"), url)
    hubs = [worker.enrol() for _ in range(3)]
    segments = [hub.segment() for hub in hubs]
    messages = [
        Message(hub.hub, RECORDS, segment.message([segment.block([row(NOW + n)])]))
        for n, (hub, segment) in enumerate(zip(hubs, segments, strict=True))
    ]
    waited = []
    real = connection.Database._notice

    def notice(self: connection.Database, told: object) -> None:
        real(self, told)  # type: ignore[arg-type]
        waited.append(self._not_replicated)

    monkeypatch.setattr(connection.Database, "_notice", notice)
    worker.storage.database.close()  # the next session has this handler
    second.stop()
    replies = cancelled(first, lambda: worker.take(*messages))
    assert [type(one) for one in replies] == [StandbyAway] * 3
    assert waited == [True]
    until(WRONG, lambda: states(url)[STANDBY])  # who sent to it ends a moment later
    assert values(url)["standbys"] == 0.0
    assert worker.ingest.counts.failed == 3
    second.start()
    until(OK, lambda: states(url)[STANDBY])
    assert all(isinstance(one, bytes) and worker.acks(one) for one in worker.take(*messages))
    assert worker.ingest.counts.duplicates == 3  # the primary had them all the while
    worker.close()


def test_the_doctor_of_a_directory_looks_at_the_server_and_at_no_file_of_a_database(
    pair: tuple[kit.Cluster, kit.Cluster, str], tmp_path: Path
) -> None:
    _, _, url = pair
    owners.init(tmp_path / "owner", owner="Ville")
    found: dict[str, Finding] = {}
    for one in examine(tmp_path / "owner", time.time(), url):
        found.setdefault(one.what, one)
    assert found[DATABASE].state == OK
    assert STANDBY in found
    assert "copy" not in found
    assert found["hubs"].state == OK


def test_a_database_put_back_begins_again_under_another_identity_and_with_no_worker_beside(
    pair: tuple[kit.Cluster, kit.Cluster, str], tmp_path: Path
) -> None:
    _, _, url = pair
    owner = owners.init(tmp_path / "owner", owner="Ville")
    worker = Worker(owner, url)
    hub = worker.enrol()
    worker.ingest.registry.issue(url="https://h:1", root=owner.settings.root, name="t", now=time.time(), lifetime=60)
    segment = hub.segment()
    message = segment.message([segment.block([row(NOW)])])
    (before,) = worker.acks(worker.post(hub, message))
    with pytest.raises(StorageError, match="other sessions"):
        begin_again(url)
    worker.close()
    until(1, lambda: begin_again_when_alone(url))
    again = Worker(owner, url)
    (after,) = again.acks(again.post(hub, message))
    assert before.db != after.db
    assert before.n < after.n
    again.close()


def begin_again_when_alone(url: str) -> int:
    """The sessions of who has gone end a moment later."""
    try:
        return begin_again(url)
    except StorageError:
        return -1
