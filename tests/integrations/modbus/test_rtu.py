"""Frames of a serial line bear no number: a late answer is never taken for that to another request."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

import hub
from hub.plugin_host.serial_buses import BusOptions, SharedLine
from integrations.modbus import Config, Register
from integrations.modbus.faults import Silent, Unsent
from integrations.modbus.plan import Request
from integrations.modbus.rtu import SerialLine, _Answer

from ...serving import start_server

FLOW = Request("holding", 10, 2, ())
BACK = Request("holding", 20, 2, ())
SETPOINT = Register(metric="setpoint", address=3, unit="Cel", privacy="technical")

Slave = Callable[[bytes], tuple[asyncio.Event | float, bytes]]
"""A request → after how long, or after what, it answers, and what."""

OFTEN = 20
"""Attempts, where it is not the time-out that a test is about: on a busy machine an answer may be late by itself."""


def framed(unit: int, pdu: bytes) -> bytes:
    """With its CRC, reckoned bit by bit as the appendix of MODBUS over Serial Line V1.02 has it."""
    data, crc = bytes([unit]) + pdu, 0xFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0xA001 if crc & 1 else 0)
    return data + crc.to_bytes(2, "little")


def words(unit: int, *values: int) -> bytes:
    return framed(unit, bytes([3, 2 * len(values)]) + b"".join(value.to_bytes(2, "big") for value in values))


@asynccontextmanager
async def line(slave: Slave, timeout: float = 0.3) -> AsyncIterator[SerialLine]:
    """One slave that answers one request after the other, however late it is."""

    async def hear(reader: asyncio.StreamReader, waiting: asyncio.Queue[tuple[asyncio.Event | float, bytes]]) -> None:
        with suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                waiting.put_nowait(slave(await reader.readexactly(8)))

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        waiting = asyncio.Queue[tuple[asyncio.Event | float, bytes]]()
        hearing = asyncio.create_task(hear(reader, waiting))
        try:
            while True:
                after, answer = await waiting.get()
                await (after.wait() if isinstance(after, asyncio.Event) else asyncio.sleep(after))
                writer.write(answer)
                await writer.drain()
        except ConnectionError:
            pass
        finally:
            hearing.cancel()
            writer.close()

    async with await start_server(talk, "127.0.0.1", 0) as server:
        bus = SharedLine("rs485", BusOptions(f"tcp://127.0.0.1:{server.sockets[0].getsockname()[1]}"))
        try:
            yield SerialLine(Config(bus="rs485", timeout=timeout, max_rate=1000), bus)  # type: ignore[arg-type]
        finally:
            await bus.close()


@pytest.mark.real("network")
async def test_a_register_that_answers_too_late_gives_its_value_to_no_other() -> None:
    late = asyncio.Event()

    def slave(request: bytes) -> tuple[asyncio.Event | float, bytes]:
        return (late, words(1, 60, 61)) if request[3] == FLOW.address else (0.1, words(1, 40, 41))

    async with line(slave) as units:
        with pytest.raises(Silent):
            await units.read(1, FLOW)
        late.set()
        assert await units.read(1, BACK, attempts=OFTEN) == [40, 41]


@pytest.mark.real("network")
async def test_the_same_request_is_asked_again_at_once() -> None:
    again = asyncio.Event()
    asked = 0
    slept = list[float]()

    def slave(request: bytes) -> tuple[asyncio.Event | float, bytes]:
        nonlocal asked
        asked += 1
        if asked == 2:
            again.set()
        return again, words(1, 60, 61)

    async def sleep(seconds: float) -> None:
        slept.append(seconds)
        await asyncio.sleep(seconds)

    async with line(slave) as units:
        units._sleep = sleep
        assert await units.read(1, FLOW, attempts=OFTEN) == [60, 61]
    assert asked >= 2
    assert max(slept, default=0.0) < 0.1  # no more than its pace, where another request waits for a late answer


@pytest.mark.real("network")
async def test_the_second_answer_to_what_was_asked_twice_is_not_taken_for_the_next_request() -> None:
    again, late = asyncio.Event(), asyncio.Event()
    asked = 0

    def slave(request: bytes) -> tuple[asyncio.Event | float, bytes]:
        nonlocal asked
        if request[3] == BACK.address:
            return 0.0, words(1, 40, 41)
        asked += 1
        if asked == 2:
            again.set()
        return again if asked == 1 else late, words(1, 60, 61)

    async with line(slave) as units:
        assert await units.read(1, FLOW, attempts=OFTEN) == [60, 61]
        assert asked >= 2
        late.set()
        assert await units.read(1, BACK, attempts=OFTEN) == [40, 41]


@pytest.mark.real("network")
@pytest.mark.parametrize(
    "other", [words(2, 60, 61), words(1, 60), framed(1, b"\x04\x04\0\x01\0\x02"), framed(2, b"\x83\x02")],
    ids=["another unit", "another length", "another function", "another unit's exception"],
)  # fmt: skip
async def test_a_whole_frame_that_was_not_asked_for_is_passed_over(other: bytes) -> None:
    async with line(lambda _: (0.0, other + words(1, 40, 41)), 5.0) as units:
        assert await units.read(1, BACK) == [40, 41]


@pytest.mark.real("network")
async def test_the_echo_of_another_write_is_passed_over_and_a_write_of_another_register_confirms_nothing() -> None:
    async with line(lambda request: (0.0, framed(1, b"\x06\0\x04\0\x07") + request), 5.0) as units:
        await units.write(1, SETPOINT, [7])
    async with line(lambda request: (0.0, framed(1, b"\x06\0\x04\0\x07")), 1.0) as units:
        with pytest.raises(hub.DecodeError, match="two masters"):
            await units.write(1, SETPOINT, [7])


@pytest.mark.real("network")
async def test_a_write_that_nobody_wants_any_more_when_its_turn_comes_does_not_leave() -> None:
    asked: list[int] = []
    stopped = False

    def slave(request: bytes) -> tuple[float, bytes]:
        asked.append(request[1])
        return 0.2, words(1, 60, 61)

    async with line(slave, 5.0) as units:
        reading = asyncio.create_task(units.read(1, FLOW))
        await asyncio.sleep(0)
        writing = asyncio.create_task(units.write(1, SETPOINT, [7], lambda: not stopped))
        await asyncio.sleep(0)
        stopped = True  # all writes, while it waits for the line
        assert await reading == [60, 61]
        with pytest.raises(Unsent):
            await writing
    assert asked == [3]


_FRAMES = st.one_of(
    st.builds(words, st.integers(2, 247), st.integers(0, 0xFFFF)),
    st.builds(words, st.just(1), st.integers(0, 0xFFFF)),
    st.builds(lambda unit, at: framed(unit, b"\x06\0" + bytes([at, 0, 1])), st.integers(1, 247), st.integers(0, 255)),
)


@given(st.lists(_FRAMES, max_size=5), st.data())
def test_the_answer_is_found_behind_whatever_whole_frames_and_however_it_is_cut(
    others: list[bytes], data: st.DataObject
) -> None:
    asked, answer = framed(1, b"\x03\0\x14\0\x02"), words(1, 40, 41)
    said = b"".join(others) + answer
    found, came, end = _Answer(asked), 0, None
    while end is None:
        came += data.draw(st.integers(1, len(said) - came))
        end = found.end(said[:came])
    assert (said[found.begin : end], found.others) == (answer, len(others))


@given(st.binary(max_size=300))
def test_of_whatever_bytes_only_what_was_asked_for_is_an_answer(said: bytes) -> None:
    found = _Answer(framed(1, b"\x03\0\x14\0\x02"))
    end = None
    with suppress(hub.DecodeError):
        end = found.end(said)
    if end is not None:
        answer = said[found.begin : end]
        assert (answer[:3], len(answer)) == (b"\x01\x03\x04", 9) or (answer[:2], len(answer)) == (b"\x01\x83", 5)
