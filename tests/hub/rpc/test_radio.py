"""What `ilot radio` says: margins in words, lateness, batteries by a trend that is one."""

from __future__ import annotations

import contextlib
import random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.core.errors import DecodeError, PluginError
from hub.core.model import Place
from hub.devices.places import Places
from hub.plugin_host.plugin_facts import PluginFacts
from hub.plugin_host.runtime import InProcessSession
from hub.plugin_host.session_parts import Core
from hub.rpc.radio import DAY_S, Radio, forecast, verdict
from hub.sdk.session_rules import FACT_SUBJECTS, FACTS_IN_ALL
from hub.sdk.testing import FakeHttp
from tests.hub.path_kit import TAG, Path

GOOD = {"heard": 50, "lost": 1, "margin_db": 12.0, "margin_low_db": 6.0}


class NoPacks:
    async def get(self, name: str) -> Any:
        raise DecodeError("no-pack")


class Stage(Path):
    def __init__(self) -> None:
        super().__init__()
        self.told = PluginFacts()
        self.radio = Radio(
            told=self.told,
            devices=self.devices,
            places=Places([Place(id="classe-1", site="ecole", zone="classes")]),
            live=self.live,
            packs=NoPacks(),
            buffer=self.buffer,
            clock=self.clock,  # type: ignore[arg-type]
        )
        core = Core(
            self.pipeline,
            self.planner,
            self.devices,
            self.buffer,
            self.clock,
            self.counts,
            lambda _: FakeHttp(),
            lambda kind: [],
            plugin_facts=self.told,
        )
        self.session = InProcessSession(TAG.integration, core, lambda: None)

    async def device(self) -> dict[str, Any]:
        (device,) = (await self.radio.call({}))["devices"]
        return dict(device)


@pytest.mark.parametrize(
    ("facts", "said"),
    [
        (GOOD, "enough"),
        ({**GOOD, "margin_low_db": 2.9}, "move"),
        ({**GOOD, "lost": 6}, "move"),
        ({**GOOD, "heard": 9, "lost": 0}, ""),
        ({}, ""),
    ],
)
def test_a_margin_in_words(facts: dict[str, Any], said: str) -> None:
    assert verdict(facts) == said


async def test_a_device_is_told_in_both_languages_and_is_late_after_three_periods() -> None:
    stage = Stage()
    stage.session.radio.publish_facts(TAG.id, {**GOOD, "period_s": 600.0, "join": "joined", "rates": {"SF7": 50}})
    await stage.emit(values={"temperature": 20.0, "battery": 80})
    device = await stage.device()
    assert (device["fr"], device["en"], device["join"]) == ("marge suffisante", "enough margin", "joined")
    assert (device["battery"], device["late"], device["zone"]) == (80, False, "classes")
    assert device["lost_share"] == pytest.approx(1 / 51)
    stage.clock.set(stage.clock.now() + 1801)
    assert (await stage.device())["late"] is True
    stage.session.radio.publish_facts(TAG.id, {**GOOD, "margin_low_db": -1.0})
    assert (await stage.device())["fr"] == "à déplacer"
    stage.session.radio.publish_facts(TAG.id, {})
    assert await stage.radio.call({}) == {"devices": [], "gateways": []}


async def test_a_device_on_a_bus_tells_how_fast_it_answers_and_is_no_radio_device() -> None:
    stage = Stage()
    stage.session.radio.publish_facts(TAG.id, {"latency_ms": 12.0})
    assert (await stage.radio.call({}))["devices"] == []


async def test_a_gateway_tells_what_it_may_still_send() -> None:
    stage = Stage()
    duty = {"M": {"left_s": 17.5, "of_s": 36.0}}
    stage.session.radio.publish_facts(
        "gateway:0016c001ff10d3e5", {"last_heard": stage.clock.now() - 5, "silent": False, "duty": duty}
    )
    (gateway,) = (await stage.radio.call({}))["gateways"]
    assert gateway == {
        "id": "0016c001ff10d3e5", "integration": TAG.integration, "last_heard_s": 5.0, "silent": False, "duty": duty,
    }  # fmt: skip


async def test_nobody_tells_of_another_s_device_nor_too_much() -> None:
    stage = Stage()
    stage.told.publish("another", TAG.id, GOOD)
    assert (await stage.radio.call({}))["devices"] == []
    for facts in ({"x": "y" * 5000}, {"x": object()}):
        with pytest.raises(PluginError):
            stage.session.radio.publish_facts("here", facts)
    for number in range(FACT_SUBJECTS):
        stage.told.publish("full", str(number), {"a": 1})
    with pytest.raises(PluginError, match="subjects"):
        stage.told.publish("full", "one more", {"a": 1})


async def test_a_battery_is_noted_once_a_day_and_forecast_after_two_weeks() -> None:
    stage = Stage()
    stage.session.radio.publish_facts(TAG.id, GOOD)
    for day in range(21):
        await stage.emit(values={"battery": 90 - day // 2})
        stage.radio.note()
        stage.radio.note()
        if day == 13:
            assert (await stage.device())["battery_days"] is None
        stage.clock.set(stage.clock.now() + DAY_S)
    device = await stage.device()
    assert device["battery_per_day"] == pytest.approx(0.5, abs=0.02)
    assert device["battery_days"] == pytest.approx(160, abs=8)
    stage.radio.note()  # it has not spoken since
    assert len(stage.buffer.local[f"radio/battery/{TAG.id}"]) == 21
    stage.clock.set(stage.clock.now(), sure=False)
    await stage.emit(values={"battery": 1})
    stage.radio.note()
    assert len(stage.buffer.local[f"radio/battery/{TAG.id}"]) == 21


async def test_a_day_that_a_clock_noted_which_was_ahead_keeps_no_later_one_from_being_noted() -> None:
    stage = Stage()
    stage.session.radio.publish_facts(TAG.id, GOOD)
    right = stage.clock.now()
    for now in (right, right + 400 * DAY_S, right + DAY_S, right + 2 * DAY_S):
        stage.clock.set(now)
        await stage.emit(values={"battery": 90})
        stage.radio.note()
    days = [day for day, _ in stage.buffer.local[f"radio/battery/{TAG.id}"]]
    assert days == [right // DAY_S + n for n in range(3)]


def test_a_trend_is_not_made_of_noise_nor_of_the_battery_before() -> None:
    chance = random.Random(3)
    noise = [(float(day), 80 + chance.uniform(-5, 5)) for day in range(40)]
    assert forecast(noise) is None
    assert forecast([(float(day), 100.0) for day in range(40)]) is None
    assert forecast([(0.0, 50.0), (30.0, 40.0)]) is None
    falls = [(float(day), 100 - 0.2 * day) for day in range(40)]
    assert forecast(falls) == pytest.approx((92.2 / 0.2, 0.2))
    old = [(float(day - 40), 40 - 0.9 * day / 40) for day in range(40)]
    assert forecast(old + falls) == pytest.approx((92.2 / 0.2, 0.2))
    assert forecast(old + falls[:5]) is None


@given(st.lists(st.tuples(st.floats(0, 1e5), st.floats(0, 100)), max_size=60))
def test_any_points_give_a_forecast_in_the_future_or_none(points: list[tuple[float, float]]) -> None:
    found = forecast(sorted(points))
    assert found is None or (0 <= found.days <= 3650 and found.per_day > 0)


def test_a_device_that_went_elsewhere_has_no_facts_left() -> None:
    told = PluginFacts()
    told.publish("a", "x", {"heard": 1})
    told.publish("a", "x", {})
    assert list(told) == []
    assert told.of("a", "x") == {}


def test_the_facts_of_one_plugin_are_bounded_in_all_and_room_comes_back() -> None:
    told = PluginFacts()
    large = {"text": "x" * 3900}
    kept = 0
    with contextlib.suppress(PluginError):
        while kept < FACT_SUBJECTS:
            told.publish("a", f"gateway:{kept}", large)
            kept += 1
    assert FACTS_IN_ALL // 4000 < kept < FACTS_IN_ALL // 3900
    with pytest.raises(PluginError, match="4 MiB in all"):
        told.publish("a", "gateway:more", large)
    told.publish("b", "gateway:0", large)
    told.publish("a", "gateway:0", {"text": "short"})
    told.publish("a", "gateway:1", {})
    told.publish("a", "gateway:new", large)
    assert (sum(1 for _ in told), told.of("a", "gateway:0")) == (kept + 1, {"text": "short"})
