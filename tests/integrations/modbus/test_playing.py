"""Played Modbus devices, asked in the bytes of the standard, and a capture of them that answers again."""

from __future__ import annotations

import asyncio
import struct
from collections.abc import Sequence
from typing import Any

import pytest

import hub
from hub.sdk.simulation import Fault, Message, Script
from integrations.modbus import Config
from integrations.modbus.playing import PLAYERS
from integrations.modbus.recording import READERS, RECORDERS
from integrations.modbus.replaying import REPLAYERS

pytestmark = pytest.mark.real("network")

MESSAGES = (
    Message("vectors/a.yaml:1", {"energy": 1}, heard={"holding 100": [0x0102, 0x0304], "coil 3": [1]}),
    Message("vectors/a.yaml:5", {"energy": 2}, heard={"holding 101": [0x0506]}),
)


async def ask(port: int, unit: int, function: int, address: int, count: int, patience: float = 60.0) -> bytes | None:
    """Return the PDU of the answer (MODBUS Messaging on TCP/IP, §3.1.3); None without one."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(struct.pack(">HHHBBHH", 7, 0, 6, unit, function, address, count))
        async with asyncio.timeout(patience):
            head = await reader.readexactly(7)
            assert head[:4] == b"\x00\x07\x00\x00"
            return await reader.readexactly(struct.unpack(">H", head[4:6])[0] - 1)
    except TimeoutError:
        return None
    finally:
        writer.close()


def script(devices: int = 1) -> Script:
    return Script("modbus", "acme-meter", MESSAGES, devices=devices)


async def test_a_played_unit_answers_the_registers_of_the_vector_that_it_says() -> None:
    async with PLAYERS["modbus"](script(2)) as player:
        port = player.options["port"]
        assert [one.settings["unit"] for one in player.devices] == [1, 2]
        await player.say(0, MESSAGES[0], None)
        assert await ask(port, 1, 3, 100, 2) == b"\x03\x04\x01\x02\x03\x04"
        assert await ask(port, 1, 1, 3, 1) == b"\x01\x01\x01"
        assert await ask(port, 1, 3, 200, 1) == b"\x83\x02", "no such address"
        await player.say(0, MESSAGES[1], None)
        assert await ask(port, 1, 3, 100, 2) == b"\x03\x04\x01\x02\x05\x06", "what it did not say again stays"
        assert await ask(port, 2, 3, 100, 2) == b"\x03\x04\x01\x02\x03\x04", "the other unit is another"


@pytest.mark.parametrize(
    ("fault", "answers"),
    [
        ("silence", [None, None]),
        ("drop", [None, b"\x03\x04\x01\x02\x03\x04"]),
        ("wrong-payload", [b"\x83\x04", b"\x83\x04"]),
    ],
)
async def test_each_fault_of_a_unit_is_what_a_client_sees(fault: Fault, answers: Sequence[bytes | None]) -> None:
    async with PLAYERS["modbus"](script()) as player:
        port = player.options["port"]
        await player.say(0, MESSAGES[0], None)
        await player.say(0, MESSAGES[1], fault)
        assert [await ask(port, 1, 3, 100, 2, 0.3 if said is None else 60.0) for said in answers] == list(answers)
        await player.say(0, MESSAGES[1], None)
        assert await ask(port, 1, 3, 100, 2) == b"\x03\x04\x01\x02\x05\x06"


DEVICE = hub.Device(
    id="modbus:meter",
    integration="modbus",
    place="p",
    settings={
        "unit": 1,
        "registers": [{"metric": "energy", "address": 100, "type": "uint32", "scale": 0.001}],
    },
)


async def test_what_is_captured_is_read_and_answered_again() -> None:
    heard: list[dict[str, Any]] = []
    full = asyncio.Event()

    def hear(line: dict[str, Any]) -> None:
        heard.append(line)
        full.set()

    async with PLAYERS["modbus"](script()) as player:
        config = Config(host="127.0.0.1", port=player.options["port"])
        recording = asyncio.ensure_future(RECORDERS["modbus"](config, [DEVICE], hear))  # type: ignore[arg-type]
        async with asyncio.timeout(60):
            await full.wait()
        recording.cancel()
    assert heard[0]["device"] == "modbus:meter"
    assert heard[0]["heard"] == {"holding 100": [0x0102, 0x0304]}
    assert READERS["modbus"](heard[0], {DEVICE.id: DEVICE}) == {"modbus:meter": {"energy": 0x01020304 / 1000}}
    again = REPLAYERS["modbus"](None, heard, 0)
    replayer = await again.__aenter__()
    await replayer.say({"device": "modbus:meter", "heard": {"holding 101": [9]}})
    assert await ask(replayer.options["port"], 1, 3, 100, 2) == b"\x03\x04\x01\x02\x00\x09"
    for bad in ({}, {"device": "modbus:meter", "heard": {"holding 1": [70_000]}}, {"device": 1, "heard": {"x": 2}}):
        with pytest.raises(hub.DecodeError):
            await replayer.say(bad)
    leaving = asyncio.ensure_future(again.__aexit__(None, None, None))
    await asyncio.sleep(0)
    leaving.cancel()
    with pytest.raises(asyncio.CancelledError):
        await leaving
