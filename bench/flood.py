"""A radio flood at a whole hub: real BlueZ client or real ESPHome client, real backend, simulated air.

python bench/flood.py [--minutes 1] [--rate 5000] [--by proxy|bluez|both]

Fifty known sensors, each sealed and heard once a second, speak before, during and after a flood of so many
advertisements a second: forged BTHome in clear and sealed from addresses never seen before, phones, and one in fifty
that bears the address of a known sensor with a forged seal. Each known sensor says its own counter as a reading, so
that the backend's database tells what arrived: it is the oracle. By BlueZ the flood comes from a pool of addresses,
because bluetoothd makes an object of each; by a proxy every advertisement has an address of its own.

Goals: known sensors ≥ 99 % delivered, resident memory ≤ 20 MiB more than before, CPU back within 5 s.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import random
import shutil
import socket
import struct
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parents[1]), str(Path(__file__).parent)]  # the tree, where `backend` is no script
from cryptography.hazmat.primitives.ciphers.aead import AESCCM  # noqa: E402 - found through the line above
from measure import cpu_s, figure, rss_mib  # noqa: E402 - found through the line above

from hub.cli.demo.scene import Scene  # noqa: E402 - found through the line above
from hub.rpc.control_socket import call  # noqa: E402 - found through the line above
from integrations.bluetooth.sim.bluez import fake_bluez, private_bus  # noqa: E402 - found through the line above
from integrations.bluetooth.sim.sensors import BTHOME, Advertisement, Sensor  # noqa: E402 - found through the line above
from tests.integrations.bluetooth.esphome_kit import fake_proxy  # noqa: E402 - found through the line above
from tests.stored import asked  # noqa: E402 - found through the line above

KNOWN, POOL, TICK_S, PHONES = 50, 2000, 0.01, 0.3
SO_SNDBUFFORCE = 32  # asm-generic/socket.h of Linux; Python does not name it
Speak = Callable[[str, bytes, bool], None]
"""Address, service data 0xFCD2 (none: a phone's manufacturer data), is the address a random one?"""

CONFIG = """\
hub: {{name: flood, site: bench, state_dir: {state}}}
sites: {{bench: {{name: Bench, timezone: Europe/Paris}}}}
zones: {{bench: {{site: bench, name: Bench}}}}
places: {{bench: {{zone: bench}}}}
integrations: {{bluetooth: {{{options}}}}}
devices:
{devices}
link: {{uplinks: {{https: {{url: "{url}"}}}}}}
"""


class Air:
    """Everything that speaks. `counter` is what every known sensor has said."""

    def __init__(self, speak: Speak) -> None:
        self.speak = speak
        self.keys = {f"A4:C1:38:F1:00:{n:02X}": bytes([n]) * 16 for n in range(KNOWN)}
        self.counter = self.flooded = 0
        self.rng = random.Random(15)
        self.pool = [self._stranger() for _ in range(POOL)]

    async def known(self) -> None:
        """Each once a second, spread over it; until cancelled."""
        loop = asyncio.get_running_loop()
        due = loop.time()
        while True:
            self.counter += 1
            for address, key in self.keys.items():
                self.speak(address, self._sealed(address, key, self.counter), False)
                due += 1 / KNOWN
                if due > loop.time():
                    await asyncio.sleep(due - loop.time())

    async def flood(self, rate: int, seconds: float, *, pooled: bool) -> float:
        """So many a second, or as many as this machine can make; returns the rate that was reached."""
        loop = asyncio.get_running_loop()
        began = loop.time()
        self.flooded = 0
        while (spent := loop.time() - began) < seconds:
            for _ in range(min(int(spent * rate) - self.flooded, rate // 10)):
                self._forge(self.pool[self.flooded % POOL] if pooled else self._stranger())
                self.flooded += 1
            await asyncio.sleep(TICK_S)
        return self.flooded / (loop.time() - began)

    def _forge(self, stranger: str) -> None:
        kind = self.flooded % 50
        if kind == 0:
            known = self.rng.choice(list(self.keys))
            self.speak(known, b"\x41" + self.rng.randbytes(12), False)
        elif kind < 20:
            self.speak(stranger, b"\x40\x02" + self.rng.randbytes(2), True)
        elif kind < 50 * (1 - PHONES):
            self.speak(stranger, b"\x41" + self.rng.randbytes(14), True)
        else:
            self.speak(f"5{stranger[1:]}", b"", True)

    def _stranger(self) -> str:
        return f"C{self.rng.randrange(16):X}:" + self.rng.randbytes(5).hex(":").upper()

    def _sealed(self, address: str, key: bytes, counter: int) -> bytes:
        nonce = bytes.fromhex(address.replace(":", "")) + b"\xd2\xfc\x41" + struct.pack("<I", counter)
        box = AESCCM(key, tag_length=4).encrypt(nonce, b"\x42" + counter.to_bytes(3, "little"), None)
        return b"\x41" + box[:-4] + struct.pack("<I", counter) + box[-4:]


@asynccontextmanager
async def by_bluez() -> AsyncIterator[tuple[Speak, str, str, Callable[[], bool]]]:
    async with private_bus() as bus, fake_bluez([], bus) as bluez:
        # dbus-fast takes a full socket for a broken one; only root may make it larger than the system's limit
        bluez._bus._sock.setsockopt(
            socket.SOL_SOCKET, SO_SNDBUFFORCE if os.geteuid() == 0 else socket.SO_SNDBUF, 32 << 20
        )
        sensors: dict[str, Sensor] = {}

        def speak(address: str, data: bytes, stranger: bool) -> None:
            sensor = sensors.get(address)
            if sensor is None:
                sensor = sensors[address] = Sensor(address, "", "", Advertisement.nothing, random_address=stranger)
            said = Advertisement({BTHOME: data}, {}) if data else Advertisement({}, {0x004C: b"\x10\x05\x0b"})
            bluez.say(sensor, said)

        yield speak, "", bus, lambda: bluez.heard


@asynccontextmanager
async def by_proxy() -> AsyncIterator[tuple[Speak, str, str, Callable[[], bool]]]:
    async with fake_proxy() as proxy:

        def speak(address: str, data: bytes, stranger: bool) -> None:
            part = b"\x16\xd2\xfc" + data if data else b"\xff\x4c\x00\x10\x05\x0b"
            proxy.hear(address, b"\x02\x01\x06" + bytes([len(part)]) + part, random=stranger)

        options = f"proxies: {{air: {{url: 'esphome://127.0.0.1:{proxy.port}'}}}}"
        yield speak, options, "unix:path=/nowhere", lambda: bool(proxy.clients)


async def measured(name: str, rate: int, seconds: float, root: Path) -> None:
    opened = by_bluez() if name == "bluez" else by_proxy()
    async with opened as (speak, options, bus, heard):
        air = Air(speak)
        scene = Scene(root, lambda text: None)
        try:
            await asyncio.to_thread(prepare, scene, air, options, bus)
            await asyncio.to_thread(until, heard)
            pid = scene.processes["hub"].pid
            speaking = asyncio.create_task(air.known())
            await air.flood(rate, 3, pooled=name == "bluez")  # what is imported at first sight is no growth
            await asyncio.sleep(10)
            calm, before = await cpu_share(pid, 10), rss_mib(pid)
            phones = await asyncio.to_thread(counted, scene)
            flooding = asyncio.create_task(air.flood(rate, seconds, pooled=name == "bluez"))
            first, most, began, spent = air.counter + 1, before, cpu_s(pid), 0.0
            while not flooding.done():
                await asyncio.sleep(0.5)
                most, spent = max(most, rss_mib(pid)), cpu_s(pid) - began
            last, reached = air.counter - 1, flooding.result()
            phones = await asyncio.to_thread(counted, scene) - phones
            await asyncio.sleep(5)
            after = await cpu_share(pid, 5)
            await asyncio.sleep(5)
            speaking.cancel()
            await asyncio.to_thread(scene.stop, "hub")
            arrived = delivered(root / "backend" / "backend.db", first, last)
            label = f"flood by {name}"
            figure(f"{label}, advertisements", reached, "/s", f"asked for {rate}, {seconds / 60:g} min")
            figure(f"{label}, of its phones heard", 100 * phones / (air.flooded * PHONES), "%", "counted and forgotten")
            share = 100 * arrived / (KNOWN * (last - first + 1))
            figure(f"{label}, known sensors delivered", share, "%", f"{arrived:,} of {KNOWN * (last - first + 1):,}")
            figure(f"{label}, memory beyond before", most - before, "MiB", f"{before:.1f} MiB before")
            figure(f"{label}, CPU before", 100 * calm, "% of a core")
            figure(f"{label}, CPU during", 100 * spent / seconds, "% of a core")
            figure(f"{label}, CPU from 5 to 10 s after", 100 * after, "% of a core")
        finally:
            await asyncio.to_thread(scene.close)


def prepare(scene: Scene, air: Air, options: str, bus: str) -> None:
    scene.found()
    devices = "\n".join(
        f'  "ble:{address}": {{integration: bluetooth, place: bench, key: !secret k{n}}}'
        for n, address in enumerate(air.keys)
    )
    url = scene.backend["url"].rstrip("/")
    scene.config.write_text(CONFIG.format(state=scene.state, url=url, options=options, devices=devices))
    secrets = scene.root / "secrets.yaml"
    secrets.touch(mode=0o600)
    secrets.write_text("".join(f'k{n}: "{key.hex()}"\n' for n, key in enumerate(air.keys.values())))
    scene.enrol()
    scene.radio = {"bus_address": bus}
    scene.start_hub()


def until(true: Callable[[], bool]) -> None:
    while not true():
        time.sleep(0.05)


def counted(scene: Scene) -> int:
    """How many advertisements of phones the hub has heard."""
    counts = call(scene.state / "hub.sock", "status")["counts"].values()
    return sum(events.get("private-address", 0) for events in counts)


async def cpu_share(pid: int, seconds: float) -> float:
    before = cpu_s(pid)
    await asyncio.sleep(seconds)
    return (cpu_s(pid) - before) / seconds


def delivered(database: Path, first: int, last: int) -> int:
    """How many of these (sensor, counter) the backend has."""
    with asked(database) as db:
        [[count]] = db.execute(
            "SELECT count(*) FROM (SELECT DISTINCT s.device, r.value FROM readings r JOIN series s ON s.id = r.series"
            " WHERE s.metric = 'duration' AND r.value BETWEEN ? AND ?)",
            (first / 1000, last / 1000),
        )
    return int(count)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=1.0)
    parser.add_argument("--rate", type=int, default=5000)
    parser.add_argument("--by", choices=("proxy", "bluez", "both"), default="both")
    options = parser.parse_args()
    for name in ("proxy", "bluez") if options.by == "both" else (options.by,):
        root = Path(tempfile.mkdtemp(prefix="ilot-bench-"))
        try:
            asyncio.run(measured(name, options.rate, options.minutes * 60, root))
        finally:
            shutil.rmtree(root, ignore_errors=True)
    return 0


if __name__ == "__main__":
    os.environ.setdefault("PYTHONUNBUFFERED", "1")
    sys.exit(main())
