"""A broker that would send the hub to another one, by every way that MQTT and its WebSocket have: nobody goes there."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import math
import warnings
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import aiomqtt
import pytest

import hub
from hub.sdk.mqtt import MqttClient
from tests.serving import start_server

pytestmark = pytest.mark.real("network")

Answer = Callable[[asyncio.StreamReader, asyncio.StreamWriter, bytes], Awaitable[None]]


class Stop(Exception):
    """What the plugin makes of an error."""


@asynccontextmanager
async def two_hosts(answer: Answer) -> AsyncIterator[tuple[int, list[int]]]:
    """A broker on 127.0.0.1 that answers so, given the address of a listener on 127.0.0.2; the broker's port, and an
    item for each connection that the other one had."""
    visits: list[int] = []
    writers: list[asyncio.StreamWriter] = []
    other = b""

    async def visited(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        visits.append(1)
        writer.close()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writers.append(writer)
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            await answer(reader, writer, other)
            await writer.drain()
            await reader.read(1)
        writer.close()

    victim = await start_server(visited, "127.0.0.2", 0)
    other = b"127.0.0.2:%d" % victim.sockets[0].getsockname()[1]
    broker = await start_server(serve, "127.0.0.1", 0)
    async with victim, broker:
        try:
            yield broker.sockets[0].getsockname()[1], visits
            await asyncio.sleep(0.05)
        finally:
            for writer in writers:
                writer.transport.abort()


def packet(first: int, reason: int, other: bytes, *flags: int) -> bytes:
    """CONNACK or DISCONNECT of MQTT 5, with a Server Reference (0x1C, §3.2.2.3.16)."""
    reference = b"\x1c" + len(other).to_bytes(2, "big") + other
    body = bytes([*flags, reason, len(reference)]) + reference
    return bytes([first, len(body)]) + body


async def connect(reader: asyncio.StreamReader) -> None:
    head = await reader.readexactly(2)
    await reader.readexactly(head[1])


def client(port: int, **more: Any) -> Callable[[str], MqttClient]:
    return lambda _: MqttClient(
        "127.0.0.1",
        port,
        timeout=math.inf,
        protocol=aiomqtt.ProtocolVersion.V5,
        username="u",
        password="s3cret",
        **more,
    )


async def hear(port: int) -> None:
    async with MqttClient.connected(client(port), "5", explained) as signed_in:
        async for _ in signed_in.messages:
            pass


def explained(error: aiomqtt.MqttError) -> Exception:
    return Stop(str(error))


@pytest.mark.parametrize("reason", [0x9C, 0x9D])
async def test_a_broker_that_names_another_server_as_one_signs_in_is_left_and_the_other_not_visited(
    reason: int,
) -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, other: bytes) -> None:
        await connect(reader)
        writer.write(packet(0x20, reason, other, 0))

    async with two_hosts(answer) as (port, visits):
        with pytest.raises(hub.LedElsewhere, match=f"127.0.0.1:{port} names another server, not followed"):
            async with MqttClient.connected(client(port), "5", explained):
                pass
    assert visits == []


@pytest.mark.parametrize("reason", [0x9C, 0x9D])
async def test_a_broker_that_moves_while_one_is_signed_in_is_left_too(reason: int) -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, other: bytes) -> None:
        await connect(reader)
        writer.write(b"\x20\x03\x00\x00\x00")
        await writer.drain()
        await asyncio.sleep(0.05)
        writer.write(packet(0xE0, reason, other))

    async with two_hosts(answer) as (port, visits):
        with pytest.raises(hub.LedElsewhere, match="names another server"):
            await hear(port)
    assert visits == []


async def test_a_broker_that_ends_the_connection_for_another_reason_leads_nowhere() -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, other: bytes) -> None:
        await connect(reader)
        writer.write(packet(0x20, 0x88, other, 0))  # server unavailable

    async with two_hosts(answer) as (port, visits):
        with pytest.raises(Stop):
            async with MqttClient.connected(client(port), "5", explained):
                pass
    assert visits == []


@pytest.mark.parametrize("status", [301, 302, 307, 308])
async def test_a_websocket_that_redirects_its_handshake_is_not_followed(status: int) -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, other: bytes) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 %d Moved\r\nLocation: ws://%s/mqtt\r\nContent-Length: 0\r\n\r\n" % (status, other))

    async with two_hosts(answer) as (port, visits):
        with pytest.raises(Stop, match="handshake"):
            async with MqttClient.connected(
                client(port, transport="websockets", websocket_path="/mqtt"), "3.1.1", explained
            ):
                pass
    assert visits == []
    with warnings.catch_warnings():  # paho leaves the socket of a handshake that failed to the garbage collector
        warnings.simplefilter("ignore", ResourceWarning)
        gc.collect()
