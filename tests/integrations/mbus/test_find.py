"""A person looks for a meter on a bus and tries it: beside the polls of a running instance, or without one."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import hub
from hub.sdk.finding import Offer
from hub.sdk.testing import FakeLent, FakeSession
from integrations.mbus import Config, run
from integrations.mbus.find import wanted
from integrations.mbus.finder import FINDER
from integrations.mbus.settings import DeviceSettings
from integrations.mbus.sim import Bus, Meter, crowd, house

from .test_bus import bus
from .wire import plug

HEAT, WATER = "mbus:KAM-06855817-08-04", "mbus:ACW-78563412-14-07"
QUICK: dict[str, Any] = {
    "timeout": timedelta(milliseconds=100), "pace": timedelta(milliseconds=50), "baudrate": 38400, "retries": 0,
}  # fmt: skip


@pytest.mark.real("network, processes")
async def test_meters_at_primary_addresses_are_found_and_tried_before_anything_is_saved() -> None:
    with bus() as (port, _):
        config, lent = Config(port=port, **{**QUICK, "timeout": timedelta(seconds=30)}), FakeLent()
        found = await lent.search(FINDER, config, "1-2")
        assert {address: one.device for address, one in found.items()} == {"1": HEAT, "2": WATER}
        heat, water = found["1"], found["2"]
        assert (heat.title, heat.settings) == ("KAM 06855817", {"address": 1})
        assert str(water.matches[0].why) == "it describes its own values, and says that it measures: water"
        tried = await lent.read(FINDER, config, DeviceSettings(**heat.matches[0].settings))
        assert tried.values["energy"] == pytest.approx(37351)
        assert tried.values["flow_temperature"] == pytest.approx(10.1)
        tried = await lent.read(FINDER, config, DeviceSettings(**water.matches[0].settings))
        assert (tried.values["water"], tried.values["battery_low"]) == (pytest.approx(12345.0), True)
        assert lent.steps[-1][0] == lent.steps[-1][1], "the last step is the whole"


async def test_the_number_on_the_label_finds_a_meter_whose_address_nobody_set(monkeypatch: pytest.MonkeyPatch) -> None:
    meters = crowd(4)
    config, lent = Config(port=plug(monkeypatch, Bus(meters)), **QUICK), FakeLent()
    found = await lent.search(FINDER, config, "12345607")
    assert list(found) == ["ACW-12345607-08-07"]
    settings = found["ACW-12345607-08-07"].matches[0].settings
    assert settings == {"meter": "ACW-12345607-08-07"}
    tried = await lent.read(FINDER, config, DeviceSettings(**settings))
    assert tried.values["water"] == pytest.approx(12302.0)


async def test_a_star_finds_all_by_their_own_numbers(monkeypatch: pytest.MonkeyPatch) -> None:
    lent = FakeLent()
    found = await lent.search(FINDER, Config(port=plug(monkeypatch, Bus(house())), **QUICK), "*")
    assert {one.device for one in found.values()} == {HEAT, WATER}


async def test_a_search_takes_turns_with_the_polls_of_the_instance_that_has_the_line(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    known = hub.Device(id=HEAT, integration="mbus", place="heat", settings={"address": 1})
    session = FakeSession("mbus", devices=[known])
    port = plug(monkeypatch, Bus(house()))
    config = Config(port=port, interval=timedelta(seconds=60), **QUICK)
    running = asyncio.create_task(run(config, session))
    try:
        async with asyncio.timeout(60):
            lent = FakeLent(devices=[known])
            found = await lent.search(FINDER, config, "1-3")
            await lent.read(FINDER, config, DeviceSettings(address=2))
            while not session.reports:
                await asyncio.sleep(0.01)
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
    assert found["1"].known == HEAT
    assert found["2"].known == ""
    assert session.reports[0].device == HEAT
    assert session.radio.errors == [], "no poll was disturbed"


async def test_a_meter_that_is_silent_now_says_so_when_it_is_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    config = Config(port=plug(monkeypatch, Bus(house())), **QUICK)
    with pytest.raises(hub.NotReady, match="does not answer"):
        await FakeLent().read(FINDER, config, DeviceSettings(address=3))


async def test_a_device_may_have_a_name_of_its_own_and_say_its_meter_beside(monkeypatch: pytest.MonkeyPatch) -> None:
    port = plug(monkeypatch, Bus(house()))
    named = hub.Device(id="mbus:eau-chaude", integration="mbus", place="w", settings={"meter": WATER[5:]})
    other = hub.Device(id="mbus:autre", integration="mbus", place="o", settings={"meter": HEAT[5:], "address": 2})
    session = FakeSession("mbus", devices=[named, other])
    await session.run(run, Config(port=port, interval=timedelta(seconds=60), **QUICK), turns=1, timeout=60)
    assert [report.device for report in session.reports] == [named.id]
    assert session.radio.errors == [(other.id, "mbus-other-meter")]


async def test_a_pack_of_the_meter_s_maker_is_proposed_after_its_own_words(monkeypatch: pytest.MonkeyPatch) -> None:
    own = bytes.fromhex("12345678a5254202")  # IME
    offer = Offer(pack="ime-mbus-66", vendor="IME", models=("M-Bus electricity meter",))
    lent = FakeLent(packs=[offer])
    port = plug(monkeypatch, Bus([Meter(5, own, [bytes.fromhex("0406e7910000")])]))
    found = await lent.search(FINDER, Config(port=port, **QUICK), "5")
    assert [match.pack for match in found["5"].matches] == ["", "ime-mbus-66"]


@pytest.mark.parametrize(
    ("text", "addresses", "numbers"),
    [
        ("1-3, 7", [1, 2, 3, 7], []), ("0 – 2", [0, 1, 2], []), ("06855817", [], ["06855817"]), ("*", [], [""]),
        ("5; *", [5], [""]),
    ],
)  # fmt: skip
def test_what_a_person_types_is_understood(text: str, addresses: list[int], numbers: list[str]) -> None:
    assert wanted(text) == (addresses, numbers)


@given(st.text(max_size=30))
def test_whatever_is_typed_is_addresses_or_a_sentence(text: str) -> None:
    try:
        addresses, _ = wanted(text)
    except hub.NotReady:
        return
    assert all(0 <= address <= 250 for address in addresses)
