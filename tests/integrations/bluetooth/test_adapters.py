"""Several adapters that come, go, refuse and go deaf, under the real bleak and a fake org.bluez."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import pytest

import hub
from integrations.bluetooth.adapters import GROUP, OFF_S, STILL_S, TRIAL_S, Adapters, Scanning
from integrations.bluetooth.intake import Heard
from integrations.bluetooth.sim.bluez import FakeBluez, fake_bluez
from integrations.bluetooth.sim.sensors import Advertisement, Sensor
from integrations.bluetooth.sources import Hearing, Sources

from .radio_kit import Session, running, until

pytestmark = pytest.mark.real("processes")


@pytest.fixture
async def two(bus: str, sensors: list[Sensor]) -> AsyncIterator[FakeBluez]:
    async with fake_bluez(sensors, bus, ("hci0", "hci1")) as service:
        yield service


def listening(bluez: FakeBluez) -> list[str]:
    return [name for name, radio in bluez.radios.items() if radio.heard]


async def test_two_adapters_hear_one_advertisement_and_it_is_read_once(
    two: FakeBluez, sensors: list[Sensor], session: Session
) -> None:
    async with running(session, gather=1.0):
        await until(lambda: listening(two) == ["hci0", "hci1"])
        for _ in range(3):
            two.say(sensors[1], sensors[1].advertise(), {"hci0": -80, "hci1": -55})
            async with asyncio.timeout(60):
                frame = await session.frames.get()
            assert frame.signal == hub.Signal(rssi=-55, source="hci1", heard=(("hci1", -55), ("hci0", -80)))
        two.say(sensors[1], sensors[1].advertise(), {"hci0": -81})
        async with asyncio.timeout(60):
            frame = await session.frames.get()
        assert frame.signal == hub.Signal(rssi=-81, source="hci0")
        assert session.frames.empty()


async def test_an_adapter_that_goes_is_let_go_and_one_that_comes_is_taken(
    two: FakeBluez, sensors: list[Sensor], session: Session
) -> None:
    async with running(session) as task:
        await until(lambda: listening(two) == ["hci0", "hci1"])
        two.unplug("hci0")
        two.say(sensors[1], sensors[1].advertise())
        await session.decoded(1)
        two.plug("hci7")
        await until(lambda: listening(two) == ["hci1", "hci7"])
        two.radios["hci1"].adapter.switch(False)
        await until(lambda: listening(two) == ["hci7"])
        two.say(sensors[1], sensors[1].advertise())
        assert (await session.frames.get()).signal == hub.Signal(rssi=-71, source="hci7")
        two.radios["hci1"].adapter.switch(True)
        await until(lambda: listening(two) == ["hci1", "hci7"])
        assert not task.done()


async def test_a_named_adapter_that_is_missing_does_not_stop_the_other(
    two: FakeBluez, session: Session, caplog: pytest.LogCaptureFixture
) -> None:
    async with running(session, adapters=("hci1", "hci9")):
        await until(lambda: listening(two) == ["hci1"])
        await until(lambda: "no Bluetooth adapter hci9; here are: hci0, hci1" in caplog.text)
        for name in ("hci5", "hci9"):
            two.plug(name)
        await until(lambda: listening(two) == ["hci1", "hci9"])
        assert caplog.text.count("no Bluetooth adapter hci9") == 1


async def test_where_passive_scanning_is_not_possible_it_is_active(
    bus: str, sensors: list[Sensor], session: Session
) -> None:
    async with fake_bluez(sensors, bus, passive=False) as bluez:
        with pytest.raises(hub.NotReady, match="hci0: BlueZ cannot scan: passive scanning on Linux requires"):
            async with asyncio.timeout(60), running(session, scanning="passive") as task:
                await task
        async with running(session):
            await until(lambda: bluez.adapter.scanning)


async def test_by_itself_it_scans_passively(two: FakeBluez, session: Session) -> None:
    async with running(session):
        await until(lambda: listening(two) == ["hci0", "hci1"])
        assert not two.adapter.scanning


class Watched(Hearing):
    """Counts how often the adapters were looked at."""

    looks = 0

    def deaf(self, now: float, among: Iterable[str]) -> list[str]:
        self.looks += 1
        return super().deaf(now, among)


class House:
    """The adapters alone, with the clock in hand."""

    def __init__(self, bluez: FakeBluez, sensor: Sensor, mode: Any) -> None:
        self.bluez, self.sensor = bluez, sensor
        self.now = 0.0
        self.session = Session({})
        self.heard: Counter[str] = Counter()
        self.lost: Counter[str] = Counter()
        self.hearing = Watched(180)
        self.sources = Sources([GROUP], lambda n: None)
        self.adapters = Adapters(
            Scanning((), mode, timedelta(seconds=30)),
            life=self.session,
            hear=self.hear,
            count=lambda reason, device: self.lost.update([reason]),
            sources=self.sources,
            hearing=self.hearing,
            clock=lambda: self.now,
        )

    def hear(self, heard: Heard) -> None:
        self.heard[heard.source] += 1

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        task = asyncio.create_task(self.adapters.run())
        try:
            await self.both()
            yield
        finally:
            task.cancel()
            await asyncio.wait([task])

    async def both(self) -> None:
        await until(lambda: listening(self.bluez) == ["hci0", "hci1"] and len(self.sources.up) == 2)

    async def pass_(self, seconds: float) -> None:
        """Let time pass while the sensor speaks, and the adapters be looked at."""
        self.now += seconds
        before = self.heard["hci0"]
        self.bluez.say(self.sensor, self.sensor.advertise())
        await until(lambda: self.heard["hci0"] > before)
        looks = self.hearing.looks
        self.session.tick()
        await until(lambda: self.hearing.looks > looks)


async def test_a_deaf_adapter_is_switched_off_and_on_while_the_other_goes_on(
    two: FakeBluez, sensors: list[Sensor], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("integrations.bluetooth.adapters.OFF_S", OFF_S / 20)
    house = House(two, sensors[1], "active")
    async with house.running():
        await house.pass_(10)
        assert house.heard == {"hci0": 1, "hci1": 1}
        two.radios["hci1"].adapter.deaf = True
        for _ in range(5):
            await house.pass_(30)
        assert two.radios["hci1"].adapter.switched == 0
        await house.pass_(60)
        await until(lambda: two.radios["hci1"].adapter.switched == 1)
        await house.both()
        assert two.adapter.switched == 0
        assert house.lost == {"adapter-reset": 1}
        await house.pass_(10)
        assert house.heard["hci1"] == 2, "it hears again"


async def test_one_that_hears_nothing_passively_scans_actively_before_it_is_switched_off(
    two: FakeBluez, sensors: list[Sensor], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("integrations.bluetooth.adapters.OFF_S", OFF_S / 20)
    house = House(two, sensors[1], "auto")
    async with house.running():
        two.radios["hci1"].adapter.deaf = True
        await house.pass_(TRIAL_S - 1)
        assert not two.radios["hci1"].adapter.scanning
        await house.pass_(1)
        await until(lambda: two.radios["hci1"].adapter.scanning)
        await house.both()
        assert (two.adapter.scanning, two.radios["hci1"].adapter.switched) == (False, 0)
        await house.pass_(180)
        await until(lambda: two.radios["hci1"].adapter.switched == 1)
        await house.both()


async def test_a_single_adapter_that_hears_nothing_passively_is_tried_actively(
    bluez: FakeBluez, session: Session
) -> None:
    house = House(bluez, Sensor("A4:C1:38:00:00:01", "", "", Advertisement.nothing), "auto")
    task = asyncio.create_task(house.adapters.run())
    await until(lambda: house.sources.up)
    house.now += TRIAL_S
    house.session.tick()
    await until(lambda: bluez.adapter.scanning)
    task.cancel()
    await asyncio.wait([task])


async def test_an_adapter_that_stopped_scanning_by_itself_is_started_again(
    two: FakeBluez, sensors: list[Sensor], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    house = House(two, sensors[1], "active")
    async with house.running():
        two.radios["hci1"].adapter.scanning = False
        await house.pass_(1)
        await house.pass_(STILL_S - 1)
        assert listening(two) == ["hci0"], "BlueZ pauses between two scans"
        await house.pass_(1)
        await until(lambda: house.lost == {"adapter-stopped": 1})
        await house.both()
        assert "hci1 stopped scanning; started again" in caplog.text
