"""Sampling raised in a crisis: a hub that polls a libmodbus server, judged by what really comes of it, over a kill."""

from __future__ import annotations

import asyncio
import signal
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from .patience import PATIENCE_S
from .plant_kit import Plant, running

pytestmark = pytest.mark.real("processes")

CONFIG = """\
hub: {{name: sampling, site: rig, state_dir: {state}}}
sites: {{rig: {{name: Rig}}}}
zones: {{plant: {{site: rig, name: Plant}}}}
places: {{boiler: {{zone: plant}}, machine: {{zone: plant}}}}
integrations:
  modbus: {{host: 127.0.0.1, port: {port}, interval: 1h, timeout: 20}}
  host: {{interval: 1h}}
devices:
  modbus:boiler:
    integration: modbus
    place: boiler
    settings: {{registers: [{{metric: setpoint, address: 3, type: int16, scale: 0.1, unit: Cel, privacy: technical}}]}}
  host:local: {{integration: host, place: machine}}
link: {{uplinks: {{https: {{url: "{url}"}}}}}}
buffer: {{window: 200ms}}
"""


class Sampled(Plant):
    async def seen(self) -> float:
        """Unix seconds of the boiler's last report."""
        status = await self.call("status")
        return float(next((one["time"] for one in status["last"] if one["metric"] == "setpoint"), 0.0))

    async def until_seen_after(self, moment: float) -> float:
        async with asyncio.timeout(PATIENCE_S):
            while (seen := await self.seen()) <= moment:
                await asyncio.sleep(0.1)
        return seen

    async def quick(self) -> None:
        """What is asked once an hour was answered at once. Where a busy machine made that one answer slow, a plan would
        leave the line more time between two."""
        async with asyncio.timeout(PATIENCE_S):
            while not 0 < (await self.boiler())["latency_ms"] < 300:
                await self.ilot("plugins", "restart", "modbus")
                await self.until_seen_after(await self.seen())

    async def boiler(self) -> dict[str, Any]:
        return next(one for one in (await self.ilot("devices"))["devices"] if one["id"] == "modbus:boiler")


@pytest.fixture
async def plant(tmp_path: Path) -> AsyncIterator[Sampled]:
    async with running(tmp_path, CONFIG, Sampled) as plant:
        yield plant


async def test_polling_is_raised_as_shown_stays_so_over_a_kill_and_goes_back_with_the_same_configuration(
    plant: Sampled,
) -> None:
    await plant.until_seen_after(0.0)
    await plant.quick()
    first = await plant.seen()
    shown = await plant.ilot("crisis", "sampling", "plan", "1s", "--for", "1h", "--device", "modbus:boiler")
    (entry,) = shown["entries"]
    assert (entry["name"], entry["was_s"], entry["to_s"]) == ("modbus:boiler", 3600.0, 1.0)
    assert 0 < entry["line"]["after"] < 0.5
    (load,) = shown["loads"]
    assert (load["name"], load["rate_after"]) == ("modbus", pytest.approx(1.0))
    everything = await plant.ilot("crisis", "sampling", "plan", "1s")
    assert {one["name"] for one in everything["entries"]} == {"modbus:boiler", "host:local"}

    refused = await plant.ilot("crisis", "sampling", "raise", "00", "--why", "crue", codes=(2,))
    assert "not known any more" in refused
    raised = await plant.ilot("crisis", "sampling", "raise", shown["digest"], "--why", "crue")
    assert raised["phase"] == "raised"
    second = await plant.until_seen_after(first)
    await plant.until_seen_after(second + 2.0)  # three of them, where one an hour was due
    async with asyncio.timeout(PATIENCE_S):
        while not (status := await plant.call("crisis.sampling.status"))["counts"]["confirmed"]:
            await asyncio.sleep(0.2)
    assert status["entries"][0]["step"] == "told"

    plant.scene.processes["hub"].send_signal(signal.SIGKILL)
    await asyncio.to_thread(plant.scene.stop, "hub")
    await asyncio.to_thread(plant.start)
    before = time.time()
    await plant.until_seen_after(await plant.until_seen_after(before) + 1.0)
    assert (await plant.ilot("crisis", "status"))["sampling"]["phase"] == "raised"
    assert any("raised period" in one for one in (await plant.ilot("status"))["degraded"])

    ended = await plant.ilot("crisis", "end", "--why", "décrue", codes=(0,))
    assert ended["same"]
    async with asyncio.timeout(PATIENCE_S):  # what was under way ends; then nobody asks before the hour is over
        last = 0.0
        while last != (last := await plant.seen()):
            await asyncio.sleep(3)

    again = await plant.ilot("crisis", "sampling", "plan", "1s")
    await plant.ilot("crisis", "readonly", "--why", "enquête")
    refused = await plant.ilot("crisis", "sampling", "raise", again["digest"], "--why", "x", codes=(5,))
    assert "read-only" in refused, "a raised period is a write to a device or a change of the hub"
    assert (await plant.call("crisis.sampling.status"))["phase"] == "restoring", "the hour is not over"
