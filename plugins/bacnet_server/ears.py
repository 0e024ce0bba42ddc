"""The UDP sockets of the server, with an allow list and a rate limit.

They replace bacpypes3's own, which accepts any number of datagrams from anybody, retries for ever in silence when its
address cannot be bound, shares its port with other programs, and treats datagrams from other 127.x addresses as its
own.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from ipaddress import ip_address, ip_network
from typing import Any

from bacpypes3.comm import Server
from bacpypes3.pdu import PDU, IPv4Address

from hub.sdk import udp
from hub.sdk.phrases import phrase

QUEUE = 256
"""Maximum datagrams in the queue."""
LARGEST = 1497


class Ears(Server):  # type: ignore[misc]
    """The lowest layer of the stack. Refused datagrams are counted in `dropped`, by reason."""

    def __init__(self, allow: tuple[str, ...], max_rate: int, log: logging.LoggerAdapter[logging.Logger]) -> None:
        super().__init__()
        self.dropped: dict[str, int] = {}
        self._networks = [ip_network(text) for text in allow]
        self._log = log
        self._max_rate = max_rate
        self._budget, self._budget_at = float(max_rate), 0.0
        self._told: set[str] = set()
        self._waiting: asyncio.Queue[tuple[bytes, tuple[str, int]]] = asyncio.Queue(QUEUE)
        self._transports: list[asyncio.DatagramTransport] = []

    async def open(self, address: str, port: int, broadcast: str | None) -> int:
        """Listen and return the port. Raises NotReady."""
        try:
            self._transports.append(await self._socket(address, port, shared=False))
            if broadcast and address != "0.0.0.0":  # noqa: S104 - that one hears broadcasts too
                self._transports.append(await self._socket(broadcast, port, shared=True))
        except BaseException:
            self.close()
            raise
        return int(self._transports[0].get_extra_info("sockname")[1])

    async def _socket(self, address: str, port: int, *, shared: bool) -> asyncio.DatagramTransport:
        sock = udp.bound(address, port, shared=shared)
        try:
            made, _ = await asyncio.get_running_loop().create_datagram_endpoint(lambda: _Protocol(self.hear), sock=sock)
        except BaseException:
            sock.close()
            raise
        return made

    def close(self) -> None:
        for transport in self._transports:
            transport.close()
        self._transports = []

    async def indication(self, pdu: Any) -> None:
        """Send a PDU of the stack. Nothing is ever broadcast."""
        destination = pdu.pduDestination
        if not destination.is_localstation or not self._transports:
            self._drop("broadcast")
            return
        to = destination if isinstance(destination, IPv4Address) else IPv4Address(destination)
        if self._allowed(to.addrTuple[0]):
            self._transports[0].sendto(bytes(pdu.pduData), to.addrTuple)

    def hear(self, data: bytes, source: tuple[str, int]) -> None:
        """Queue one datagram."""
        if not self._allowed(source[0]):
            self._drop("not-allowed")
            if source[0] not in self._told and len(self._told) < 100:
                self._told.add(source[0])
                self._log.warning(
                    phrase(
                        "bacnet_server.client-not-allowed",
                        "{client} asked over BACnet and is not in `allow`: not answered",
                        client=source[0],
                    )
                )
            return
        if len(data) > LARGEST or not self._within_rate():
            self._drop("too-large" if len(data) > LARGEST else "too-fast")
            return
        try:
            self._waiting.put_nowait((data, source))
        except asyncio.QueueFull:
            self._drop("too-fast")

    async def work(self) -> None:
        """Pass queued datagrams to the stack, one at a time, until cancelled."""
        while True:
            data, source = await self._waiting.get()
            try:
                await self.response(PDU(data, source=IPv4Address(source)))
            except Exception as error:  # the stack may raise anything on a hostile datagram
                self._drop("malformed")
                self._log.debug("a datagram of %s was dropped: %s", source[0], error)

    def _allowed(self, host: str) -> bool:
        address = ip_address(host)
        return any(address in network for network in self._networks)

    def _within_rate(self) -> bool:
        """Return whether the rate limit allows another datagram; a burst may have one second's worth."""
        now = asyncio.get_running_loop().time()
        self._budget = min(self._max_rate, self._budget + (now - self._budget_at) * self._max_rate)
        self._budget_at = now
        if self._budget < 1:
            return False
        self._budget -= 1
        return True

    def _drop(self, reason: str) -> None:
        self.dropped[reason] = self.dropped.get(reason, 0) + 1


class _Protocol(asyncio.DatagramProtocol):
    def __init__(self, hear: Callable[[bytes, tuple[str, int]], None]) -> None:
        self._hear = hear

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        self._hear(data, addr)
