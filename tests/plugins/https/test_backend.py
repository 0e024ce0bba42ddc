"""The whole way: buffer, link, egress and the HTTPS uplink of one hub, against the reference backend over TLS.

What arrived is counted in the backend's database, not by the hub.
"""

from __future__ import annotations

import logging
import time
from contextlib import closing
from pathlib import Path
from typing import Any

import apsw
import msgspec
import pytest

from backend.owner import directory as owners
from hub.protocol.records.rows import ALERTS
from hub.store_and_forward.link import AWAY, REFUSED, UP

from .building import Building, done, until

pytestmark = pytest.mark.real("network")


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
    assert status.acked == 2 * 3000  # rows of alerts are no readings
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
    assert said == ["away;", "back"] * 3


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
            assert "a certificate that is refused: its root CA is not trusted" in link.status().error
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
