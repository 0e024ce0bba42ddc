"""The backend loses what it had: an older copy of its database is put back, or lines of it are gone. What hubs still
keep arrives again, by the true link and once in effect; what they no longer keep stays a hole, and an alarm."""

from __future__ import annotations

import shutil
import time
from contextlib import closing
from pathlib import Path
from typing import Any

import apsw
import msgspec
import pytest

from backend.ingest import missing_records, resend_requests, worker
from backend.owner import directory as owners
from backend.storage.opening import open_storage
from hub.core.errors import ConfigError
from hub.protocol.records.rows import ALERTS
from hub.store_and_forward.buffer import Buffer
from hub.store_and_forward.link import Link

from .building import Building, done, until

pytestmark = pytest.mark.real("network")


@pytest.fixture(autouse=True)
def _soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """A minute is a third of a second here."""
    monkeypatch.setattr(missing_records, "ASK_AFTER_S", 0.3)
    monkeypatch.setattr(missing_records, "ALARM_AFTER_S", 1.0)
    monkeypatch.setattr(worker, "HOLES_EVERY_S", 0.1)
    monkeypatch.setattr("hub.store_and_forward.link.core.STATE_S", 0.2)


@pytest.fixture
def asked_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """A hub heeds what the answer to its last state asks for, and on a busy machine an answer may come after the next
    state has left: the backend then asks once more, and here not a minute and a half later."""
    monkeypatch.setattr(missing_records, "ASK_FIRST_S", 0.5)
    monkeypatch.setattr("hub.store_and_forward.link.core.STATE_S", 0.5)
    monkeypatch.setattr("hub.store_and_forward.delivery.core.WANT_S", 0.1)


@pytest.fixture
def building(tmp_path: Path) -> Building:
    owners.init(tmp_path / "owner", owner="Ville")
    return Building(tmp_path)


async def life(building: Building, reports: int) -> None:
    """One life of the hub beside a running backend: two streams, everything acked."""
    async with building.hub() as (buffer, link):
        for _ in range(4):
            await building.write(buffer, reports // 4)
        await building.write(buffer, 2, ALERTS)
        await until(lambda: done(link))


async def put_back(building: Building, reports: int, *, with_incarnation: bool) -> None:
    """Two lives, a copy of the database, two more lives; then the copy takes the place of what came after it."""
    database, copy = building.directory / "backend.db", building.directory / "copy.db"
    async with building.backend() as running:
        await building.enrol(running)
        for _ in range(2):
            await life(building, reports)
        await until(lambda: len(building.arrived()) == building.written)
    shutil.copy(database, copy)
    async with building.backend():
        for _ in range(2):
            await life(building, reports)
        await until(lambda: len(building.arrived()) == building.written)
    for file in building.directory.glob("backend.db*"):
        file.unlink()
    copy.rename(database)
    if not with_incarnation:
        (building.directory / "incarnation").unlink()
    assert len(building.arrived()) == building.written // 2


def database_id(building: Building) -> bytes:
    with closing(apsw.Connection(str(building.directory / "backend.db"))) as db:
        return bytes(db.execute("select value from meta where key = 'db'").get)


async def complete(building: Building, link: Link) -> None:
    await until(lambda: len(building.arrived()) == building.written and done(link))


@pytest.mark.usefixtures("asked_again")
async def test_what_came_after_an_older_copy_of_the_database_arrives_again_and_once(building: Building) -> None:
    await put_back(building, 40, with_incarnation=False)
    before = database_id(building)
    async with building.backend() as running, building.hub() as (buffer, link):
        await building.write(buffer, 10)
        await complete(building, link)
        status = link.status()
        await until(lambda: not open_alarms(building))
        stats = await running.worker.call(lambda ingest: ingest.counts.forks)
    assert database_id(building) == before
    assert status.wanted > 0
    assert set(status.refused) <= {"want-old", "want-often"}, "each is asked for once more"
    assert stats == 0
    assert building.arrived() == [n / 100 for n in range(1, building.written + 1)]


async def test_a_database_that_knows_it_was_put_back_takes_a_new_name_and_is_sent_everything(
    building: Building,
) -> None:
    await put_back(building, 40, with_incarnation=True)
    before = database_id(building)
    async with building.backend(), building.hub() as (buffer, link):
        await building.write(buffer, 10)
        await complete(building, link)
        assert link.delivery.acceptance.db == database_id(building) != before
    assert building.arrived() == [n / 100 for n in range(1, building.written + 1)]


async def test_what_is_past_keeping_stays_a_hole_with_an_alarm_and_is_not_sought_in_a_circle(
    building: Building,
) -> None:
    building.config = msgspec.structs.replace(building.config, keep_s=0.0, segment_bytes=4096)
    await put_back(building, 40, with_incarnation=False)
    async with building.backend(), building.hub() as (buffer, link):
        await building.write(buffer, 40)
        await until(lambda: done(link))
        await until(lambda: "hole" in open_alarms(building))
        reads: list[Any] = []
        count(buffer, reads)
        await building.write(buffer, 1)
        await until(lambda: done(link))
        await until(
            lambda: {n / 100 for n in range(building.written - 40, building.written + 1)} <= set(building.arrived())
        )
    assert len(building.arrived()) < building.written
    assert len(reads) < 5


@pytest.mark.usefixtures("asked_again")
async def test_an_operator_has_lines_that_a_damaged_database_lost_sent_again(building: Building) -> None:
    async with building.backend() as running:
        await building.enrol(running)
        async with building.hub() as (buffer, link):
            for _ in range(4):
                await building.write(buffer, 10)
            await until(lambda: done(link) and len(building.arrived()) == 40)
            with closing(apsw.Connection(str(building.directory / "backend.db"))) as db:
                db.set_busy_timeout(60_000)
                db.execute("delete from bodies where record in (select id from records where seq in (2, 3))")
                db.execute("delete from records where seq in (2, 3)")
                assert len(building.arrived()) < 40
            with closing(open_storage(building.directory / "backend.db")) as storage:
                told = resend_requests.request(storage, link.hub, time.time())
            assert [(one["stream"], one["missing"]) for one in told] == [("readings", 2)]
            await complete(building, link)
            assert link.status().wanted == 2


def test_a_hub_that_nobody_knows_cannot_be_asked(building: Building) -> None:
    with closing(open_storage(building.directory / "backend.db")) as db, pytest.raises(ConfigError, match="no hub"):
        resend_requests.request(db, "hub-x", 0.0)


def open_alarms(building: Building) -> list[str]:
    with closing(apsw.Connection(str(building.directory / "backend.db"))) as db:
        return [str(kind) for (kind,) in db.execute("select kind from alarms where cleared_at is null")]


def count(buffer: Buffer, reads: list[Any]) -> None:
    real = buffer.read

    def read(*arguments: Any) -> Any:
        reads.append(arguments)
        return real(*arguments)

    buffer.read = read  # type: ignore[method-assign]
