"""The whole way: buffer, link, egress and MQTT uplink of a hub, a real mosquitto, the reference backend.

What arrived is counted in the backend's database, not by the hub.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path

import pytest

from backend.owner.key_rotation import rotate
from backend.processes import owner_reload as following
from hub.protocol.records.rows import ALERTS
from hub.store_and_forward.link import AWAY, REFUSED, UP

from .kit import District, done, until

pytestmark = pytest.mark.real("clock, network, processes")


@pytest.fixture
async def district(tmp_path: Path) -> AsyncIterator[District]:
    made = District(tmp_path)
    await made.broker.start()
    yield made
    made.broker.stop()


async def test_every_report_is_a_row_of_the_backend_and_every_record_is_acked(district: District) -> None:
    async with district.backend() as running:
        await district.enrol(running)
        async with district.hub() as (buffer, link):
            await district.write(buffer, 3000)
            await district.write(buffer, 2, ALERTS)
            await until(lambda: done(link))
            assert await link.drain(5.0)
            status = link.status()
            await until(lambda: buffer.status().records == 0)
    assert district.arrived() == district.everything()
    assert status.acked == 2 * 3000  # rows of alerts are no readings
    assert status.uplinks[0].state == UP
    assert status.refused == {}


async def test_a_new_trust_document_comes_by_way_of_the_broker(
    district: District, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(following, "LOOK_S", 0.05)
    monkeypatch.setattr("hub.store_and_forward.link.core.STATE_S", 0.2)
    async with district.backend() as running:
        await district.enrol(running)
        async with district.hub() as (buffer, link):
            await district.write(buffer, 10)
            await until(lambda: done(link))
            assert district.offered == []
            newer = await asyncio.to_thread(rotate, district.owner)
            await until(lambda: district.offered == [newer.trust_document])
            link.update_trust(newer.trust)
            await district.write(buffer, 10)
            await until(lambda: done(link))
            assert link.status().refused == {}
    assert district.arrived() == district.everything()


async def test_broker_and_backend_may_restart_and_every_reading_arrives_once(
    district: District, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    async with district.backend() as running:
        await district.enrol(running)
    async with district.hub(timeout=3) as (buffer, link):

        async def writing() -> None:
            while True:
                await district.write(buffer, 20)
                await asyncio.sleep(0.02)

        writer = asyncio.create_task(writing())
        for _ in range(2):
            async with district.backend():
                before = district.written
                await until(lambda before=before: len(district.arrived()) > before)
                district.broker.stop()
                await until(lambda: link.status().uplinks[0].state == AWAY)
                await district.broker.start()
                before = district.written
                await until(lambda before=before: len(district.arrived()) > before)
            await until(lambda: link.status().uplinks[0].state == AWAY)
        writer.cancel()
        with suppress(asyncio.CancelledError):
            await writer
        async with district.backend():
            await until(lambda: done(link))
            assert district.arrived() == district.everything()
    assert district.written > 200
    said = [record.message.split()[0] for record in caplog.records if record.name == "hub.uplink.mqtt"]
    assert said == ["away;", "back"] * (len(said) // 2)
    told = [record.message for record in caplog.records if record.name == "backend.ingest.broker_listener"]
    assert [line.split("is ")[1][:4] for line in told if line.startswith("broker")] == ["away", "back"] * 2


async def test_a_broker_that_takes_five_messages_at_a_time_gets_no_more(tmp_path: Path) -> None:
    district = District(tmp_path, "max_inflight_messages 5")
    await district.broker.start()
    try:
        async with district.backend() as running:
            await district.enrol(running)
            async with district.hub(window=64) as (buffer, link):
                for _ in range(30):
                    await district.write(buffer, 100)
                    await district.write(buffer, 1, ALERTS)
                await until(lambda: done(link))
                assert link.status().uplinks[0].failures == 0
        assert district.arrived() == district.everything()
    finally:
        district.broker.stop()


async def test_it_comes_through_a_websocket_as_well(tmp_path: Path) -> None:
    district = District(tmp_path, websocket=True)
    await district.broker.start()
    try:
        async with district.backend() as running:
            await district.enrol(running)
            url = f"wss://127.0.0.1:{district.broker.websocket}/mqtt"
            async with district.hub(url=url) as (buffer, link):
                await district.write(buffer, 2000)
                await until(lambda: done(link))
        assert district.arrived() == district.everything()
    finally:
        district.broker.stop()


async def test_https_and_mqtt_share_one_ack_set_and_take_over_from_each_other(district: District) -> None:
    async with district.backend() as running:
        await district.enrol(running)
    async with district.hub(("https", "mqtt"), timeout=3) as (buffer, link):

        def states() -> list[str]:
            return [uplink.state for uplink in link.status().uplinks]

        async with district.backend():
            await district.write(buffer, 500)
            await until(lambda: states() == [UP, UP])
            district.broker.stop()
            await until(lambda: states() == [UP, AWAY])
            await district.write(buffer, 500)
            await until(lambda: done(link))
            assert district.arrived() == district.everything()
            await district.broker.start()
            await until(lambda: states() == [UP, UP])
        district.port = 0  # HTTPS on another port now, which this hub's trust document does not name
        async with district.backend():
            await district.write(buffer, 500)
            await until(lambda: done(link))
            assert district.arrived() == district.everything()
        status = link.status()
    assert status.acked == 2 * district.written
    assert status.rejected == 0
    assert set(status.refused) <= {"stale"}  # the other way had brought a newer one


async def test_a_hub_neither_writes_nor_hears_on_the_topics_of_another(district: District) -> None:
    async with district.backend() as running:
        first, second = await district.enrol(running, "one"), await district.enrol(running, "two")
        async with district.client(first) as intruder:  # a program with hub one's certificate
            granted = await intruder.subscribe([(f"ilot/v1/{second}/ack", 1), ("ilot/v1/+/up/+", 1)])
            heard = await intruder.subscribe(f"ilot/v1/{first}/ack", qos=1)
            for topic in (f"ilot/v1/{second}/up/readings", f"ilot/v1/{second}/state", f"ilot/v1/{first}/ack"):
                await intruder.publish(topic, bytes(100), qos=1)
            await intruder.publish(f"ilot/v1/{first}/up/readings", b"i" * 16 + b"no message", qos=1)
            answer = await asyncio.wait_for(anext(aiter(intruder.messages)), 60)
        async with district.hub(name="one") as (buffer, link):
            await district.write(buffer, 10)
            await until(lambda: done(link))
        async with district.client(second, identifier=first) as thief, district.hub(name="one") as (buffer, link):
            await thief.subscribe(f"ilot/v1/{first}/ack")  # hub two, under the client id of hub one
            await district.write(buffer, 10)
            await until(lambda: done(link))
            assert link.status().uplinks[0].failures == 0
            assert len(thief.messages) == 0
        counts = await running.worker.call(lambda ingest: ingest.counts)
    assert [code.is_failure for code in granted] == [False, False]  # mosquitto filters when it delivers
    assert not heard[0].is_failure
    assert bytes(answer.payload)[:17] == b"i" * 16 + b"\2"
    assert len(intruder.messages) == 0
    assert counts.refused == 0
    assert district.arrived() == district.everything()


async def test_a_revoked_hub_is_refused_loses_nothing_and_comes_back_by_itself(district: District) -> None:
    async with district.backend() as running:
        await district.enrol(running)
        async with district.hub() as (buffer, link):
            await until(lambda: link.status().uplinks[0].state == UP)
            await running.worker.call(lambda ingest: ingest.registry.revoke(link.hub, 1.0))
            await district.write(buffer, 10)
            await until(lambda: link.status().uplinks[0].failures > 2)
            assert link.status().uplinks[0].state == REFUSED
            assert "revoked" in link.status().error
            assert district.arrived() == []
            await running.worker.call(lambda ingest: ingest.registry.readmit(link.hub))
            await until(lambda: done(link))
    assert district.arrived() == district.everything()


async def test_where_no_backend_listens_a_try_costs_one_state_and_no_readings(district: District) -> None:
    async with district.backend() as running:
        name = await district.enrol(running)
    district.broker.stop()
    district.broker.allow("user onlooker", "topic read #")
    await district.broker.start()
    async with district.client("onlooker") as onlooker:
        await onlooker.subscribe("ilot/#", qos=1)
        async with district.hub(timeout=1) as (buffer, link):
            await district.write(buffer, 500)
            says = "no backend answers by way of mqtts://127.0.0.1"
            await until(lambda: link.status().uplinks[0].failures > 3 and says in link.status().error)
            await until(lambda: link.status().uplinks[0].state == AWAY)
            topics = set()
            while len(onlooker.messages):
                topics.add(str((await anext(aiter(onlooker.messages))).topic))
            assert topics == {f"ilot/v1/{name}/state"}
    async with district.hub() as (_, link):
        says = "no backend listens at mqtts://127.0.0.1"
        await until(lambda: link.status().uplinks[0].failures > 1 and says in link.status().error)
        async with district.backend():
            await until(lambda: done(link))
    assert district.arrived() == district.everything()


def test_the_broker_is_in_trust_and_stays_there_whatever_port_is_served(tmp_path: Path) -> None:
    from backend.owner import directory as owners

    district = District(tmp_path, websocket=True)
    known = {("127.0.0.1", district.broker.port), ("127.0.0.1", district.broker.websocket)}
    owner = owners.serve_at(owners.load(district.owner), 4433)
    assert {(entry.host, entry.port) for entry in owner.trust.egress} == known | {
        (name, 4433) for name in owner.settings.names
    }
    version = owner.trust.version
    assert owners.serve_at(owner, 4433).trust.version == version
    (district.owner / "root").rename(tmp_path / "root")
    assert owners.with_broker(owners.load(district.owner), "127.0.0.1", district.broker.port).trust.version == version
    with pytest.raises(Exception, match="only the owner adds a broker: bring the owner root back"):
        owners.with_broker(owners.load(district.owner), "mqtt.example.org", 8883)
