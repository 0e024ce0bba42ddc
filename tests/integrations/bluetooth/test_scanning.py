"""The real, unmodified bleak against a fake org.bluez on a private bus."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import signal
import sys
from collections import Counter
from collections.abc import AsyncIterator, Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

import hub
from integrations import bluetooth
from integrations.bluetooth import bthome, radio, ruuvi
from integrations.bluetooth.sim.bluez import FakeBluez, fake_bluez, private_bus
from integrations.bluetooth.sim.sensors import BTHOME, Advertisement, Sensor, house

ROOT = Path(bluetooth.__file__).parents[2]


class Devices:
    def __init__(self, keys: dict[str, bytes | None]) -> None:
        self._devices = {
            device: hub.Device(id=device, integration="bluetooth", place="p", key=key) for device, key in keys.items()
        }

    def get(self, device: str) -> hub.Device | None:
        return self._devices.get(device)


class Session:
    """As much of a session as this integration uses; `tick` lets `every` go round once."""

    name = "bluetooth"

    def __init__(self, keys: dict[str, bytes | None]) -> None:
        self.log = logging.LoggerAdapter(logging.getLogger("test"), {})
        self.devices = Devices(keys)
        self.frames: asyncio.Queue[hub.Frame] = asyncio.Queue()
        self.lost: Counter[tuple[str, str]] = Counter()
        self._tick = asyncio.Semaphore(0)

    async def every(self, interval: timedelta) -> AsyncIterator[float]:
        while True:
            await self._tick.acquire()
            yield 0.0

    def tick(self) -> None:
        self._tick.release()

    async def heard(self, frame: hub.Frame) -> None:
        await self.frames.put(frame)

    def dropped(self, device: str, error: Exception) -> None:
        assert isinstance(error, hub.DecodeError)
        self.lost[device, error.reason] += 1

    async def decoded(self, count: int) -> list[hub.Decoded | hub.NeedKey | None]:
        def key(device: str) -> bytes | None:
            known = self.devices.get(device)
            return known.key if known else None

        answers = []
        async with asyncio.timeout(10):
            for _ in range(count):
                frame = await self.frames.get()
                answers.append(bthome.decode(frame, key) or ruuvi.decode(frame, key))
        return answers


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


async def until(true: Callable[[], Any]) -> None:
    async with asyncio.timeout(10):
        while not true():
            await asyncio.sleep(0.005)


@pytest.mark.parametrize("mode", ["active", "passive"])
async def test_the_real_scanner_hears_every_kind_of_sensor(
    mode: str, bluez: FakeBluez, sensors: list[Sensor], session: Session
) -> None:
    running = asyncio.create_task(bluetooth.run(bluetooth.Config(scanning=mode), session))
    await until(lambda: bluez.heard)
    for expected in range(1, 4):
        bluez.speak()
        answers = await session.decoded(3)
        assert all(isinstance(answer, hub.Decoded) for answer in answers)
        by_device = {answer.device: answer for answer in answers}
        plain, sealed, tag = (by_device[sensor.id] for sensor in sensors)
        assert plain.proof == hub.Proof("bthome", expected, False)
        assert sealed.proof == hub.Proof("bthome-ccm", expected, True)
        assert tag.proof == hub.Proof("ruuvi", expected, False)
        assert set(plain.values) == set(sealed.values) == {"temperature", "humidity", "battery"}
        assert 15 < sealed.values["temperature"] < 26
        assert tag.values["tx_power"] == 4
        assert sealed.model == "Shelly BLU H&T"
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    await until(lambda: not bluez.heard)


async def test_a_frame_says_which_adapter_heard_it_how_loud_and_by_which_name(
    bluez: FakeBluez, sensors: list[Sensor], session: Session
) -> None:
    running = asyncio.create_task(bluetooth.run(bluetooth.Config(adapters=("hci0",)), session))
    await until(lambda: bluez.heard)
    bluez.say(sensors[1], sensors[1].advertise())
    frame = await session.frames.get()
    assert frame.signal == hub.Signal(rssi=-71, source="hci0")
    assert (frame.address, frame.name) == (sensors[1].address, "SBHT-003C")
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running


async def test_what_bluez_shows_again_is_read_once_and_private_addresses_never(
    bluez: FakeBluez, sensors: list[Sensor], session: Session
) -> None:
    phone = Sensor(
        "5A:00:00:00:00:01", "phone", "", lambda: Advertisement({}, {0x004C: b"\x02\x15"}), random_address=True
    )
    running = asyncio.create_task(bluetooth.run(bluetooth.Config(), session))
    await until(lambda: bluez.heard)
    for payload, temperature in (("4002CA09", 25.06), ("4002CB09", 25.07)):
        for _ in range(5):
            bluez.say(sensors[0], Advertisement({BTHOME: bytes.fromhex(payload)}, {}))
            bluez.say(phone, phone.advertise())
        [answer] = await session.decoded(1)
        assert isinstance(answer, hub.Decoded)
        assert answer.values == {"temperature": temperature}
    await until(lambda: session.lost["", "private-address"] == 10)
    assert session.frames.empty()
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running


async def test_an_adapter_pulled_out_is_not_ready(bluez: FakeBluez, session: Session) -> None:
    running = asyncio.create_task(bluetooth.run(bluetooth.Config(), session))
    await until(lambda: bluez.heard)
    session.tick()
    bluez.unplug()
    session.tick()
    with pytest.raises(hub.NotReady, match="no Bluetooth adapter is plugged in"):
        await asyncio.wait_for(running, 10)


async def test_an_adapter_switched_off_is_not_ready(bluez: FakeBluez, session: Session) -> None:
    running = asyncio.create_task(bluetooth.run(bluetooth.Config(), session))
    await until(lambda: bluez.heard)
    bluez.adapter.on = False
    session.tick()
    with pytest.raises(hub.NotReady, match="hci0 is off"):
        await asyncio.wait_for(running, 10)


async def test_an_adapter_that_stopped_scanning_by_itself_is_started_again(bluez: FakeBluez, session: Session) -> None:
    running = asyncio.create_task(bluetooth.run(bluetooth.Config(), session))
    await until(lambda: bluez.heard)
    bluez.adapter.scanning = False
    session.tick()
    session.tick()
    with pytest.raises(hub.NotReady, match="stopped scanning"):
        await asyncio.wait_for(running, 10)
    again = asyncio.create_task(bluetooth.run(bluetooth.Config(), session))
    await until(lambda: bluez.heard)
    again.cancel()
    with pytest.raises(asyncio.CancelledError):
        await again


async def test_a_failure_of_the_hub_itself_is_not_dressed_up(bluez: FakeBluez, session: Session) -> None:
    async def broken(frame: hub.Frame) -> None:
        raise ZeroDivisionError

    session.heard = broken  # type: ignore[method-assign]
    running = asyncio.create_task(bluetooth.run(bluetooth.Config(), session))
    await until(lambda: bluez.heard)
    bluez.speak()
    with pytest.raises(ZeroDivisionError):
        await asyncio.wait_for(running, 10)


async def test_an_adapter_that_is_not_here_is_named_with_those_that_are(bluez: FakeBluez, session: Session) -> None:
    with pytest.raises(hub.NotReady, match="no Bluetooth adapter hci9; here are: hci0"):
        await bluetooth.run(bluetooth.Config(adapters=("hci9",)), session)


async def test_a_bus_without_bluez_is_not_ready(bus: str, session: Session) -> None:
    with pytest.raises(hub.NotReady, match="BlueZ is not running"):
        await bluetooth.run(bluetooth.Config(), session)


@pytest.mark.parametrize("address", ["unix:path=/nowhere/bus", "nonsense"])
async def test_no_bus_at_all_is_not_ready(address: str, session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DBUS_SYSTEM_BUS_ADDRESS", address)
    with pytest.raises(hub.NotReady, match="system D-Bus does not answer"):
        await bluetooth.run(bluetooth.Config(), session)


async def test_the_probe_says_what_would_scan(bluez: FakeBluez) -> None:
    assert await bluetooth.probe(bluetooth.Config()) == "ready to scan with hci0 (00:1A:7D:DA:71:13)"


def adapter(name: str, *, powered: bool = True, central: bool = True) -> radio.Adapter:
    return radio.Adapter(name, "00:00:00:00:00:00", powered, central, False)


def test_every_adapter_that_can_scan_is_used_unless_some_are_named() -> None:
    present = [adapter("hci0"), adapter("hci1", powered=False), adapter("hci2", central=False), adapter("hci3")]
    assert radio.choose((), present) == ["hci0", "hci3"]
    assert radio.choose(("hci3",), present) == ["hci3"]
    with pytest.raises(hub.NotReady, match="hci1 is off"):
        radio.choose(("hci1",), present)
    with pytest.raises(hub.NotReady, match="hci2 cannot scan"):
        radio.choose(("hci2",), present)
    with pytest.raises(hub.NotReady, match="no Bluetooth adapter is on"):
        radio.choose((), present[1:3])


async def simulator(*arguments: str) -> tuple[asyncio.subprocess.Process, dict[str, Any]]:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "integrations.bluetooth.sim", *arguments,
        cwd=ROOT, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    assert process.stdout
    line = await asyncio.wait_for(process.stdout.readline(), 20)
    return process, json.loads(line)


async def stopped(process: asyncio.subprocess.Process) -> bytes:
    process.send_signal(signal.SIGTERM)
    _, errors = await asyncio.wait_for(process.communicate(), 20)
    assert process.returncode == 0
    return errors


async def test_the_simulator_runs_alone_cleans_up_and_never_says_a_counter_twice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    state, address_file = tmp_path / "state", tmp_path / "bus"
    counters: list[int] = []
    for _ in range(2):
        process, ready = await simulator(
            "--bus-address-file", str(address_file), "--interval", "0.02", "--seed", "3", "--state", str(state)
        )
        address = address_file.read_text()
        assert address == ready["bus_address"]
        monkeypatch.setenv("DBUS_SYSTEM_BUS_ADDRESS", address)
        session = Session({d["id"]: bytes.fromhex(d["key"]) if d["key"] else None for d in ready["devices"]})
        running = asyncio.create_task(bluetooth.run(bluetooth.Config(), session))
        for answer in await session.decoded(12):
            assert isinstance(answer, hub.Decoded)
            assert answer.proof
            if answer.proof.authenticated and answer.proof.counter:
                counters.append(answer.proof.counter)
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
        assert await stopped(process) == b""
        assert not os.path.exists(address.removeprefix("unix:path="))
    assert len(counters) >= 6
    assert counters == sorted(set(counters))
    assert [device["model"] for device in ready["devices"]] == ["BTHome", "Shelly BLU H&T", "RuuviTag"]
