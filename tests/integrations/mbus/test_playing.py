"""Played M-Bus meters, read by pyMeterBus, which shares no code with the hub."""

from __future__ import annotations

import asyncio

import meterbus
import pytest

import hub
from hub.sdk.simulation import Fault, Message, Script
from integrations.mbus.playing import PLAYERS
from integrations.mbus.replaying import REPLAYERS

pytestmark = pytest.mark.real("network")

RECORDS = "0c1345230100" + "025a6500"
"""Volume 12.345 m³ in BCD, flow temperature 10.1 °C: EN 13757-3."""
MESSAGES = (Message("vectors/a.yaml:1", {"water": 12345}, heard={"records": RECORDS}),)


async def ask(port: str, address: int = 1, *, patience: float = 60.0) -> bytes:
    """Ask for class 2 data (REQ_UD2), and return the telegram that comes."""
    host, _, number = port.removeprefix("tcp://").partition(":")
    reader, writer = await asyncio.open_connection(host, int(number))
    writer.write(bytes((0x10, 0x5B, address, 0x5B + address & 0xFF, 0x16)))
    said = b""
    try:
        async with asyncio.timeout(patience):
            while not said.endswith(b"\x16") or len(said) < said[1] + 6:
                chunk = await reader.read(512)
                if not chunk:
                    break
                said += chunk
    except TimeoutError:
        pass
    writer.close()
    return said


def values(telegram: bytes) -> list[float]:
    return [float(record.parsed_value) for record in meterbus.load(list(telegram)).records]


async def test_another_decoder_reads_in_a_played_meter_what_its_vector_says() -> None:
    async with PLAYERS["mbus"](Script("mbus", "acme-water", MESSAGES, devices=2)) as player:
        port = player.options["port"]
        for device in (0, 1):
            await player.say(device, MESSAGES[0], None)
            telegram = await ask(port, device + 1)
            assert values(telegram) == pytest.approx([12.345, 10.1])
            number = player.devices[device].id.split("-")[1]
            assert meterbus.load(list(telegram)).body.bodyHeader.id_nr == list(bytes.fromhex(number))


@pytest.mark.parametrize("fault", ["silence", "drop", "bad-mic", "wrong-payload"])
async def test_each_fault_of_a_meter_is_what_the_bus_hears(fault: Fault) -> None:
    async with PLAYERS["mbus"](Script("mbus", "acme-water", MESSAGES)) as player:
        port = player.options["port"]
        await player.say(0, MESSAGES[0], fault)
        first = await ask(port, patience=0.5 if fault in ("silence", "drop") else 60.0)
        if fault in ("silence", "drop"):
            assert first == b""
        elif fault == "bad-mic":
            assert first[-2] == (sum(first[4:-2]) & 0xFF) ^ 0xFF
        else:
            assert len(first) == len(bytes.fromhex(RECORDS)) // 2 + 21
        again = await ask(port, patience=0.5 if fault == "silence" else 60.0)
        assert bool(again) is (fault != "silence")


async def test_a_captured_telegram_is_answered_again() -> None:
    async with PLAYERS["mbus"](Script("mbus", "acme-water", MESSAGES)) as player:
        telegram = await ask(player.options["port"])
    replaying = REPLAYERS["mbus"](None, (), 0)
    bus = await replaying.__aenter__()
    await bus.say({"telegram": telegram.hex()})
    assert await ask(bus.options["port"]) == telegram
    with pytest.raises(hub.DecodeError):
        await bus.say({"telegram": "e5"})
    leaving = asyncio.ensure_future(replaying.__aexit__(None, None, None))
    await asyncio.sleep(0)
    leaving.cancel()
    with pytest.raises(asyncio.CancelledError):
        await leaving
