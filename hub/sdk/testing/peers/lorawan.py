"""A packet forwarder and a device of class A (Semtech's PROTOCOL.TXT; LoRaWAN L2 1.0.4). It needs `cryptography`."""

from __future__ import annotations

import asyncio
import base64
import json
import struct
from typing import Any

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.cmac import CMAC

from hub.sdk.testing.peers.beginning import Beginning

PUSH_DATA, PUSH_ACK, PULL_DATA, PULL_RESP, PULL_ACK, TX_ACK = range(6)


class Node:
    """A device whose session is personalised: `address` (4 bytes as one writes it) and its session keys `network` and
    `application`. `counter` is that of the next frame."""

    def __init__(self, address: str, network: bytes, application: bytes) -> None:
        self._address = bytes.fromhex(address)[::-1]
        self._network, self._application = network, application
        self.counter = 1

    def uplink(self, payload: bytes, port: int = 1, *, confirmed: bool = False) -> bytes:
        """The next frame as it goes over the air."""
        head = bytes((0x80 if confirmed else 0x40,)) + self._address + b"\0" + struct.pack("<H", self.counter & 0xFFFF)
        message = head + bytes((port,)) + self._crypted(payload)
        block = b"\x49\0\0\0\0\0" + self._address + struct.pack("<I", self.counter) + b"\0" + bytes((len(message),))
        cmac = CMAC(algorithms.AES(self._network))
        cmac.update(block + message)
        self.counter += 1
        return message + cmac.finalize()[:4]

    def _crypted(self, payload: bytes) -> bytes:
        blocks = b"".join(
            b"\x01\0\0\0\0\0" + self._address + struct.pack("<I", self.counter) + b"\0" + bytes((n,))
            for n in range(1, len(payload) // 16 + 2)
        )
        stream = Cipher(algorithms.AES(self._application), modes.ECB()).encryptor().update(blocks)  # noqa: S305 - TS001
        return bytes(a ^ b for a, b in zip(payload, stream, strict=False))


class Gateway(Beginning):
    """A gateway that forwards frames to a network server at `port` of 127.0.0.1. `acknowledged` is how many pushes the
    server acknowledged, `orders` what it gave to send."""

    def __init__(self, port: int, eui: str = "0016c001ff10d3e5") -> None:
        self.acknowledged = 0
        self.orders: list[dict[str, Any]] = []
        self._server = ("127.0.0.1", port)
        self._eui = bytes.fromhex(eui)
        self._transport: asyncio.DatagramTransport | None = None
        self._token = 0

    async def begin(self) -> None:
        """Go on the network."""
        loop = asyncio.get_running_loop()
        self._transport, _ = await loop.create_datagram_endpoint(lambda: _Protocol(self), remote_addr=self._server)

    async def end(self) -> None:
        """Go off the network."""
        if self._transport is not None:
            self._transport.abort()
            self._transport = None

    def pull(self) -> None:
        """Ask for downlinks, which opens the way back."""
        self._send(PULL_DATA)

    def forward(self, frame: bytes, *, tmst: int = 1_000_000, rssi: int = -70, snr: float = 6.5) -> None:
        """Hand over a frame that was heard on 868.1 MHz."""
        heard = {
            "tmst": tmst, "freq": 868.1, "stat": 1, "modu": "LORA", "datr": "SF7BW125", "codr": "4/5", "rssi": rssi,
            "lsnr": snr, "size": len(frame), "data": base64.b64encode(frame).decode(),
        }  # fmt: skip
        self._send(PUSH_DATA, json.dumps({"rxpk": [heard]}).encode())

    def _send(self, kind: int, body: bytes = b"", token: int | None = None) -> None:
        if self._transport is None:
            return
        self._token = (self._token + 1) % 65536
        token = self._token if token is None else token
        self._transport.sendto(struct.pack(">BHB", 2, token, kind) + self._eui + body)

    def heard(self, data: bytes) -> None:
        """Take what the server says."""
        kind = data[3] if len(data) >= 4 else -1
        if kind == PUSH_ACK:
            self.acknowledged += 1
        elif kind == PULL_RESP:
            self.orders.append(json.loads(data[4:])["txpk"])
            self._send(TX_ACK, token=int.from_bytes(data[1:3], "big"))


class _Protocol(asyncio.DatagramProtocol):
    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway

    def datagram_received(self, data: bytes, addr: Any) -> None:
        self._gateway.heard(data)

    def error_received(self, exc: Exception) -> None:
        """Nobody listens yet: UDP loses what it loses."""
