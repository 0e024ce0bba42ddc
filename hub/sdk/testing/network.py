"""Streams whose other end is a function of the test, and ports of this machine."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
from collections.abc import Awaitable, Callable
from datetime import timedelta

from hub.core.errors import NotReady
from hub.core.text import phrase

Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
"""The other end of a stream, as `asyncio.start_server` calls it."""


class FakeNetwork:
    """Implements `hub.sdk.session.Network`. `servers` maps a URL to the function that plays the other end of a stream;
    any other is NotReady, as an unreachable host is. `opened` is every URL that was asked for, `listening` maps one to
    the address of this machine where the test reaches the plugin. `devices` maps the path of a device file to the path
    that is opened instead, that of a pseudo-terminal for instance."""

    def __init__(self) -> None:
        self.servers: dict[str, Serve] = {}
        self.opened: list[str] = []
        self.listening: dict[str, tuple[str, int]] = {}
        self.devices: dict[str, str] = {}
        self._serving: set[asyncio.Task[None]] = set()

    async def connect(
        self, url: str, *, ca: str = "", timeout: timedelta = timedelta(seconds=10)
    ) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        return await asyncio.open_connection(sock=await self.open_socket(url, timeout=timeout))

    async def open_socket(self, url: str, *, timeout: timedelta = timedelta(seconds=10)) -> socket.socket:
        self.opened.append(url)
        serve = self.servers.get(url)
        if serve is None:
            raise NotReady(phrase("does-not-answer", "{server} does not answer: {reason}", server=url,
                                  reason=phrase("os-connection-refused", "Connection refused")))  # fmt: skip
        ours, theirs = socket.socketpair(type=socket.SOCK_DGRAM if url.startswith("udp:") else socket.SOCK_STREAM)
        ours.setblocking(False)
        theirs.setblocking(False)
        task = asyncio.create_task(_serve(serve, theirs))
        self._serving.add(task)
        task.add_done_callback(self._serving.discard)
        return ours

    async def open_device(self, path: str) -> int:
        self.opened.append(path)
        if path not in self.devices:
            raise NotReady(phrase("device-file-not-opened", "{path} cannot be opened: {reason}", path=path,
                                  reason=phrase("os-no-such-file", "No such file or directory")))  # fmt: skip
        return os.open(self.devices[path], os.O_RDWR | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)

    async def listen(self, url: str) -> socket.socket:
        kind = socket.SOCK_DGRAM if url.startswith("udp:") else socket.SOCK_STREAM
        made = socket.socket(socket.AF_INET, kind)
        made.setblocking(False)
        made.bind(("127.0.0.1", 0))
        if kind is socket.SOCK_STREAM:
            made.listen()
        self.opened.append(url)
        self.listening[url] = made.getsockname()
        return made


async def _serve(serve: Serve, end: socket.socket) -> None:
    reader, writer = await asyncio.open_connection(sock=end)
    with contextlib.closing(writer), contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
        await serve(reader, writer)
