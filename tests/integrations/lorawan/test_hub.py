"""A whole hub, killed again and again, with a gateway and a device that are not ours: what was acknowledged is at the
backend once, and the device never hears a counter twice."""

from __future__ import annotations

import base64
import json
import socket
import struct
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from lorawan_peer import LoraPacket, PeerDevice

from ...faults.rig import Rig, until
from ...ports import free_port

pytestmark = [pytest.mark.real("network, processes"), pytest.mark.long("starts whole hubs", of="tests/integrations")]

GATEWAY = "0016c001ff10d3e5"
DEV_EUI = "70b3d5e75e00abcd"
KEY = bytes(range(16))

CONFIG = """\
hub: {{name: lorawan, site: rig, state_dir: {state}}}
sites: {{rig: {{name: Rig, timezone: Europe/Paris}}}}
zones: {{bench: {{site: rig, name: Bench}}}}
places: {{sensor: {{zone: bench, name: Sensor}}}}
integrations:
  lorawan: {{gateways: {{"{gateway}": {{}}}}, udp: {{port: {port}}}, status: 0s}}
devices:
  lorawan:{dev_eui}: {{integration: lorawan, place: sensor, pack: cayenne-lpp, key: !secret appkey}}
link: {{uplinks: {{https: {{url: "{url}"}}}}}}
"""


class Forwarder:
    """A packet forwarder, from PROTOCOL.TXT alone."""

    def __init__(self, port: int) -> None:
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.connect(("127.0.0.1", port))

    def close(self) -> None:
        self._socket.close()

    def _send(self, kind: int, body: bytes = b"", token: int = 1) -> None:
        self._socket.send(struct.pack(">BHB", 2, token, kind) + bytes.fromhex(GATEWAY) + body)

    def _receive(self, kind: int, seconds: float) -> bytes | None:
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            self._socket.settimeout(left)
            try:
                data = self._socket.recv(65536)
            except (TimeoutError, ConnectionRefusedError):
                continue
            if data[3] == kind:
                return data
        return None

    def connect(self, seconds: float = 60.0) -> None:
        """Poll until the hub is there."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            try:
                self._send(2)
            except ConnectionRefusedError:
                time.sleep(0.05)
                continue
            if self._receive(4, 0.2) is not None:
                return
        raise AssertionError("the hub does not answer")

    def insist(self, raw: bytes) -> bytes | None:
        """A confirmed frame up, and again every few seconds, as a device does that heard no answer; what comes down."""
        for _ in range(12):
            if (answer := self.forward(raw, 5)) is not None:
                return answer
        return None

    def forward(self, raw: bytes, seconds: float) -> bytes | None:
        """One frame up; the frame that comes down, if one does."""
        packet = {
            "tmst": time.monotonic_ns() // 1000 & 0xFFFFFFFF, "freq": 868.1, "stat": 1, "modu": "LORA",
            "datr": "SF7BW125", "codr": "4/5", "rssi": -70, "lsnr": 6.5, "size": len(raw),
            "data": base64.b64encode(raw).decode(),
        }  # fmt: skip
        self._send(0, json.dumps({"rxpk": [packet]}).encode())
        order = self._receive(3, seconds)
        if order is None:
            return None
        self._send(5, token=int.from_bytes(order[1:3], "big"))
        return base64.b64decode(json.loads(order[4:])["txpk"]["data"])


class House:
    """The hub's processes."""

    def __init__(self, root: Path, config: str = CONFIG) -> None:
        self.rig = Rig(root)
        url = self.rig.config.read_text().partition('url: "')[2].partition('"')[0]
        self.port = free_port(kind=socket.SOCK_DGRAM)
        self.rig.config.write_text(
            config.format(state=self.rig.state, url=url, gateway=GATEWAY, dev_eui=DEV_EUI, port=self.port)
        )
        secrets = root / "secrets.yaml"
        secrets.write_text(f"appkey: {KEY.hex()}\n")
        secrets.chmod(0o600)
        self.gateway = Forwarder(self.port)

    def start(self) -> None:
        self.rig.hub = self.rig._start([sys.executable, "-m", "hub", "run", "--config", str(self.rig.config)], "hub")
        self.gateway.connect()

    def kill(self) -> None:
        self.rig.kill(self.rig.hub)

    def stored(self, metric: str) -> list[float]:
        return [
            value
            for (value,) in self.rig.sql(
                "SELECT r.value FROM readings r JOIN series s ON s.id = r.series"
                f" WHERE s.place = 'sensor' AND s.metric = '{metric}' ORDER BY r.time"
            )
        ]

    def close(self) -> None:
        self.gateway.close()
        self.rig.close()


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    made = House(tmp_path)
    yield made
    made.close()


def test_what_was_acknowledged_is_at_the_backend_once_over_kills(house: House, lora_packet: LoraPacket) -> None:
    device = PeerDevice(lora_packet, bytes.fromhex(DEV_EUI), KEY)
    house.start()
    accept = house.gateway.forward(device.join_request(1), 60)
    assert accept
    device.join_accept(accept)
    celsius, acknowledged, frames = 200, [], []
    for life in range(2):
        for _ in range(3):
            celsius += 1
            frame = device.uplink(b"\x01\x67" + celsius.to_bytes(2, "big"), 2, confirmed=True)
            frames.append(frame)
            answer = house.gateway.insist(frame)
            assert answer, house.rig.logs()
            assert device.downlink(answer)["ack"]
            acknowledged.append(celsius / 10)
        house.kill()  # at once after an acknowledgement left
        house.start()
        if life == 1:  # replays over the restart, and the last frame as a device that heard no answer would
            for old in frames[:-1]:
                assert house.gateway.forward(old, 0.3) is None
            again = house.gateway.insist(frames[-1])
            assert again
            assert device.downlink(again)["ack"]
    until(lambda: len(house.stored("temperature")) >= len(acknowledged), 90, house.rig.logs)
    assert house.stored("temperature") == acknowledged
