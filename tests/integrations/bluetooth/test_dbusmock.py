"""The scanner against a BlueZ that is not ours: the template `bluez5` of Debian's python3-dbusmock."""

from __future__ import annotations

import asyncio
import shutil
import subprocess
from collections.abc import AsyncIterator
from typing import Any

import pytest
from dbus_fast import Message, MessageType, Variant
from dbus_fast.aio import MessageBus

import hub
from integrations.bluetooth import radio
from integrations.bluetooth.sim.sensors import BTHOME, Sensor
from tests.dbus_mocks import SYSTEM_PYTHON, mocked

from .radio_kit import Session, running, until

pytestmark = pytest.mark.real("processes")


class Mock:
    """The mock, by its own control interface."""

    def __init__(self, bus: MessageBus) -> None:
        self._bus = bus

    async def call(self, path: str, interface: str, member: str, signature: str, *body: Any) -> Any:
        message = Message(
            destination="org.bluez",
            path=path,
            interface=interface,
            member=member,
            signature=signature,
            body=list(body),
        )
        reply = await self._bus.call(message)
        assert reply.message_type is MessageType.METHOD_RETURN, reply.body
        return reply.body[0] if reply.body else None

    async def plug(self, name: str) -> None:
        await self.call("/", "org.bluez.Mock", "AddAdapter", "ss", name, name)

    async def unplug(self, name: str) -> None:
        await self.call("/", "org.bluez.Mock", "RemoveAdapterWithDevices", "s", name)

    async def add(self, adapter: str, sensor: Sensor) -> None:
        await self.call("/", "org.bluez.Mock", "AddDevice", "sss", adapter, sensor.address, sensor.name)

    async def say(self, adapter: str, sensor: Sensor, rssi: int) -> None:
        """The template's own device object never advertises: its properties are changed for it."""
        said = sensor.advertise()
        changed = {
            "RSSI": Variant("n", rssi),
            "ServiceData": Variant("a{sv}", {uuid: Variant("ay", data) for uuid, data in said.service.items()}),
            "ManufacturerData": Variant("a{qv}", {key: Variant("ay", data) for key, data in said.manufacturer.items()}),
        }
        path = f"/org/bluez/{adapter}/dev_{sensor.address.replace(':', '_')}"
        body = [Variant("s", "org.bluez.Device1"), Variant("a{sv}", changed), Variant("as", [])]
        arguments = ("org.freedesktop.DBus.Properties", "PropertiesChanged", "sa{sv}as", body)
        await self.call(path, "org.freedesktop.DBus.Mock", "EmitSignal", "sssav", *arguments)


@pytest.fixture
async def mock(bus: str) -> AsyncIterator[Mock]:
    async with mocked(bus, "org.bluez", "--template", "bluez5") as control:
        yield Mock(control)


def test_the_mock_is_installed() -> None:
    assert shutil.which(SYSTEM_PYTHON)
    subprocess.run([SYSTEM_PYTHON, "-c", "import dbusmock"], check=True)


@pytest.mark.parametrize("scanning", ["auto", "active", "passive"])
async def test_it_scans_under_a_bluez_that_is_not_ours(
    scanning: str, mock: Mock, sensors: list[Sensor], session: Session
) -> None:
    await mock.plug("hci0")
    for sensor in sensors:
        await mock.add("hci0", sensor)
    async with running(session, scanning=scanning):
        answers: list[Any] = []
        for sensor in sensors:
            await until_heard(mock, sensor, session)
            answers += await session.decoded(1)
        assert [answer.device for answer in answers] == [sensor.id for sensor in sensors]
        assert answers[1].proof.authenticated
        assert BTHOME in sensors[1].advertise().service


async def until_heard(mock: Mock, sensor: Sensor, session: Session) -> None:
    """Speak until the scanner, which starts at its own time, hears."""
    async with asyncio.timeout(60):
        while session.frames.empty():
            await mock.say("hci0", sensor, -64)
            await asyncio.sleep(0.02)
    while session.frames.qsize() > 1:
        session.frames.get_nowait()


async def test_its_adapters_come_and_go(mock: Mock, session: Session, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    await mock.plug("hci0")
    async with running(session) as task:
        await until(lambda: "hci0 listens (passive)" in caplog.text)
        await mock.plug("hci1")
        await until(lambda: "hci1 listens (passive)" in caplog.text)
        await mock.unplug("hci0")
        await mock.unplug("hci1")
        with pytest.raises(hub.NotReady, match="no Bluetooth adapter is plugged in"):
            await asyncio.wait_for(task, 60)


async def test_its_adapters_are_switched_off_and_on(mock: Mock) -> None:
    await mock.plug("hci0")
    async with radio.BlueZ.connected() as bluez:
        await bluez.watch()
        for on in (False, True):
            bluez.changed.clear()
            await bluez.power("hci0", on)
            await asyncio.wait_for(bluez.changed.wait(), 60)
            [adapter] = await bluez.adapters()
            assert adapter.powered is on
        with pytest.raises(hub.NotReady, match="BlueZ refuses"):
            await bluez.power("hci9", False)
