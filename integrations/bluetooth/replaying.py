"""Says the advertisements of a capture again, on a fake BlueZ, for `ilot replay ble --play`."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

import hub
from hub.sdk.phrases import reason_of
from hub.sdk.simulation import Replay
from integrations.bluetooth import lines
from integrations.bluetooth.sim.bluez import FakeBluez, fake_bluez, private_bus
from integrations.bluetooth.sim.replay import advertisement
from integrations.bluetooth.sim.sensors import Advertisement, Sensor


class Air:
    """What is around the fake radio."""

    def __init__(self, service: FakeBluez, bus_address: str) -> None:
        self._service = service
        self._sensors: dict[str, Sensor] = {}
        self.options: dict[str, Any] = {}
        self.environment = {"DBUS_SYSTEM_BUS_ADDRESS": bus_address}

    async def joined(self) -> None:
        await self._service.listened.wait()

    async def say(self, line: Mapping[str, Any]) -> None:
        lines.line(dict(line))  # raises DecodeError for what is no advertisement
        try:
            said, address = advertisement(dict(line)), str(line["address"])
        except (ValueError, KeyError, TypeError, AttributeError, IndexError) as error:
            raise hub.DecodeError("bad-line", reason_of(error)) from error
        sensor = self._sensors.setdefault(
            address,
            Sensor(address, str(line.get("name", "")), "", Advertisement.nothing, random_address="random" in line),
        )
        rssi = line.get("rssi")
        level = rssi if type(rssi) is int and -127 <= rssi <= 20 else -60
        self._service.say(sensor, said, dict.fromkeys(self._service.radios, level))


@asynccontextmanager
async def replay(options: Any, lines: Sequence[Mapping[str, Any]], port: int) -> AsyncIterator[Air]:
    async with private_bus() as bus_address, fake_bluez([], bus_address) as service:
        yield Air(service, bus_address)
        await asyncio.Event().wait()  # a hub that loses its BlueZ says so: it stays, until it is stopped


REPLAYERS: dict[str, Replay] = {"bluetooth": replay}
