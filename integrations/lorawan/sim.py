"""`ilot sim lorawan`: a gateway with devices behind it, by Semtech's UDP protocol, until SIGTERM.

Prints one line of JSON when it starts: the gateway's EUI and each device with its key and settings, ready for a
configuration. The devices join, send temperature, humidity and battery voltage as Cayenne LPP, ask for an
acknowledgement now and then, and obey MAC commands. With `--bins` some are Milesight EM400-MUD in the lids of waste
bins, which fill up and are emptied. The same seed gives the same devices; without `--state` they have forgotten their
DevNonces when they start again, as a sensor does whose battery was changed.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import contextlib
import json
import math
import random
import signal
import sys
import time
from pathlib import Path
from typing import Any, ClassVar

from integrations.lorawan import crypto, phy, region
from integrations.lorawan.airtime import airtime
from integrations.lorawan.region import RATES

RATE = 5
KEEPALIVE_S = 5.0
LOAD_S = 0.03
"""Seconds before its time by which a downlink must arrive, or it is refused."""


class Sensor:
    """A class A device of LoRaWAN 1.0.4."""

    port = 2
    settings: ClassVar[dict[str, Any]] = {"settings": {"version": "1.0.4", "codec": "cayenne"}}

    def __init__(self, number: int, rng: random.Random, nonce: int) -> None:
        self.dev_eui = bytes.fromhex(f"70b3d5e75e{rng.randrange(1 << 24):06x}")
        self.app_key = rng.randbytes(16)
        self.nonce = nonce
        self.session: tuple[int, crypto.Key, crypto.Key] | None = None
        self.fcnt_up = 0
        self.fcnt_down = -1
        self.base = rng.uniform(18, 24)
        self.snr = rng.uniform(-5, 9)
        self.owes_ack = False
        self.acked = 0

    def join_request(self) -> bytes:
        self.nonce += 1
        signed = phy.unsigned_join_request(phy.JoinRequest(bytes(8), self.dev_eui, self.nonce))
        return signed + crypto.join_mic(self.app_key, signed)

    def says(self, seconds: float) -> bytes:
        """Return the payload that it sends, for its port."""
        celsius = round((self.base + 2 * math.sin(seconds / 1800)) * 10)
        reading = bytes((1, 103)) + celsius.to_bytes(2, "big", signed=True) + bytes((1, 104, 90))
        return reading + bytes((1, 116)) + (360 - self.fcnt_up // 1000).to_bytes(2, "big")

    def uplink(self, seconds: float, *, confirmed: bool) -> bytes:
        address, nwk, app = self.session or (0, crypto.Key(bytes(16)), crypto.Key(bytes(16)))
        sealed = crypto.payload(app, True, address, self.fcnt_up, self.says(seconds))
        data = phy.Data(True, confirmed, address, self.fcnt_up & 0xFFFF, self.port, sealed, adr=True, ack=self.owes_ack)
        signed = phy.unsigned_data(data)
        frame = signed + crypto.data_mic(nwk, True, address, self.fcnt_up, signed)
        self.fcnt_up += 1
        self.owes_ack = False
        return frame

    def hears(self, raw: bytes) -> bool:
        """Return whether this downlink is for this device and valid."""
        frame = phy.parse(raw)
        if isinstance(frame, phy.SealedJoinAccept):
            accept = crypto.open_join_accept(self.app_key, frame)  # raises DecodeError when it is for another device
            nwk, app = crypto.session_keys(self.app_key, accept.join_nonce, accept.net_id, self.nonce)
            self.session = accept.dev_addr, crypto.Key(nwk), crypto.Key(app)
            self.fcnt_up, self.fcnt_down = 0, -1
            return True
        if not isinstance(frame, phy.Data) or self.session is None or frame.dev_addr != self.session[0]:
            return False
        if frame.fcnt <= self.fcnt_down or not crypto.data_mic_ok(self.session[1], frame, frame.fcnt):
            return False
        self.fcnt_down = frame.fcnt
        self.owes_ack = frame.confirmed
        self.acked += frame.ack
        return True


class Bin(Sensor):
    """An EM400-MUD in the lid of a waste bin: battery in %, tenths of a degree, millimetres to what lies below, tilt,
    as its maker publishes it (Milesight-IoT/SensorDecoders, EM400-MUD/README.md). It begins at 40 %, is full after a
    minute and emptied two minutes later; then it takes two minutes to be where it began."""

    port = 85
    settings: ClassVar[dict[str, Any]] = {"pack": "milesight-em400-mud"}
    depth, nearest = 1200, 30  # mm
    began: float | None = None

    def level(self, seconds: float) -> float:
        """Return the filling level, 0 to 1, after `seconds`."""
        at = seconds % 300
        return min(1.0, 0.4 + at / 100) if at < 180 else 0.04 + 0.36 * (at - 180) / 120

    def says(self, seconds: float) -> bytes:
        self.began = seconds if self.began is None else self.began
        distance = max(self.nearest, round(self.depth * (1 - self.level(seconds - self.began))))
        celsius = round((self.base - 10) * 10)
        return (
            bytes.fromhex("017562")
            + bytes.fromhex("0367")
            + celsius.to_bytes(2, "little", signed=True)
            + bytes.fromhex("0482")
            + distance.to_bytes(2, "little")
            + bytes.fromhex("050000")
        )


class Gateway(asyncio.DatagramProtocol):
    """A packet forwarder."""

    def __init__(self, eui: bytes, sensors: list[Sensor]) -> None:
        self._eui = eui
        self._sensors = sensors
        self._token = 0
        self._transport: asyncio.DatagramTransport | None = None
        self.late = 0

    def connection_made(self, transport: asyncio.DatagramTransport) -> None:  # type: ignore[override]  # for datagrams
        self._transport = transport

    def error_received(self, exc: Exception) -> None:
        pass  # no server listens there yet

    def send(self, kind: int, body: bytes = b"", token: int | None = None) -> None:
        self._token = (self._token + 1) & 0xFFFF
        head = (self._token if token is None else token).to_bytes(2, "big")
        if self._transport is not None:
            self._transport.sendto(b"\x02" + head + bytes((kind,)) + self._eui + body)

    def forward(self, sensor: Sensor, raw: bytes) -> None:
        """Forward a frame that has just ended."""
        packet = {
            "tmst": micros(), "freq": random.choice(region.DEFAULT_CHANNELS) / 1e6, "chan": 0, "rfch": 1,  # noqa: S311
            "stat": 1, "modu": "LORA", "datr": RATES[RATE].name, "codr": "4/5", "rssi": -80,
            "lsnr": round(sensor.snr + random.uniform(-2, 2), 1), "size": len(raw),  # noqa: S311
            "data": base64.b64encode(raw).decode(),
        }  # fmt: skip
        self.send(0, json.dumps({"rxpk": [packet]}).encode())

    def datagram_received(self, data: bytes, addr: Any) -> None:
        if len(data) < 4 or data[3] != 3:
            return
        packet = json.loads(data[4:])["txpk"]
        ahead = 0.0 if packet.get("imme") else ((packet["tmst"] - micros() + (1 << 31)) % (1 << 32) - (1 << 31)) / 1e6
        refused = not packet.get("imme") and ahead < LOAD_S
        self.late += refused
        error = "TOO_LATE" if refused else "NONE"
        self.send(5, json.dumps({"txpk_ack": {"error": error}}).encode(), int.from_bytes(data[1:3], "big"))
        if not refused:
            asyncio.get_running_loop().call_later(ahead, self._on_air, base64.b64decode(packet["data"]))

    def _on_air(self, raw: bytes) -> None:
        for sensor in self._sensors:
            with contextlib.suppress(Exception):  # it is not for a sensor that cannot read it
                if sensor.hears(raw):
                    return


def micros() -> int:
    """Return the time of a gateway's clock, which is of 32 bits."""
    return time.monotonic_ns() // 1000 & 0xFFFFFFFF


async def _live(sensor: Sensor, gateway: Gateway, interval: float, rng: random.Random) -> None:
    await asyncio.sleep(rng.uniform(0, min(interval, 5)))
    while True:
        if sensor.session is None:
            gateway.forward(sensor, sensor.join_request())
            await asyncio.sleep(8 + rng.uniform(0, 4))  # both windows have passed; try again
            continue
        frame = sensor.uplink(time.monotonic(), confirmed=sensor.fcnt_up % 10 == 9)
        await asyncio.sleep(airtime(RATES[RATE], len(frame), uplink=True))
        gateway.forward(sensor, frame)
        await asyncio.sleep(interval * rng.uniform(0.9, 1.1))


async def simulate(options: argparse.Namespace) -> None:
    rng = random.Random(options.seed)  # noqa: S311 - a simulation
    known = json.loads(options.state.read_text()) if options.state and options.state.exists() else {}
    eui = bytes.fromhex(f"0016c001{rng.randrange(1 << 32):08x}")
    sensors = [Sensor(number, rng, 0) for number in range(options.devices)]
    sensors += [Bin(number, rng, 0) for number in range(options.bins)]
    for sensor in sensors:
        sensor.nonce = known.get(sensor.dev_eui.hex(), 0)
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    transport, gateway = await loop.create_datagram_endpoint(
        lambda: Gateway(eui, sensors), remote_addr=(options.host, options.port)
    )
    devices = {
        f"lorawan:{sensor.dev_eui.hex()}": {"key": sensor.app_key.hex(), **sensor.settings} for sensor in sensors
    }
    print(json.dumps({"gateway": eui.hex(), "devices": devices}), flush=True)
    lives = [asyncio.create_task(_live(sensor, gateway, options.interval, rng)) for sensor in sensors]
    while not stop.is_set():
        gateway.send(2)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(stop.wait(), KEEPALIVE_S)
    for life in lives:
        life.cancel()
    transport.close()
    if options.state:
        options.state.write_text(json.dumps({sensor.dev_eui.hex(): sensor.nonce for sensor in sensors}))
    heard = sum(sensor.acked for sensor in sensors)
    print(json.dumps({"acknowledged": heard, "late": gateway.late}), file=sys.stderr)


def main() -> None:
    parser = argparse.ArgumentParser(prog="ilot sim lorawan", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--host", default="127.0.0.1", help="address of the hub (default: %(default)s)")
    parser.add_argument("--port", type=int, default=1700, help="its UDP port (default: %(default)s)")
    parser.add_argument("--devices", type=int, default=3, help="how many devices (default: %(default)s)")
    parser.add_argument(
        "--bins", type=int, default=0, help="how many of waste bins, beside them (default: %(default)s)"
    )
    parser.add_argument(
        "--interval", type=float, default=60.0, help="seconds between two reports (default: %(default)s)"
    )
    parser.add_argument("--seed", type=int, default=0, help="other devices (default: %(default)s)")
    parser.add_argument("--state", type=Path, help="file in which the devices remember their DevNonces")
    asyncio.run(simulate(parser.parse_args()))


if __name__ == "__main__":
    main()
