"""Receives frames from gateways without a hub, for `ilot capture lorawan` and `ilot discover lorawan`.

Every gateway is accepted, on the list or not, and acknowledged; no downlink is ever sent.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import hub
from integrations.lorawan import gwmp
from integrations.lorawan.region import RATES
from integrations.lorawan.settings import Config, Udp
from integrations.lorawan.udp import sentence

Hear = Callable[[dict[str, Any]], None]


class Listener(asyncio.DatagramProtocol):
    """Acknowledges the datagrams of packet forwarders and passes their frames on."""

    def __init__(self, hear: Hear) -> None:
        self._hear = hear
        self._transport: asyncio.DatagramTransport | None = None

    def connection_made(self, transport: asyncio.DatagramTransport) -> None:  # type: ignore[override]  # for datagrams
        self._transport = transport

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        try:
            said = gwmp.parse(data)
        except hub.DecodeError:
            return
        if isinstance(said, gwmp.TxAck) or self._transport is None:
            return
        self._transport.sendto(gwmp.acknowledge(said), addr)
        for rx in said.received if isinstance(said, gwmp.Push) else ():
            self._hear(
                {
                    "raw": rx.raw.hex(), "gateway": said.gateway, "rssi": round(rx.rssi), "snr": rx.snr,
                    "frequency": rx.frequency, "rate": RATES[rx.rate].name,
                }
            )  # fmt: skip


async def listen(config: Config, hear: Hear) -> None:
    """Receive from packet forwarders until cancelled. Raises NotReady when the address cannot be listened on, for
    instance because a hub already does."""
    given = config.udp or Udp()
    loop = asyncio.get_running_loop()
    try:
        transport, _ = await loop.create_datagram_endpoint(
            lambda: Listener(hear), local_addr=(given.address, given.port)
        )
    except OSError as error:
        raise hub.NotReady(sentence(given.address, given.port, error)) from error
    try:
        await asyncio.Event().wait()
    finally:
        transport.close()
