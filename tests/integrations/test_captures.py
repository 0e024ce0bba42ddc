"""What listeners of each protocol pass on for a capture, and what a replayer makes of it: the same again."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

import pytest

import hub
from hub.sdk.simulation import Message, Script
from integrations import enocean, linky, sigfox
from integrations.enocean.replaying import REPLAYERS as ENOCEAN
from integrations.enocean.sim import CONTACT, packet
from integrations.knx import recording as knx
from integrations.linky.replaying import REPLAYERS as LINKY
from integrations.linky.sim import historic, standard
from integrations.mbus import wireless
from integrations.mbus.playing import PLAYERS
from integrations.mbus.replaying import REPLAYERS as MBUS
from integrations.sigfox.playing import PLAYERS as SIGFOX
from integrations.sigfox.settings import Listen

from ..ports import free_port
from ..serving import start_server

Lines = list[dict[str, Any]]
SERIAL, PRM = "021875123456", "09876543210987"
TEACH_IN = packet(0x35, bytes.fromhex("244BC0FF456E4F6365"), CONTACT)
"""A secure teach-in, EnOcean's own example: the rolling code and the first bytes of the key, in clear."""


@asynccontextmanager
async def said(data: bytes) -> AsyncIterator[str]:
    """A line on which this is said, to whoever connects."""

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(data)
        await reader.read()
        writer.close()

    server = await start_server(talk, "127.0.0.1", 0)
    try:
        yield f"tcp://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()


async def heard(listen: Callable[..., Awaitable[None]], config: hub.Config, count: int) -> Lines:
    """Return the first lines that a listener passes on."""
    lines: Lines = []
    full = asyncio.Event()

    def hear(line: dict[str, Any]) -> None:
        lines.append(json.loads(json.dumps(line)))
        if len(lines) >= count:
            full.set()

    task = asyncio.ensure_future(listen(config, hear))
    waiting = asyncio.ensure_future(full.wait())
    async with asyncio.timeout(60):
        await asyncio.wait({task, waiting}, return_when=asyncio.FIRST_COMPLETED)
    if task.done():
        task.result()
    task.cancel()
    await asyncio.wait({task})
    return lines


async def again(
    replaying: AbstractAsyncContextManager[Any], listen: Callable[..., Awaitable[None]], config: Any, lines: Lines
) -> Lines:
    """Return what a listener hears of a replayer."""
    async with replaying as replayer:
        hearing = asyncio.ensure_future(heard(listen, config(port=replayer.options["port"]), len(lines)))
        await replayer.joined()
        for line in lines:
            await replayer.say(line)
        return await hearing


def without_time(lines: Lines) -> Lines:
    return [{key: value for key, value in line.items() if key != "time"} for line in lines]


@pytest.mark.real("network")
async def test_enocean_telegrams_are_captured_but_for_a_key_that_is_taught_in() -> None:
    wanted = packet(0xD5, b"\x09", CONTACT)
    async with said(TEACH_IN + wanted) as port:
        lines = await heard(enocean.listen, enocean.Config(port=port), 1)
    assert [line["packet"] for line in lines] == [wanted.hex()]
    replayed = await again(ENOCEAN["enocean"](None, lines, 0), enocean.listen, enocean.Config, lines)
    assert without_time(replayed) == without_time(lines)


@pytest.mark.real("network")
@pytest.mark.parametrize("mode", ["historic", "standard"])
async def test_a_meters_frames_are_captured_without_its_address_and_read_as_before(mode: str) -> None:
    frame = (
        historic(SERIAL, 4_000_000, 12_345_678, 1200)
        if mode == "historic"
        else standard(SERIAL, "H260101120000", 4_000_000, 12_345_678, 1200, ("H260101113000", 900))
    )
    async with said(frame) as port:
        lines = await heard(linky.listen, linky.Config(port=port, mode=mode), 1)  # type: ignore[arg-type]
    text = json.dumps(lines)
    assert SERIAL not in text
    assert PRM not in text
    assert "PAS DE MESSAGE" not in text
    plain = linky.decode_frame(linky.frame_of({"raw": frame.hex()}), None)
    told = linky.decode_frame(linky.frame_of(lines[0]), None)
    assert told.values == plain.values
    assert plain.values["energy"] == 16_345_678 / (1 if plain.values["energy"] > 1e6 else 1000)
    again_ = await again(
        LINKY["linky"](None, lines, 0),
        linky.listen,
        lambda port: linky.Config(port=port, mode=mode),
        lines,  # type: ignore[arg-type]
    )
    assert without_time(again_) == without_time(lines)


@pytest.mark.real("network")
async def test_telegrams_of_a_played_meter_are_captured_read_and_said_again() -> None:
    message = Message("v:1", {"water": 12345}, heard={"records": "0c1345230100"})
    async with PLAYERS["wmbus"](Script("wmbus", "acme-water", [message])) as player:
        hearing = asyncio.ensure_future(heard(wireless.listen, wireless.Config(port=player.options["port"]), 1))
        await player.joined(0)
        await player.say(0, message, None)
        lines = await hearing
        decoded = wireless.decode_wireless(wireless.line_wireless(lines[0]), lambda _: None)
        assert decoded.device == player.devices[0].id
        assert isinstance(decoded, hub.Decoded)
    replayed = await again(MBUS["wmbus"](None, lines, 0), wireless.listen, wireless.Config, lines)
    assert without_time(replayed) == without_time(lines)


@pytest.mark.real("network")
async def test_a_callback_that_is_captured_is_refused_so_that_the_hub_gets_it_again() -> None:
    listening = Listen(port=free_port(), secret="a secret of twenty characters")  # type: ignore[arg-type]
    config = sigfox.Config(listen=listening)
    message = Message("v:1", {"temperature": 21}, payload=bytes.fromhex("00d2"))
    async with SIGFOX["sigfox"](Script("sigfox", "acme", [message], options=config)) as player:
        hearing = asyncio.ensure_future(heard(sigfox.listen, config, 1))
        await player.joined(0)
        await player.say(0, message, None)
        lines = await hearing
    assert (lines[0]["kind"], lines[0]["data"]) == ("uplink", "00d2")
    assert f"sigfox:{lines[0]['device']}" == player.devices[0].id
    assert "secret" not in json.dumps(lines)


def test_a_line_of_knx_is_read_by_the_group_addresses_of_the_configuration() -> None:
    device = hub.Device(
        id="knx:salle", integration="knx", place="p",
        settings={"groups": {"1/0/1": {"dpt": "9.001", "metric": "temperature"}}},
    )  # fmt: skip
    line = {"source": "1.1.10", "destination": "1/0/1", "service": "write", "payload": "0c33"}
    assert knx.READERS["knx"](line, {device.id: device}) == {"knx:salle": {"temperature": 21.5}}
    assert knx.READERS["knx"]({**line, "destination": "1/0/2"}, {device.id: device}) == {}
    for bad in ({}, {"destination": "x", "payload": 1}, {"destination": "1/0/1", "payload": "zz"}):
        with pytest.raises(hub.DecodeError):
            knx.READERS["knx"](bad, {device.id: device})
