"""Commands against libmodbus: over TCP, and over a serial line made of a pair of pseudo-terminals."""

from __future__ import annotations

import asyncio
import math
import re
import shutil
import struct
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import hub
from hub.core.clock import SystemClock
from hub.plugin_host.serial_buses import BusOptions, SharedLine
from hub.sdk.testing import FakeSession
from integrations.modbus import Config, Register, run
from integrations.modbus.decode import decode
from integrations.modbus.encode import encode

from ...serving import start_server
from .test_peer import _need, _serving, libmodbus, peer  # noqa: F401 - fixtures

SETPOINT = {"metric": "setpoint", "address": 3, "type": "int16", "scale": 0.1, "unit": "Cel", "privacy": "technical"}
LEVEL = {
    "metric": "level",
    "address": 8,
    "type": "float32",
    "word_order": "little",
    "unit": "%",
    "privacy": "technical",
}
PUMP = {"metric": "running", "address": 0, "table": "coil"}
READ_ONLY = {"metric": "voltage", "table": "input", "address": 0, "type": "float32"}
DEVICE = "modbus:plant"


def session_with(*registers: dict[str, Any], unit: int = 1) -> FakeSession:
    settings = {"unit": unit, "registers": list(registers)}
    device = hub.Device(id=DEVICE, integration="modbus", place="p", settings=settings)
    return FakeSession("modbus", [device], clock=SystemClock())  # type: ignore[arg-type]  # it polls in real time


@asynccontextmanager
async def running(config: Config, session: FakeSession) -> AsyncIterator[None]:
    task = asyncio.create_task(run(config, session))
    owner = asyncio.current_task()
    task.add_done_callback(lambda done: owner.cancel() if owner and not done.cancelled() else None)
    try:
        yield
    except asyncio.CancelledError:
        if task.done():
            task.result()
        raise
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError, hub.NotReady):
            await task


async def ordered(session: FakeSession, metric: str, value: Any) -> tuple[str, str]:
    """The last word on one command."""
    n = f"c{len(session.commands.answers)}"
    session.commands.give(hub.Command(id=n, device=DEVICE, metric=metric, value=value))
    async with asyncio.timeout(60):
        while True:
            for name, state, detail in session.commands.answers:
                if name == n and state in ("done", "failed"):
                    return state, detail
            await asyncio.sleep(0.01)


async def reported(session: FakeSession, metric: str, value: Any) -> None:
    async with asyncio.timeout(60):
        while not any(report.values.get(metric) == value for report in session.reports):
            await asyncio.sleep(0.01)


@pytest.mark.real("network, processes")
async def test_a_command_is_written_read_back_and_then_reported(libmodbus: Config) -> None:  # noqa: F811
    session = session_with(SETPOINT, LEVEL, PUMP)
    config = libmodbus.model_copy(update={"interval": timedelta(milliseconds=50)})
    async with running(config, session):
        assert await ordered(session, "setpoint", 55.5) == ("done", "")
        assert await ordered(session, "level", -12.25) == ("done", "")
        assert await ordered(session, "running", False) == ("done", "")
        session.reports.clear()
        await reported(session, "setpoint", 55.5)
        await reported(session, "level", -12.25)
        await reported(session, "running", False)
    assert [state for _, state, _ in session.commands.answers] == ["sent", "done"] * 3


@pytest.mark.real("network, processes")
async def test_what_cannot_be_written_fails_with_the_reason(libmodbus: Config) -> None:  # noqa: F811
    session = session_with(SETPOINT, READ_ONLY)
    async with running(libmodbus, session):
        state, detail = await ordered(session, "voltage", 1.0)
        assert (state, "read-only by definition" in detail) == ("failed", True)
        state, detail = await ordered(session, "setpoint", 1e6)
        assert (state, "does not fit" in detail) == ("failed", True)
        state, detail = await ordered(session, "setpoint", None)
        assert (state, "cannot be let go" in detail) == ("failed", True)
        state, detail = await ordered(session, "colour", 1)
        assert (state, "not in the device's register map" in detail) == ("failed", True)


@pytest.mark.real("network, processes")
async def test_a_register_the_device_does_not_have_is_refused_by_it(libmodbus: Config) -> None:  # noqa: F811
    session = session_with({**SETPOINT, "address": 500})
    async with running(libmodbus, session):
        state, detail = await ordered(session, "setpoint", 20.0)
    assert (state, "no such register" in detail) == ("failed", True)


@pytest.mark.real("network, processes")
async def test_a_unit_that_stays_silent_may_have_been_written(libmodbus: Config) -> None:  # noqa: F811
    session = session_with(SETPOINT, unit=7)
    async with running(libmodbus, session):
        state, detail = await ordered(session, "setpoint", 20.0)
    assert (state, "look at the device" in detail) == ("failed", True)


@asynccontextmanager
async def pair(directory: Path) -> AsyncIterator[tuple[str, str]]:
    """Two ends of one line."""
    ends = [directory / "hub", directory / "plant"]
    options = [f"pty,raw,echo=0,link={end}" for end in ends]
    process = await asyncio.create_subprocess_exec(_need("socat"), *options, stderr=subprocess.DEVNULL)
    try:
        async with asyncio.timeout(60):
            while not all(end.exists() for end in ends):
                await asyncio.sleep(0.01)
        yield str(ends[0]), str(ends[1])
    finally:
        process.kill()
        await process.wait()


@pytest.mark.real("processes")
async def test_units_on_a_serial_line_are_read_and_written(peer: Path, tmp_path: Path) -> None:  # noqa: F811
    async with pair(tmp_path) as (ours, theirs), _serving(str(peer), theirs) as (_, line):
        assert line == "ready\n"
        bus = SharedLine("rs485", BusOptions(ours, 19200, parity="E"))
        session = session_with(SETPOINT, PUMP, READ_ONLY)
        session.serial_buses["rs485"] = bus
        config = Config(bus="rs485", timeout=60, max_rate=1000)  # type: ignore[arg-type]
        config = config.model_copy(update={"interval": timedelta(milliseconds=50)})
        try:
            async with running(config, session):
                await reported(session, "setpoint", 65.5)
                await reported(session, "voltage", 230.25)
                assert await ordered(session, "setpoint", 21.5) == ("done", "")
                await reported(session, "setpoint", 21.5)
                assert await ordered(session, "running", False) == ("done", "")
        finally:
            await bus.close()


@pytest.mark.real("processes")
async def test_a_dead_unit_on_a_line_costs_the_others_its_time_out_and_no_more(
    peer: Path,  # noqa: F811
    tmp_path: Path,
) -> None:
    async with pair(tmp_path) as (ours, theirs), _serving(str(peer), theirs):
        bus = SharedLine("rs485", BusOptions(ours, 19200, parity="E"))
        session = session_with(SETPOINT)
        session.devices.put(
            hub.Device(id="modbus:dead", integration="modbus", place="p", settings={"unit": 5, "registers": [SETPOINT]})
        )
        session.serial_buses["rs485"] = bus
        config = Config(bus="rs485", timeout=1, max_rate=1000)  # type: ignore[arg-type]
        config = config.model_copy(update={"interval": timedelta(milliseconds=50)})
        try:
            async with running(config, session):
                await reported(session, "setpoint", 65.5)
                session.reports.clear()
                async with asyncio.timeout(60):
                    while len(session.reports) < 10:
                        await asyncio.sleep(0.01)
            assert {report.device for report in session.reports} == {DEVICE}
            assert bus.silences > 0
        finally:
            await bus.close()


@pytest.mark.real("network")
async def test_a_damaged_or_foreign_answer_is_counted_and_never_a_value(tmp_path: Path) -> None:
    answers = [b"\x01\x03\x02\x02\x8f\x00\x00", b"\x02\x03\x02\x02\x8f\xff\xff", b"\x01\x03\x02"]

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        turn = 0
        try:
            with suppress(ConnectionError):
                while await reader.read(256):
                    writer.write(answers[turn % 3])
                    turn += 1
        finally:
            writer.close()

    server = await start_server(talk, "127.0.0.1", 0)
    async with server:
        bus = SharedLine("rs485", BusOptions(f"tcp://127.0.0.1:{server.sockets[0].getsockname()[1]}"))
        session = session_with(SETPOINT)
        session.serial_buses["rs485"] = bus
        config = Config(bus="rs485", timeout=1, max_rate=1000, retries=0)  # type: ignore[arg-type]
        config = config.model_copy(update={"interval": timedelta(milliseconds=10)})
        with suppress(hub.NotReady):  # none of its units answers: true as well
            async with running(config, session):
                async with asyncio.timeout(60):
                    while len({reason for _, reason in session.drops}) < 2:
                        await asyncio.sleep(0.01)
        await bus.close()
    assert {"bad-crc", "bad-answer"} <= {reason for _, reason in session.drops}
    assert session.reports == []


def test_host_and_bus_exclude_each_other() -> None:
    for wrong in ({}, {"host": "plant", "bus": "rs485"}):
        with pytest.raises(ValueError, match="either host"):
            Config(**wrong)


TYPES = ("int16", "uint16", "int32", "uint32", "int64", "uint64")


@given(
    st.sampled_from(TYPES),
    st.sampled_from(("big", "little")),
    st.sampled_from(("big", "little")),
    st.sampled_from((1.0, 0.1, 0.01, 10.0)),
    st.sampled_from((0.0, -40.0)),
    st.integers(),
)
def test_every_whole_number_that_fits_reads_back_as_it_was_written(kind, words, order, scale, offset, n):
    register = Register(
        metric="x",
        address=0,
        type=kind,
        word_order=words,
        byte_order=order,
        scale=scale,
        offset=offset,
        unit="1",
        privacy="technical",
    )
    bits = int(re.sub(r"\D", "", kind))
    low, high = (-(1 << bits - 1), (1 << bits - 1) - 1) if kind.startswith("int") else (0, (1 << bits) - 1)
    raw = low + n % (high - low + 1)
    if abs(raw) > 1 << 50:  # beyond what a float of the value holds
        raw >>= 14
    there = raw.to_bytes(bits // 8, "big", signed=kind.startswith("int"))
    device = [int.from_bytes(there[at : at + 2], order) for at in range(0, len(there), 2)]
    device = device if words == "big" else device[::-1]
    value = decode(register, device)
    assert value is not None
    assert encode(register, value) == device


@given(st.floats(width=32, allow_nan=False, allow_infinity=False))
def test_a_float_reads_back_as_it_was_written(value):
    register = Register(metric="x", address=0, type="float32", unit="1", privacy="technical")
    words = encode(register, value)
    assert struct.unpack(">f", struct.pack(">HH", *words))[0] == value


@given(st.floats(allow_nan=False))
def test_a_number_that_does_not_fit_is_refused_and_never_cut(value):
    register = Register(metric="x", address=0, type="int16", scale=0.1, unit="1", privacy="technical")
    if not -3276.85 < value < 3276.75:
        with pytest.raises(hub.DecodeError, match="does not fit"):
            encode(register, value)
        return
    words = encode(register, value)
    assert math.isclose(float(decode(register, words) or 0), value, abs_tol=0.051)


def test_socat_is_here() -> None:
    assert shutil.which("socat"), "install it with: apt-get install -y socat"
