"""A search of Modbus units against libmodbus, and against answers written out of the standard: what is found, what is
proposed, and that polls go on meanwhile."""

from __future__ import annotations

import asyncio
import struct
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import hub
from hub.devices.packs.library import Library
from hub.plugin_host.serial_buses import BusOptions, SharedLine
from hub.sdk.finding import Offer
from hub.sdk.testing import FakeLent
from integrations.modbus import Config, DeviceSettings, run
from integrations.modbus.finder import FINDER
from integrations.modbus.lines import borrowed, opened
from integrations.modbus.plan import Request
from integrations.modbus.rtu import _size_of_identification
from integrations.modbus.search import units
from tests.hub.devices.packs.packs_kit import SHIPPED

from ...serving import start_server
from . import sunspec_kit as kit
from .test_rtu import framed

ABB = {
    20480: [0x0000, 0x0000, 0x000D, 0x1290, 0x0000, 0x0000, 0x0003, 0x1209],
    35168: kit.text("B23 112-100", 6),
}
"""Words of the manual's own example, and the designation by which the meter is known."""
BASIC = b"\x2b\x0e\x01\x01\x00\x00\x03" + b"".join(
    bytes([number, len(text)]) + text
    for number, text in enumerate((b"Schneider Electric", b"METSEIEM3155", b"001.003"))
)
"""Answer to 43/14, laid out by §6.21 of the MODBUS Application Protocol."""
SETPOINT = {"metric": "setpoint", "address": 3, "scale": 0.1}


@pytest.fixture(scope="session")
def peer(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return kit.compiled("peer.c", tmp_path_factory.mktemp("peer"))


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return kit.compiled("map.c", tmp_path_factory.mktemp("map"))


@asynccontextmanager
async def libmodbus(peer: Path, **more: Any) -> AsyncIterator[Config]:
    process = await asyncio.create_subprocess_exec(str(peer), stdout=asyncio.subprocess.PIPE)
    try:
        assert process.stdout is not None
        async with asyncio.timeout(60):
            port = int(await process.stdout.readline())
        yield Config(host="127.0.0.1", port=port, max_rate=1000, **more)
    finally:
        process.kill()
        await process.wait()


def offers(*names: str) -> list[Offer]:
    found = []
    for name in names:
        keys = Library().get(name).keys
        found.append(Offer(pack=name, vendor=keys.vendor, models=keys.models, part=keys.part, signs=keys.signs))
    return found


@pytest.mark.real("network, processes")
async def test_units_that_answer_are_found_and_those_that_are_away_are_not(peer: Path) -> None:
    async with libmodbus(peer) as config:
        lent = FakeLent()
        found = await lent.search(FINDER, config, "1, 7-8")
    assert list(found) == ["1"], "7 never answers, 8 is away behind the gateway"
    assert (found["1"].device, found["1"].settings, found["1"].matches) == ("modbus:127-0-0-1-1", {"unit": 1}, ())
    assert lent.steps == [(0, 3), (1, 3), (2, 3), (3, 3)]


@pytest.mark.real("network, processes")
async def test_a_unit_whose_answers_are_cut_short_is_there_and_ends_nothing(peer: Path) -> None:
    async with libmodbus(peer) as config:
        found = await FakeLent().search(FINDER, config, "9,1")
    assert list(found) == ["9", "1"]
    assert found["9"].matches == ()


@pytest.mark.real("network, processes")
async def test_a_register_map_that_was_typed_is_read_from_libmodbus_with_what_is_wrong_of_each(peer: Path) -> None:
    settings = DeviceSettings(
        registers=(
            {"metric": "voltage", "table": "input", "address": 0, "type": "float32"},
            {"metric": "energy", "table": "input", "address": 10, "type": "int64", "scale": 0.001},
            {"metric": "humidity", "table": "input", "address": 48},
            {"metric": "return_temperature", "table": "input", "address": 15, "type": "int16", "invalid": [0x8000]},
        )
    )
    async with libmodbus(peer) as config:
        tried = await FakeLent().read(FINDER, config, settings)
    assert tried.values == {"voltage": 230.25, "energy": 9876543.210}
    assert "the device has no such register" in tried.wrong["humidity"]
    assert tried.wrong["return_temperature"] == "the device says that it has no value"


@pytest.mark.real("network, processes")
async def test_a_unit_that_is_away_is_an_error_and_not_a_list_of_missing_values(peer: Path) -> None:
    """7 is silent, of 8 a gateway says that it is away."""
    for unit, kind, timeout in ((7, hub.NotReady, 0.2), (8, hub.DecodeError, 60.0)):
        async with libmodbus(peer, timeout=timeout) as config:
            with pytest.raises(kind):
                await FakeLent().read(FINDER, config, DeviceSettings(unit=unit, registers=(SETPOINT,)))


@pytest.mark.real("network, processes")
async def test_a_shipped_meter_is_proposed_by_its_sign_and_shows_the_values_of_its_manual(server: Path) -> None:
    lent = FakeLent(packs=offers("abb-b23", "schneider-iem3155", "carlo-gavazzi-em21"))
    async with kit.serving(server, ABB) as port:
        config = Config(host="127.0.0.1", port=port, max_rate=1000)
        found = await lent.search(FINDER, config, "1")
        (match,) = found["1"].matches
        part = SHIPPED.get(match.pack).part
        tried = await lent.read(FINDER, config, DeviceSettings(**match.settings, registers=part.registers))
    assert (match.pack, match.title) == ("abb-b23", "ABB B23")
    assert match.why == "its register 35168 says that it is this model"
    assert (tried.values["energy"], tried.values["energy_exported"]) == (8567.2, 2012.25)
    assert "voltage_l1" in tried.wrong, "this server has not these registers"


@pytest.mark.real("network, processes")
async def test_a_sunspec_inverter_and_its_meter_are_two_devices_each_with_its_own_part(server: Path) -> None:
    words = [
        *kit.MARK, *kit.common("Fronius", "Symo", "1", "12"), *kit.INVERTER_103,
        *kit.common("Fronius", "Smart Meter", "1", "13"), *kit.METER_203, *kit.END,
    ]  # fmt: skip
    lent = FakeLent()
    async with kit.serving(server, {0: [0], 40000: words}) as port:
        config = Config(host="127.0.0.1", port=port, max_rate=1000)
        found = await lent.search(FINDER, config, "1")
        second = DeviceSettings(**found["1/2"].matches[0].settings)
        tried = await lent.read(FINDER, config, second)
    assert [(one.address, one.device, one.title) for one in found.values()] == [
        ("1", "modbus:fronius-symo-1", "Fronius Symo"),
        ("1/2", "modbus:fronius-smart-meter-1-2", "Fronius Smart Meter"),
    ]  # fmt: skip
    assert {key: tried.values[key] for key in kit.METER_203_READINGS} == kit.METER_203_READINGS


class Spoken:
    """A server of answers written out: it has identification, and a fixed answer to every read."""

    def __init__(self, identification: bytes) -> None:
        self.identification = identification
        self.functions: list[int] = []

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            try:
                head = await reader.readexactly(7)
                pdu = await reader.readexactly(struct.unpack(">H", head[4:6])[0] - 1)
            except asyncio.IncompleteReadError:
                break
            self.functions.append(pdu[0])
            answer = self.identification if pdu[0] == 0x2B else bytes([pdu[0] | 0x80, 2])
            writer.write(head[:4] + struct.pack(">H", len(answer) + 1) + head[6:7] + answer)
            await writer.drain()
        writer.close()


@asynccontextmanager
async def spoken(identification: bytes) -> AsyncIterator[tuple[Spoken, Config]]:
    said = Spoken(identification)
    async with await asyncio.start_server(said, "127.0.0.1", 0) as made:
        port = made.sockets[0].getsockname()[1]
        yield said, Config(host="127.0.0.1", port=port, max_rate=1000, timeout=10)  # type: ignore[arg-type]


@pytest.mark.real("network")
async def test_a_meter_that_names_its_model_is_proposed_first_and_its_maker_s_others_after() -> None:
    lent = FakeLent(packs=offers("abb-b23", "schneider-iem3155"))
    async with spoken(BASIC) as (said, config):
        found = await lent.search(FINDER, config, "5")
    assert found["5"].title == "Schneider Electric METSEIEM3155"
    assert found["5"].device == "modbus:schneider-electric-metseiem3155-5"
    assert [(one.pack, one.why) for one in found["5"].matches] == [
        ("schneider-iem3155", "it says that it is Schneider Electric METSEIEM3155")
    ]
    assert set(said.functions) <= {1, 2, 3, 4, 0x2B}, "a search writes nothing"


@pytest.mark.real("network")
@given(st.binary(min_size=1, max_size=252))
def test_no_identification_breaks_a_search_or_makes_it_long(data: bytes) -> None:
    async def searched() -> tuple[Any, list[int]]:
        async with spoken(b"\x2b" + data) as (said, config):
            return await FakeLent(packs=offers("schneider-iem3155")).search(FINDER, config, "1"), said.functions

    found, functions = asyncio.run(searched())
    assert list(found) == ["1"]
    assert functions.count(0x2B) <= 8


@given(st.binary(min_size=3, max_size=300))
def test_the_length_of_an_identification_on_a_line_is_never_less_than_its_parts(data: bytes) -> None:
    size = _size_of_identification(data)
    assert size > len(data) or size >= 10


@pytest.mark.real("network, processes")
async def test_a_search_uses_the_connection_of_the_polls_which_go_on(
    session: Any, start: Callable[..., Any], peer: Path
) -> None:
    async with libmodbus(peer, timeout=60.0, retries=0) as config:
        session.put("modbus:known", {"unit": 1, "registers": [SETPOINT]})
        running = start(run(config, session))
        await running.settle(1)
        await running.tick()
        async with borrowed(config, session.bus) as one, borrowed(config, session.bus) as other:
            assert one is other, "a line has one master: libmodbus serves one client at a time"
        lent = FakeLent(devices=session.devices.all())
        searching = asyncio.create_task(lent.search(FINDER, config, "1-4"))
        for _ in range(3):
            await running.tick()
        found = await searching
    assert [report.values for report in session.reports] == [{"setpoint": 65.5}] * 4
    assert [(one.address, one.known) for one in found.values()][:2] == [("1", "modbus:known"), ("2", "")]


@pytest.mark.parametrize(
    ("text", "found"),
    [("1", [1]), ("1-3", [1, 2, 3]), ("1–3, 240;255", [1, 2, 3, 240, 255]), (" 5 , 5 ", [5]), ("1…2", [1, 2])],
)
def test_units_are_read_as_people_type_them(text: str, found: list[int]) -> None:
    assert units(text) == found


@pytest.mark.parametrize("text", ["", "0", "248", "1-300", "3-1", "a", "1-", "1,,x", "-1", "250-255", "9" * 200])
def test_units_that_cannot_be_are_refused_with_an_example(text: str) -> None:
    with pytest.raises(hub.NotReady, match="1 to 247"):
        units(text)


@pytest.mark.real("network")
async def test_a_serial_line_is_searched_exchange_by_exchange_and_a_meter_says_its_model_in_pieces() -> None:
    asked = list[tuple[int, int]]()

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                unit, function = await reader.readexactly(2)
                await reader.readexactly(5 if function == 0x2B else 6)
                asked.append((unit, function))
                if unit != 2:
                    continue
                answer = framed(unit, BASIC if function == 0x2B else bytes([function | 0x80, 2]))
                for piece in (answer[:9], answer[9:30], answer[30:]):
                    writer.write(piece)
                    await writer.drain()
                    await asyncio.sleep(0)
        writer.close()

    async with await start_server(talk, "127.0.0.1", 0) as made:
        bus = SharedLine("rs485", BusOptions(f"tcp://127.0.0.1:{made.sockets[0].getsockname()[1]}"))
        try:
            lent = FakeLent(buses={"rs485": bus}, packs=offers("schneider-iem3155"))
            found = await lent.search(FINDER, Config(bus="rs485", max_rate=1000, timeout=2.0), "1-3")  # type: ignore[arg-type]
        finally:
            await bus.close()
    assert [(one.address, one.title) for one in found.values()] == [("2", "Schneider Electric METSEIEM3155")]
    assert [match.pack for match in found["2"].matches] == ["schneider-iem3155"]
    assert [function for unit, function in asked if unit != 2] == [3, 3], "who is not there is asked once"


@pytest.mark.real("network, processes")
async def test_a_search_that_borrowed_the_connection_of_an_instance_opens_none_after_that_has_stopped(
    session: Any, peer: Path
) -> None:
    async with libmodbus(peer) as config:
        async with opened(config, session.bus), borrowed(config, session.bus) as lent:
            assert await lent.read(1, Request("holding", 3, 1, ())) == [655]
        with pytest.raises(hub.NotReady, match="was stopped"):
            await lent.read(1, Request("holding", 3, 1, ()))
