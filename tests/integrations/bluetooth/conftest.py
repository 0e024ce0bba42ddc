from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from integrations.bluetooth.sim.bluez import FakeBluez, fake_bluez, private_bus
from integrations.bluetooth.sim.sensors import Sensor, house
from integrations.bluetooth.strangers import child

from ..priority import as_others
from .radio_kit import Session


@pytest.fixture(autouse=True)
def _worker_as_others(monkeypatch: pytest.MonkeyPatch) -> None:
    real = child.own_command
    monkeypatch.setattr(child, "own_command", lambda: as_others(real()))


@pytest.fixture
async def bus(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[str]:
    async with private_bus() as address:
        monkeypatch.setenv("DBUS_SYSTEM_BUS_ADDRESS", address)
        yield address


@pytest.fixture
def sensors() -> list[Sensor]:
    return house(7)


@pytest.fixture
async def bluez(bus: str, sensors: list[Sensor]) -> AsyncIterator[FakeBluez]:
    async with fake_bluez(sensors, bus) as service:
        yield service


@pytest.fixture
def session(sensors: list[Sensor]) -> Session:
    return Session({sensor.id: sensor.key for sensor in sensors})
