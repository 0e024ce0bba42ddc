"""A listening socket whose connections are few and short of time: the oldest idle one leaves when a new one comes.

A connection counts from its first packet, before TLS. Until its first TLS record (RFC 8446, 5.1) is there to be read
as a whole it is a socket and nothing else: the kernel is asked to wake us for that many bytes (SO_RCVLOWAT). Then it
shakes hands, so many at a time and a second as `Limits` say: that is work, for us more than for a caller
who stops there. Where there are too many, the oldest gives way of the address that has most: one
machine keeps no other out (IPv6: one network of 64 bits). One that makes no request within `idle_s`, or is in the
middle of sending one, is cut; while an answer is being made or streamed it is busy and stays. So slow callers cost
so many sockets and little memory (bench/callers.py), never the loop; and a new caller always gets in.
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

from hub.core.errors import NotReady
from hub.core.text import phrase, reason_of, system_error

if TYPE_CHECKING:
    from hub.sdk.http_handler import Handler

WAITING = 1024
LOOK_S = 1.0

HANDSHAKE, RECORD_HEAD, RECORD = 22, 5, 1 << 14

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Limits:
    """`most` connections, `shaking` of them in their TLS handshake; of one address `shakes_s` handshakes a second and
    `shakes_at_once` at once. `handshake_s` and `idle_s`: seconds until one is cut that is not through with its
    handshake, or with sending its request."""

    most: int = 128
    shaking: int = 24
    shakes_s: float = 20.0
    shakes_at_once: int = 30
    handshake_s: float = 5.0
    idle_s: float = 15.0


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
    requests; `pushed_out` is called for each that gives way to another. Without `tls` they speak in clear."""

    def __init__(
        self,
        ready: Callable[[], Awaitable[Callable[[], Handler]]],
        tls: ssl.SSLContext | None,
        limits: Limits = Limits(),
        pushed_out: Callable[[], None] = lambda: None,
    ) -> None:
        self._ready, self._tls, self.limits, self._pushed_out = ready, tls, limits, pushed_out
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
    async def serving(
        self, address: str, port: int, ending: Callable[[], Awaitable[None]] | None = None
    ) -> AsyncIterator[int]:
        """Listen in this scope; yields the port. At its end nobody is let in any more, `ending` is awaited, and who is
        still here is cut. Raises NotReady when the port is not to be had."""
        listener, raised = listening(address, port), None
        try:
            async with asyncio.TaskGroup() as group:
                accepting = group.create_task(self._accept(listener, group))
                looking = group.create_task(self._look())
                try:
                    yield listener.getsockname()[1]
                except Exception as error:
                    raised = error  # it is the caller's own, and goes on as it is: in no group
                finally:
                    accepting.cancel()
                    looking.cancel()
                    try:
                        await asyncio.wait([accepting, looking])
                        listener.close()
                        if ending is not None:
                            await ending()
                    finally:
                        for one in self._lines:
                            if one.task is not None:
                                one.task.cancel()
        finally:
            listener.close()
        if raised is not None:
            raise raised

    async def _accept(self, listener: socket.socket, group: asyncio.TaskGroup) -> None:
        loop = asyncio.get_running_loop()
        while True:
            try:
                accepted, peer = await loop.sock_accept(listener)
            except OSError as error:  # out of descriptors, or gone before it was accepted
                _log.debug(
                    phrase(
                        "connection-not-accepted",
                        "a connection could not be accepted: {reason}",
                        reason=reason_of(error),
                    )
                )
                await asyncio.sleep(0.1)
                continue
            if len(self._lines) >= self.limits.most:
                self._push_out([one for one in self._lines if not one.busy])
            if len(self._lines) >= self.limits.most:
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
                async with asyncio.timeout(self.limits.handshake_s):
                    if self._tls is not None:
                        if not await _says_hello(accepted):
                            return
                        await asyncio.sleep(self._turn(line.address))
                    make = await self._ready()
                shaking = [one for one in self._lines if one.shaking]
                if len(shaking) >= self.limits.shaking:
                    self._push_out(shaking)
                line.shaking, handed = self._tls is not None, True
                transport, _ = await loop.connect_accepted_socket(
                    protocol,
                    accepted,
                    ssl=self._tls,
                    ssl_handshake_timeout=None if self._tls is None else self.limits.handshake_s,
                    ssl_shutdown_timeout=None if self._tls is None else 1.0,
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
        limits = self.limits
        turn = max(self._next.get(address, 0.0), now - limits.shakes_at_once / limits.shakes_s)
        if turn - now < limits.handshake_s:  # who waits longer is cut, and has had no turn
            self._next[address] = turn + 1 / limits.shakes_s
        return max(0.0, turn - now)

    def _push_out(self, some: list[_Line]) -> None:
        many = Counter(one.address for one in some)
        oldest = min(some, key=lambda one: (-many[one.address], one.since), default=None)
        if oldest is not None and oldest.task is not None:
            self._cut(oldest)
            self._forget(oldest)
            self._pushed_out()

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
            self._next = {address: turn for address, turn in self._next.items() if turn > now - self.limits.handshake_s}
            for line in list(self._lines):
                if not line.busy and now - line.since > self.limits.idle_s:
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
        raise NotReady(
            phrase(
                "port-cannot-be-listened-on",
                "{address} port {port} cannot be listened on: {reason}",
                address=address,
                port=port,
                reason=system_error(error),
            )
        ) from error
    return made
