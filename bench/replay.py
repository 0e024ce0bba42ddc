"""Captured frames of keyed protocols, sent again at a whole hub that is killed and started again.

python bench/replay.py [--frames 10000] [--lives 6] [--only lorawan|enocean|wmbus] [--forgetful]

LoRaWAN 1.0 over the air (OTAA), EnOcean security level F3, wireless M-Bus security mode 7, each by its own gateway:
Semtech UDP, ESP3 and the text of rtl_wmbus over TCP. Frames are built here from the specifications. Each frame says its
number as a reading, so that the backend's database tells what was believed twice. Between replays new frames come, and
forged ones. Half of the lives end by SIGKILL. Encrypted Bluetooth is tests/journeys/test_replay.py.

Goal: no frame twice at the backend. With --forgetful the hub is broken on purpose: a new life knows no counter of a
former one, and the wM-Bus meter must be seen twice. LoRaWAN and EnOcean keep their counters themselves.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import random
import socket
import sys
import tempfile
from pathlib import Path
from typing import Any

sys.path[:0] = [str(Path(__file__).parents[1]), str(Path(__file__).parent)]  # the tree, where `backend` is no script
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes  # noqa: E402 - through the line above
from cryptography.hazmat.primitives.cmac import CMAC  # noqa: E402 - through the line above
from measure import figure  # noqa: E402 - through the line above

from hub.cli.demo.scene import Scene  # noqa: E402 - through the line above
from hub.rpc.control_socket import call  # noqa: E402 - through the line above
from integrations.enocean import sim as enocean  # noqa: E402 - through the line above
from integrations.lorawan import crypto, phy  # noqa: E402 - through the line above
from integrations.lorawan.sim import Gateway, Sensor  # noqa: E402 - through the line above
from tests.stored import asked  # noqa: E402 - through the line above

HUB = Path(__file__).parents[1] / "tests/journeys/replay_hub.py"
CONFIG = """\
hub: {{name: replay, site: bench, state_dir: {state}}}
sites: {{bench: {{name: Bench, timezone: Europe/Paris}}}}
zones: {{bench: {{site: bench, name: Bench}}}}
places: {{lora: {{zone: bench}}, sealed: {{zone: bench}}, meter: {{zone: bench}}}}
integrations:
  lorawan: {{gateways: {{{gateway}: {{}}}}, udp: {{address: 127.0.0.1, port: {udp}}}, gather: 20ms}}
  enocean: {{port: "tcp://127.0.0.1:{enocean}"}}
  wmbus: {{port: "tcp://127.0.0.1:{wmbus}"}}
devices:
  "{sensor}": {{integration: lorawan, place: lora, key: !secret lora, settings: {{version: "1.0.4", codec: cayenne}}}}
  "enocean:{sealed}":
    {{integration: enocean, place: sealed, key: !secret sealed, settings: {{eep: A5-12-01, slf: F3}}}}
  "{meter}": {{integration: wmbus, place: meter, key: !secret meter}}
link: {{uplinks: {{https: {{url: "{url}"}}}}}}
buffer: {{window: 200ms}}
"""
METRICS = {"lorawan": "illuminance", "enocean": "energy", "wmbus": "gas"}
SCALE = {"lorawan": 1.0, "enocean": 1.0, "wmbus": 1000.0}
METER = bytes.fromhex("9315785634123303")
METER_KEY = bytes(range(16))
FRESH_EVERY = 25


class Port:
    """A gateway behind a TCP port, as the hub meets it."""

    def __init__(self) -> None:
        self.writer: asyncio.StreamWriter | None = None

    async def open(self) -> int:
        server = await asyncio.start_server(self._talk, "127.0.0.1", 0)
        return int(server.sockets[0].getsockname()[1])

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.writer = writer
        with contextlib.suppress(ConnectionError, asyncio.CancelledError):
            await reader.read()
        if self.writer is writer:
            self.writer = None

    async def send(self, data: bytes) -> None:
        while self.writer is None:  # noqa: ASYNC110 - the hub comes back when it is started
            await asyncio.sleep(0.05)
        with contextlib.suppress(ConnectionError):
            self.writer.write(data)
            await self.writer.drain()


def cmac(key: bytes, data: bytes) -> bytes:
    mac = CMAC(algorithms.AES(key))
    mac.update(data)
    return mac.finalize()


def mode_7(number: int) -> bytes:
    """A gas meter's telegram under security mode 7 (EN 13757-7:2018, 7.6.4 and 7.6.5): so many litres."""
    counter = number.to_bytes(4, "little")
    seal, sign = (cmac(METER_KEY, bytes([use]) + counter + METER[2:6] + b"\x07" * 7) for use in (0, 1))
    plain = (b"\x2f\x2f\x04\x13" + number.to_bytes(4, "little")).ljust(16, b"\x2f")
    box = Cipher(algorithms.AES(seal), modes.CBC(bytes(16))).encryptor()
    rest = b"\x7a" + bytes([number & 255, 0]) + b"\x10\x07\x10" + box.update(plain)
    mac = cmac(sign, b"\x25" + counter + rest)[:8]
    body = b"\x44" + METER + b"\x8c\x20" + bytes([number & 255]) + b"\x90\x0f\x00\x2c\x25" + counter + mac + rest
    return bytes([len(body)]) + body


class Air:
    """What is said, and what of it was captured, by protocol."""

    def __init__(self, root: Path, forgetful: bool) -> None:
        self.twin = "forgetful" if forgetful else ""
        self.rng = random.Random(7)
        self.scene = Scene(root, lambda text: None)
        self.sensor = Sensor(0, self.rng, 0)
        self.gateway: Any = Gateway(bytes.fromhex("0016c001ff10d3e5"), [self.sensor])
        self.ports = {"enocean": Port(), "wmbus": Port()}
        self.number = dict.fromkeys(METRICS, 0)
        self.captured: dict[str, list[bytes]] = {name: [] for name in METRICS}
        self.replayed = dict.fromkeys(METRICS, 0)

    async def prepare(self) -> None:
        with contextlib.closing(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) as free:
            free.bind(("127.0.0.1", 0))
            self.udp = free.getsockname()[1]
        await asyncio.get_running_loop().create_datagram_endpoint(
            lambda: self.gateway, remote_addr=("127.0.0.1", self.udp)
        )
        ports = {name: await port.open() for name, port in self.ports.items()}
        scene = self.scene
        await asyncio.to_thread(scene.found)
        scene.config.write_text(
            CONFIG.format(
                state=scene.state,
                url=scene.backend["url"].rstrip("/"),
                udp=self.udp,
                gateway="0016c001ff10d3e5",
                sensor=f"lorawan:{self.sensor.dev_eui.hex()}",
                sealed=enocean.SEALED,
                meter="mbus:ELS-12345678-33-03",
                **ports,
            )
        )
        secrets = scene.root / "secrets.yaml"
        secrets.touch(mode=0o600)
        keys = {"lora": self.sensor.app_key, "sealed": enocean.KEY, "meter": METER_KEY}
        secrets.write_text("".join(f'{name}: "{key.hex()}"\n' for name, key in keys.items()))
        await asyncio.to_thread(scene.enrol)

    async def start(self) -> None:
        arguments = (str(HUB), "run", "--config", str(self.scene.config), "--json", "--drain", "10")
        await asyncio.to_thread(lambda: self.scene._start("hub", *arguments, REPLAY_TWIN=self.twin))
        await asyncio.sleep(1.0)
        self.gateway.send(2)
        async with asyncio.timeout(60):
            while self.sensor.session is None:
                self.gateway.send(2)
                self.gateway.forward(self.sensor, self.sensor.join_request())
                await asyncio.sleep(6.5)

    async def end(self, *, kill: bool) -> None:
        if kill:
            process = self.scene.processes.pop("hub")
            process.kill()
            await asyncio.to_thread(process.communicate)
        else:
            await asyncio.to_thread(self.scene.stop, "hub")

    def make(self, name: str, number: int) -> bytes:
        if name == "enocean":
            sealed = enocean.sealed(number, 0xA5, number.to_bytes(3, "big") + b"\x08")
            return enocean.packet(0x31, sealed, enocean.SEALED)
        if name == "wmbus":
            return mode_7(number)
        address, nwk, app = self.sensor.session or (0, crypto.Key(bytes(16)), crypto.Key(bytes(16)))
        payload = crypto.payload(app, True, address, number, b"\x01\x65" + number.to_bytes(2, "big"))
        signed = phy.unsigned_data(phy.Data(True, False, address, number & 0xFFFF, 2, payload))
        return signed + crypto.data_mic(nwk, True, address, number, signed)

    async def say(self, name: str, frame: bytes) -> None:
        if name == "lorawan":
            self.gateway.forward(self.sensor, frame)
            await asyncio.sleep(0.002)
        elif name == "enocean":
            await self.ports[name].send(frame)
            await asyncio.sleep(0.001)
        else:
            await self.ports[name].send(frame.hex().upper().encode() + b"\n")
            await asyncio.sleep(0.001)

    async def attack(self, name: str, replays: int) -> None:
        for n in range(replays):
            if n % FRESH_EVERY == FRESH_EVERY - 1 or not self.captured[name]:  # a life begins with old ones
                self.number[name] += 1
                fresh = self.make(name, self.number[name])
                self.captured[name].append(fresh)
                await self.say(name, fresh)
            if n % 20 == 0:
                forged = bytearray(self.make(name, self.number[name] + 5000))
                forged[-2 if name != "enocean" else -9] ^= 0x55
                await self.say(name, bytes(forged))
            await self.say(name, self.rng.choice(self.captured[name]))
            self.replayed[name] += 1

    async def settled(self) -> None:
        """Until the hub has read all that was said."""
        former: Any = None
        while former != (former := await asyncio.to_thread(self._counts)):  # noqa: ASYNC110
            await asyncio.sleep(1.0)

    def _counts(self) -> str:
        status = call(self.scene.state / "hub.sock", "status")
        return json.dumps([status["reports"], status["counts"]])

    def stored(self, name: str) -> list[tuple[int, int]]:
        """(number, how often) of each that the backend has."""
        path = self.scene.root / "backend" / "backend.db"
        with asked(path) as db:
            rows = db.execute(
                "SELECT r.value, count(*) FROM readings r JOIN series s ON s.id = r.series WHERE s.metric = ?"
                " GROUP BY 1",
                (METRICS[name],),
            )
            return [(round(value * SCALE[name]), int(count)) for value, count in rows]


async def measured(frames: int, lives: int, names: list[str], root: Path, forgetful: bool) -> bool:
    air = Air(root, forgetful)
    clean = True
    try:
        await air.prepare()
        for life in range(lives):
            await air.start()
            await asyncio.gather(*(air.attack(name, -(-frames // lives)) for name in names))
            await air.settled()
            await air.end(kill=life % 2 == 0 and life < lives - 1)
        for name in names:
            stored, said = air.stored(name), air.number[name]
            twice = sum(count > 1 for _, count in stored)
            strange = sum(not 0 < number <= said for number, _ in stored)
            share = 100 * len(stored) / said
            clean = clean and twice == strange == 0 and share > 80
            figure(f"{name}, captured frames sent again", air.replayed[name], "frames", f"over {lives} lives")
            figure(f"{name}, frames twice at the backend", twice, "frames", "goal 0")
            figure(f"{name}, forged frames at the backend", strange, "frames", "goal 0")
            figure(f"{name}, true frames at the backend", share, "%", f"{len(stored)} of {said}; kills lose the rest")
    finally:
        await asyncio.to_thread(air.scene.close)
    return clean


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--frames", type=int, default=10_000, help="replays of each protocol")
    parser.add_argument("--lives", type=int, default=6)
    parser.add_argument("--forgetful", action="store_true", help="a hub that is broken on purpose")
    parser.add_argument("--only", choices=list(METRICS))
    options = parser.parse_args()
    names = [options.only] if options.only else list(METRICS)
    with tempfile.TemporaryDirectory(prefix="ilot-replay-") as root:
        return 0 if asyncio.run(measured(options.frames, options.lives, names, Path(root), options.forgetful)) else 1


if __name__ == "__main__":
    sys.exit(main())
