"""A device that is read over a connection, from the configuration file to the backend's database."""

from __future__ import annotations

import asyncio
import struct
from pathlib import Path

import pytest

from integrations.bluetooth.sim.bluez import FakeBluez
from integrations.bluetooth.sim.gatt import Peripheral
from integrations.bluetooth.sim.sensors import Advertisement, Sensor

from .ble_kit import BleHouse, house
from .patience import PATIENCE_S

pytestmark = pytest.mark.real("processes")

BASE = "-0000-1000-8000-00805f9b34fb"
SERVICE, TEMPERATURE = (f"0000{short}{BASE}" for short in ("181a", "2a6e"))
OWN_SERVICE, OWN = "0000cafe-1111-2222-3333-444455556666", "0000babe-1111-2222-3333-444455556666"
ADDRESS = "C0:11:22:33:44:55"

CONFIG = """\
hub: {{name: connections, site: rig, state_dir: {state}}}
sites: {{rig: {{name: Rig, timezone: Europe/Paris}}}}
zones: {{bench: {{site: rig, name: Bench}}}}
places: {{one: {{zone: bench}}}}
integrations: {{bluetooth: {{}}}}
devices:
  "ble:C0:11:22:33:44:55":
    integration: bluetooth
    place: one
    settings:
      gatt:
        - {{service: "181a", characteristic: "2a6e", interval: 10s}}
        - service: 0000cafe-1111-2222-3333-444455556666
          characteristic: 0000babe-1111-2222-3333-444455556666
          mode: notify
          fields: [{{metric: water_pressure, type: u16le, scale: 0.01, invalid: [65535]}}]
link: {{uplinks: {{https: {{url: "{url}"}}}}}}
buffer: {{window: 200ms}}
"""


class House(BleHouse):
    config = CONFIG

    def __init__(self, root: Path, bluez: FakeBluez) -> None:
        super().__init__(root, bluez)
        values = {(SERVICE, TEMPERATURE): struct.pack("<h", 5550), (OWN_SERVICE, OWN): struct.pack("<H", 152)}
        self.boiler = Sensor(ADDRESS, "boiler", "", Advertisement.nothing, peripheral=Peripheral(values))

    async def last(self) -> set[tuple[str, float]]:
        return {(one["metric"], one["value"]) for one in (await self.status())["last"]}


async def test_what_is_read_and_what_is_notified_reach_the_backend(tmp_path: Path) -> None:
    async with house(House, tmp_path) as made:
        await made.start()
        made.bluez.say(made.boiler, Advertisement.nothing())
        radio = made.bluez.radios["hci0"]
        async with asyncio.timeout(PATIENCE_S):
            while not radio.connected or not radio.device(ADDRESS).link.characteristics[OWN_SERVICE, OWN].notifies:
                await asyncio.sleep(0.02)
        for value in (152, 0xFFFF, 153):
            radio.device(ADDRESS).link.characteristics[OWN_SERVICE, OWN].say(struct.pack("<H", value))
        async with asyncio.timeout(PATIENCE_S):
            while ("water_pressure", 1.53) not in await made.last():  # three readings may be two of the temperature
                await asyncio.sleep(0.1)
        assert (await made.status())["counts"][f"ble:{ADDRESS}"] == {"unknown-water_pressure": 1}
        await made.end()
        rows = made.sql(
            "SELECT s.metric, r.value FROM readings r JOIN series s ON s.id = r.series WHERE s.place = 'one'"
            " ORDER BY s.metric, r.time, r.value"
        )
        pressures = [value for metric, value in rows if metric == "water_pressure"]
        assert {value for metric, value in rows if metric == "temperature"} == {55.5}
        assert pressures == [1.52, 1.53]
        async with asyncio.timeout(PATIENCE_S):  # the hub hangs up when it stops
            while radio.connected:
                await asyncio.sleep(0.02)
