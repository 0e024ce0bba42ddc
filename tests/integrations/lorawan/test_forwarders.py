"""Packet forwarders over UDP: which are heard, from where, and who falls silent."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable

import pytest
from serving_kit import (
    GATEWAY,
    Forwarder,
    free_port,
    running,
    taken,
    udp,
    until,
)

import hub
from hub.sdk.testing import FakeSession
from integrations import lorawan
from integrations.lorawan.metrics import METRICS
from integrations.lorawan.settings import Config

pytestmark = pytest.mark.real("network")


async def test_two_network_servers_on_one_port_are_told_apart() -> None:
    port = free_port(socket.SOCK_DGRAM)
    async with running(udp(port), FakeSession("lorawan", metrics=METRICS)):
        await until(lambda: taken(port))
        with pytest.raises(hub.NotReady, match="in use"):
            await lorawan.run(udp(port), FakeSession("lorawan", metrics=METRICS))
        assert "is in use, by a running hub" in await lorawan.probe(udp(port))
    assert await lorawan.probe(udp(port)) == f"127.0.0.1 port {port} is free; gateways on the list: 1"
    with pytest.raises(hub.NotReady, match="is no address of this machine"):
        await lorawan.probe(Config.model_validate({"udp": {"address": "192.0.2.1"}}))


async def test_a_gateway_is_heard_from_its_own_address_only(
    forwarder: Callable[[int], Awaitable[Forwarder]],
) -> None:
    port = free_port(socket.SOCK_DGRAM)
    session = FakeSession("lorawan", metrics=METRICS)
    async with running(udp(port, gateways={GATEWAY: {"address": "192.0.2.9"}}), session):
        gateway = await forwarder(port)
        gateway.send(2)
        await until(lambda: ("", "gateway-from-elsewhere") in session.drops)
        assert gateway.got.empty()


async def test_a_gateway_that_falls_silent_is_named_once_and_again_when_it_returns(
    forwarder: Callable[[int], Awaitable[Forwarder]], caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    caplog.set_level("INFO")
    port = free_port(socket.SOCK_DGRAM)
    session = FakeSession("lorawan", metrics=METRICS)
    loop = asyncio.get_running_loop()
    passed = [0.0]
    true = loop.time
    monkeypatch.setattr(loop, "time", lambda: true() + passed[0])
    async with running(udp(port, silence=60), session):
        gateway = await forwarder(port)
        for turn in (1, 2):
            gateway.send(2)
            await gateway.receive()
            passed[0] += 100
            for _ in range(3):
                await session.clock.advance(30)
            await until(lambda turn=turn: caplog.text.count("is silent") >= turn)  # type: ignore[misc]
            assert caplog.text.count(f"gateway {GATEWAY} is here") == turn
            assert caplog.text.count(f"gateway {GATEWAY} is silent") == turn


async def test_an_address_of_another_machine_is_not_listened_on() -> None:
    with pytest.raises(hub.NotReady, match="no address of this machine"):
        await lorawan.run(
            Config.model_validate({"udp": {"address": "192.0.2.1", "port": 0}}), FakeSession("lorawan", metrics=METRICS)
        )
