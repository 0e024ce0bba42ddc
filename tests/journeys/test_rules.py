"""A rule commands: what a libmodbus server says makes the hub write to it, through the desk, audited, and no alert."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from .patience import PATIENCE_S
from .plant_kit import running
from .test_commands import CONFIG

pytestmark = pytest.mark.real("processes")

RULES = """\
rules:
  night-setback:
    metric: reserve
    unit: "1"
    places: [boiler]
    above: 10
    alert: false
    set: {{device: "modbus:boiler", metric: setpoint, value: 40}}
  too-hot: {{metric: setpoint, places: [boiler], above: 60, clears: 50}}
"""
RULED = (
    CONFIG.replace(
        "interval: 1,", 'interval: 1, perimeter: {{kind: locked room, declared_by: rig, declared_on: "2026-01-01"}},'
    )
    + RULES
)


async def test_what_a_register_says_writes_another_and_an_alert_ends_by_it(tmp_path: Path) -> None:
    async with running(tmp_path, RULED) as plant:
        await plant.reads(40.0)
        async with asyncio.timeout(PATIENCE_S):  # the register may be read before the command is answered
            while True:
                [done] = (await plant.ilot("command", "list"))["commands"]
                if done["state"] == "done":
                    break
                await asyncio.sleep(0.2)
        assert (done["by"], done["value"]) == ("rule:night-setback", 40.0)
        async with asyncio.timeout(PATIENCE_S):
            while True:
                listed = (await plant.ilot("alerts", "list", "--all"))["alerts"]
                if [one["state"] for one in listed] == ["cleared"]:
                    break
                await asyncio.sleep(0.2)
        [alert] = listed  # at 65.5 the boiler was too hot; the setback ended that; the rule that only acts told nothing
        assert (alert["rule"], alert["value"]) == ("too-hot", "65.5 °C")
        await asyncio.to_thread(plant.scene.stop, "hub")
        await asyncio.to_thread(plant.start)
        await plant.reads(40.0)
        [same] = (await plant.ilot("command", "list"))["commands"]
        assert same["id"] == done["id"], "the next life knows that the rule holds"
