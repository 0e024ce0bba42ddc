"""A bus with several meters in another process: read by this integration, and the same by an independent master."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import meterbus
import pytest
import serial

import hub
from hub.sdk import serial_line
from hub.sdk.testing import FakeSession
from integrations.mbus import Config, probe, run
from integrations.mbus.master import Master, Silent, secondary
from integrations.mbus.sim import Bus, Meter, house

from ...serving import start_server
from .wire import Wire, plug

HEAT, WATER, DEAD = "mbus:KAM-06855817-08-04", "mbus:ACW-78563412-14-07", "mbus:KAM-99999999-08-04"
FAST = {"timeout": timedelta(milliseconds=100), "retries": 0}
"""For a bus in this process, see wire.py."""


@contextmanager
def bus() -> Iterator[tuple[str, list[dict[str, object]]]]:
    """The simulated bus in a process of its own: its port and its meters."""
    process = subprocess.Popen(
        [sys.executable, "-m", "integrations.mbus.sim"],
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[3],
    )
    try:
        assert process.stdout is not None
        told = json.loads(process.stdout.readline())
        yield told["port"], told["meters"]
    finally:
        process.kill()
        process.wait()
        if process.stdout is not None:
            process.stdout.close()


def meter(name: str, **settings: object) -> hub.Device:
    return hub.Device(id=name, integration="mbus", place="meter", settings=settings)


@pytest.mark.real("clock, network, processes")
def test_an_independent_master_reads_the_simulated_meters_as_this_test_knows_them() -> None:
    with bus() as (port, meters):
        assert [item["device"] for item in meters] == [HEAT, WATER, DEAD]
        with serial.serial_for_url(port.replace("tcp:", "socket:"), timeout=30) as line:
            meterbus.send_ping_frame(line, 2)
            assert isinstance(meterbus.load(meterbus.recv_frame(line, 1)), meterbus.TelegramACK)
            meterbus.send_request_frame(line, 2)
            told = json.loads(meterbus.load(meterbus.recv_frame(line)).to_JSON())
            assert told["body"]["header"]["identification"] == "0x78, 0x56, 0x34, 0x12"
            assert told["body"]["header"]["manufacturer"] == "ACW"
            (record,) = told["body"]["records"]
            assert (record["value"], record["unit"]) == (12.345, "MeasureUnit.M3")
            meterbus.send_select_frame(line, "7856341277041407")  # id as displayed, maker, version, medium
            assert isinstance(meterbus.load(meterbus.recv_frame(line, 1)), meterbus.TelegramACK)
            meterbus.send_request_frame(line, 253)
            told = json.loads(meterbus.load(meterbus.recv_frame(line)).to_JSON())
            assert told["body"]["header"]["manufacturer"] == "ACW"


@pytest.mark.real("network, processes")
async def test_every_meter_is_read_by_its_primary_or_its_own_address() -> None:
    session = FakeSession("mbus", devices=[meter(HEAT), meter("mbus:cold-water", address=2), meter(DEAD, address=3)])
    with bus() as (port, _):
        assert "is open" in await probe(Config(port=port))
        await session.run(run, Config(port=port, timeout=timedelta(seconds=5), retries=0), turns=1, timeout=60)
    told = {report.device: report.values for report in session.reports}
    assert told == {
        HEAT: {
            "energy": 37351.0,
            "volume": pytest.approx(561080.0),
            "flow_temperature": pytest.approx(10.1),
            "return_temperature": pytest.approx(4.6),
            "fault": False,
            "battery_low": False,
        },
        "mbus:cold-water": {"water": pytest.approx(12345.0), "fault": False, "battery_low": True},
    }
    assert session.drops == [(DEAD, "mbus-silent")]
    assert session.polling.outcomes == {DEAD: "silent"}
    assert {(device, model) for device, model, _, _ in session.declared} == {
        (HEAT, "KAM heat"),
        ("mbus:cold-water", "ACW water"),
    }
    assert session.reports[0].proof == hub.Proof(scheme="mbus")


async def test_a_meter_that_is_added_or_changed_is_read_at_once_and_not_at_the_next_poll(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    session = FakeSession("mbus", devices=[meter(HEAT)])
    port = plug(monkeypatch, Bus(house()))
    task = asyncio.ensure_future(run(Config(port=port, interval=timedelta(days=1), **FAST), session))
    try:
        async with asyncio.timeout(60):
            for name, settings, reports in ((HEAT, {}, 1), (WATER, {}, 2), (WATER, {"address": 2}, 3)):
                session.devices.put(meter(name, **settings))
                while len(session.reports) < reports:
                    await asyncio.sleep(0.01)
        session.devices.remove(WATER)
        await asyncio.sleep(0.05)
        assert [report.device for report in session.reports] == [HEAT, WATER, WATER]
        assert not task.done()
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_another_meter_at_an_address_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    session = FakeSession("mbus", devices=[meter(HEAT, address=2), meter(WATER, address=2)])
    await session.run(run, Config(port=plug(monkeypatch, Bus(house())), **FAST), turns=1)
    assert [report.device for report in session.reports] == [WATER]
    assert session.drops == [(HEAT, "mbus-other-meter")]
    assert session.polling.outcomes == {HEAT: "unread"}


@pytest.mark.parametrize("name", [HEAT, "mbus:heat"])
async def test_what_another_meter_says_in_the_midst_of_an_answer_is_not_this_meter_s(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two meters at one address that answer by turns: the first telegram is of the one, the second of the other."""

    class Turns(Bus):
        def hear(self, telegram: bytes) -> bytes:
            heat, cold, _ = self.meters
            cold.silent = True
            if telegram[1] & 0xDF == 0x5B and heat.bit is not None:
                heat.silent, cold.silent, cold.address = True, False, 1
            return super().hear(telegram)

    session = FakeSession("mbus", devices=[meter(name, address=1)])
    with pytest.raises(hub.NotReady, match="no meter of this bus answers"):
        await session.run(run, Config(port=plug(monkeypatch, Turns(house())), **FAST), turns=1)
    assert session.reports == []
    assert session.drops == [(name, "mbus-other-meter")]


async def test_a_dead_meter_is_asked_less_and_less_often(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []

    class Counting(Bus):
        def hear(self, telegram: bytes) -> bytes:
            if telegram[0] == 0x10 and telegram[1] & 0xDF == 0x5B:
                asked.append(telegram[2])
            return super().hear(telegram)

    session = FakeSession("mbus", devices=[meter("mbus:a", address=2), meter("mbus:b", address=3)])
    session.turns = 20
    session.clock.sleep = _at_once  # type: ignore[method-assign]
    await run(Config(port=plug(monkeypatch, Counting(house())), **FAST), session)
    assert asked.count(2) == 20
    assert 3 <= asked.count(3) <= 6


async def _at_once(seconds: float) -> None:
    await asyncio.sleep(0)


@pytest.mark.real("network")
async def test_a_bus_on_which_nobody_answers_and_a_converter_that_is_away_say_so(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    session = FakeSession("mbus", devices=[meter(DEAD, address=3)])
    with pytest.raises(hub.NotReady, match="no meter of this bus answers"):
        await session.run(run, Config(port=plug(monkeypatch, Bus(house())), **FAST), turns=1)
    with pytest.raises(hub.NotReady, match="cannot be opened"):
        await session.run(run, Config(port="tcp://127.0.0.1:1", **FAST), turns=1)
    with pytest.raises(hub.NotReady, match="cannot be opened"):
        await session.run(run, Config(port="/dev/nothing", **FAST), turns=1)


async def test_two_meters_at_once_and_noise_are_a_collision_and_the_next_question_is_heard() -> None:
    noise = [b"\x68\x05\x05\x68garb", b"\xff\x00\xff"]

    class Noisy(Bus):
        def hear(self, telegram: bytes) -> bytes:
            return noise.pop() if noise and telegram[1] & 0xDF == 0x5B else super().hear(telegram)

    master = Master(Wire(Noisy(house())), timeout=0.1, retries=0)  # type: ignore[arg-type]
    for _ in range(2):
        with pytest.raises(hub.DecodeError) as caught:
            await master.read(2)
        assert caught.value.reason == "mbus-collision"
    assert (await master.read(2))[0].identity is not None
    with pytest.raises(Silent):
        await master.read(77)


class Late(Bus):
    """The first answer with data comes with the next one's."""

    kept: bytes | None = None

    def hear(self, telegram: bytes) -> bytes:
        answer = super().hear(telegram)
        if telegram[1] & 0xDF != 0x5B:
            return answer
        if self.kept is None:
            self.kept = answer
            return b""
        late, self.kept = self.kept, b""
        return late + answer


@pytest.mark.parametrize("own", [False, True], ids=["by primary address", "by their own"])
async def test_an_answer_that_comes_too_late_is_not_the_next_meter_s(
    own: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    heat, water = (HEAT, WATER) if own else ("mbus:heat", "mbus:cold-water")
    settings: list[dict[str, object]] = [{}, {}] if own else [{"address": 1}, {"address": 2}]
    session = FakeSession("mbus", devices=[meter(heat, **settings[0]), meter(water, **settings[1])])
    await session.run(run, Config(port=plug(monkeypatch, Late(house())), **FAST), turns=1)
    assert session.drops == [(heat, "mbus-silent")]
    assert {report.device: report.values for report in session.reports} == {
        water: {"water": pytest.approx(12345.0), "fault": False, "battery_low": True}
    }


async def test_an_acknowledgement_that_comes_too_late_is_no_answer_with_data() -> None:
    class Slow(Bus):
        def hear(self, telegram: bytes) -> bytes:
            if telegram[1] == 0x40:
                return b""
            return b"\xe5" + super().hear(telegram)

    master = Master(Wire(Slow(house())), timeout=0.1, retries=0)  # type: ignore[arg-type]
    assert (await master.read(2))[0].identity is not None


@pytest.mark.real("network")
async def test_a_meter_that_still_speaks_at_its_time_out_is_let_end_before_it_is_asked_again() -> None:
    speaking, interrupted, over, timed_out = False, 0, asyncio.Event(), asyncio.Event()

    class Impatient(Master):
        async def _wait_until_idle(self) -> None:
            if speaking:
                timed_out.set()
            await super()._wait_until_idle()

    async def speak(writer: asyncio.StreamWriter) -> None:
        nonlocal speaking
        speaking, more = not timed_out.is_set(), 4
        while more:
            writer.write(b"\x68\x20\x20\x68")
            await asyncio.sleep(0.04)
            more -= timed_out.is_set()
        speaking = False

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal interrupted
        try:
            async with asyncio.TaskGroup() as tasks:
                while await reader.read(64):
                    interrupted += speaking
                    tasks.create_task(speak(writer))
        finally:
            writer.close()
            over.set()

    async with await start_server(talk, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        async with serial_line.open_serial_line(f"tcp://127.0.0.1:{port}") as line:
            with pytest.raises(hub.DecodeError):
                await Impatient(line, timeout=1, retries=1, rest=0.7)._ask(b"\x10\x5b\x02\x5d\x16", lambda _: True)
        await over.wait()
    assert timed_out.is_set()
    assert interrupted == 0


async def test_a_meter_that_never_ends_is_left_after_32_telegrams() -> None:
    endless = Meter(5, house()[0].own, [bytes.fromhex("0406e7910000")] * 3)
    endless.records = [record + b"" for record in endless.records]

    class Endless(Bus):
        def hear(self, telegram: bytes) -> bytes:
            answer = super().hear(telegram)
            if len(answer) > 9 and answer[-3] != 0x1F:
                body = answer[4:-2] + b"\x1f"
                answer = bytes([0x68, len(body), len(body), 0x68]) + body + bytes([sum(body) & 0xFF, 0x16])
            return answer

    master = Master(Wire(Endless([endless])), timeout=1, retries=0, rest=0)  # type: ignore[arg-type]
    assert len(await master.read(5)) == 32


@pytest.mark.parametrize(
    "name", ["mbus:cold-water", "mbus:KAM-0685581-08-04", "mbus:KAM-0685581x-08-04", "mbus:1AM-06855817-08-04"]
)
def test_a_device_id_of_another_form_is_no_address(name: str) -> None:
    assert secondary(name) is None


def test_a_device_id_is_the_address_as_it_goes_over_the_line() -> None:
    assert secondary(HEAT) == bytes.fromhex("175885062d2c0804")
