"""A shared line against a slave on the other end of a TCP converter, and of a pair of pseudo-terminals."""

from __future__ import annotations

import asyncio
import os
import pty
import tty
from contextlib import asynccontextmanager
from datetime import timedelta

import pytest

from hub.core.errors import AuthFailed, DecodeError, NotReady
from hub.plugin_host import serial_buses
from hub.plugin_host.serial_buses import MOST_BYTES, Buses, BusOptions, SharedLine
from tests.serving import start_server

SOON = timedelta(seconds=60)
NEVER = timedelta(milliseconds=50)


def line_end(came):
    """Answers end with a newline."""
    return came.index(b"\n") + 1 if b"\n" in came else None


@asynccontextmanager
async def slave(answer):
    async def talk(reader, writer):
        try:
            while asked := await reader.readline():
                for delay, part in answer(asked):
                    await asyncio.sleep(delay)
                    writer.write(part)
                    await writer.drain()
        except ConnectionError:
            pass
        finally:
            writer.close()

    server = await start_server(talk, "127.0.0.1", 0)
    async with server:
        yield f"tcp://127.0.0.1:{server.sockets[0].getsockname()[1]}", server


@pytest.mark.real("network")
async def test_two_plugins_on_one_line_never_talk_into_each_other_s_answer():
    def slowly(asked):
        return [(0.0, asked[:1]), (0.01, asked[1:])]

    async with slave(slowly) as (port, _):
        line = SharedLine("rs485", BusOptions(port, quiet_s=0.0))
        asked = [f"question {n}\n".encode() for n in range(20)]
        assert await asyncio.gather(*(line.transact(one, line_end, timeout=SOON) for one in asked)) == asked
        await line.close()


@pytest.fixture
def settles_slowly(monkeypatch):
    """Silence is longer than any pause between parts that a busy machine makes."""
    monkeypatch.setattr(serial_buses, "SETTLED_S", 1.0)
    monkeypatch.setattr(serial_buses, "BABBLE_S", 10.0)


@pytest.mark.real("network")
async def test_silence_is_no_answer_and_a_late_answer_is_not_the_next_one_s():
    def late(asked):
        return [(0.2, b"late\n")] if asked == b"first\n" else [(0.0, asked)]

    async with slave(late) as (port, _):
        line = SharedLine("rs485", BusOptions(port, quiet_s=1.0))
        assert await line.transact(b"first\n", line_end, timeout=NEVER) is None
        assert await line.transact(b"second\n", line_end, timeout=SOON) == b"second\n"
        assert (line.exchanges, line.silences) == (2, 1)
        await line.close()


@pytest.mark.real("network")
async def test_after_a_time_out_the_line_must_be_silent_before_the_next_question(settles_slowly):
    def late(asked):
        return [(0.06, b"la"), (0.03, b"te"), (0.03, b"\n")] if asked == b"first\n" else [(0.0, asked)]

    async with slave(late) as (port, _):
        line = SharedLine("rs485", BusOptions(port, quiet_s=0.0))
        assert await line.transact(b"first\n", line_end, timeout=NEVER) is None
        assert await line.transact(b"second\n", line_end, timeout=SOON) == b"second\n"
        await line.close()


@pytest.mark.real("network")
async def test_a_line_that_is_never_silent_is_asked_all_the_same():
    def babble(asked):
        return [(0.0, b"x"), *[(0.02, b"x")] * 80, (0.0, b"\n")]

    async with slave(babble) as (port, _):
        line = SharedLine("rs485", BusOptions(port, quiet_s=0.0))
        assert await line.transact(b"first\n", line_end, timeout=NEVER) is None
        assert (await line.transact(b"second\n", line_end, timeout=SOON)).endswith(b"\n")
        await line.close()


@pytest.mark.real("network")
async def test_what_comes_after_the_answer_is_dropped():
    async with slave(lambda asked: [(0.0, asked + b"noise")]) as (port, _):
        line = SharedLine("rs485", BusOptions(port, quiet_s=0.05))
        for text in (b"a\n", b"b\n"):
            assert await line.transact(text, line_end, timeout=SOON) == text
        await line.close()


@pytest.mark.real("network")
async def test_an_answer_without_end_is_an_error_and_not_the_memory_s():
    async with slave(lambda asked: [(0.0, b"x" * 2 * MOST_BYTES)]) as (port, _):
        line = SharedLine("rs485", BusOptions(port))
        with pytest.raises(DecodeError, match="more than"):
            await line.transact(b"a\n", line_end, timeout=SOON)
        await line.close()


@pytest.mark.real("network")
async def test_a_line_that_was_lost_is_opened_again():
    said = []

    def once(asked):
        said.append(asked)
        if len(said) == 1:
            raise ConnectionResetError
        return [(0.0, asked)]

    async with slave(once) as (port, _):
        line = SharedLine("rs485", BusOptions(port))
        with pytest.raises(NotReady):
            await line.transact(b"a\n", line_end, timeout=SOON)
        assert await line.transact(b"b\n", line_end, timeout=SOON) == b"b\n"
        await line.close()


@pytest.mark.real("network")
async def test_a_turn_is_had_alone():
    async with slave(lambda asked: [(0.0, asked)]) as (port, _):
        line = SharedLine("rs485", BusOptions(port))
        async with line.open() as turn:
            other = asyncio.create_task(line.transact(b"other\n", line_end, timeout=SOON))
            await turn.send(b"mine\n")
            assert await turn.receive() == b"mine\n"
            assert not other.done()
        assert await other == b"other\n"
        await line.close()


async def test_a_real_terminal_device_is_a_line_too():
    master, terminal = pty.openpty()
    tty.setraw(terminal)
    line = SharedLine("rs485", BusOptions(os.ttyname(terminal), parity="E"))
    loop = asyncio.get_running_loop()
    loop.add_reader(master, lambda: os.write(master, os.read(master, 100).upper()))
    try:
        assert await line.transact(b"hello\n", line_end, timeout=SOON) == b"HELLO\n"
    finally:
        loop.remove_reader(master)
        await line.close()
        os.close(master)
        os.close(terminal)


async def test_a_bus_that_nobody_configured_is_a_person_s_business():
    with pytest.raises(AuthFailed, match="no bus 'rs232' is configured"):
        Buses({"rs485": BusOptions("tcp://127.0.0.1:1")}).get("rs232")


@pytest.mark.parametrize(
    ("baudrate", "seconds"), [(9600, 0.00401), (1200, 0.03208), (19200, 0.002005), (38400, 0.00175)]
)
def test_the_silence_between_two_exchanges_is_what_modbus_rtu_asks(baudrate, seconds):
    assert BusOptions("x", baudrate).silence_s == pytest.approx(seconds, rel=0.01)
