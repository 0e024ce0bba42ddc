"""A simulated LoRa Basics Station: the gateway of played devices where the hub takes no UDP. From the LNS protocol's
document; nothing of `basics` or `station` is used."""

from __future__ import annotations

import asyncio
import json
import time
from typing import Any

import aiohttp

from integrations.lorawan.sim import RATE, Gateway, Sensor

AGAIN_S = 1.0
FREQUENCY = 868_100_000


class StationGateway(Gateway):
    """A station that connects until it is let in, and again when the connection ends."""

    def __init__(self, eui: bytes, sensors: list[Sensor], url: str, token: str) -> None:
        super().__init__(eui, sensors)
        self._url, self._headers = url, {"Authorization": token} if token else {}
        self._router = "-".join(f"{byte:02X}" for byte in eui)
        self._muxs: aiohttp.ClientWebSocketResponse | None = None
        self._sending: set[asyncio.Task[None]] = set()
        self.let_in = asyncio.Event()

    def send(self, kind: int, body: bytes = b"", token: int | None = None) -> None:
        """Do nothing: a WebSocket keeps itself alive."""

    def forward(self, sensor: Sensor, raw: bytes) -> None:
        if self._muxs is None:
            return
        info = {
            "rctx": 0,
            "xtime": int(time.monotonic() * 1e6),
            "gpstime": 0,
            "rssi": -80.0,
            "snr": round(sensor.snr, 1),
        }
        self._say({**taken_apart(raw), "DR": RATE, "Freq": FREQUENCY, "upinfo": info})

    async def serve(self) -> None:
        """Forward until cancelled."""
        async with aiohttp.ClientSession(headers=self._headers) as http:
            while True:
                try:
                    await self._connected(http)
                except (aiohttp.ClientError, OSError, TimeoutError, TypeError, ValueError, KeyError):
                    pass  # the hub is not there, or does not know this gateway
                finally:
                    self._muxs = None
                await asyncio.sleep(AGAIN_S)

    async def _connected(self, http: aiohttp.ClientSession) -> None:
        async with http.ws_connect(f"{self._url}/router-info") as infos:
            await infos.send_json({"router": self._router})
            where = await infos.receive_json(timeout=10)
        async with http.ws_connect(where["uri"]) as muxs:
            await muxs.send_json({"msgtype": "version", "station": "2.0.6", "model": "sim", "protocol": 2})
            if (await muxs.receive_json(timeout=10))["msgtype"] == "router_config":
                self._muxs = muxs
                self.let_in.set()
            async for message in muxs:
                said = json.loads(message.data)
                if said["msgtype"] == "dnmsg":
                    self._transmit(said)

    def _transmit(self, order: dict[str, Any]) -> None:
        ahead = order.get("xtime", 0) / 1e6 + order.get("RxDelay", 0) - time.monotonic()
        asyncio.get_running_loop().call_later(max(0.0, ahead), self._on_air, bytes.fromhex(order["pdu"]))
        self._say({"msgtype": "dntxed", "diid": order["diid"]})

    def _say(self, message: dict[str, Any]) -> None:
        if self._muxs is not None and not self._muxs.closed:
            task = asyncio.ensure_future(self._muxs.send_json(message))
            self._sending.add(task)
            task.add_done_callback(self._sending.discard)


def taken_apart(raw: bytes) -> dict[str, Any]:
    """Return a join request or a data frame in the fields of `jreq` and `updf`."""
    told: dict[str, Any] = {"MHdr": raw[0], "MIC": int.from_bytes(raw[-4:], "little", signed=True)}
    if raw[0] >> 5 == 0:
        euis = ("-".join(f"{byte:02X}" for byte in reversed(raw[at : at + 8])) for at in (1, 9))
        return {
            "msgtype": "jreq", **dict(zip(("JoinEui", "DevEui"), euis, strict=True)),
            "DevNonce": int.from_bytes(raw[17:19], "little"), **told,
        }  # fmt: skip
    options = raw[5] & 0x0F
    rest = raw[8 + options : -4]
    return {
        "msgtype": "updf", "DevAddr": int.from_bytes(raw[1:5], "little", signed=True), "FCtrl": raw[5],
        "FCnt": int.from_bytes(raw[6:8], "little"), "FOpts": raw[8 : 8 + options].hex(),
        "FPort": rest[0] if rest else -1, "FRMPayload": rest[1:].hex(), **told,
    }  # fmt: skip
