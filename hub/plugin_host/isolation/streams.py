"""Connections of a plugin that has a process of its own. The hub opens them and passes the bytes on: the child gets one
end of a socket pair, which leads nowhere else. A listening TCP socket and a device file are handed over as they are; of
UDP see `datagrams`.
"""

from __future__ import annotations

import asyncio
import io
import select
import socket
from collections.abc import Callable, Coroutine
from contextlib import suppress
from datetime import timedelta
from typing import Any

from hub.core.errors import NotReady
from hub.core.text import phrase
from hub.plugin_host.isolation import wire
from hub.plugin_host.isolation.datagrams import pass_datagrams
from hub.plugin_host.isolation.wire_base import Hostile
from hub.sdk.session import Network

MOST_STREAMS = 64
MOST_WAIT_S = 300.0
PIECE = 1 << 16
CLOSED_S = 0.5
"""Between two looks at whether a child has closed its end of a TLS connection."""


class Streams:
    """The open connections of one child."""

    def __init__(self, network: Callable[[], Network]) -> None:
        self._network = network
        self._tasks: set[asyncio.Task[None]] = set()
        self._opening = 0

    async def open(self, call: wire.Open) -> socket.socket | io.FileIO:
        """Open what the child asks for and return its end. Raises as `hub.sdk.session.Network` does."""
        if len(self._tasks) + self._opening >= MOST_STREAMS:
            raise NotReady(
                phrase("too-many-streams", "a plugin has {most} connections at once at most", most=MOST_STREAMS)
            )
        self._opening += 1
        try:
            return await self._opened(call)
        finally:
            self._opening -= 1

    async def _opened(self, call: wire.Open) -> socket.socket | io.FileIO:
        network, timeout = self._network(), timedelta(seconds=min(max(call.seconds, 0.001), MOST_WAIT_S))
        if call.how == "listen":
            listens = await network.listen(call.url)
            if listens.type == socket.SOCK_DGRAM:
                return self._passed(socket.SOCK_SEQPACKET, lambda ours: pass_datagrams(ours, listens))
            return listens
        if call.how == "device":
            return io.FileIO(await network.open_device(call.url), "r+")
        if call.how == "connect":
            reader, writer = await network.connect(call.url, ca=call.ca, timeout=timeout)
            return self._passed(socket.SOCK_STREAM, lambda ours: _pass_stream(ours, reader, writer))
        if call.how != "socket":
            raise Hostile(f"{call.how!r} is no way to open a connection")
        made = await network.open_socket(call.url, timeout=timeout)
        if made.type == socket.SOCK_DGRAM:  # packets, and an end that is seen
            return self._passed(socket.SOCK_SEQPACKET, lambda ours: _pass_packets(ours, made))
        reader, writer = await asyncio.open_connection(sock=made)
        return self._passed(socket.SOCK_STREAM, lambda ours: _pass_stream(ours, reader, writer))

    def _passed(self, kind: int, work: Callable[[socket.socket], Coroutine[Any, Any, None]]) -> socket.socket:
        ours, theirs = socket.socketpair(socket.AF_UNIX, kind)
        for one in (ours, theirs):
            one.setblocking(False)
        task = asyncio.create_task(work(ours))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return theirs

    async def close(self) -> None:
        """End all."""
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _pass_stream(ours: socket.socket, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Pass bytes on in both directions until both have ended."""
    descriptor = ours.fileno()
    from_child, to_child = await asyncio.open_connection(sock=ours)
    try:
        async with asyncio.TaskGroup() as both:
            outward = both.create_task(_pump(from_child, writer))
            both.create_task(_pump(reader, to_child))
            if not await outward:  # TLS has no end in one direction: it ends when the child has closed its socket
                await _closed(descriptor)
                writer.close()
    finally:
        for one in (writer, to_child):
            one.transport.abort()  # what the other end did not take by now, nobody takes


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
    """Pass on until the end. Returns whether that was passed on too."""
    try:
        while data := await reader.read(PIECE):
            writer.write(data)
            await writer.drain()
        if not writer.can_write_eof():
            return False
        writer.write_eof()
        writer.transport.set_write_buffer_limits(0)
        await writer.drain()  # until nothing is left: where the other direction has ended, all is aborted next
    except OSError:
        writer.close()
    return True


async def _closed(descriptor: int) -> None:
    """Wait until the other end of a socket pair is closed, in both directions."""
    looking = select.poll()
    looking.register(descriptor, 0)
    while not looking.poll(0):  # noqa: ASYNC110 - the loop has no event for it
        await asyncio.sleep(CLOSED_S)


async def _pass_packets(ours: socket.socket, theirs: socket.socket) -> None:
    """Pass packets on until the child closes its end."""
    loop = asyncio.get_running_loop()

    async def inward() -> None:
        while True:
            with suppress(ConnectionRefusedError):  # nobody listens there, for now
                if data := await loop.sock_recv(theirs, PIECE):
                    await loop.sock_sendall(ours, data)

    with ours, theirs:
        bringing = asyncio.create_task(inward())
        try:
            with suppress(OSError):
                while data := await loop.sock_recv(ours, PIECE):
                    with suppress(ConnectionRefusedError):
                        await loop.sock_sendall(theirs, data)
        finally:
            bringing.cancel()
            await asyncio.gather(bringing, return_exceptions=True)
