"""A technician writes a set-point: command line, desk, Modbus, a libmodbus server; and one command stops it all."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from .plant_kit import Plant, running

pytestmark = pytest.mark.real("processes")

CONFIG = """\
hub: {{name: commands, site: rig, state_dir: {state}}}
sites: {{rig: {{name: Rig}}}}
zones: {{plant: {{site: rig, name: Plant}}}}
places: {{boiler: {{zone: plant}}}}
integrations: {{modbus: {{host: 127.0.0.1, port: {port}, interval: 1, timeout: 20}}}}
devices:
  modbus:boiler:
    integration: modbus
    place: boiler
    settings:
      registers:
        - {{metric: setpoint, address: 3, type: int16, scale: 0.1, unit: Cel, privacy: technical}}
        - {{metric: reserve, address: 4, type: int16, unit: "1", privacy: technical}}
    writable:
      setpoint: {{low: 20, high: 70, every: 1s}}
link: {{uplinks: {{https: {{url: "{url}"}}}}}}
buffer: {{window: 200ms}}
"""


@pytest.fixture
async def plant(tmp_path: Path) -> AsyncIterator[Plant]:
    async with running(tmp_path, CONFIG) as plant:
        yield plant


async def test_a_set_point_is_written_audited_refused_beyond_its_bounds_and_stopped_for_good(plant: Plant) -> None:
    await plant.reads(65.5)
    order = ("command", "set", "modbus:boiler", "setpoint")
    done = await plant.ilot(*order, "55", "--why", "classroom 3 is cold")
    assert (done["state"], done["old"], done["value"]) == ("done", 65.5, 55.0)
    await plant.reads(55.0)

    (boiler,) = (await plant.ilot("devices"))["devices"]
    assert (boiler["id"], boiler["errors"]) == ("modbus:boiler", {})
    assert boiler["last_seen_s"] < 30
    assert 0 < boiler["latency_ms"] < 10_000
    assert "from 20 to 70 °C" in await plant.ilot(*order, "90", "--why", "colder still", codes=(3,))
    assert "read-only" in await plant.ilot("command", "set", "modbus:boiler", "reserve", "1", "--why", "x", codes=(3,))

    (boiler,) = (await plant.ilot("devices"))["devices"]
    assert boiler["errors"] == {"write-out-of-bounds": 1, "write-read-only": 1}
    stopped = await plant.ilot("command", "stop", "--why", "a leak")
    assert [one["metric"] for one in stopped["released"]] == ["setpoint"]
    assert "all writes are stopped" in await plant.ilot(*order, "50", "--why", "x", codes=(3,))
    await asyncio.to_thread(plant.scene.stop, "hub")
    await asyncio.to_thread(plant.start)
    await plant.reads(55.0)
    assert "all writes are stopped" in await plant.ilot(*order, "50", "--why", "x", codes=(3,))
    await plant.ilot("command", "resume", "--why", "mended")
    await asyncio.sleep(1)  # the pace that the configuration asks
    assert (await plant.ilot(*order, "50", "--why", "back to normal"))["state"] == "done"
    await plant.reads(50.0)

    listed = (await plant.ilot("command", "list"))["commands"]
    assert [(one["value"], one["state"]) for one in listed] == [(50.0, "done"), (None, "failed"), (55.0, "done")]
    assert "keeps its last value" in listed[1]["detail"]
