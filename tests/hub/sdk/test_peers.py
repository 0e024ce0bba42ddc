"""Peers that no contract test of an integration speaks with: what they say is what others read."""

from __future__ import annotations

import asyncio
import socket
from pathlib import Path

import pytest

from hub.sdk.testing.peers import Line, ModbusServer, advert, missing, raw_advert
from integrations.bluetooth import advert as bluetooth
from integrations.bluetooth.bthome import decode


def test_an_advert_is_read_alike_as_a_frame_and_as_bytes() -> None:
    said = {"service": {"fcd2": bytes.fromhex("40023708")}, "name": "hall"}
    frame = advert("A4:C1:38:01:02:03", **said)
    raw = bluetooth.parse(raw_advert(**said), "A4:C1:38:01:02:03")
    assert (raw.data, raw.name) == (frame.data, frame.name)
    decoded = decode(frame, lambda _: None)
    assert decoded is not None
    assert decoded.values == {"temperature": 21.03}


@pytest.mark.real("network")
async def test_a_line_says_what_is_sent_answers_and_comes_back_on_its_port() -> None:
    line = Line(lambda heard: heard[::-1])
    for _ in range(2):
        async with line:
            reader, writer = await asyncio.open_connection("127.0.0.1", int(line.port.rpartition(":")[2]))
            await line.send(b"ab")
            assert await reader.readexactly(2) == b"ab"
            writer.write(b"cd")
            assert await reader.readexactly(2) == b"dc"
        assert await reader.read() == b"", "it hung up"
        writer.close()


@pytest.mark.real("network")
async def test_a_modbus_server_reads_writes_and_refuses() -> None:
    async with ModbusServer({0: 215, 1: 3}, {7: True}) as server:
        reader, writer = await asyncio.open_connection(server.host, server.port)

        async def ask(request: str) -> str:
            body = bytes.fromhex(request)
            writer.write(bytes((0, 9, 0, 0, 0, len(body) + 1, 1)) + body)
            head = await reader.readexactly(7)
            return (await reader.readexactly(int.from_bytes(head[4:6], "big") - 1)).hex()

        assert await ask("0300000002") == "030400d70003"
        assert await ask("0100070001") == "010101"
        assert await ask("0600000005") == "0600000005"
        assert await ask("1000000002040006000b") == "1000000002"
        assert await ask("0300090001") == "8302", "an address that is not there"
        assert await ask("2b") == "ab01", "a function that it has not"
        assert server.registers == {0: 6, 1: 11}
        assert server.written == [(0, (5,)), (0, (6, 11))]
        writer.close()


@pytest.mark.real("network")
def test_a_port_is_given_to_one_worker_once_and_to_no_connection_on_its_way_out(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    given: list[int] = []
    (tmp_path / "range").write_text("32768\t60999\n")
    monkeypatch.setattr(missing, "RANGE", tmp_path / "range")
    monkeypatch.setenv("PYTEST_XDIST_WORKER_COUNT", "3")
    for worker in ("gw0", "gw1", "gw2"):
        monkeypatch.setenv("PYTEST_XDIST_WORKER", worker)
        monkeypatch.setattr(missing, "_ports", missing._Ports())
        given += [missing.free_port() for _ in range(1000)]
        row = missing.free_port(count=3)
        given += range(row, row + 3)
    assert len(set(given)) == 3009
    assert all(missing.LOWEST <= port < 32_768 for port in given)


@pytest.mark.real("network")
@pytest.mark.parametrize("said", [None, "", "20050 60999", "much"])
def test_where_the_kernel_leaves_few_ports_or_does_not_say_it_gives_one_itself(
    said: str | None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(missing, "RANGE", tmp_path / "range")
    if said is not None:
        (tmp_path / "range").write_text(said)
    for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
        assert missing.free_port(kind) > 0
