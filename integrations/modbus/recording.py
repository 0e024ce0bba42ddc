"""Asks the configured devices for `ilot capture modbus`: each answer is a line, in the form of a pack's vectors."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import hub
from hub.sdk.phrases import phrase, reason_of
from hub.sdk.simulation import Read, Record
from integrations.modbus.faults import Refused, Silent
from integrations.modbus.link import Link
from integrations.modbus.packs import RegisterMap
from integrations.modbus.plan import plan
from integrations.modbus.settings import Config, DeviceSettings


async def record(config: Config, devices: Sequence[hub.Device], hear: Callable[[dict[str, Any]], None]) -> None:
    """Read every register of the map of each device at the configured interval, until cancelled. A running hub asks
    beside it: a serial line has room for one. Raises NotReady."""
    if config.bus:
        raise hub.NotReady(_one_at_a_time(config.bus))
    maps = {device.id: device.settings_as(DeviceSettings) for device in devices}
    async with Link(config) as link:
        while True:
            for name, settings in maps.items():
                heard: dict[str, list[int]] = {}
                for request in plan(settings.registers, max_gap=0):
                    try:
                        heard[f"{request.table} {request.address}"] = await link.read(settings.unit, request)
                    except (Refused, Silent, hub.DecodeError):
                        continue  # what it does not answer is not in the line
                if heard:
                    hear({"time": round(time.time(), 3), "device": name, "heard": heard})
            await asyncio.sleep(config.interval.total_seconds())


def _one_at_a_time(bus: str) -> str:
    return phrase(
        "modbus.capture-needs-tcp",
        "the line {bus} has room for one that asks, and that is the hub: only Modbus TCP is captured",
        bus=bus,
    )


def read(line: Mapping[str, Any], devices: Mapping[str, hub.Device]) -> dict[str, dict[str, Any]]:
    """Return the readings of a line. Raises DecodeError."""
    name, heard = line.get("device"), line.get("heard")
    known = devices.get(name) if isinstance(name, str) else None
    if known is None or not isinstance(heard, dict):
        raise hub.DecodeError(
            "bad-line",
            phrase("modbus.line-without-registers", "a line has `device`, one of the configuration, and `heard`"),
        )
    try:
        registers = known.settings_as(DeviceSettings).registers
        return {known.id: dict(RegisterMap(registers=registers).readings(heard))}
    except (ValueError, TypeError, OverflowError) as error:
        raise hub.DecodeError("bad-line", reason_of(error)) from error


RECORDERS: dict[str, Record] = {"modbus": record}
READERS: dict[str, Read] = {"modbus": read}
