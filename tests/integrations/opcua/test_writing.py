"""Commands against open62541: what it has afterwards is what counts."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

import hub
from integrations.opcua import run
from integrations.opcua.decode import Point, raw
from integrations.opcua.settings import NodeSettings
from tests.integrations.opcua.conftest import plain

NODES = {
    "/Boiler/Setpoint": {"metric": "setpoint"},
    "/Boiler/Stubborn": {"metric": "temperature"},
    "/Boiler/Locked": {"metric": "humidity"},
    "/Boiler/FlowTemperature": {"metric": "flow_temperature"},
}


MODE = {"metric": "mode", "unit": "1", "privacy": "technical", "kind": "text"}


class Orders:
    """Gives commands and waits for their end."""

    def __init__(self, session: Any) -> None:
        self._session = session
        self._number = 0

    async def give(self, metric: str, value: Any, **more: Any) -> tuple[str, str]:
        self._number += 1
        name = f"c{self._number}"
        command = hub.Command(id=name, device="opcua:boiler", metric=metric, value=value, **more)
        self._session.commands.give(command)
        async with asyncio.timeout(60):
            while True:
                for said, state, detail in self._session.commands.answers:
                    if said == name and state in ("done", "failed", "expired"):
                        return state, detail
                assert not self._session.running[0].done()
                await asyncio.sleep(0.01)


@pytest.fixture
async def orders(session: Any, start: Any, serve: Any) -> Any:
    peer = await serve()
    session.put("opcua:boiler", NODES)
    start(run(plain(peer), session))
    await session.until(lambda: len(session.values()) == len(NODES))
    return peer, Orders(session)


@pytest.mark.real("network, processes")
async def test_a_command_is_done_when_the_node_has_the_value_and_the_new_value_is_reported(
    session: Any, orders: Any
) -> None:
    peer, order = orders
    assert await order.give("setpoint", 21.5) == ("done", "")
    assert await peer.say("get Setpoint") == "21.5"
    await session.reported("setpoint", 21.5)
    assert await order.give("setpoint", 22) == ("done", "")
    assert await peer.say("get Setpoint") == "22"


@pytest.mark.real("network, processes")
async def test_a_write_that_something_else_undoes_has_failed(orders: Any) -> None:
    _, order = orders
    state, detail = await order.give("temperature", 35.0)
    assert state == "failed"
    assert "still has 60" in detail


@pytest.mark.real("network, processes")
async def test_what_cannot_be_written_fails_with_a_reason_and_changes_nothing(orders: Any) -> None:
    peer, order = orders
    state, detail = await order.give("humidity", 1000.0)  # the server does not let anybody
    assert state == "failed"
    assert "write" in detail or "right" in detail
    assert await peer.say("get Locked") == "5"
    assert await order.give("setpoint", None) == ("failed", "OPC UA knows no release: write the value it shall have")
    assert (await order.give("humidity", 5.0))[0] == "failed"
    assert (await order.give("setpoint", 40.0, expires=1.0))[0] == "expired"
    assert (await order.give("setpoint", "hot"))[0] == "failed"
    assert await peer.say("get Setpoint") == "60"


def _point(type_: str, **settings: Any) -> Point:
    node = NodeSettings.model_validate({"metric": "setpoint", **settings})
    return Point("opcua:d", "/x", node.as_metric(), node, "i=1", type_, node.scale or 1.0, node.offset or 0.0)


@pytest.mark.parametrize(
    ("kind", "settings", "value", "written"),
    [
        ("Double", {}, 21.5, 21.5),
        ("Int16", {"scale": 0.1}, 21.7, 217),
        ("Float", {"scale": 5 / 9, "offset": -160 / 9}, 50.0, 122.0),
        ("Boolean", {"metric": "running"}, True, True),
        ("Byte", {"metric": "running"}, True, 1),
        ("Int32", {**MODE, "values": {"0": "off", "3": "eco"}}, "eco", 3),
        ("Boolean", {**MODE, "values": {"true": "heat", "false": "cool"}}, "cool", False),
    ],
)
def test_a_reading_becomes_the_raw_value_that_makes_it(kind: str, settings: Any, value: Any, written: Any) -> None:
    content = raw(_point(kind, **settings), value)
    assert content == pytest.approx(written)
    assert type(content) is type(written)


@pytest.mark.parametrize(
    ("kind", "settings", "value", "reason"),
    [
        ("Int16", {}, 40000.0, "opcua-range"),
        ("Byte", {}, -1.0, "opcua-range"),
        ("Int16", {}, 21.5, "opcua-range"),
        ("Double", {"element": 1}, 21.5, "opcua-type"),
        ("Double", {}, "warm", "opcua-type"),
        ("Int32", {"metric": "running", "values": {"1": True}}, False, "opcua-range"),
    ],
)
def test_nothing_is_rounded_or_bent_into_a_range(kind: str, settings: Any, value: Any, reason: str) -> None:
    with pytest.raises(hub.DecodeError) as refused:
        raw(_point(kind, **settings), value)
    assert refused.value.reason == reason
