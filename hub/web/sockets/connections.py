"""The listening socket: TLS connections, few, short of time, the oldest idle one leaving when a new one comes.

A connection counts from its first packet, before TLS. Until its first TLS record (RFC 8446, 5.1) is there to be read
as a whole it is a socket and nothing else: the kernel is asked to wake us for that many bytes (SO_RCVLOWAT). Then it
shakes hands, MOST_SHAKING at a time and SHAKES_S a second from one address: that is work, for us more than for a caller
who stops there. Where there are too many, the oldest gives way of the address that has most: one
machine keeps no other out (IPv6: one network of 64 bits). One that makes no request within IDLE_S, or is in the
middle of sending one, is cut; while an answer is being made or streamed it is busy and stays. So slow callers cost
MOST sockets and little memory (bench/callers.py), never the loop; and a new caller always gets in.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
import ssl
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass
from ipaddress import ip_address
from typing import TYPE_CHECKING

from hub.errors import NotReady

if TYPE_CHECKING:
    from hub.web.sockets.handler import Handler

MOST, MOST_SHAKING, WAITING = 128, 24, 1024
SHAKES_S, SHAKES_AT_ONCE = 20.0, 30
HANDSHAKE_S, IDLE_S, LOOK_S = 5.0, 15.0, 1.0

HANDSHAKE, RECORD_HEAD, RECORD = 22, 5, 1 << 14

_log = logging.getLogger("hub.web")


@dataclass(eq=False, slots=True)
class _Line:
    task: asyncio.Task[None] | None
    since: float
    address: str = ""
    protocol: Handler | None = None
    busy: int = 0
    shaking: bool = False
    waiting: socket.socket | None = None  # until its task begins


class Connections:
    """`ready` gives, once it can, what makes a protocol for each connection; `busy` is told by whoever answers
    requests."""

    def __init__(self, ready: Callable[[], Awaitable[Callable[[], Handler]]], tls: ssl.SSLContext) -> None:
        self._ready, self._tls = ready, tls
        self._lines: list[_Line] = []
        self._next: dict[str, float] = {}
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
                accepted, peer = await loop.sock_accept(listener)
            except OSError as error:  # out of descriptors, or gone before it was accepted
                _log.debug("a connection could not be accepted: %s", error)
                await asyncio.sleep(0.1)
                continue
            if len(self._lines) >= MOST:
                self._push_out([one for one in self._lines if not one.busy])
            if len(self._lines) >= MOST:
                accepted.close()
                continue
            line = _Line(None, time.monotonic(), whose(str(peer[0])), waiting=accepted)
            self._lines.append(line)
            line.task = group.create_task(self._serve(accepted, line))

    async def _serve(self, accepted: socket.socket, line: _Line) -> None:
        loop, line.waiting = asyncio.get_running_loop(), None
        gone = loop.create_future()

        def protocol() -> Handler:
            line.protocol = made = make()
            made.on_lost = lambda: None if gone.done() else gone.set_result(None)
            return made

        transport: asyncio.Transport | None = None
        handed = False
        try:
            accepted.setblocking(False)
            with contextlib.suppress(OSError, ssl.SSLError, ConnectionError, TimeoutError):
                async with asyncio.timeout(HANDSHAKE_S):
                    if not await _says_hello(accepted):
                        return
                    await asyncio.sleep(self._turn(line.address))
                    make = await self._ready()
                shaking = [one for one in self._lines if one.shaking]
                if len(shaking) >= MOST_SHAKING:
                    self._push_out(shaking)
                line.shaking = handed = True
                transport, _ = await loop.connect_accepted_socket(
                    protocol, accepted, ssl=self._tls, ssl_handshake_timeout=HANDSHAKE_S, ssl_shutdown_timeout=1.0
                )
                line.shaking = False
                await gone
        finally:
            if transport is not None:
                transport.abort()
            elif handed:  # a transport of asyncio owns it, may not have begun yet, and closes it at its end
                with contextlib.suppress(OSError):
                    accepted.shutdown(socket.SHUT_RDWR)
            else:
                accepted.close()
            self._forget(line)

    def _forget(self, line: _Line) -> None:
        if line in self._lines:
            self._lines.remove(line)

    def _turn(self, address: str) -> float:
        """Seconds until the next handshake of this address."""
        now = time.monotonic()
        turn = max(self._next.get(address, 0.0), now - SHAKES_AT_ONCE / SHAKES_S)
        if turn - now < HANDSHAKE_S:  # who waits longer is cut, and has had no turn
            self._next[address] = turn + 1 / SHAKES_S
        return max(0.0, turn - now)

    def _push_out(self, some: list[_Line]) -> None:
        many = Counter(one.address for one in some)
        oldest = min(some, key=lambda one: (-many[one.address], one.since), default=None)
        if oldest is not None and oldest.task is not None:
            self._cut(oldest)
            self._forget(oldest)

    def _cut(self, line: _Line) -> None:
        self.cut += 1
        if line.waiting is not None:
            line.waiting.close()
        if line.protocol is not None and line.protocol.transport is not None:
            line.protocol.transport.abort()
        elif line.task is not None:
            line.task.cancel()

    async def _look(self) -> None:
        while True:
            await asyncio.sleep(LOOK_S)
            now = time.monotonic()
            self._next = {address: turn for address, turn in self._next.items() if turn > now - HANDSHAKE_S}
            for line in list(self._lines):
                if not line.busy and now - line.since > IDLE_S:
                    self._cut(line)


def whose(address: str) -> str:
    """What of an address tells machines apart."""
    if ":" not in address:
        return address
    found = ip_address(address.partition("%")[0])
    mapped = getattr(found, "ipv4_mapped", None)
    return str(mapped) if mapped is not None else found.packed[:8].hex()


async def _says_hello(accepted: socket.socket) -> bool:
    """Wait for the first record as a whole, and leave it where it is. False: this is no TLS. Raises OSError."""
    await _readable(accepted, RECORD_HEAD)
    head = accepted.recv(RECORD_HEAD, socket.MSG_PEEK)
    length = int.from_bytes(head[3:], "big")
    if len(head) < RECORD_HEAD or head[0] != HANDSHAKE or head[1] != 3 or not 0 < length <= RECORD:
        return False
    await _readable(accepted, RECORD_HEAD + length)
    accepted.setsockopt(socket.SOL_SOCKET, socket.SO_RCVLOWAT, 1)
    return True


async def _readable(accepted: socket.socket, least: int) -> None:
    """Wait until so many bytes can be read, or no more will come."""
    accepted.setsockopt(socket.SOL_SOCKET, socket.SO_RCVLOWAT, least)
    loop = asyncio.get_running_loop()
    there = loop.create_future()
    loop.add_reader(accepted, lambda: None if there.done() else there.set_result(None))
    try:
        await there
    finally:
        loop.remove_reader(accepted)


def listening(address: str, port: int) -> socket.socket:
    """A listening socket. Raises NotReady."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    made = socket.socket(family, socket.SOCK_STREAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC)
    try:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        made.bind((address, port))
        made.listen(WAITING)
    except OSError as error:
        made.close()
        raise NotReady(f"{address} port {port} cannot be listened on: {error.strerror}") from error
    return made
