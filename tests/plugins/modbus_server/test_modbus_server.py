"""Asked by mbpoll, which is libmodbus: values, age, validity; writes and strangers are refused."""

from __future__ import annotations

import asyncio
import logging
import re
import shutil
import struct
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import hub
from hub.core.metric_catalogue import METRICS
from hub.sdk.exporter import LastValue, Series
from hub.sdk.testing import FakeView
from plugins.modbus_server import Config, run
from plugins.modbus_server.table import BAD, GOOD, NEVER, OLD, SLOTS, Slots, points, words

from ...serving import start_server


def series(place: str, metric: str) -> Series:
    return Series(
        id=f"{place}/{metric}", place=place, device=f"modbus:{place}", integration="modbus", metric=METRICS[metric]
    )


def value(one: Series, said: LastValue | float | bool | str, age: float = 0.0, quality: str = "good"):
    return LastValue(
        series=one.id,
        device=one.device,
        metric=one.metric.key,
        value=said,
        unit=one.metric.unit,  # type: ignore[arg-type]
        time=time.time() - age,
        trust="B",
        quality=quality,
        rssi=None,
    )


@asynccontextmanager
async def exporting(view: FakeView, caplog: pytest.LogCaptureFixture, **options) -> AsyncIterator[int]:
    caplog.set_level(logging.INFO)
    task = asyncio.create_task(run(Config(port=0, **options), view))
    try:
        async with asyncio.timeout(60):
            while not (found := re.search(r"may ask \S+ port (\d+)", caplog.text)):
                if task.done():
                    task.result()
                await asyncio.sleep(0.01)
        yield int(found[1])
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def mbpoll(port: int, *arguments: str) -> str:
    program = shutil.which("mbpoll") or pytest.fail("mbpoll is missing: apt-get install -y mbpoll")
    process = await asyncio.create_subprocess_exec(
        program,
        "-m",
        "tcp",
        "-p",
        str(port),
        "-0",
        "-1",
        "-o",
        "2",
        *arguments,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    out, _ = await process.communicate()
    return out.decode()


def read(out: str) -> list[float]:
    return [float(text) for text in re.findall(r"^\[\d+\]:\s+(-?[\d.e+-]+)", out, re.MULTILINE)]


async def until_polled(port: int, expected: list[float], *arguments: str) -> None:
    out = ""
    async with asyncio.timeout(60):
        while read(out) != expected:
            out = await mbpoll(port, *arguments)


@pytest.mark.real("network, processes")
async def test_a_supervisor_reads_values_ages_and_validity(caplog: pytest.LogCaptureFixture) -> None:
    view = FakeView()
    hall, fault = series("hall", "temperature"), series("hall", "fault")
    view.say(hall, value(hall, 21.5))
    view.say(fault, value(fault, True, age=7200))
    async with exporting(view, caplog) as port:
        # ids in order: hall/fault has slot 0, hall/temperature slot 1
        await until_polled(port, [1.0], "-t", "3:float", "-B", "-r", "0", "-c", "1", "127.0.0.1")
        await until_polled(port, [21.5], "-t", "3:float", "-B", "-r", "4", "-c", "1", "127.0.0.1")
        age, validity = read(await mbpoll(port, "-t", "3", "-r", "2", "-c", "2", "127.0.0.1"))
        assert age >= 7200
        assert validity == BAD
        assert read(await mbpoll(port, "-t", "3", "-r", "7", "-c", "1", "127.0.0.1")) == [GOOD]
        assert read(await mbpoll(port, "-t", "1", "-r", "0", "-c", "2", "127.0.0.1")) == [1, 0]


@pytest.mark.real("network, processes")
async def test_a_write_an_unknown_address_and_other_tables_are_refused(caplog: pytest.LogCaptureFixture) -> None:
    view = FakeView()
    hall = series("hall", "temperature")
    view.say(hall, value(hall, 21.5))
    async with exporting(view, caplog) as port:
        await until_polled(port, [21.5], "-t", "3:float", "-B", "-r", "0", "-c", "1", "127.0.0.1")
        for arguments in (
            ("-t", "4", "-r", "0", "127.0.0.1", "7"),
            ("-t", "0", "-r", "0", "127.0.0.1", "1"),
            ("-t", "4", "-r", "0", "-c", "1", "127.0.0.1"),
        ):
            assert "Illegal function" in await mbpoll(port, *arguments), arguments
        assert "Illegal data address" in await mbpoll(port, "-t", "3", "-r", "400", "-c", "4", "127.0.0.1")
        await until_polled(port, [21.5], "-t", "3:float", "-B", "-r", "0", "-c", "1", "127.0.0.1")


@pytest.mark.real("network")
async def test_who_is_not_listed_is_not_answered(caplog: pytest.LogCaptureFixture) -> None:
    async with exporting(FakeView(), caplog, allow=("192.0.2.0/24",)) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        with suppress(ConnectionError):
            assert await asyncio.wait_for(reader.read(), 60) == b""
        writer.close()
    assert "not in `allow`" in caplog.text


@pytest.mark.real("network, processes")
async def test_numbers_outlive_a_restart_and_the_list_names_them(
    caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    view, file = FakeView(), tmp_path / "points.csv"
    hall = series("hall", "temperature")
    view.say(hall, value(hall, 21.5))
    async with exporting(view, caplog, points=file) as port:
        await until_polled(port, [21.5], "-t", "3:float", "-B", "-r", "0", "-c", "1", "127.0.0.1")
    caplog.clear()
    early = series("cellar", "temperature")
    view.say(early, value(early, 12.0))
    async with exporting(view, caplog, points=file) as port:
        await until_polled(port, [12.0], "-t", "3:float", "-B", "-r", "4", "-c", "1", "127.0.0.1")
        await until_polled(port, [21.5], "-t", "3:float", "-B", "-r", "0", "-c", "1", "127.0.0.1")
        async with asyncio.timeout(60):
            while "cellar" not in file.read_text():
                await asyncio.sleep(0.01)
    lines = file.read_text().splitlines()
    assert lines[1].startswith("0,hall/temperature,0,")
    assert lines[2].startswith("1,cellar/temperature,4,")


@pytest.mark.real("network")
async def test_an_address_that_is_taken_is_not_ready() -> None:
    server = await start_server(lambda reader, writer: writer.close(), "127.0.0.1", 0)
    async with server:
        with pytest.raises(hub.NotReady):
            await run(Config(port=server.sockets[0].getsockname()[1]), FakeView())


def test_no_slot_is_ever_given_to_another_series() -> None:
    slots = Slots({"a/x": 5})
    slots.give([series("b", "temperature"), series("a", "temperature")])
    assert slots.of == {"a/x": 5, "a/temperature": 6, "b/temperature": 7}
    assert not slots.give([])


def test_more_series_than_slots_are_said_and_not_wrapped() -> None:
    slots = Slots({"last": SLOTS - 1})
    slots.give([series("b", "temperature")])
    assert slots.full
    assert slots.of == {"last": SLOTS - 1}


def test_the_last_slots_are_kept_also_where_some_series_get_none() -> None:
    slots = Slots({"last": SLOTS - 2})
    assert slots.give([series("b", "temperature"), series("c", "temperature")])
    assert slots.of == {"last": SLOTS - 2, "b/temperature": SLOTS - 1}
    assert not slots.give([series("b", "temperature"), series("c", "temperature")])


@pytest.mark.real("network")
async def test_that_there_are_more_series_than_slots_is_said_once(caplog: pytest.LogCaptureFixture) -> None:
    view, one = FakeView(), series("b", "temperature")
    view.state.put("slots", {"last": SLOTS - 1})
    async with exporting(view, caplog):
        for said in (1.0, 2.0, 3.0):
            view.say(one, value(one, said))
            for _ in range(20):
                await asyncio.sleep(0)
    assert caplog.text.count("those that came last have no registers") == 1


@given(st.one_of(st.floats(), st.booleans(), st.text()), st.floats(0, 1e9), st.sampled_from(("good", "bad", "undated")))
def test_whatever_a_value_is_it_makes_four_registers(said, age, quality) -> None:
    made = words(value(series("a", "temperature"), said, age, quality), time.time(), 3600.0)
    assert len(made) == 4
    assert all(0 <= word <= 0xFFFF for word in made)
    if isinstance(said, float) and abs(said) < 1e30 and not isinstance(said, bool):
        assert struct.unpack(">f", struct.pack(">HH", *made[:2]))[0] == struct.unpack(">f", struct.pack(">f", said))[0]


def test_nothing_heard_is_told_apart_from_zero() -> None:
    assert words(None, 0.0, 60.0) == (0, 0, OLD, NEVER)


def test_a_name_is_no_formula_in_a_spreadsheet() -> None:
    assert points({"=cmd|x": 0}, []).splitlines()[1].startswith("0,'=cmd|x,0,")
