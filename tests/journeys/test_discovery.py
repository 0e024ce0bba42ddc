"""What is on the air, for a person who installs: discovered, captured, replayed. And what must leave no trace."""

from __future__ import annotations

import asyncio
import contextlib
import json
import subprocess
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest

from integrations.bluetooth.sim.bluez import FakeBluez
from integrations.bluetooth.sim.sensors import BTHOME, Advertisement, Sensor
from integrations.bluetooth.sim.sensors import house as sensors_of

from .ble_kit import BleHouse, house
from .patience import PATIENCE_S

pytestmark = [pytest.mark.real("processes"), pytest.mark.long("starts whole hubs", of="tests/journeys")]

CONFIG = """\
hub: {{name: discovery, site: rig, state_dir: {state}}}
sites: {{rig: {{name: Rig, timezone: Europe/Paris}}}}
zones: {{bench: {{site: rig, name: Bench, personal: {{nearby_devices: to count visitors}}}}}}
places: {{one: {{zone: bench}}, hall: {{zone: bench}}}}
integrations: {{bluetooth: {{}}}}
devices:
  "ble:A4:C1:38:01:00:00": {{integration: bluetooth, place: one}}
  "ble:visitors": {{integration: bluetooth, place: hall, settings: {{census: [hci0]}}}}
link: {{uplinks: {{https: {{url: "{url}"}}}}}}
buffer: {{window: 200ms, segment_size: 64KB}}
"""
PHONES = [f"5A:{n:02X}:7E:1E:C0:DE" for n in range(8)]
WATCH = "C8:69:CD:0F:F1:CE"  # its maker's own address: not private, and still no sensor
KNOWN, SEALED, TAG = "ble:A4:C1:38:01:00:00", "ble:7C:C6:B6:02:00:00", "ble:CB:B8:33:4C:00:00"


class House(BleHouse):
    config = CONFIG

    def __init__(self, root: Path, bluez: FakeBluez) -> None:
        super().__init__(root, bluez)
        self.sensors = sensors_of(11)
        nothing = Advertisement.nothing
        self.phones = [Sensor(address, "Zoe's phone", "", nothing, random_address=True) for address in PHONES]
        self.watch = Sensor(WATCH, "Watch", "", nothing)

    def speak(self) -> None:
        for sensor in self.sensors:
            self.bluez.say(sensor, sensor.advertise(), {"hci0": sensor.rssi})
        for phone in (*self.phones, self.watch):
            self.bluez.say(phone, Advertisement({}, {0x004C: b"\x10\x05\x0b\x1c"}), {"hci0": -70})
        # A sensor's format from a random private address: a phone's app may do that.
        self.bluez.say(self.phones[0], Advertisement({BTHOME: bytes.fromhex("4002C409")}, {}), {"hci0": -70})

    async def captured(self, *arguments: str, wanted: Iterable[str]) -> subprocess.CompletedProcess[bytes]:
        """Return a capture that ends with these addresses in it. Its seconds begin before it listens: a busy
        machine has the longer one."""
        for seconds in ("4", "60"):
            running = asyncio.create_task(self.output("capture", "ble", "--seconds", seconds, *arguments))
            while not running.done():
                self.speak()
                await asyncio.sleep(0.1)
            done = running.result()
            if all(address.encode() in done.stdout for address in wanted):
                break
        return done

    async def scanned(self, *arguments: str) -> dict[str, Any]:
        """What a scan finds, as above."""
        for seconds in ("2", "60"):
            done = await self.output("discover", "ble", "--scan", seconds, "--json", *arguments)
            found: dict[str, Any] = json.loads(done.stdout)
            if len(found["candidates"]) == 2 and found["counted"]["enrolled"]:
                break
        return found


def needles() -> Iterator[bytes]:
    """The addresses of people's devices in every form in which a program may keep them."""
    for address in (*PHONES, WATCH):
        raw = bytes.fromhex(address.replace(":", ""))
        for text in (address, address.replace(":", "_"), address.replace(":", ""), address.replace(":", "-")):
            yield from (text.encode(), text.lower().encode(), text.encode("utf-16-le"))
        yield from (raw, raw[::-1])


def traces(root: Path, *, leave_out: tuple[str, ...] = ()) -> list[str]:
    """Files in which one of them was found."""
    files = [path for path in root.rglob("*") if path.is_file() and path.name not in leave_out]
    wanted, found = list(needles()), list[str]()
    for path in files:
        with contextlib.suppress(FileNotFoundError):  # the backend goes on, and removes files of its own
            data = path.read_bytes()
            found += [str(path)] if any(needle in data for needle in wanted) else []
    return found


async def test_sensors_are_discovered_and_people_are_not(tmp_path: Path) -> None:
    async with house(House, tmp_path) as made:
        await made.start()
        by_id: dict[str, Any] = {}
        found: dict[str, Any] = {"counted": {}}
        async with asyncio.timeout(PATIENCE_S):
            while set(by_id) != {SEALED, TAG} or found["counted"].get("private-address", 0) < 8:
                made.speak()
                found = await made.ilot("discover", "ble")
                by_id = {candidate["id"]: candidate for candidate in found["candidates"]}
        assert found["running"]
        tag = by_id[TAG]
        assert (tag["model"], tag["rssi"], tag["heard"]) == ("RuuviTag", -66, {"hci0": -66})
        assert 0 < tag["values"]["temperature"] < 20
        assert tag["last"] >= tag["first"] > 1.7e9
        assert (by_id[SEALED]["reason"], by_id[SEALED]["model"]) == ("needs a key", "Shelly BLU H&T")
        assert found["counted"]["not-a-sensor"] >= 1
        heard = {device["id"]: device["heard"] for device in (await made.ilot("devices"))["devices"]}
        assert heard == {KNOWN: {"hci0": -58}, "ble:visitors": {}}
        table = await made.output("discover", "ble", "--config", str(made.scene.config))
        assert TAG.encode() in table.stdout
        assert PHONES[0].encode() not in table.stdout + table.stderr
        await made.end(kill=True)
        await made.start()
        made.speak()
        async with asyncio.timeout(PATIENCE_S):
            while not made.sql("SELECT 1 FROM series"):
                await asyncio.sleep(0.1)
        await made.end()
        assert made.sql("SELECT DISTINCT device FROM series") == [(KNOWN,)], "candidates are never forwarded"
        assert traces(tmp_path) == [], "no address of a person's device reached the disk"
        (tmp_path / "twin").write_bytes(bytes.fromhex(PHONES[3].replace(":", ""))[::-1])
        assert traces(tmp_path) == [str(tmp_path / "twin")]


async def test_a_capture_holds_sensors_only_decodes_and_can_be_heard_again(tmp_path: Path) -> None:
    async with house(House, tmp_path) as made:
        config = ("--config", str(made.scene.config))
        done = await made.captured(*config, wanted=[one.removeprefix("ble:") for one in (KNOWN, SEALED, TAG)])
        assert b"left out: " in done.stderr
        lines = [json.loads(line) for line in done.stdout.splitlines()]
        assert {f"ble:{line['address']}" for line in lines} == {KNOWN, SEALED, TAG}
        assert lines == sorted(lines, key=lambda line: line["time"])
        capture = tmp_path / "capture.jsonl"
        capture.write_bytes(done.stdout)
        decoded = await made.output("decode", "ble", stdin=done.stdout)
        readings = [json.loads(line) for line in decoded.stdout.splitlines()]
        assert {reading.get("device") for reading in readings} == {KNOWN, SEALED, TAG}
        assert {reading["error"] for reading in readings if "error" in reading} == {"needs-key"}

        everything = await made.captured("--all", *config, wanted=PHONES[:1])
        assert b"personal data" in everything.stderr
        assert PHONES[0].encode() in everything.stdout

        # Heard again: by the replay's own BlueZ, and as a source of its own.
        scene = made.scene
        said = await asyncio.to_thread(
            lambda: scene._start(
                "radio",
                "-m",
                "hub",
                "replay",
                "ble",
                str(capture),
                "--play",
                "--speed",
                "1000",
                "--json",
                *config,
            )
        )
        scene.radio = {"bus_address": said["environment"]["DBUS_SYSTEM_BUS_ADDRESS"]}
        found = await made.scanned(*config)
        assert {candidate["id"] for candidate in found["candidates"]} == {SEALED, TAG}
        assert found["counted"]["enrolled"] >= 1
        text = scene.config.read_text()
        scene.config.write_text(text.replace("bluetooth: {}", f"bluetooth: {{capture: {capture}}}"))
        scene.radio = {"bus_address": "unix:path=/nowhere"}
        found = await made.scanned(*config)
        assert {candidate["id"] for candidate in found["candidates"]} == {SEALED, TAG}
        assert list(found["candidates"][0]["heard"]) == ["capture:hci0"]
