"""Says the frames of a capture again, as a gateway's packet forwarder, for `ilot replay lorawan --play`."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

import hub
from hub.sdk.phrases import phrase
from hub.sdk.simulation import Replay
from integrations.lorawan import decode
from integrations.lorawan.playing import destination
from integrations.lorawan.region import RATES
from integrations.lorawan.sim import Gateway, micros

_RATES = {rate.name for rate in RATES}


class Forwarder:
    """The gateway that heard the frames. Downlinks are taken, and nobody hears them."""

    environment: dict[str, str] = {}  # noqa: RUF012 - nothing to add to

    def __init__(self, gateway: Gateway, eui: str, port: int) -> None:
        self._gateway = gateway
        self.options: dict[str, Any] = {"gateways": {eui: {}}, "udp": {"port": port}}

    async def joined(self) -> None:
        self._gateway.send(2)

    async def say(self, line: Mapping[str, Any]) -> None:
        raw = decode.line(dict(line)).data["phy"]
        rssi, snr, frequency, rate = (line.get(name) for name in ("rssi", "snr", "frequency", "rate"))
        if rate not in _RATES | {None} or not all(
            isinstance(one, int | float | None) for one in (rssi, snr, frequency)
        ):
            raise hub.DecodeError(
                "bad-line",
                phrase("lorawan.line-radio-wrong", "rssi, snr, frequency: numbers; rate: like SF7BW125"),
            )
        hertz = 868_100_000 if frequency is None else frequency if frequency > 1e6 else frequency * 1e6
        packet = {
            "tmst": micros(), "freq": hertz / 1e6, "chan": 0, "rfch": 1, "stat": 1, "modu": "LORA",
            "datr": rate or "SF7BW125", "codr": "4/5", "rssi": -80 if rssi is None else rssi,
            "lsnr": 5 if snr is None else snr, "size": len(raw), "data": base64.b64encode(raw).decode(),
        }  # fmt: skip
        self._gateway.send(2)
        self._gateway.send(0, json.dumps({"rxpk": [packet]}).encode())
        await asyncio.sleep(0)


@asynccontextmanager
async def replay(options: Any, lines: Sequence[Mapping[str, Any]], port: int) -> AsyncIterator[Forwarder]:
    eui = next((str(line["gateway"]) for line in lines if "gateway" in line), "0016c00100000001")
    try:
        raw = bytes.fromhex(eui)
    except ValueError:
        raw = b""
    if len(raw) != 8:
        raise hub.NotReady(phrase("lorawan.line-gateway-wrong", "`gateway` is an EUI of 16 hexadecimal digits"))
    host, where = destination(options) if not port else ("127.0.0.1", port)
    gateway = Gateway(raw, [])
    transport, _ = await asyncio.get_running_loop().create_datagram_endpoint(lambda: gateway, remote_addr=(host, where))
    try:
        yield Forwarder(gateway, eui, where)
    finally:
        transport.close()


REPLAYERS: dict[str, Replay] = {"lorawan": replay}
