"""UDP listened on by a plugin that has a process of its own: the hub holds the socket and passes datagrams on, each
with its address before it, over a pair of sequenced packets. The plugin's end looks like the socket.

    4 or 6 · address, 4 or 16 bytes · port, 2 bytes, big-endian · the datagram

It answers whoever spoke to it lately and sends to nobody else: a socket that may send anywhere would be a way past the
hosts that its manifest grants.
"""

from __future__ import annotations

import asyncio
import errno
import os
import socket
from contextlib import suppress
from typing import Any

from hub.core.errors import NotReady
from hub.core.text import phrase

LARGEST = 1 << 17
"""Bytes of a packet; a datagram has 65,535 at most."""
MOST_PEERS = 1024
Address = tuple[Any, ...]
_LENGTHS = {4: 4, 6: 16}


class Peers:
    """Those who spoke lately, the last ones."""

    def __init__(self) -> None:
        self._known: dict[Address, None] = {}

    def heard(self, address: Address) -> None:
        self._known.pop(_plain(address), None)
        self._known[_plain(address)] = None
        if len(self._known) > MOST_PEERS:
            del self._known[next(iter(self._known))]

    def __contains__(self, address: Address) -> bool:
        return _plain(address) in self._known


def _plain(address: Address) -> Address:
    """Host, without an interface, and port."""
    return str(address[0]).partition("%")[0], address[1]


def packed(data: bytes, address: Address) -> bytes:
    """Return a packet. Raises OSError, ValueError for an address that is none."""
    host, port = _plain(address)
    six = ":" in host
    raw = socket.inet_pton(socket.AF_INET6 if six else socket.AF_INET, host)
    return bytes((6 if six else 4,)) + raw + int(port).to_bytes(2, "big") + data


def unpacked(packet: bytes) -> tuple[bytes, Address]:
    """Return a datagram and its address. Raises ValueError for what is no packet."""
    length = _LENGTHS.get(packet[0] if packet else 0, 0)
    if not length or len(packet) < length + 3:
        raise ValueError("no datagram with an address")
    host, port = packet[1 : length + 1], int.from_bytes(packet[length + 1 : length + 3], "big")
    if length == 4:
        return packet[length + 3 :], (socket.inet_ntop(socket.AF_INET, host), port)
    return packet[length + 3 :], (socket.inet_ntop(socket.AF_INET6, host), port, 0, 0)


async def pass_datagrams(ours: socket.socket, bound: socket.socket) -> None:
    """Pass datagrams on, until the child closes its end or the socket is closed because the hub is isolated."""
    peers = Peers()
    with ours, bound:
        ways = [asyncio.create_task(_inward(ours, bound, peers)), asyncio.create_task(_outward(ours, bound, peers))]
        try:
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for one in ways:
                one.cancel()
            await asyncio.gather(*ways, return_exceptions=True)


async def _inward(ours: socket.socket, bound: socket.socket, peers: Peers) -> None:
    loop = asyncio.get_running_loop()
    while True:
        data, address = await loop.sock_recvfrom(bound, LARGEST)
        peers.heard(address)
        await loop.sock_sendall(ours, packed(data, address))  # one that does not read is sent no more: the kernel drops


async def _outward(ours: socket.socket, bound: socket.socket, peers: Peers) -> None:
    loop = asyncio.get_running_loop()
    while packet := await loop.sock_recv(ours, LARGEST):
        with suppress(OSError, ValueError):  # one datagram that does not go out is lost, as any may be
            data, address = unpacked(packet)
            if address in peers:
                await loop.sock_sendto(bound, data, address)


class Listener(socket.socket):
    """The plugin's end, as a bound UDP socket for asyncio. It raises NotReady once the hub has ended it."""

    def __init__(self, descriptor: int, host: str, port: int) -> None:
        super().__init__(fileno=descriptor)
        self._bound, self._peers = (host, port), Peers()

    @property
    def type(self) -> socket.SocketKind:
        return socket.SOCK_DGRAM

    @property
    def family(self) -> socket.AddressFamily:
        return socket.AF_INET6 if ":" in self._bound[0] else socket.AF_INET

    def getsockname(self) -> Address:
        return self._bound

    def getpeername(self) -> Any:
        raise OSError(errno.ENOTCONN, os.strerror(errno.ENOTCONN))

    def recvfrom(self, bufsize: int, flags: int = 0) -> tuple[bytes, Address]:
        packet = super().recv(LARGEST, flags)
        if not packet:
            raise NotReady(phrase("listener-ended", "the hub no longer listens here: it is isolated, or it stops"))
        data, address = unpacked(packet)
        self._peers.heard(address)
        return data[:bufsize], address

    def recv(self, bufsize: int, flags: int = 0) -> bytes:
        return self.recvfrom(bufsize, flags)[0]

    def sendto(self, data: Any, *more: Any) -> int:
        address = more[-1]
        if address not in self._peers:
            raise PermissionError(errno.EPERM, "a plugin answers who spoke to it; open_socket speaks first")
        super().send(packed(bytes(data), address))
        return len(data)

    def send(self, data: Any, flags: int = 0) -> int:
        raise OSError(errno.EDESTADDRREQ, os.strerror(errno.EDESTADDRREQ))
