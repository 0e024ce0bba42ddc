"""Plays devices of a Bluetooth pack for `ilot sim --pack`: they are on a fake BlueZ, accept connections, and answer the
characteristics of the pack's vectors."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from hub.sdk.simulation import Fault, Message, Play, Played, Script
from integrations.bluetooth.sim.bluez import FakeBluez, fake_bluez, private_bus
from integrations.bluetooth.sim.gatt import Peripheral
from integrations.bluetooth.sim.replay import whole
from integrations.bluetooth.sim.sensors import Advertisement, Sensor

EVERY_S = 1.0
READ_S = 10
"""Seconds between two reads of the hub: the least that it allows, whatever the pack says."""

Values = dict[tuple[str, str], bytes]


def values_of(message: Message) -> Values:
    """Return the characteristics that a vector names."""
    found: Values = {}
    for place, said in message.heard.items():
        service, _, characteristic = place.partition("/")
        found[whole(service.lower()), whole(characteristic.lower())] = bytes.fromhex(str(said))
    return found


class BluetoothPlayer:
    """Peripherals on one fake BlueZ."""

    faults: frozenset[Fault] = frozenset({"silence", "wrong-payload"})
    secrets: dict[str, str] = {}  # noqa: RUF012 - nothing to add to
    options: dict[str, Any] = {}  # noqa: RUF012

    def __init__(self, script: Script, sensors: list[Sensor], service: FakeBluez, bus_address: str) -> None:
        self._sensors, self._service = sensors, service
        layout = () if script.part is None else script.part.layout
        gatt = [{**one.model_dump(mode="json", exclude_unset=True), "interval": READ_S} for one in layout]
        self.devices = [Played(sensor.id, {"gatt": gatt} if gatt else {}) for sensor in sensors]
        self.environment = {"DBUS_SYSTEM_BUS_ADDRESS": bus_address}

    def speaks(self, device: int, message: Message) -> bool:
        return True

    async def joined(self, device: int) -> None:
        await self._service.listened.wait()

    async def say(self, device: int, message: Message, fault: Fault | None) -> None:
        peripheral = self._sensors[device].peripheral
        if peripheral is None:
            return
        peripheral.absent = fault == "silence"
        for place, value in values_of(message).items():
            peripheral.values[place] = value[: len(value) // 2] if fault == "wrong-payload" else value


@asynccontextmanager
async def play(script: Script) -> AsyncIterator[BluetoothPlayer]:
    import asyncio

    rng = random.Random(f"{script.pack} {script.seed}")  # noqa: S311 - a simulation
    first: Values = {}
    for message in reversed(script.messages):
        first |= values_of(message)
    sensors = []
    for _ in range(script.devices):
        address = "C0:" + ":".join(f"{byte:02X}" for byte in rng.randbytes(5))
        said = Peripheral(dict(first))
        sensors.append(Sensor(address, script.pack, "", lambda: Advertisement({}, {}), peripheral=said))
    async with private_bus() as bus_address, fake_bluez(sensors, bus_address) as service:
        speaking = asyncio.create_task(service.run(EVERY_S), name="advertising")
        try:
            yield BluetoothPlayer(script, sensors, service, bus_address)
        finally:
            speaking.cancel()


PLAYERS: dict[str, Play] = {"bluetooth": play}
