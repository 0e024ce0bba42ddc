"""A KNX installation behind knxd, from its telegrams to the backend's database, and a command back to it."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from hub.cli.demo.scene import Scene

from ..faults.rig import run
from .patience import PATIENCE_S

sys.path.insert(0, str(Path(__file__).parents[1] / "integrations/knx"))

from knxd_kit import Knxd

pytestmark = pytest.mark.real("network, processes")

CONFIG = """\
hub: {{name: knx, site: rig, state_dir: {state}}}
sites: {{rig: {{name: Rig}}}}
zones: {{room: {{site: rig, personal: {{light: essai}}}}}}
places: {{one: {{zone: room}}, two: {{zone: room}}}}
integrations: {{knx: {{connection: tunnelling, host: 127.0.0.1, port: {port}, max_rate: 20, timeout: 20s}}}}
devices:
  knx:1.1.5:
    integration: knx
    place: one
    settings:
      groups:
        1/2/3: {{dpt: "9.001", metric: temperature}}
        1/2/4: {{dpt: "1.018", metric: occupancy}}
  knx:lampe:
    integration: knx
    place: two
    settings: {{groups: {{2/0/2: {{dpt: "1.001", metric: light, read: true, write: 2/0/1, confirm: 60s}}}}}}
    writable: {{light: {{role: technicien, every: 1s}}}}
link: {{uplinks: {{https: {{url: "{url}"}}}}}}
buffer: {{window: 200ms}}
"""


class House:
    def __init__(self, root: Path, knxd: Knxd) -> None:
        self.scene = Scene(root, lambda text: None)
        self.knxd = knxd

    def start(self) -> None:
        self.scene.found()
        url = self.scene.backend["url"].rstrip("/")
        self.scene.config.write_text(CONFIG.format(state=self.scene.state, url=url, port=self.knxd.port))
        self.scene.enrol()
        self.scene._start("hub", "-m", "hub", "run", "--config", str(self.scene.config), "--json", "--drain", "2")

    async def ilot(self, *arguments: str) -> Any:
        done = await asyncio.to_thread(run, *arguments, "--config", self.scene.config, "--json")
        assert done.returncode in (0, 6), done.stderr.decode()
        return json.loads(done.stdout)

    async def last(self) -> dict[str, Any]:
        return {one["metric"]: one["value"] for one in (await self.ilot("status"))["last"]}

    async def reads(self, octets: tuple[int, int], value: float) -> None:
        """knxtool says it until the hub has it."""
        async with asyncio.timeout(PATIENCE_S):
            while (await self.last()).get("temperature") != value:
                await self.knxd.write("1/2/3", *octets)


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    knxd = Knxd()
    made = House(tmp_path / "scene", knxd)
    try:
        await knxd.start()
        await asyncio.to_thread(made.start)
        yield made
    finally:
        await asyncio.to_thread(made.scene.close)
        await knxd.stop()


async def test_telegrams_are_readings_commands_are_confirmed_and_strangers_wait(house: House) -> None:
    lamp = {"on": 0}

    def actuator(address: int, apdu: bytes) -> dict[int, bytes]:
        command, status = 2 << 11 | 1, 2 << 11 | 2
        if address == command and apdu[1] & 0xC0 == 0x80:
            lamp["on"] = apdu[1] & 1
            return {status: bytes((0, 0x80 | lamp["on"]))}
        return {status: bytes((0, 0x40 | lamp["on"]))} if address == status and apdu == b"\0\0" else {}

    async with house.knxd.bus_device(actuator):
        await house.reads((0x0C, 0x1A), 21.0)
        await house.knxd.switch("1/2/4", 1)
        await house.knxd.switch("7/7/7", 1)
        order = ("command", "set", "knx:lampe", "light", "true", "--why", "the cleaner is in")
        done = await house.ilot(*order)
        assert (done["state"], done["detail"]) == ("done", "2/0/2 confirms it")
        assert lamp["on"] == 1
        async with asyncio.timeout(PATIENCE_S):
            while (await house.last()).get("light") is not True:
                await asyncio.sleep(0.1)
    status = await house.ilot("status")
    assert "occupancy" not in {one["metric"] for one in status["last"]}, "its zone states no purpose"
    waiting = (await house.ilot("devices"))["quarantine"]
    assert [w["evidence"] for w in waiting] == [{"groups": "7/7/7 (up to 6 bits)"}]
