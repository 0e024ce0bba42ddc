"""The whole way: buffer, link, egress and the HTTPS uplink of one hub, against the reference backend over TLS.

What arrived is counted in the backend's database, not by the hub.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, closing
from pathlib import Path
from typing import Any

import apsw
import msgspec
import pytest

from backend import owner as owners
from backend.registry import Registry
from backend.schema import open_database
from backend.server import Running, serving
from hub import enrolment, keys
from hub.backoff import Backoff
from hub.buffer import Buffer
from hub.buffer.batch import BufferConfig
from hub.buffer.rows import ALERTS, READINGS, Column, Row, Shape, Subject
from hub.clock import SystemClock
from hub.egress import Egress
from hub.link import AWAY, REFUSED, UP, Carrier, Link
from plugins.https import Https, run

SHAPE = Shape((Column("temperature", "Cel", "0.01"), Column("humidity", "%", "0.1")))
ROOM = Subject("ble:1", "room-1", "school", "ground floor")


class Building:
    """An owner's directory and one hub enrolled there; both can be stopped and started."""

    def __init__(self, directory: Path) -> None:
        self.directory, self.state = directory / "owner", directory / "hub"
        self.port = 0
        self.written = 0

    def backend(self) -> Any:
        return serving(self.directory, port=self.port)

    async def enrol(self, running: Running) -> None:
        self.port = running.port
        with closing(open_database(running.owner.database)) as connection:
            token = Registry(connection).issue(
                url=running.url, root=running.owner.settings.root, name="t", now=time.time(), lifetime=60.0
            )
        await enrolment.enrol(str(token), self.state)

    @asynccontextmanager
    async def hub(self, change: Callable[[Any], Any] = lambda trust: trust) -> AsyncIterator[tuple[Buffer, Link]]:
        enrolled, trust = enrolment.load(self.state)
        trust = change(trust)
        owned, clock = keys.load(self.state / "keys"), SystemClock()
        config = BufferConfig(window_s=0.05, urgent_s=0.01, idle_s=0.05)
        buffer = await asyncio.to_thread(
            Buffer.open, self.state / "buffer", hub=enrolled.hub, identity=owned.identity, store_key=owned.store_key,
            trust=trust, clock=clock, config=config,
        )  # fmt: skip
        link = Link(
            hub=enrolled.hub, identity=owned.identity, trust=trust, buffer=buffer, clock=clock,
            egress=Egress(trust, clock, certificate=self.state / enrolment.CERTIFICATE, key=owned.tls_key),
            uplinks=[Carrier("https", Https.model_validate({"url": enrolled.url}), run)],
            backoff=lambda: Backoff(0.02, 0.1), slow=lambda: Backoff(0.05, 0.1),
        )  # fmt: skip
        buffer.on_durable = link.durable
        buffer.start(asyncio.get_running_loop())
        task = asyncio.create_task(link.run())
        try:
            yield buffer, link
        finally:
            task.cancel()
            await asyncio.wait([task])
            await buffer.close()

    async def write(self, buffer: Buffer, reports: int, stream: str = READINGS) -> None:
        for _ in range(reports):
            self.written += 1
            now = time.time_ns() // 1_000_000
            buffer.append(Row(ROOM, SHAPE, now, True, (self.written / 100, 50.0), trust=1), stream)
        await buffer.flush()

    def arrived(self) -> list[float]:
        """The distinct temperatures in the backend's database, and that none is there twice."""
        with closing(apsw.Connection(str(self.directory / "backend.db"))) as database:
            rows = database.execute(
                "select r.value from readings r join series s on s.id = r.series where s.metric = 'temperature'"
            ).fetchall()
        values = sorted(value for (value,) in rows)
        assert len(values) == len(set(values)), "a reading is there twice"
        return values


async def until(true: Callable[[], bool], seconds: float = 20.0) -> None:
    """Both ends run on real sockets and threads here: look again until it is so."""
    async with asyncio.timeout(seconds):
        while not true():
            await asyncio.sleep(0.01)


def done(link: Link) -> bool:
    status = link.status()
    return not sum(status.waiting.values())


@pytest.fixture
def building(tmp_path: Path) -> Building:
    owners.init(tmp_path / "owner", owner="Ville")
    return Building(tmp_path)


async def test_every_report_is_a_row_of_the_backend_and_every_record_is_acked(building: Building) -> None:
    async with building.backend() as running:
        await building.enrol(running)
        async with building.hub() as (buffer, link):
            await building.write(buffer, 3000)
            await building.write(buffer, 2, ALERTS)
            await until(lambda: done(link))
            status = link.status()
            assert await link.drain(5.0)
            await until(lambda: buffer.status().records == 0)
        assert building.arrived() == [n / 100 for n in range(1, 3003)]
    assert status.acked == 2 * 3002
    assert status.uplinks[0].state == UP
    assert status.refused == {}


async def test_a_backend_that_goes_and_returns_costs_two_lines_of_log_and_no_reading(
    building: Building, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "hub.uplink")
    async with building.backend() as running:
        await building.enrol(running)
    async with building.hub() as (buffer, link):
        await until(lambda: link.status().uplinks[0].failures > 3)
        await building.write(buffer, 500)
        assert link.status().uplinks[0].state == AWAY
        for _ in range(2):
            async with building.backend():
                await building.write(buffer, 100)
                await until(lambda: done(link))
            await building.write(buffer, 50)
            await until(lambda: link.status().uplinks[0].state == AWAY)
        async with building.backend():
            await until(lambda: done(link))
            assert len(building.arrived()) == building.written
    said = [record.message.split()[0] for record in caplog.records]
    assert said == ["away:", "back"] * 3


async def test_what_earlier_processes_left_leaves_with_the_next(building: Building) -> None:
    async with building.backend() as running:
        await building.enrol(running)
    for _ in range(3):
        async with building.hub() as (buffer, _):
            await building.write(buffer, 40)
    async with building.backend(), building.hub() as (_, link):
        await until(lambda: done(link))
        assert len(building.arrived()) == building.written == 120


async def test_a_backend_whose_ca_the_owner_did_not_sign_gets_nothing(building: Building, tmp_path: Path) -> None:
    stranger = owners.init(tmp_path / "stranger", owner="Else")

    def other_ca(trust: Any) -> Any:
        named = tuple(msgspec.structs.replace(entry, ca_pem=stranger.trust.egress[0].ca_pem) for entry in trust.egress)
        return msgspec.structs.replace(trust, egress=named)

    async with building.backend() as running:
        await building.enrol(running)
        async with building.hub(other_ca) as (buffer, link):
            await building.write(buffer, 10)
            await until(lambda: link.status().uplinks[0].failures > 2)
            assert "does not accept" in link.status().error
            assert building.arrived() == []
        async with building.hub() as (_, link):
            await until(lambda: done(link))
        assert len(building.arrived()) == 10


async def test_a_revoked_hub_is_refused_loses_nothing_and_comes_back_by_itself(building: Building) -> None:
    async with building.backend() as running:
        await building.enrol(running)
        async with building.hub() as (buffer, link):
            await until(lambda: link.status().uplinks[0].state == UP)
            await running.worker.call(lambda ingest: ingest.registry.revoke(link.hub, time.time()))
            await building.write(buffer, 10)
            await until(lambda: link.status().uplinks[0].failures > 2)
            assert link.status().uplinks[0].state == REFUSED
            assert "revoked" in link.status().error
            assert building.arrived() == []
            with closing(apsw.Connection(str(running.owner.database))) as database:
                database.execute("update hubs set revoked_at = null")
            await until(lambda: done(link))
        assert len(building.arrived()) == 10


async def test_a_host_that_trust_does_not_name_is_never_called(building: Building) -> None:
    async with building.backend() as running:
        await building.enrol(running)
        async with building.hub(lambda trust: msgspec.structs.replace(trust, egress=())) as (buffer, link):
            await building.write(buffer, 10)
            await until(lambda: link.status().uplinks[0].failures > 1)
            assert "is not declared" in link.status().error
        assert building.arrived() == []
