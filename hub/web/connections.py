"""The listening socket: TLS connections, few, short of time, the oldest idle one leaving when a new one comes.

A connection counts from its first packet, before TLS. One that makes no request within IDLE_S, or is in the middle of
sending one, is cut; while an answer is being made or streamed it is busy and stays. So slow callers cost MOST sockets
and some memory, never the loop; and a new caller always gets in.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
import ssl
import time
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass

from aiohttp.web_protocol import RequestHandler

from hub.errors import NotReady

MOST = 128
HANDSHAKE_S, IDLE_S, LOOK_S = 5.0, 15.0, 1.0

_log = logging.getLogger("hub.web")


class Handler(RequestHandler):
    """The protocol of one connection, which says when that is lost."""

    __slots__ = ("on_lost",)
    on_lost: Callable[[], None]

    def connection_lost(self, exc: BaseException | None) -> None:
        super().connection_lost(exc)
        self.on_lost()


@dataclass(eq=False, slots=True)
class _Line:
    task: asyncio.Task[None] | None
    since: float
    protocol: Handler | None = None
    busy: int = 0


class Connections:
    """`make` gives a protocol for each connection; `busy` and `idle` are told by whoever answers requests."""

    def __init__(self, make: Callable[[], Handler], tls: ssl.SSLContext) -> None:
        self._make, self._tls = make, tls
        self._lines: list[_Line] = []
        self.cut = 0

    def __len__(self) -> int:
        return len(self._lines)

    @contextlib.contextmanager
    def busy(self, protocol: object) -> Iterator[None]:
        """While a request of this connection is answered. Nothing cuts it."""
        line = next((one for one in self._lines if one.protocol is protocol), None)
        if line is None:
            yield
            return
        line.busy += 1
        try:
            yield
        finally:
            line.busy -= 1
            line.since = time.monotonic()

    @contextlib.asynccontextmanager
    async def serving(self, address: str, port: int) -> AsyncIterator[int]:
        """Listen in this scope; yields the port. Raises NotReady when it is not to be had."""
        listener = listening(address, port)
        try:
            async with asyncio.TaskGroup() as group:
                accepting = group.create_task(self._accept(listener, group))
                looking = group.create_task(self._look())
                try:
                    yield listener.getsockname()[1]
                finally:
                    for task in (accepting, looking, *(one.task for one in self._lines)):
                        if task is not None:
                            task.cancel()
        finally:
            listener.close()

    async def _accept(self, listener: socket.socket, group: asyncio.TaskGroup) -> None:
        loop = asyncio.get_running_loop()
        while True:
            try:
                accepted, _ = await loop.sock_accept(listener)
            except OSError as error:  # out of descriptors, or gone before it was accepted
                _log.debug("a connection could not be accepted: %s", error)
                await asyncio.sleep(0.1)
                continue
            if len(self._lines) >= MOST:
                self._push_out()
            if len(self._lines) >= MOST:
                accepted.close()
                continue
            line = _Line(None, time.monotonic())
            self._lines.append(line)
            line.task = group.create_task(self._serve(accepted, line))

    async def _serve(self, accepted: socket.socket, line: _Line) -> None:
        loop = asyncio.get_running_loop()
        gone = loop.create_future()

        def protocol() -> Handler:
            line.protocol = made = self._make()
            made.on_lost = lambda: None if gone.done() else gone.set_result(None)
            return made

        transport: asyncio.Transport | None = None
        try:
            accepted.setblocking(False)
            with contextlib.suppress(OSError, ssl.SSLError, ConnectionError, TimeoutError):
                transport, _ = await loop.connect_accepted_socket(
                    protocol, accepted, ssl=self._tls, ssl_handshake_timeout=HANDSHAKE_S, ssl_shutdown_timeout=1.0
                )
                await gone
        finally:
            if transport is not None:
                transport.abort()
            else:
                accepted.close()
            self._forget(line)

    def _forget(self, line: _Line) -> None:
        if line in self._lines:
            self._lines.remove(line)

    def _push_out(self) -> None:
        oldest = min((one for one in self._lines if not one.busy), key=lambda one: one.since, default=None)
        if oldest is not None and oldest.task is not None:
            self._cut(oldest)
            self._forget(oldest)

    def _cut(self, line: _Line) -> None:
        self.cut += 1
        if line.protocol is not None and line.protocol.transport is not None:
            line.protocol.transport.abort()
        elif line.task is not None:
            line.task.cancel()

    async def _look(self) -> None:
        while True:
            await asyncio.sleep(LOOK_S)
            now = time.monotonic()
            for line in list(self._lines):
                if not line.busy and now - line.since > IDLE_S:
                    self._cut(line)


def listening(address: str, port: int) -> socket.socket:
    """A listening socket. Raises NotReady."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    made = socket.socket(family, socket.SOCK_STREAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC)
    try:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        made.bind((address, port))
        made.listen(128)
    except OSError as error:
        made.close()
        raise NotReady(f"{address} port {port} cannot be listened on: {error.strerror}") from error
    return made
