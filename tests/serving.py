"""Servers of tests that end with their scope, whoever is still connected."""

from __future__ import annotations

import asyncio
import inspect
import socket
from collections.abc import Awaitable, Callable
from typing import Any, Self

Talk = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None] | None]


class Server:
    """As `asyncio.Server`; that one waits since Python 3.12 until its last peer has gone, and ends a connection itself
    only since 3.13."""

    def __init__(self, talk: Talk) -> None:
        self._talk = talk
        self._talking = set[asyncio.Task[Any]]()
        self._writers = set[asyncio.StreamWriter]()
        self._closed = False
        self._server: asyncio.Server

    async def start(self, *where: Any, **options: Any) -> Self:
        self._server = await asyncio.start_server(self._connected, *where, **options)
        return self

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._closed:  # it was accepted a turn of the loop before
            writer.transport.abort()
            return
        task = asyncio.current_task()
        assert task is not None
        self._talking.add(task)
        task.add_done_callback(self._talking.discard)
        self._writers.add(writer)
        said = self._talk(reader, writer)
        if inspect.isawaitable(said):
            await said

    @property
    def sockets(self) -> tuple[socket.socket, ...]:
        return self._server.sockets

    def close(self) -> None:
        """Accepts nobody more, and hangs up."""
        self._closed = True
        self._server.close()
        for writer in self._writers:
            writer.transport.abort()
        for task in self._talking:
            task.cancel()

    async def wait_closed(self) -> None:
        for _ in range(5):  # the turns of one who was accepted just before
            await asyncio.sleep(0)
        if self._talking:
            await asyncio.wait(self._talking)
        await self._server.wait_closed()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        self.close()
        await self.wait_closed()


async def start_server(talk: Talk, *where: Any, **options: Any) -> Server:
    """In place of `asyncio.start_server`, with its arguments."""
    return await Server(talk).start(*where, **options)
