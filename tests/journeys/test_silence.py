"""Two controllers and one hub, each in its own process: the one that falls silent is no longer green, the other is."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from ..ports import free_port
from .patience import PATIENCE_S
from .plant_kit import Plant

pytestmark = [pytest.mark.real("network, processes"), pytest.mark.long("starts whole hubs", of="tests/journeys")]

CONFIG = """\
hub: {{name: silence, site: rig, state_dir: {state}}}
sites: {{rig: {{}}}}
zones: {{plant: {{site: rig}}}}
places: {{one: {{zone: plant}}, two: {{zone: plant}}}}
integrations:
  bacnet: {{address: 127.0.0.3, port: 0, interval: 1s, timeout: 2s, retries: 1, notifications: NOTIFICATIONS}}
devices: DEVICES
link: {{uplinks: {{https: {{url: "{url}"}}}}}}
"""
HOST = "127.0.0.2"
ONE, TWO = "bacnet:1201", "bacnet:1202"


class Controller:
    """A simulated air handling unit; `devices` is what it says of itself."""

    def __init__(self, process: asyncio.subprocess.Process, said: dict[str, Any]) -> None:
        self.port: int = said["port"]
        self.devices: dict[str, Any] = said["devices"]
        self._process = process

    @classmethod
    async def start(cls, device: str, port: int = 0) -> Controller:
        """At a port that stays free while it is away, unless it is told which."""
        port = port or free_port(HOST, kind=socket.SOCK_DGRAM)
        options = ["--host", HOST, "--instance", device.partition(":")[2], "--port", str(port)]
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "integrations.bacnet.sim",
            *options,
            stdout=subprocess.PIPE,
            cwd=Path(__file__).parents[2],
        )
        assert process.stdout is not None
        return cls(process, json.loads(await asyncio.wait_for(process.stdout.readline(), PATIENCE_S)))

    async def stop(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            self._process.kill()
        await self._process.wait()


@pytest.mark.parametrize("notifications", ["none", "confirmed"])
async def test_a_controller_that_falls_silent_is_not_green_and_is_again_when_it_is_back(
    notifications: str, tmp_path: Path
) -> None:
    one, two = await Controller.start(ONE), await Controller.start(TWO)
    plant = Plant(tmp_path / "scene")
    devices = {
        name: {"integration": "bacnet", "place": place, "settings": controller.devices[name]}
        for name, place, controller in ((ONE, "one", one), (TWO, "two", two))
    }
    config = CONFIG.replace("NOTIFICATIONS", notifications)
    config = config.replace("DEVICES", json.dumps(devices).replace("{", "{{").replace("}", "}}"))

    async def stand(**expected: tuple[str, str]) -> None:
        wanted = {"bacnet:" + name.removeprefix("d"): how for name, how in expected.items()}
        async with asyncio.timeout(PATIENCE_S):
            while True:
                found = {each["id"]: (each["state"], each["why"]) for each in (await plant.call("devices"))["devices"]}
                if found == wanted:
                    return
                await asyncio.sleep(0.2)

    try:
        await asyncio.to_thread(plant.prepare, config, 0)
        await asyncio.to_thread(plant.start)
        await stand(d1201=("green", ""), d1202=("green", ""))
        await one.stop()
        await stand(d1201=("trouble", "unreachable"), d1202=("green", ""))
        one = await Controller.start(ONE, one.port)
        await stand(d1201=("green", ""), d1202=("green", ""))
    finally:
        await asyncio.to_thread(plant.scene.close)
        await one.stop()
        await two.stop()
