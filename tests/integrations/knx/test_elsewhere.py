"""A KNX interface on 127.0.0.1 that names another machine, 127.0.0.2, for the telegrams of its tunnel."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from unittest import mock

import pytest
from knxd_kit import until

import hub
from hub.sdk.testing import FakeSession
from integrations import knx
from integrations.knx.link import Link
from integrations.knx.sim.server import Peer, Server, split

pytestmark = pytest.mark.real("network")


class Interface(asyncio.DatagramProtocol):
    """A real server of tunnels, which says of itself what it is told to."""

    def __init__(self) -> None:
        self.server = Server(lambda _: [], "127.0.0.1", 0)
        self.telegrams = 0

    def connection_made(self, transport: asyncio.DatagramTransport) -> None:  # type: ignore[override]
        self.transport = transport

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        for service, body in split(data):
            self.telegrams += service == 0x0420
            for peer, answer in self.server.receive(service, body, Peer(addr)):
                self.transport.sendto(answer, peer.key)


class Victim(asyncio.DatagramProtocol):
    """Knows nothing of KNX, and notes what it is sent."""

    def __init__(self) -> None:
        self.heard: list[bytes] = []

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        self.heard.append(data)


@asynccontextmanager
async def two_hosts() -> AsyncIterator[tuple[Interface, Victim, int, int]]:
    """The interface, the other machine, and the ports of both."""
    loop = asyncio.get_running_loop()
    here, interface = await loop.create_datagram_endpoint(Interface, local_addr=("127.0.0.1", 0))
    there, victim = await loop.create_datagram_endpoint(Victim, local_addr=("127.0.0.2", 0))
    ports = [transport.get_extra_info("sockname")[1] for transport in (here, there)]
    try:
        yield interface, victim, ports[0], ports[1]
    finally:
        here.close()
        there.close()


def config(port: int, *, route_back: bool = False) -> knx.Config:
    return knx.Config(connection="tunnelling", host="127.0.0.1", port=port, max_rate=20, route_back=route_back)


async def asked(made: knx.Config) -> None:
    """Connect, and ask one group for its value."""
    async with Link(made, lambda said: None, lambda address, error: None) as link:
        with suppress(hub.NotReady, hub.DecodeError):  # who does not know KNX acknowledges nothing
            await link.ask(0x0801)


async def test_the_telegrams_of_a_tunnel_go_to_the_interface_that_the_configuration_names_and_to_no_other() -> None:
    async with two_hosts() as (interface, victim, port, other):
        interface.server = Server(lambda _: [], "127.0.0.2", other)
        with pytest.raises(hub.LedElsewhere, match=f"names 127.0.0.2:{other} for its tunnel, not followed"):
            await asked(config(port))
        assert (victim.heard, interface.telegrams) == ([], 0)
        await until(lambda: not interface.server.channels, "the tunnel to be given back")
        with pytest.raises(hub.LedElsewhere):
            await knx.run(config(port), FakeSession("knx"))


async def test_the_twin_that_believes_the_interface_sends_the_telegrams_to_the_other_machine() -> None:
    async with two_hosts() as (interface, victim, port, other):
        interface.server = Server(lambda _: [], "127.0.0.2", other)
        with mock.patch.object(Link, "_stay", return_value=None):
            await asked(config(port))
        assert any(data[2:4] == b"\x04\x20" for data in victim.heard)


async def test_an_interface_behind_a_nat_names_what_it_knows_and_is_spoken_to_where_it_was_asked() -> None:
    async with two_hosts() as (interface, victim, port, other):
        interface.server = Server(lambda _: [], "127.0.0.2", other)
        await asked(config(port, route_back=True))
        assert interface.telegrams > 0
        assert victim.heard == []


async def test_another_port_of_the_same_interface_is_its_own_business() -> None:
    async with two_hosts() as (interface, victim, port, _):
        loop = asyncio.get_running_loop()
        data, second = await loop.create_datagram_endpoint(Interface, local_addr=("127.0.0.1", 0))
        interface.server = second.server = Server(lambda _: [], "127.0.0.1", data.get_extra_info("sockname")[1])
        await asked(config(port))
        assert (interface.telegrams, second.telegrams, victim.heard) == (0, 1, [])
        data.close()
