"""Lines that the core opens for plugins: one holder, one set of errors, serial and TCP alike."""

from __future__ import annotations

import asyncio
import os
import sys
import tty
from collections.abc import Iterator
from pathlib import Path

import pytest

import hub
from hub.sdk import serial_line
from hub.sdk.serial_line import open_serial_line
from tests.serving import start_server


@pytest.fixture
def terminal() -> Iterator[tuple[int, str]]:
    ours, theirs = os.openpty()
    tty.setraw(theirs)
    yield ours, os.ttyname(theirs)
    os.close(theirs)
    os.close(ours)


async def test_a_serial_line_is_read_and_written(terminal: tuple[int, str]) -> None:
    ours, port = terminal
    async with open_serial_line(port, baudrate=2400, bits=8, parity="E") as line:
        os.write(ours, b"hello")
        assert await line.receive() == b"hello"
        await line.send(b"\x10\x5b")
        assert await asyncio.to_thread(os.read, ours, 10) == b"\x10\x5b"


async def test_a_port_without_parity_is_opened_with_eight_bits_every_time(terminal: tuple[int, str]) -> None:
    ours, port = terminal
    for _ in range(3):
        async with open_serial_line(port, baudrate=1200, bits=7, parity="E") as line:
            os.write(ours, b"\xff")
            assert await line.receive() == b"\xff"


async def test_the_time_to_open_a_port_begins_when_its_library_is_there(
    terminal: tuple[int, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    order, timeout = list[str](), asyncio.timeout

    class Finder:
        @staticmethod
        def find_spec(name: str, *_: object) -> None:
            if name == "serialx":
                order.append("library")

    def timed(seconds: float) -> asyncio.Timeout:
        order.append("time")
        return timeout(seconds)

    for name in [name for name in sys.modules if name.partition(".")[0] == "serialx"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setattr(sys, "meta_path", [Finder, *sys.meta_path])
    monkeypatch.setattr(asyncio, "timeout", timed)
    async with open_serial_line(terminal[1]):
        pass
    assert order[:2] == ["library", "time"]


@pytest.mark.real("network")
async def test_a_line_behind_a_tcp_port_is_the_same() -> None:
    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            writer.write(await reader.read(10))
            await writer.drain()
        finally:
            writer.close()

    server = await start_server(echo, "127.0.0.1", 0)
    async with server:
        port = f"tcp://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        async with open_serial_line(port) as line:
            await line.send(b"abc")
            assert await line.receive() == b"abc"
            with pytest.raises(hub.NotReady, match="is gone"):
                await line.receive()


@pytest.mark.real("network")
async def test_a_line_whose_other_end_no_longer_reads_is_left_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(serial_line, "CLOSE_S", 0.1)
    over = asyncio.Event()

    async def deaf(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await over.wait()
        finally:
            writer.transport.abort()

    server = await start_server(deaf, "127.0.0.1", 0, limit=1)
    async with server:
        port = f"tcp://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        async with asyncio.timeout(60):
            async with open_serial_line(port) as line:
                with pytest.raises(TimeoutError):
                    async with asyncio.timeout(0.2):
                        await line.send(bytes(16 << 20))
            async with open_serial_line(port):
                pass
        over.set()


async def test_one_line_has_one_holder_and_is_free_again_afterwards(terminal: tuple[int, str]) -> None:
    _, port = terminal
    async with open_serial_line(port, holder="linky"):
        with pytest.raises(hub.NotReady, match="held by linky already"):
            async with open_serial_line(port, holder="mbus"):
                pass
    with pytest.raises(KeyError):
        async with open_serial_line(port):
            raise KeyError
    async with open_serial_line(port):
        pass


@pytest.mark.real("network")
@pytest.mark.parametrize("port", ["/dev/does-not-exist", "tcp://127.0.0.1:1", "tcp://nowhere", "tcp://127.0.0.1:port"])
async def test_what_cannot_be_opened_is_away_and_says_what(port: str) -> None:
    with pytest.raises(hub.NotReady, match=port):
        async with open_serial_line(port):
            pass
    assert serial_line._held == {}


async def test_a_port_without_rights_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def refused(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(serial_line, "_serial", refused)
    with pytest.raises(hub.AuthFailed, match="group dialout"):
        async with open_serial_line(str(tmp_path / "port")):
            pass


async def test_an_unplugged_line_is_gone() -> None:
    ours, theirs = os.openpty()
    tty.setraw(theirs)
    async with open_serial_line(os.ttyname(theirs)) as line:
        os.close(theirs)
        os.close(ours)
        with pytest.raises(hub.NotReady, match="is gone"):
            await line.receive()
