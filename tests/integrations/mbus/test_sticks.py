"""Receivers with a protocol of their own: messages, noise, and a stick behind a TCP port."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ruamel.yaml import YAML

import hub
import integrations.mbus
from hub.sdk.testing import FakeSession
from integrations.mbus.sticks import Amber, Heard, Im871a, Message, crc16, listen_in, message
from integrations.mbus.wireless import Config, probe, run

from ...serving import start_server

EXAMPLES = YAML(typ="safe").load((Path(integrations.mbus.__file__).parent / "examples.yaml").read_text())
TELEGRAM = bytes.fromhex(next(example["telegram"] for example in EXAMPLES if example["name"] == "a room sensor"))


def indication(telegram: bytes, rssi: int = 128, time: bytes = b"") -> bytes:
    """What a stick says of a telegram: RSSI and CRC behind it, perhaps a time."""
    body = bytes([0xC2 | (0x20 if time else 0), 0x03, len(telegram) - 1]) + telegram[1:] + time + bytes([rssi])
    return b"\xa5" + body + crc16(body).to_bytes(2, "little")


def test_the_checksum_is_that_of_a_published_request() -> None:
    # a published reader of power meters asks its iM871A what it is with these bytes
    assert message(0x01, 0x0F) == bytes.fromhex("A5810F003413")
    assert crc16(b"123456789") == 0x906E, "X.25's own check value"


def test_a_telegram_comes_out_with_its_length_and_strength() -> None:
    stick = Im871a()
    stream = b"\x00\xa5\xff" + indication(TELEGRAM) + message(1, 2) + indication(TELEGRAM, 0, b"\1\2\3\4")
    found = [heard for at in range(0, len(stream), 7) for heard in stick.feed(stream[at : at + 7])]
    assert found == [Heard(TELEGRAM, -58), Heard(TELEGRAM, -127)]
    assert stick.bad == 0


def test_a_message_that_is_garbled_costs_itself() -> None:
    broken = bytearray(indication(TELEGRAM))
    broken[10] ^= 1
    stick = Im871a()
    assert list(stick.feed(bytes(broken) + indication(TELEGRAM))) == [Heard(TELEGRAM, -58)]
    assert stick.bad == 1


def test_the_stick_is_told_what_to_listen_to() -> None:
    (told,) = Im871a().messages(listen_in("T"))
    assert told == Message(0x01, 0x03, bytes.fromhex("000203300100"))


def test_telegrams_without_any_frame_are_cut_by_their_length() -> None:
    stick = Amber()
    stream = b"\x07" + TELEGRAM + b"\xff\x03" + TELEGRAM
    found = [heard for at in range(0, len(stream), 9) for heard in stick.feed(stream[at : at + 9])]
    assert found == [Heard(TELEGRAM)] * 2
    assert stick.bad == 3


@settings.get_profile("hostile")
@given(st.binary(max_size=400), st.integers(1, 50), st.booleans())
def test_any_bytes_give_telegrams_and_nothing_else(data: bytes, step: int, amber: bool) -> None:
    stick = Amber() if amber else Im871a()
    for at in range(0, len(data), step):
        for heard in stick.feed(data[at : at + step]):
            assert len(heard.telegram) == heard.telegram[0] + 1
            assert heard.dbm is None or -127 <= heard.dbm <= 10
    assert len(stick._rest) <= 270, "what is not whole yet is no longer than a message"


@pytest.mark.real("network")
async def test_what_a_stick_says_is_heard_and_one_that_does_not_answer_is_away(monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[bytes] = []

    async def stick(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            told.append(await reader.readexactly(12 if not told else 6))
            writer.write(message(1, 4) + indication(TELEGRAM) if len(told) == 1 else message(1, 2))
            await writer.drain()
        finally:
            writer.close()

    server = await start_server(stick, "127.0.0.1", 0)
    session = FakeSession("wmbus")
    async with server:
        port = f"tcp://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        with pytest.raises(hub.NotReady, match="is gone"):
            await session.run(run, Config(port=port, receiver="im871a", mode="T"))
        assert told == [listen_in("T")]
        assert [frame.data["telegram"] for frame in session.frames] == [TELEGRAM]
        assert session.frames[0].signal == hub.Signal(rssi=-58)
        assert await probe(Config(port=port, receiver="im871a")) == f"an iM871A answers on {port}"

    async def deaf(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await reader.read()
        finally:
            writer.close()

    monkeypatch.setattr("integrations.mbus.wireless.ANSWER_S", 0.05)
    server = await start_server(deaf, "127.0.0.1", 0)
    async with server:
        port = f"tcp://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        with pytest.raises(hub.NotReady, match="does not answer"):
            await probe(Config(port=port, receiver="im871a"))
