"""A rule is replayed over history as the live engine judged the same readings; what hours cannot tell is a bound."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hub.automation.rules import Fired, Rules, Surroundings, compile_rules
from hub.config.load import Models, load
from hub.config.model import Core
from hub.core.errors import ConfigError, HubError, NotReady
from hub.core.metric_catalogue import METRICS
from hub.core.model import Device, Report, TrustClass
from hub.devices.places import Places
from hub.history.rollups.calendar import HOUR
from hub.rpc import rule_replay
from hub.rpc.history import HistoryCalls
from hub.rpc.rule_replay import Building, RuleReplay
from tests.hub.history.rollups.kit import Hub, at

START = at("2026-03-02 08:00")
DAY = 24 * HOUR
CONFIGURATION = """\
sites: {ecole: {}}
zones: {classes: {site: ecole, name: Salles}, technique: {site: ecole}}
places: {salle: {zone: classes, name: Salle 1}, couloir: {zone: classes}, cave: {zone: technique}}
schedules: {matin: {site: ecole, weekly: {mon-sun: ["08:00-10:00"]}}}
rules:
  froid: {metric: temperature, below: 19, clears: 20, for: 10min, places: [salle]}
"""
DEVICES = {
    place: Device(id=f"x:{place}", integration="x", place=place) for place in ("salle", "couloir", "cave")
}  # fmt: skip
Readings = list[tuple[int, str, str, float]]
"""Second since START, place, metric, value."""


async def nothing() -> None:
    pass


class School:
    """A hub with history, the replay of rules, and a live engine that hears the same readings."""

    def __init__(self, hub: Hub, tmp_path: Path, period: float | None = None) -> None:
        self.hub = hub
        file = tmp_path / "config.yaml"
        file.write_text(CONFIGURATION)
        loaded = load(file, Models())
        self.core: Core = loaded.config
        places = Places(loaded.places)
        self.surroundings = Surroundings(
            place=places.get,
            devices=DEVICES.values,
            period=lambda device: period,
            zone_name=lambda zone: zone,
        )
        self.known: dict[str, set[str]] = {}
        building = Building(
            core=lambda: self.core,
            surroundings=self.surroundings,
            on_duty=lambda device, now: True,
            timed=lambda: False,
            places=lambda: places,
            metric=lambda device, key: METRICS.get(key),
            metrics_of=lambda device: self.known.get(device, ()),
            series=lambda: hub.rollups.series,
            ask_periods=nothing,
        )
        devices = {device.id: device for device in DEVICES.values()}
        history = HistoryCalls(hub.rollups, hub.observer, hub.clock, devices.get, lambda place: None)
        self.calls = RuleReplay(building, history.calls(), hub.clock).calls()

    def say(self, second: int, place: str, metric: str, value: float) -> None:
        device = DEVICES[place]
        self.known.setdefault(device.id, set()).add(metric)
        self.hub.say(START + second, value, metric=METRICS[metric], device=device.id, place=place)

    async def replay(self, span: int = DAY, **rule: Any) -> Any:
        return await self.calls["rule.replay"]({"rule": rule, "span_s": span})

    def live(self, readings: Readings, rule: dict[str, Any], span: int) -> list[tuple[str, int, bool]]:
        """(key, second, on) of what the live engine fires while these readings come in and it ticks each second."""
        written = type(self.core.rules["froid"]).model_validate(rule)
        second, fired = 0, list[tuple[str, int, bool]]()

        def note(event: Fired) -> None:
            fired.append((event.where.key, second, event.on))

        rules = Rules(
            compile_rules(self.core.model_copy(update={"rules": {"proposed": written}})),
            self.surroundings._replace(devices=lambda: here),
            may_keep=lambda metric, zone: True,
            now=lambda: float(START + second),
            monotonic=lambda: float(second),
            fired=note,
        )
        here = [DEVICES[place] for place in {place for _, place, _, _ in readings}]  # replay knows no other
        waiting = sorted(readings)[::-1]
        for second in range(span + 1):
            rules.tick()
            while waiting and waiting[-1][0] == second:
                _, place, metric, value = waiting.pop()
                binding = rules.bind(DEVICES[place], METRICS, [metric])
                if binding is not None:
                    report = Report(device=DEVICES[place].id, values={metric: value}, time=float(START + second))
                    rules.evaluate(binding, report, TrustClass.B)
        return fired


def told(answer: Any) -> list[tuple[str, int, bool]]:
    """The episodes of an answer as (key, second, on)."""
    found = []
    for one in answer["episodes"]:
        found.append((one["key"], one["begin"] - START, True))
        if one["end"] is not None:
            found.append((one["key"], one["end"] - START, False))
    return found


SPAN = 3 * HOUR
TEMPERATURES = st.sampled_from([15.0, 18.9, 19.0, 19.5, 20.0, 21.0, 25.0])
MOMENTS = st.integers(1, SPAN // 60 - 1).map(lambda step: 60 * step) | st.integers(1, SPAN - 1)
READINGS = st.lists(
    st.tuples(MOMENTS, st.sampled_from(["salle", "couloir", "cave"]), st.just("temperature"), TEMPERATURES),
    max_size=60, unique_by=lambda one: one[:2],
)  # fmt: skip
RULES: list[dict[str, Any]] = [
    {"metric": "temperature", "below": 19, "clears": 20, "places": ["salle"]},
    {"metric": "temperature", "below": 19, "clears": 20, "for": "10min"},
    {"metric": "temperature", "above": 20, "for": "7s", "zones": ["classes"]},
    {"metric": "temperature", "above": 20, "for": "5min", "during": "matin"},
    {"metric": "temperature", "rate_over": "20min", "above": 3},
    {"metric": "temperature", "aggregate": "max", "zones": ["classes"], "above": 20, "within": "30min"},
    {"metric": "temperature", "minus": "cave/temperature", "places": ["salle"], "above": 2, "within": "40min"},
    {"metric": "temperature", "stuck": "30min"},
    {"silent": "25min"},
    {"metric": "temperature", "silent": "40min", "during": "matin"},
    {"template": "freezing", "inputs": {"below": 10, "for": "1min"}},
]
"""A rule of each kind that history can tell something of."""


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: " ".join(f"{k}={v}" for k, v in rule.items()))
@given(READINGS.filter(bool))
@settings(max_examples=10)
def test_a_replay_fires_when_the_live_engine_did(
    tmp_path_factory: pytest.TempPathFactory, rule: dict[str, Any], readings: Readings
) -> None:
    async def both() -> None:
        path = tmp_path_factory.mktemp("replay")
        async with Hub(path, START + SPAN) as hub:
            school = School(hub, path)
            for reading in sorted(readings):
                school.say(*reading)
            answer = await school.replay(SPAN, **rule)
        fired = school.live(readings, rule, SPAN)
        assert sorted(told(answer)) == sorted(fired)
        assert answer["count"] == sum(on for _, _, on in fired)
        if fired:
            assert answer["certainty"] == ("about" if "silent" in rule else "exact")

    asyncio.run(both())


HOURLY: list[dict[str, Any]] = [
    {"metric": "temperature", "below": 19, "clears": 20},
    {"metric": "temperature", "above": 20},
    {"metric": "temperature", "below": 19, "clears": 20, "for": "90min"},
    {"metric": "temperature", "above": 20, "for": "3h"},
]


@pytest.mark.parametrize("rule", HOURLY, ids=lambda rule: " ".join(f"{k}={v}" for k, v in rule.items()))
@given(st.lists(TEMPERATURES, min_size=60, max_size=144))
@settings(max_examples=6)
def test_hours_never_claim_more_than_there_was(
    tmp_path_factory: pytest.TempPathFactory, rule: dict[str, Any], values: list[float]
) -> None:
    """A reading each 20 minutes, for up to two days; another run of the hub, hours later, has the hours alone."""
    readings = [(1200 * number, "salle", "temperature", value) for number, value in enumerate(values)]
    span = 2 * DAY + 5 * HOUR

    async def both() -> None:
        path = tmp_path_factory.mktemp("hours")
        async with Hub(path, START) as hub:
            school = School(hub, path)
            for reading in readings:
                hub.clock.set(START + reading[0])
                school.say(*reading)
            await hub.write(everything=True)
        async with Hub(path, START + span, life=2) as hub:
            school = School(hub, path)
            answer = await school.replay(span, **rule)
        fired = sum(on for _, _, on in school.live(readings, rule, span))
        assert answer["certainty"] == "at-least"
        assert answer["count"] <= fired
        assert answer["from"] == START
        assert all(one["hourly"] for one in answer["episodes"])
        if fired and not answer["count"]:
            assert "for" in rule
            assert answer["unsure_hours"]

    asyncio.run(both())


async def test_hours_tell_at_least_how_often_and_readings_go_on_from_there(tmp_path: Path) -> None:
    async with Hub(tmp_path, START) as hub:
        school = School(hub, tmp_path)
        for hour, value in enumerate((21.0, 17.0, 21.0, 17.0, 17.0)):  # cold twice, and still so when the hub stops
            for minute in (0, 20, 40):
                hub.clock.set(START + HOUR * hour + 60 * minute)
                school.say(HOUR * hour + 60 * minute, "salle", "temperature", value)
        await hub.write(everything=True)
    async with Hub(tmp_path, START + 40 * HOUR, life=2) as hub:
        school = School(hub, tmp_path)
        school.say(39 * HOUR, "salle", "temperature", 20.5)
        answer = await school.replay(2 * DAY, metric="temperature", below=19, clears=20)
    assert (answer["count"], answer["certainty"], answer["raw_from"]) == (2, "at-least", START + 39 * HOUR)
    last, first = answer["episodes"]
    assert last["end"] == START + 39 * HOUR
    assert (first["begin"] - START) // HOUR == 1
    assert last["name"] == "Salle 1"


async def test_what_only_readings_one_by_one_can_tell_is_told_from_where_these_begin(tmp_path: Path) -> None:
    async with Hub(tmp_path, START) as hub:
        school = School(hub, tmp_path)
        for hour in range(5):
            hub.clock.set(START + HOUR * hour)
            school.say(HOUR * hour, "salle", "temperature", 20.0)
        await hub.write(everything=True)
    async with Hub(tmp_path, START + 40 * HOUR, life=2) as hub:
        school = School(hub, tmp_path)
        for minute in range(30):
            school.say(39 * HOUR + 60 * minute, "salle", "temperature", 20.0)
        answer = await school.replay(2 * DAY, metric="temperature", stuck="20min")
    assert (answer["count"], answer["certainty"], answer["from"]) == (1, "exact", START + 39 * HOUR)
    assert answer["episodes"][0]["begin"] == START + 39 * HOUR + 20 * 60


async def test_silence_before_this_run_of_the_hub_is_said_to_be_about(tmp_path: Path) -> None:
    async with Hub(tmp_path, START + 5 * HOUR) as hub:
        school = School(hub, tmp_path)
        for second in (0, HOUR, 3 * HOUR, 4 * HOUR + 3000):
            school.say(second, "salle", "temperature", 20.0)
        answer = await school.replay(6 * HOUR, silent="90min")
    assert (answer["count"], answer["certainty"]) == (2, "about")


@pytest.mark.parametrize(
    ("rule", "why"), [({"metric": "status", "equals": "hot"}, "text"), ({"metric": "co2", "above": 900}, "no-history")]
)
async def test_why_nothing_can_be_said_is_said(tmp_path: Path, rule: dict[str, Any], why: str) -> None:
    async with Hub(tmp_path, START + HOUR) as hub:
        school = School(hub, tmp_path)
        school.say(0, "salle", "temperature", 20.0)
        unit = {"unit": "1"} if rule["metric"] == "status" else {}
        answer = await school.replay(DAY, **rule, **unit)
    assert (answer["why"], answer["count"], answer["from"]) == (why, 0, None)


async def test_a_rule_in_force_is_replayed_by_its_name_and_a_wrong_one_is_refused_with_its_option(
    tmp_path: Path,
) -> None:
    async with Hub(tmp_path, START + HOUR) as hub:
        school = School(hub, tmp_path)
        school.say(0, "salle", "temperature", 18.0)
        replay = school.calls["rule.replay"]
        assert (await replay({"name": "froid"}))["count"] == 1
        with pytest.raises(HubError, match="there is no rule 'chaud'"):
            await replay({"name": "chaud"})
        with pytest.raises(HubError, match="1 hour to 31 days"):
            await replay({"name": "froid", "span_s": 40 * DAY})
        for rule, option in (
            ({"metric": "temperatur", "above": 3}, "rules.proposed.metric"),
            ({"metric": "temperature", "above": 3, "during": "soir"}, "rules.proposed.during"),
            ({"metric": "temperature", "above": "much"}, "rules.proposed.above"),
            ({"template": "legionella", "inputs": {"below": 900}}, "rules.proposed.inputs.below"),
            ("above 3", "rules.proposed"),
        ):
            with pytest.raises(ConfigError) as caught:
                await replay({"rule": rule})
            assert caught.value.problems[0].path == option


async def test_many_readings_leave_turns_to_others_and_end_at_a_bound(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rule_replay, "MOST_READINGS", 3000)
    async with Hub(tmp_path, START + 5 * HOUR) as hub:
        school = School(hub, tmp_path)
        for second in range(1, 4 * HOUR, 2):
            school.say(second, "salle", "temperature", 20.0 + second % 3)
        turns, over = 0, False

        async def other() -> None:
            nonlocal turns
            while not over:
                await asyncio.sleep(0)
                turns += 1

        beside = asyncio.create_task(other())
        answer = await school.replay(6 * HOUR, metric="temperature", above=21)
        over = True
        await beside
    assert answer["stopped"]
    assert answer["to"] == START + 2 * 2999 + 1
    assert turns >= 3000 // rule_replay.TURN - 1


async def test_what_a_rule_can_be_made_of_is_told(tmp_path: Path) -> None:
    async with Hub(tmp_path, START) as hub:
        told_ = await School(hub, tmp_path).calls["rule.choices"]({})
    assert (told_["rules"], told_["schedules"]) == (["froid"], ["matin"])
    by_name = {one["name"]: one for one in told_["templates"]}
    assert by_name["legionella"]["inputs"][0]["default"] == 55.0
    assert by_name["water_leak_night"]["needs_schedule"]


async def test_no_more_replays_wait_than_a_few(tmp_path: Path) -> None:
    async with Hub(tmp_path, START + HOUR) as hub:
        school = School(hub, tmp_path)
        school.say(0, "salle", "temperature", 18.0)
        asked = [school.replay(metric="temperature", below=19) for _ in range(rule_replay.MOST_WAITING + 2)]
        told_ = await asyncio.gather(*asked, return_exceptions=True)
    assert [isinstance(one, NotReady) for one in told_] == [False] * rule_replay.MOST_WAITING + [True] * 2
    assert {one["count"] for one in told_ if isinstance(one, dict)} == {1}
