"""The real, unmodified bleak against a fake org.bluez on a private bus."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import hub
from integrations import bluetooth
from integrations.bluetooth import radio
from integrations.bluetooth.sim.bluez import FakeBluez, fake_bluez, private_bus
from integrations.bluetooth.sim.sensors import BTHOME, Advertisement, Sensor

from .radio_kit import Session, until

ROOT = Path(bluetooth.__file__).parents[2]


@pytest.mark.real("processes")
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


@pytest.mark.real("processes")
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


@pytest.mark.real("processes")
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


@pytest.mark.real("processes")
async def test_without_any_adapter_left_it_is_not_ready(bluez: FakeBluez, session: Session) -> None:
    running = asyncio.create_task(bluetooth.run(bluetooth.Config(), session))
    await until(lambda: bluez.heard)
    bluez.unplug()
    with pytest.raises(hub.NotReady, match="no Bluetooth adapter is plugged in"):
        await asyncio.wait_for(running, 60)


@pytest.mark.real("processes")
async def test_with_the_only_adapter_switched_off_it_is_not_ready(bluez: FakeBluez, session: Session) -> None:
    running = asyncio.create_task(bluetooth.run(bluetooth.Config(), session))
    await until(lambda: bluez.heard)
    bluez.adapter.switch(False)
    with pytest.raises(hub.NotReady, match="no Bluetooth adapter is on and able to scan: hci0"):
        await asyncio.wait_for(running, 60)
    with pytest.raises(hub.NotReady, match="hci0 is off: bluetoothctl power on"):
        await bluetooth.run(bluetooth.Config(adapters=("hci0",)), session)


@pytest.mark.real("processes")
async def test_a_bus_that_dies_is_not_ready(
    sensors: list[Sensor], session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with private_bus() as address:
        monkeypatch.setenv("DBUS_SYSTEM_BUS_ADDRESS", address)
        async with fake_bluez(sensors, address) as bluez:
            running = asyncio.create_task(bluetooth.run(bluetooth.Config(), session))
            await until(lambda: bluez.heard)
    session.tick()
    with pytest.raises(hub.NotReady):
        await asyncio.wait_for(running, 60)


@pytest.mark.real("processes")
async def test_a_failure_of_the_hub_itself_is_not_dressed_up(bluez: FakeBluez, session: Session) -> None:
    async def broken(frame: hub.Frame) -> None:
        raise ZeroDivisionError

    session.submit_frame = broken  # type: ignore[method-assign]
    running = asyncio.create_task(bluetooth.run(bluetooth.Config(), session))
    await until(lambda: bluez.heard)
    bluez.speak()
    with pytest.raises(ZeroDivisionError):
        await asyncio.wait_for(running, 60)


@pytest.mark.real("processes")
async def test_an_adapter_that_is_not_here_is_named_with_those_that_are(bluez: FakeBluez, session: Session) -> None:
    with pytest.raises(hub.NotReady, match="no Bluetooth adapter hci9; here are: hci0"):
        await bluetooth.run(bluetooth.Config(adapters=("hci9",)), session)


@pytest.mark.real("processes")
async def test_a_bus_without_bluez_is_not_ready(bus: str, session: Session) -> None:
    with pytest.raises(hub.NotReady, match="BlueZ is not running"):
        await bluetooth.run(bluetooth.Config(), session)


@pytest.mark.parametrize("address", ["unix:path=/nowhere/bus", "nonsense"])
async def test_no_bus_at_all_is_not_ready(address: str, session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DBUS_SYSTEM_BUS_ADDRESS", address)
    with pytest.raises(hub.NotReady, match="system D-Bus does not answer"):
        await bluetooth.run(bluetooth.Config(), session)


@pytest.mark.real("processes")
async def test_the_probe_says_what_would_scan(bluez: FakeBluez) -> None:
    assert await bluetooth.probe(bluetooth.Config()) == "ready to scan with hci0 (00:1A:7D:DA:71:13)"


def adapter(name: str, *, powered: bool = True, central: bool = True) -> radio.Adapter:
    return radio.Adapter(name, "00:00:00:00:00:00", powered, central, False)


def test_every_adapter_that_can_scan_is_used_unless_some_are_named() -> None:
    present = [adapter("hci0"), adapter("hci1", powered=False), adapter("hci2", central=False), adapter("hci3")]
    assert radio.usable((), present) == ["hci0", "hci3"]
    assert radio.usable(("hci3", "hci9"), present) == ["hci3"]
    assert radio.complaint((), present) == ""
    assert "hci1 is off" in radio.complaint(("hci1",), present)
    assert "hci2 cannot scan" in radio.complaint(("hci2",), present)
    assert "no Bluetooth adapter hci9" in radio.complaint(("hci0", "hci9"), present)
    assert "no Bluetooth adapter is on" in radio.complaint((), present[1:3])


ADAPTERS = st.lists(
    st.builds(adapter, st.sampled_from(["hci0", "hci1", "hci2"]), powered=st.booleans(), central=st.booleans()),
    unique_by=lambda one: one.name,
)


@given(ADAPTERS, st.lists(st.sampled_from(["hci0", "hci1", "hci9"]), unique=True))
def test_nothing_is_wrong_exactly_when_all_that_is_wanted_can_scan(
    present: list[radio.Adapter], wanted: list[str]
) -> None:
    able = radio.usable(wanted, present)
    assert (radio.complaint(wanted, present) == "") == (bool(able) and set(wanted) <= set(able))


async def simulator(*arguments: str) -> tuple[asyncio.subprocess.Process, dict[str, Any]]:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "integrations.bluetooth.sim",
        *arguments,
        cwd=ROOT,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    assert process.stdout
    line = await asyncio.wait_for(process.stdout.readline(), 60)
    return process, json.loads(line)


async def stopped(process: asyncio.subprocess.Process) -> bytes:
    process.send_signal(signal.SIGTERM)
    _, errors = await asyncio.wait_for(process.communicate(), 60)
    assert process.returncode == 0
    return errors


@pytest.mark.real("processes")
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
