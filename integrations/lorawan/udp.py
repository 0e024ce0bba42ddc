"""The server of Semtech's UDP protocol: one socket on one interface (`gwmp` reads and writes the datagrams)."""

from __future__ import annotations

import asyncio
import contextlib
import errno
from collections import OrderedDict
from collections.abc import AsyncIterator

import hub
from hub.sdk.phrases import phrase, system_error
from integrations.lorawan import gwmp
from integrations.lorawan.driver import Driver, wall
from integrations.lorawan.parts import Transmit
from integrations.lorawan.settings import Config, Udp

TOKENS = 4096
"""Maximum transmissions whose TX_ACK is awaited."""


class Server(asyncio.DatagramProtocol):
    """Server of packet forwarders. A gateway is reached at the address of its last PULL_DATA."""

    def __init__(self, driver: Driver, config: Config) -> None:
        self._driver = driver
        self._config = config
        self._transport: asyncio.DatagramTransport | None = None
        self._clocks: dict[str, gwmp.Unwrap] = {}
        self._tokens: OrderedDict[tuple[str, int], int] = OrderedDict()
        self._next = 0
        self.status: dict[str, gwmp.Status] = {}

    def connection_made(self, transport: asyncio.DatagramTransport) -> None:  # type: ignore[override]  # for datagrams
        self._transport = transport

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        sender = gwmp.sender(data)
        if sender is not None and not self._driver.allowed(sender):  # checked before its JSON is parsed
            self._driver.stranger(sender, f"UDP from {addr[0]}")
            return
        try:
            said = gwmp.parse(data)
        except hub.DecodeError as error:
            self._driver.dropped(error.reason)
            return
        if self._config.gateways[said.gateway].address not in {"", addr[0]}:
            self._driver.dropped("gateway-from-elsewhere")
            return
        self._driver.alive(said.gateway)
        if isinstance(said, gwmp.TxAck):
            self._answered(said)
            return
        self._send(gwmp.acknowledge(said), addr)
        if isinstance(said, gwmp.Pull):
            self._driver.reach(said.gateway, Way(self, addr))
        else:
            self._heard(said)

    def error_received(self, exc: Exception) -> None:
        self._driver.dropped("gateway-unreachable")  # a datagram to the gateway was returned

    def _heard(self, push: gwmp.Push) -> None:
        at, time = asyncio.get_running_loop().time(), wall()
        for reason in push.skipped:
            self._driver.dropped(reason)
        if push.status is not None:
            self.status[push.gateway] = push.status
        clock = self._clocks.setdefault(push.gateway, gwmp.Unwrap())
        for rx in push.received:
            self._driver.hear(gwmp.reception(rx, push.gateway, clock.feed(rx.tmst), at, time))

    def _answered(self, ack: gwmp.TxAck) -> None:
        number = self._tokens.pop((ack.gateway, ack.token), None)
        if number is None:
            self._driver.dropped("unknown-token")
        elif ack.refusal:
            self._driver.refused(number, ack.refusal, ack.gateway)
        else:
            self._driver.transmitted(number, ack.gateway)

    def transmit(self, order: Transmit, addr: tuple[str, int]) -> None:
        self._next = (self._next + 1) & 0xFFFF
        self._tokens[order.gateway, self._next] = order.id
        while len(self._tokens) > TOKENS:
            self._tokens.popitem(last=False)
        given = self._config.gateways[order.gateway]
        self._send(gwmp.pull_resp(order, self._next, gain=given.antenna_gain, most=given.max_power), addr)

    def _send(self, data: bytes, addr: tuple[str, int]) -> None:
        if self._transport is not None and not self._transport.is_closing():
            self._transport.sendto(data, addr)


class Way:
    """Connection to one gateway behind the socket."""

    def __init__(self, server: Server, addr: tuple[str, int]) -> None:
        self._server = server
        self._addr = addr

    def transmit(self, order: Transmit) -> None:
        self._server.transmit(order, self._addr)


@contextlib.asynccontextmanager
async def serving(udp: Udp, config: Config, driver: Driver) -> AsyncIterator[int]:
    """Listen; yields the port. Raises NotReady when the address or the port cannot be used."""
    loop = asyncio.get_running_loop()
    try:
        transport, _ = await loop.create_datagram_endpoint(
            lambda: Server(driver, config), local_addr=(udp.address, udp.port)
        )
    except OSError as error:
        raise hub.NotReady(sentence(udp.address, udp.port, error)) from error
    try:
        yield transport.get_extra_info("sockname")[1]
    finally:
        transport.close()


def sentence(address: str, port: int, error: OSError) -> str:
    """Return the sentence that says why an address cannot be listened on."""
    if error.errno == errno.EADDRINUSE:
        return phrase(
            "lorawan.port-in-use",
            "{address} port {port} is in use: a hub or another network server runs on this machine",
            address=address,
            port=port,
        )
    if error.errno == errno.EADDRNOTAVAIL:
        return phrase("lorawan.not-an-own-address", "{address} is no address of this machine", address=address)
    return phrase(
        "lorawan.port-cannot-be-listened-on",
        "{address} port {port} cannot be listened on: {reason}",
        address=address,
        port=port,
        reason=system_error(error),
    )
