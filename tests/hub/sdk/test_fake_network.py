"""The kit's streams: the other end is a function of the test, and nothing else is reached."""

from __future__ import annotations

import asyncio
import socket

import pytest

from hub.core.errors import NotReady
from hub.sdk.testing import FakeNetwork


async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(100):
        writer.write(data.upper())
    writer.close()


async def test_a_stream_is_played_by_a_function_and_ends_with_it() -> None:
    network = FakeNetwork()
    network.servers["tcp://192.0.2.1:4001"] = echo
    reader, writer = await network.connect("tcp://192.0.2.1:4001")
    writer.write(b"hello")
    assert await reader.readexactly(5) == b"HELLO"
    writer.write_eof()
    assert await reader.read() == b""
    writer.close()
    with pytest.raises(NotReady, match=r"192\.0\.2\.2:4001 does not answer: Connection refused"):
        await network.connect("tcp://192.0.2.2:4001")
    assert network.opened == ["tcp://192.0.2.1:4001", "tcp://192.0.2.2:4001"]


@pytest.mark.real("network")
async def test_a_plugin_that_listens_is_reached_at_an_address_of_its_own() -> None:
    network = FakeNetwork()
    made = await network.listen("tcp://0.0.0.0:9000")
    async with await asyncio.start_server(echo, sock=made):
        reader, writer = await asyncio.open_connection(*network.listening["tcp://0.0.0.0:9000"])
        writer.write(b"hello")
        assert await reader.readexactly(5) == b"HELLO"
        writer.write_eof()
        assert await reader.read() == b""
        writer.close()


@pytest.mark.real("network")
async def test_a_bound_socket_takes_datagrams() -> None:
    network = FakeNetwork()
    bound = await network.listen("udp://0.0.0.0:9000")
    with bound, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
        other.sendto(b"hello", network.listening["udp://0.0.0.0:9000"])
        assert await asyncio.get_running_loop().sock_recv(bound, 100) == b"hello"
