from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from integrations.bluetooth.sim.bluez import private_bus

from .network_kit import Mock, modem_manager, network_manager


@pytest.fixture
async def bus(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[str]:
    async with private_bus() as address:
        monkeypatch.setenv("DBUS_SYSTEM_BUS_ADDRESS", address)
        yield address


@pytest.fixture
async def manager(bus: str) -> AsyncIterator[Mock]:
    async with network_manager(bus) as mock:
        yield mock


@pytest.fixture
async def modems(bus: str) -> AsyncIterator[Mock]:
    async with modem_manager(bus) as mock:
        yield mock
