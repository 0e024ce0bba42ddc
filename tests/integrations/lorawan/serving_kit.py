"""A forwarder and a station that speak the real protocols, and the integration that hears them."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
import socket
import struct
import time
from collections.abc import AsyncIterator, Callable
from typing import Any

import aiohttp
from lorawan_peer import LoraPacket, PeerDevice

import hub
from hub.sdk.testing import FakeSession
from integrations import lorawan
from integrations.lorawan.settings import Config
from tests import ports

GATEWAY = "0016c001ff10d3e5"
DEV_EUI = "70b3d5e75e00abcd"
KEY = bytes(range(16))


def free_port(kind: socket.SocketKind) -> int:
    return ports.free_port(kind=kind)


def taken(port: int) -> bool:
    """Somebody listens on this UDP port of 127.0.0.1."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return True
    return False


def known(**more: Any) -> hub.Device:
    given = {"id": f"lorawan:{DEV_EUI}", "key": KEY, "settings": {"codec": "cayenne"}, **more}
    return hub.Device(integration="lorawan", place="hall", **given)


@contextlib.asynccontextmanager
async def running(config: Config, session: FakeSession) -> AsyncIterator[None]:
    task = asyncio.create_task(lorawan.run(config, session))
    try:
        yield
        if task.done():
            await task
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


async def until(said: Callable[[], Any], seconds: float = 60.0) -> Any:
    """Wait until something is true; the event loop decides when."""
    deadline = time.monotonic() + seconds
    while not (value := said()):
        assert time.monotonic() < deadline, "it never came"
        await asyncio.sleep(0.005)
    return value


class Forwarder(asyncio.DatagramProtocol):
    """A gateway that speaks PROTOCOL.TXT, written from it alone."""

    def __init__(self) -> None:
        self.got: asyncio.Queue[bytes] = asyncio.Queue()

    def connection_made(self, transport: Any) -> None:
        self.transport = transport

    def datagram_received(self, data: bytes, addr: Any) -> None:
        self.got.put_nowait(data)

    def send(self, kind: int, body: bytes = b"", token: int = 0x1234, gateway: str = GATEWAY) -> None:
        self.transport.sendto(struct.pack(">BHB", 2, token, kind) + bytes.fromhex(gateway) + body)

    async def receive(self) -> bytes:
        return await asyncio.wait_for(self.got.get(), 60)

    def forward(self, raw: bytes, tmst: int, gateway: str = GATEWAY, **more: float) -> None:
        packet = {
            "tmst": tmst, "freq": 868.1, "stat": 1, "modu": "LORA", "datr": "SF7BW125", "codr": "4/5", "rssi": -70,
            "lsnr": 6.5, "size": len(raw), "data": base64.b64encode(raw).decode(),
            **more,
        }  # fmt: skip
        self.send(0, json.dumps({"rxpk": [packet]}).encode(), gateway=gateway)

    async def answer(self) -> dict[str, Any]:
        """The PUSH_ACK, then what is to be sent; it is acknowledged."""
        assert (await self.receive())[:4] == bytes.fromhex("02123401")
        order = await self.receive()
        assert order[3] == 3
        self.send(5, token=int.from_bytes(order[1:3], "big"))
        return json.loads(order[4:])["txpk"]


def udp(port: int, **more: Any) -> Config:
    return Config.model_validate({"gateways": {GATEWAY: {}}, "udp": {"port": port}, "status": 0, **more})


ABP = {"key": KEY + bytes(16), "settings": {"address": "01020304"}}


def personalised(lora_packet: LoraPacket) -> PeerDevice:
    return PeerDevice(lora_packet, bytes.fromhex(DEV_EUI), b"", address=0x01020304, nwk=KEY, app=bytes(16))


def station(port: int, **more: Any) -> Config:
    return Config.model_validate(
        {"gateways": {GATEWAY: {}}, "udp": None, "station": {"port": port, **more}, "status": 0}
    )


async def connected(session: aiohttp.ClientSession, port: int, path: str, **more: Any) -> Any:
    async with asyncio.timeout(60):
        while True:
            try:
                return await session.ws_connect(f"ws://127.0.0.1:{port}{path}", **more)
            except aiohttp.ClientConnectorError:
                await asyncio.sleep(0.01)


UPINFO = {"rctx": 3, "xtime": 0x0012_3456_789A_BCDE, "gpstime": 0, "rssi": -70, "snr": 6.5, "rxtime": 1.0}


def updf(raw: bytes) -> dict[str, Any]:
    end = 8 + (raw[5] & 0x0F)
    return {
        "msgtype": "updf", "MHdr": raw[0], "DevAddr": int.from_bytes(raw[1:5], "little", signed=True), "FCtrl": raw[5],
        "FCnt": int.from_bytes(raw[6:8], "little"), "FOpts": raw[8:end].hex(), "FPort": raw[end],
        "FRMPayload": raw[end + 1 : -4].hex(), "MIC": int.from_bytes(raw[-4:], "little", signed=True), "DR": 5,
        "Freq": 868_300_000, "upinfo": UPINFO,
    }  # fmt: skip


def listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
