"""Against open62541, which knows nothing of asyncua: what it serves is what is reported."""

from __future__ import annotations

import asyncio
import logging
import time
from typing import Any

import pytest

import hub
from integrations.opcua import probe, run
from tests.integrations.opcua.conftest import Session, ended, free_port, plain

pytestmark = pytest.mark.real("network, processes")

NODES: dict[str, dict[str, Any]] = {
    "/Boiler/FlowTemperature": {"metric": "flow_temperature"},
    "/Boiler/ReturnTemperature": {"metric": "return_temperature"},
    "ns=1;s=Pressure": {"metric": "water_pressure"},
    "/Boiler/Power": {"metric": "power"},
    "/Boiler/Energy": {"metric": "energy"},
    "/Boiler/Running": {"metric": "running"},
    "/Boiler/Mode": {
        "metric": "mode", "unit": "1", "privacy": "technical", "kind": "text", "values": {"1": "comfort", "2": "eco"},
    },
    "/1:Boiler/1:Levels": {"metric": "fill_level", "element": 1},
    "/Boiler/Odd": {"metric": "distance", "scale": 201168},
}  # fmt: skip
READINGS = {
    "flow_temperature": 63.5, "return_temperature": 50.0, "water_pressure": 1.5, "power": 12500.0, "energy": 1234.567,
    "running": True, "mode": "eco", "fill_level": 20.5, "distance": 603504.0,
}  # fmt: skip


async def _all(session: Any) -> None:
    await session.until(lambda: session.values().keys() >= READINGS.keys())


async def test_what_open62541_serves_is_reported_in_the_units_of_the_catalogue(
    session: Any, start: Any, serve: Any
) -> None:
    peer = await serve()
    session.put("opcua:boiler", NODES)
    start(run(plain(peer), session))
    await _all(session)
    assert session.values() == READINGS
    assert session.drops == []
    assert {report.quality for report in session.reports} == {hub.Quality.GOOD}
    assert {report.proof for report in session.reports} == {hub.Proof(scheme="opcua")}
    assert session.declared[0][0] == "opcua:boiler"
    assert session.declared[0][1].startswith("open62541")
    assert [metric.key for metric in session.declared[0][3]] == ["mode"]
    assert await peer.sessions() == 1
    assert await peer.items() == len(NODES)


async def test_a_change_comes_with_the_date_of_its_source(session: Any, start: Any, serve: Any) -> None:
    peer = await serve()
    session.put("opcua:boiler", NODES)
    start(run(plain(peer), session))
    await _all(session)
    before = time.time()
    await peer.set("FlowTemperature", 71.25, seconds=-300)
    report = await session.reported("flow_temperature", 71.25)
    assert before - 301 <= report.time <= time.time() - 299
    assert report.values == {"flow_temperature": 71.25}


async def test_an_old_date_of_a_value_that_was_only_read_is_not_taken_for_now(
    session: Any, start: Any, serve: Any
) -> None:
    peer = await serve()
    await peer.set("FlowTemperature", 44.0, seconds=-3600)
    session.put("opcua:boiler", NODES)
    start(run(plain(peer), session))
    assert (await session.reported("flow_temperature", 44.0)).time is None


async def test_status_codes_are_qualities_and_told_once_when_they_go_and_once_when_they_return(
    session: Any, start: Any, serve: Any, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    peer = await serve()
    session.put("opcua:boiler", NODES)
    start(run(plain(peer), session))
    await _all(session)
    await peer.set("FlowTemperature", 64.0, 0x40920000)  # UncertainSensorNotAccurate
    report = await session.reported("flow_temperature", 64.0)
    assert report.quality is hub.Quality.UNCERTAIN
    for bad in (65.0, 65.5):
        await peer.set("FlowTemperature", bad, 0x808C0000)  # BadSensorFailure
        report = await session.reported("flow_temperature", bad)
        assert report.quality is hub.Quality.BAD
    assert session.drops == [("opcua:boiler", "opcua-sensor")] * 2
    await peer.set("FlowTemperature", 66.0)
    assert (await session.reported("flow_temperature", 66.0)).quality is hub.Quality.GOOD
    said = [record.message for record in caplog.records if "opcua:boiler" in record.message]
    assert len(said) == 2
    assert "flow_temperature" in said[0]
    assert "sensor failed" in said[0]
    assert "again" in said[1]


async def test_a_bad_status_without_a_value_repeats_the_last_one_as_bad(session: Any, start: Any, serve: Any) -> None:
    peer = await serve()
    session.put("opcua:boiler", NODES)
    start(run(plain(peer), session))
    await _all(session)
    session.reports.clear()
    assert await peer.say("lose FlowTemperature 80310000") == "Good"  # BadNoCommunication
    report = await session.reported("flow_temperature", 63.5)
    assert report.quality is hub.Quality.BAD
    assert ("opcua:boiler", "opcua-communication") in session.drops


async def test_a_device_of_which_no_node_has_a_good_value_is_not_said_to_report(
    session: Any, start: Any, serve: Any
) -> None:
    async def said(outcome: str) -> None:
        async with asyncio.timeout(60):
            while session.polling.outcomes != ({} if outcome == "answered" else {"opcua:boiler": outcome}):
                await asyncio.sleep(0.01)

    peer = await serve()
    session.put(
        "opcua:boiler",
        {"/Boiler/FlowTemperature": {"metric": "flow_temperature"}, "/Boiler/Running": {"metric": "running"}},
    )
    start(run(plain(peer), session))
    await session.until(lambda: len(session.values()) == 2)
    await said("answered")
    session.reports.clear()
    assert await peer.say("lose FlowTemperature 80310000") == "Good"
    assert (await session.reported("flow_temperature", 63.5)).quality is hub.Quality.BAD
    await said("answered")  # the other one is good
    assert await peer.say("lose Running 80310000") == "Good"
    await said("unread")
    await peer.set("FlowTemperature", 66.0)
    await session.reported("flow_temperature", 66.0)
    await said("answered")


async def test_changes_within_the_dead_band_stay_at_the_server(session: Any, start: Any, serve: Any) -> None:
    peer = await serve()
    session.put(
        "opcua:boiler",
        {
            "/Boiler/ReturnTemperature": {
                "metric": "return_temperature",
                "dead_band": 1.0,
            },  # in Cel, the server has °F
            "/Boiler/FlowTemperature": {"metric": "flow_temperature"},
        },
    )
    start(run(plain(peer), session))
    await session.until(lambda: len(session.values()) == 2)
    await peer.set("ReturnTemperature", 123.5)  # 0.83 Cel
    await peer.set("FlowTemperature", 70.0)
    await session.reported("flow_temperature", 70.0)
    assert session.values()["return_temperature"] == 50.0
    await peer.set("ReturnTemperature", 125.6)
    await session.reported("return_temperature", 52.0)


async def test_changes_between_two_publications_wait_in_the_servers_queue(session: Any, start: Any, serve: Any) -> None:
    peer = await serve()
    session.put(
        "opcua:boiler", {"/Boiler/FlowTemperature": {"metric": "flow_temperature", "sampling": 0.1, "queue": 5}}
    )
    start(run(plain(peer, publishing=1.9), session))
    await session.until(lambda: bool(session.reports))
    for first in (
        61.0,
        64.0,
        67.0,
        70.0,
        73.0,
    ):  # a busy server may look too late, one without a queue does
        values = [first, first + 1, first + 2]
        for value in values:
            await peer.set("FlowTemperature", value)
            await asyncio.sleep(0.4)  # four times the sampling interval, which is the server's own time
        await session.reported("flow_temperature", values[-1])
        seen = [report.values["flow_temperature"] for report in session.reports]
        if seen[-3:] == values:
            break
    assert seen[-3:] == values


async def test_what_is_not_there_is_named_with_its_remedy_and_the_rest_is_read(
    session: Any, start: Any, serve: Any, caplog: pytest.LogCaptureFixture
) -> None:
    peer = await serve()
    session.put(
        "opcua:boiler",
        {
            "/Boiler/Nowhere": {"metric": "pressure"},
            "nsu=urn:nobody;s=x": {"metric": "humidity"},
            "/Boiler": {"metric": "co2"},
            "/Boiler/Odd": {"metric": "temperature"},
            "/Boiler/Levels": {"metric": "fill_level"},
            "/Boiler/Power": {"metric": "running"},
            "/Boiler/FlowTemperature": {"metric": "flow_temperature"},
        },
    )
    start(run(plain(peer), session))
    await session.reported("flow_temperature", 63.5)
    assert session.values() == {"flow_temperature": 63.5}
    reasons = sorted(reason for _, reason in session.drops)
    assert reasons == ["opcua-node"] * 3 + ["opcua-type", "opcua-type", "opcua-unit"]
    (line,) = [record.message for record in caplog.records if "no good value" in record.message]
    assert "/Boiler/Nowhere" in line
    assert "check the path" in line
    assert "the server gives furlong, temperature is in Cel: set scale" in line


async def test_a_server_that_gives_no_subscription_is_polled(
    session: Any, start: Any, serve: Any, caplog: pytest.LogCaptureFixture
) -> None:
    peer = await serve(PEER_SUBSCRIPTIONS="1")
    other = Session()
    other.put("opcua:boiler", NODES)
    start(run(plain(peer), other))  # has the only one
    await _all(other)
    session.put("opcua:boiler", NODES)
    start(run(plain(peer, interval=60), session))
    await _all(session)
    assert session.values() == READINGS
    await peer.set("FlowTemperature", 70.0)
    await session.clock.advance(61)
    await session.reported("flow_temperature", 70.0)
    assert any("gives no subscription" in record.message for record in caplog.records)


async def test_nodes_beyond_what_a_server_watches_are_polled(
    session: Any, start: Any, serve: Any, caplog: pytest.LogCaptureFixture
) -> None:
    peer = await serve(PEER_ITEMS="4")
    session.put("opcua:boiler", NODES)
    start(run(plain(peer, interval=60), session))
    await _all(session)
    assert session.values() == READINGS
    assert any("does not watch 5 of its nodes" in record.message for record in caplog.records)
    await peer.set("FlowTemperature", 70.0)  # watched: among the first
    await session.reported("flow_temperature", 70.0)


async def test_polling_alone_asks_for_no_subscription(session: Any, start: Any, serve: Any) -> None:
    peer = await serve()
    session.put("opcua:boiler", NODES)
    start(run(plain(peer, subscribe=False), session))
    await _all(session)
    assert session.values() == READINGS
    assert await peer.items() == 0


async def test_what_does_not_change_is_read_again_at_each_refresh(session: Any, start: Any, serve: Any) -> None:
    peer = await serve()
    session.put("opcua:boiler", NODES)
    start(run(plain(peer, refresh=600), session))
    await _all(session)
    session.reports.clear()
    await session.clock.advance(601)
    await _all(session)
    assert session.values() == READINGS
    assert await peer.items() == len(NODES)


async def test_a_device_that_comes_later_is_read_too(session: Any, start: Any, serve: Any) -> None:
    peer = await serve()
    session.put("opcua:boiler", NODES)
    start(run(plain(peer), session))
    await _all(session)
    session.put("opcua:other", {"/Boiler/Setpoint": {"metric": "setpoint"}})
    await session.until(lambda: session.values("opcua:other") == {"setpoint": 60.0})
    await peer.set("FlowTemperature", 72.0)
    await session.reported("flow_temperature", 72.0)
    assert await peer.sessions() == 1


async def test_a_server_that_dies_is_away_and_its_return_is_followed(session: Any, start: Any, serve: Any) -> None:
    peer = await serve()
    session.put("opcua:boiler", NODES)
    running = start(run(plain(peer), session))
    await _all(session)
    await peer.kill()
    with pytest.raises(hub.NotReady, match="closed the connection"):
        await running
    with pytest.raises(hub.NotReady, match="accepts no connection"):
        await ended(run(plain(peer), session))
    session.reports.clear()
    back = await serve(port=peer.port)
    start(run(plain(back), session))
    await _all(session)
    await back.set("FlowTemperature", 50.5)
    await session.reported("flow_temperature", 50.5)


async def test_a_session_is_closed_at_the_server_when_the_plugin_stops(session: Any, start: Any, serve: Any) -> None:
    peer = await serve()
    session.put("opcua:boiler", NODES)
    running = start(run(plain(peer), session))
    await _all(session)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert await peer.sessions() == 0


async def test_the_probe_says_who_answers_and_that_nothing_protects_it(serve: Any) -> None:
    peer = await serve()
    said = await probe(plain(peer))
    assert "open62541" in said
    assert "no security at all" in said
    assert await peer.sessions() == 0
    with pytest.raises(hub.NotReady, match="accepts no connection"):
        await probe(plain(peer).model_copy(update={"url": f"opc.tcp://127.0.0.1:{free_port()}"}))
