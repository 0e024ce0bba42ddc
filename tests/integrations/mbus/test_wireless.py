"""Telegrams of the air: what receivers print, and a receiver behind a TCP port, through the decoder."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ruamel.yaml import YAML

import hub
import integrations.mbus
from hub.sdk.testing import FakeSession
from integrations.mbus import decode, radio
from integrations.mbus.lines import MAX_LINE, Lines, telegram
from integrations.mbus.wireless import Config, probe, run

from ...serving import start_server

EXAMPLES = {
    example["name"]: example
    for example in YAML(typ="safe").load((Path(integrations.mbus.__file__).parent / "examples.yaml").read_text())
}
WITH_CRC = EXAMPLES["a gas meter by radio, security profile A (mode 5)"]["telegram"]
PLAIN = EXAMPLES["a room sensor"]["telegram"]
RTL = f"C1;1;1;2020-01-23 10:25:13.000;97;148;66666666;0x{PLAIN}"


def test_every_receivers_line_gives_the_telegram_without_its_checksums() -> None:
    stripped = telegram(WITH_CRC)
    assert stripped.hex().upper().startswith("2E449315785634123303")
    assert len(stripped) == 0x2E + 1
    assert telegram(f"b{WITH_CRC}") == stripped
    assert telegram(f"b{WITH_CRC}35C8\r") == stripped, "a CUL puts link quality and signal behind it"
    assert telegram(RTL) == bytes.fromhex(PLAIN) == telegram(PLAIN.lower())


def test_a_telegram_that_ends_before_its_ci_field_is_refused_however_right_its_checksum_is() -> None:
    first = bytes([9]) + bytes(9)
    raw = first + radio.crc(first).to_bytes(2, "big")
    for read in (decode.wireless, decode.sender):
        with pytest.raises(hub.DecodeError) as error:
            read(raw)
        assert error.value.reason == "wmbus-frame"


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("nonsense", "wmbus-line"),
        ("T1;1;1;2019", "wmbus-line"),
        (RTL.replace("C1;1;1", "C1;0;1"), "wmbus-crc"),
        (WITH_CRC[:30] + "FF" + WITH_CRC[32:], "wmbus-crc"),
        ("2E44", "wmbus-frame"),
    ],
)
def test_a_line_that_is_none_has_its_reason(line: str, reason: str) -> None:
    with pytest.raises(hub.DecodeError) as caught:
        telegram(line)
    assert caught.value.reason == reason


@given(st.text(max_size=200))
def test_any_line_gives_a_telegram_or_a_decode_error(line: str) -> None:
    try:
        raw = telegram(line)
    except hub.DecodeError:
        return
    assert len(raw) == raw[0] + 1


def test_lines_are_cut_whatever_the_pieces_and_one_without_an_end_costs_itself() -> None:
    stream = (RTL + "\r\n\n" + "x" * (MAX_LINE * 3) + "\n" + PLAIN + "\n").encode()
    lines = Lines()
    found = [line for at in range(0, len(stream), 11) for line in lines.feed(stream[at : at + 11])]
    assert found == [RTL, PLAIN]


@pytest.mark.real("network")
async def test_what_a_receiver_prints_is_heard_and_what_it_garbles_is_counted() -> None:
    told: list[bytes] = []

    async def receiver(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            told.append(await reader.readline())
            writer.write(f"{RTL}\r\ngarbage\r\nb{WITH_CRC}35C8\r\n".encode())
            await writer.drain()
        finally:
            writer.close()

    server = await start_server(receiver, "127.0.0.1", 0)
    session = FakeSession("wmbus")
    async with server:
        port = f"tcp://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        with pytest.raises(hub.NotReady, match="is gone"):
            await session.run(run, Config(port=port, start="brt01"))
    assert told == [b"brt01\r\n"]
    assert [frame.data["telegram"].hex().upper()[:20] for frame in session.frames] == [PLAIN[:20], WITH_CRC[:20]]
    assert session.drops == [("", "wmbus-line")]
    with pytest.raises(hub.NotReady, match="cannot be opened"):
        await probe(Config(port="/dev/nothing"))
