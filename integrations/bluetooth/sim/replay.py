"""Replays a capture: lines of `ilot capture ble` on a fake BlueZ, at their own pace."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from integrations.bluetooth.sim.bluez import FakeBluez
from integrations.bluetooth.sim.sensors import Advertisement, Sensor

BASE = "-0000-1000-8000-00805f9b34fb"


class Said(NamedTuple):
    """A line: its time (Unix seconds, None where it has none), sender, content and signal (dBm)."""

    at: float | None
    sensor: Sensor
    advertisement: Advertisement
    rssi: int


def read(path: Path) -> Iterator[Said]:
    """Return the lines of a capture. One that cannot be read is named on stderr and left out."""
    sensors: dict[str, Sensor] = {}
    with path.open(encoding="utf-8") as lines:
        for number, text in enumerate(lines, 1):
            try:
                item = json.loads(text)
                said = advertisement(item)
                sensor = sensors.get(item["address"]) or Sensor(
                    item["address"],
                    item.get("name", ""),
                    "",
                    Advertisement.nothing,
                    random_address=bool(item.get("random") or item.get("private")),
                )
            except (ValueError, KeyError, TypeError, AttributeError, IndexError) as error:
                sys.stderr.write(f"{path}:{number}: left out: {error}\n")
                continue
            sensors[sensor.address] = sensor
            yield Said(item.get("time"), sensor, said, item.get("rssi", -60))


def advertisement(item: dict[str, Any]) -> Advertisement:
    """Return a line as BlueZ would show it. Raises ValueError, KeyError, TypeError, IndexError."""
    if "raw" in item:
        return structures(bytes.fromhex(item["raw"]))
    service = {whole(uuid): bytes.fromhex(data) for uuid, data in item.get("service_data", {}).items()}
    manufacturer = {int(key, 16): bytes.fromhex(data) for key, data in item.get("manufacturer_data", {}).items()}
    return Advertisement(service, manufacturer)


def structures(raw: bytes) -> Advertisement:
    """Parse service data (0x16) and manufacturer data (0xFF) of advertising data (Core Specification Supplement, part
    A)."""
    service, manufacturer = {}, {}
    at = 0
    while at < len(raw) and raw[at]:
        kind, data = raw[at + 1], raw[at + 2 : at + 1 + raw[at]]
        if kind == 0x16:
            service[whole(data[1::-1].hex())] = data[2:]
        elif kind == 0xFF:
            manufacturer[int.from_bytes(data[:2], "little")] = data[2:]
        at += 1 + raw[at]
    return Advertisement(service, manufacturer)


def whole(uuid: str) -> str:
    """Return a UUID in full, as BlueZ names it."""
    return uuid if len(uuid) == 36 else f"{uuid.removeprefix('0x'):0>8}{BASE}"


async def replay(service: FakeBluez, path: Path, speed: float) -> None:
    """Send every line once, `speed` times as fast as it was heard, then nothing."""
    await service.listened.wait()
    loop = asyncio.get_running_loop()
    began, first = loop.time(), None
    for said in await asyncio.to_thread(lambda: list(read(path))):
        if said.at is not None:
            first = said.at if first is None else first
            await asyncio.sleep(max(0.0, (said.at - first) / speed - (loop.time() - began)))
        service.say(said.sensor, said.advertisement, dict.fromkeys(service.radios, said.rssi))
    await asyncio.Event().wait()
