"""Reading over connections: the real bleak and the real aioesphomeapi, against peers that can be connected to."""

from __future__ import annotations

import asyncio
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

import hub
from integrations.bluetooth import polling
from integrations.bluetooth.sim.bluez import FakeBluez, fake_bluez
from integrations.bluetooth.sim.gatt import Peripheral
from integrations.bluetooth.sim.sensors import Advertisement, Sensor

from . import esphome_kit
from .esphome_kit import fake_proxy
from .radio_kit import Session, running, until

pytestmark = pytest.mark.real("network, processes")

BASE = "-0000-1000-8000-00805f9b34fb"
SERVICE, TEMPERATURE, HUMIDITY = (f"0000{short}{BASE}" for short in ("181a", "2a6e", "2a6f"))
OWN_SERVICE, OWN = "0000cafe-1111-2222-3333-444455556666", "0000babe-1111-2222-3333-444455556666"

READS = [
    {"service": "181a", "characteristic": "2a6e", "interval": 3600},
    {"service": "181a", "characteristic": "2a6f", "interval": 3600},
]
NOTIFIES = [
    {
        "service": OWN_SERVICE, "characteristic": OWN, "mode": "notify",
        "fields": [{"metric": "power", "at": 0, "type": "u16le", "scale": "0.1", "invalid": [65535]}],
    }
]  # fmt: skip


@pytest.fixture(autouse=True)
def hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(polling, "PAUSE_S", 0.02)
    monkeypatch.setattr(polling, "LOOK_S", 0.02)


def device(n: int, *, temperature: float = 21.5) -> Sensor:
    values = {
        (SERVICE, TEMPERATURE): struct.pack("<h", round(temperature * 100)),
        (SERVICE, HUMIDITY): struct.pack("<H", 4550),
        (OWN_SERVICE, OWN): struct.pack("<H", 1234),
    }
    return Sensor(f"C0:11:22:33:44:{n:02X}", "reader", "", lambda: Advertisement({}, {}), peripheral=Peripheral(values))


def session_of(settings: list[dict[str, Any]], *sensors: Sensor) -> Session:
    ids = [sensor.id for sensor in sensors]
    return Session(dict.fromkeys(ids), {name: {"gatt": settings} for name in ids})


async def report(session: Session) -> hub.Report:
    async with asyncio.timeout(60):
        return await session.reports.get()


@asynccontextmanager
async def house(
    bus: str, settings: list[dict[str, Any]], *sensors: Sensor, adapters: tuple[str, ...] = ("hci0",), **options: Any
) -> AsyncIterator[tuple[FakeBluez, Session]]:
    session = session_of(settings, *sensors)
    async with fake_bluez(sensors, bus, adapters) as bluez, running(session, **options):
        await until(lambda: all(radio.heard for radio in bluez.radios.values()))
        yield bluez, session
    assert not any(radio.connected for radio in bluez.radios.values()), "every connection was given back"


async def test_characteristics_are_read_at_once_and_make_one_report(bus: str) -> None:
    sensor = device(1)
    async with house(bus, READS, sensor) as (bluez, session):
        bluez.speak()
        assert await report(session) == hub.Report(
            device=sensor.id,
            values={"temperature": 21.5, "humidity": 45.5},
            proof=hub.Proof("gatt"),
            signal=hub.Signal(rssi=-60, source="hci0"),
        )
        await until(lambda: bluez.radios["hci0"].connected == 0)
        assert sensor.peripheral is not None
        assert (sensor.peripheral.connections, len(sensor.peripheral.reads)) == (1, 2)


async def test_a_device_that_notifies_is_listened_to_and_comes_back_when_its_connection_breaks(bus: str) -> None:
    sensor = device(1)
    async with house(bus, NOTIFIES, sensor) as (bluez, session):
        bluez.speak()
        radio = bluez.radios["hci0"]
        for number in (500, 501):
            await until(lambda: radio.connected == 1)
            link = radio.device(sensor.address).link
            await until(lambda link=link: link.characteristics[OWN_SERVICE, OWN].notifies)
            link.characteristics[OWN_SERVICE, OWN].say(struct.pack("<H", number))
            assert (await report(session)).values == {"power": number / 10}
            link.characteristics[OWN_SERVICE, OWN].say(b"\xff\xff")  # its own word for "no value"
            link.characteristics[OWN_SERVICE, OWN].say(b"\x01")  # cut
            await until(lambda number=number: session.lost[sensor.id, "truncated"] == number - 499)
            radio.device(sensor.address).drop()
        assert session.lost[sensor.id, "unknown-power"] == 2
        assert session.reports.empty()


async def test_an_absent_or_stuck_device_delays_no_other(bus: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("integrations.bluetooth.gatt.CONNECT_S", 0.3)
    stuck, refusing, silent, well = (device(n) for n in range(4))
    assert stuck.peripheral
    assert refusing.peripheral
    stuck.peripheral.stuck = refusing.peripheral.absent = True
    async with house(bus, READS, stuck, refusing, silent, well, connections=1) as (bluez, session):
        for sensor in (stuck, refusing, well):  # nobody ever hears the silent one
            bluez.say(sensor, Advertisement({}, {}))
        assert (await report(session)).device == well.id
        await until(
            lambda: session.lost[stuck.id, "unreachable"] >= 1 and session.lost[refusing.id, "unreachable"] >= 2
        )
        assert session.lost[silent.id, "unreachable"] == 0
        refusing.peripheral.absent = False
        assert (await report(session)).device == refusing.id
        bluez.say(silent, Advertisement({}, {}))
        assert (await report(session)).device == silent.id


async def test_slots_are_shared_between_devices_and_adapters(bus: str) -> None:
    sensors = [device(n, temperature=20 + n) for n in range(8)]
    async with house(bus, READS, *sensors, adapters=("hci0", "hci1"), connections=2) as (bluez, session):
        most = dict.fromkeys(bluez.radios, 0)
        for sensor in sensors:
            bluez.say(sensor, Advertisement({}, {}), {"hci0": -50, "hci1": -60})
        heard = {}
        for _ in sensors:
            one = await report(session)
            heard[one.device] = one.values["temperature"]
            most = {name: max(most[name], radio.connected) for name, radio in bluez.radios.items()}
        assert heard == {sensor.id: 20.0 + n for n, sensor in enumerate(sensors)}
        assert all(count <= 2 for count in most.values())


async def test_one_that_keeps_its_connection_lets_go_when_another_waits(
    bus: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(polling, "HOLD_S", 0.2)
    sensors = [device(n) for n in range(2)]
    async with house(bus, NOTIFIES, *sensors, connections=1) as (bluez, session):
        bluez.speak()
        for _ in range(2):
            for sensor in sensors:
                assert sensor.peripheral
                before = sensor.peripheral.connections
                await until(lambda sensor=sensor, before=before: sensor.peripheral.connections > before or before > 1)
        assert all(sensor.peripheral and sensor.peripheral.connections >= 2 for sensor in sensors)
        assert session.lost == {}


async def test_a_characteristic_that_is_not_there_is_counted_and_the_others_are_read(bus: str) -> None:
    sensor = device(1)
    settings = [{"service": "181a", "characteristic": "2a6d", "interval": 3600}, *READS]
    async with house(bus, settings, sensor) as (bluez, session):
        bluez.speak()
        assert (await report(session)).values == {"temperature": 21.5, "humidity": 45.5}
        assert session.lost[sensor.id, "no-characteristic"] == 1


async def test_a_device_that_is_added_while_running_is_read_and_one_that_changes_is_read_anew(bus: str) -> None:
    sensor = device(1)
    async with house(bus, READS, sensor) as (bluez, session):
        bluez.speak()
        await report(session)
        known = session.devices.get(sensor.id)
        assert known is not None
        session.devices.put(known)
        bluez.speak()
        assert (await report(session)).device == sensor.id


async def test_a_device_is_read_through_a_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DBUS_SYSTEM_BUS_ADDRESS", "unix:path=/nowhere/bus")
    sensors = [device(n) for n in range(4)]
    session = session_of([*READS, *NOTIFIES], sensors[0])
    for sensor in sensors[1:]:
        session.devices.put(session_of(READS, sensor).devices.all()[0])
    async with fake_proxy(slots=2) as hall:
        for sensor in sensors:
            values = {
                TEMPERATURE: struct.pack("<h", 1950), HUMIDITY: struct.pack("<H", 5000), OWN: b"\0\0"
            }  # fmt: skip
            hall.add(sensor.address, esphome_kit.Peripheral(SERVICE, values))
            if sensor is sensors[0]:
                hall.peripherals[int(sensor.address.replace(":", ""), 16)].also(OWN_SERVICE, OWN)
        async with running(session, proxies={"hall": {"url": f"esphome://127.0.0.1:{hall.port}"}}):
            await until(lambda: hall.clients)
            for sensor in sensors:
                hall.hear(sensor.address, bytes.fromhex("020106"), rssi=-70)
            for _ in sensors:
                one = await report(session)
                assert one.values == {"temperature": 19.5, "humidity": 50.0}
                assert one.signal == hub.Signal(rssi=-70, source="hall")
            hall.notify(sensors[0].address, OWN, struct.pack("<H", 777))
            assert (await report(session)).values == {"power": 77.7}
            assert hall.most_connected == 2
        await until(lambda: not hall.connected)
