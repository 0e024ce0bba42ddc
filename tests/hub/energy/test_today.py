"""Today's use beside a usual day: like is compared with like, and what is not known yet is said so."""

from decimal import Decimal

import pytest
from msgspec.structs import replace

from hub.energy.figures import Survey
from hub.energy.submeters import without_submeters
from hub.energy.today import Use, today, together, use
from hub.history.rollups.cells import Cell
from tests.hub.history.rollups.kit import H, Hub, at, meter_place

MONDAY = at("2026-03-16 00:00")


def day(begin, each, completeness=100.0):
    return [Cell(begin + hour * H, each, completeness=completeness) for hour in range(24)]


def test_a_usual_day_is_the_mean_of_the_known_ones_up_to_the_same_moment():
    past = [day(0, 1.0), day(0, 3.0), day(0, 100.0, completeness=50.0), []]
    assert use([Cell(0, 4.0), Cell(H, None)], past, 1.5 * H) == Use(4.0, 3.0, 48.0, 2)


def test_without_a_past_day_nothing_is_usual():
    assert use([Cell(0, 4.0, estimated=1.0)], [[], day(0, 1.0, completeness=74.0)], H) == Use(4.0, None, None, 0, 1.0)
    assert use([Cell(0, None)], [], H) == Use(None, None, None, 0)


def test_meters_together_have_a_usual_day_once_each_of_them_has_one():
    known, fresh = Use(2.0, 1.0, 10.0, 4), Use(5.0, None, None, 0, 0.5)
    assert together([known, known], [1.0, 10.0]) == Use(22.0, 11.0, 110.0, 4)
    assert together([known, fresh], [1.0, 1.0]) == Use(7.0, None, None, 0, 0.5)
    assert together([Use(None, None, None, 0)], [1.0]).used is None, "nothing known is not zero"


def survey_of(hub):
    return Survey(
        hub.rollups, places=hub.places.values, zones={}, outdoor=None, base=18.0, trust=lambda device: "A",
        now=hub.clock.now,
    )  # fmt: skip


async def test_todays_use_of_a_real_meter_stands_beside_the_same_weekday_of_the_weeks_before(tmp_path):
    heat = replace(meter_place(name="chaud"), meter=replace(meter_place().meter, carrier="heat", kwh=Decimal(1)))
    async with Hub(tmp_path, MONDAY + 10 * H, places=[meter_place(), heat]) as hub:
        begin = MONDAY - 28 * 24 * H
        for hour in range((MONDAY + 10 * H - begin) // H + 1):
            time = begin + hour * H
            index = hour * 1.0 if time <= MONDAY else (MONDAY - begin) / H + (time - MONDAY) / H * 2
            hub.say(time, index)
        hub.say(MONDAY + 8 * H, 0.0, place="chaud", device="x:2")
        hub.say(MONDAY + 10 * H, 3.0, place="chaud", device="x:2")
        hub.observer.drain()
        power, warmth = await today(survey_of(hub), hub.clock.now())
        assert (power["carrier"], power["unit"], power["used"], power["days"]) == ("electricity", "kW.h", 20.0, 4)
        assert power["usual"] == pytest.approx(10.0)
        assert power["whole"] == pytest.approx(24.0)
        assert (warmth["carrier"], warmth["used"], warmth["usual"], warmth["days"]) == ("heat", 3.0, None, 0)


async def test_a_hub_without_meters_says_nothing_of_energy(tmp_path):
    async with Hub(tmp_path, MONDAY) as hub:
        assert await today(survey_of(hub), hub.clock.now()) == []


async def test_what_a_submeter_counts_is_in_the_sum_once_however_many_meters_are_before_it(tmp_path):
    def counter(name: str, behind: str = ""):
        return replace(meter_place(name=name), meter=replace(meter_place().meter, behind=behind))

    places = [counter("main"), counter("floor", "main"), counter("kitchen", "floor"), counter("alone", "gone")]
    async with Hub(tmp_path, MONDAY + 10 * H, places=places) as hub:
        for number, place in enumerate(("main", "floor", "kitchen", "alone")):
            hub.say(MONDAY, 0.0, place=place, device=f"x:{number}")
            hub.say(MONDAY + 10 * H, 10.0 ** (3 - number), place=place, device=f"x:{number}")
        hub.observer.drain()
        [power] = await today(survey_of(hub), hub.clock.now())
        assert power["used"] == 1001.0
        assert [one["place"] for one in power["meters"]] == ["main", "alone"]


def test_a_meter_whose_main_meter_is_not_in_the_sum_is_counted_and_a_circle_ends():
    behind = {"kitchen": "floor", "floor": "main", "a": "b", "b": "a"}
    assert without_submeters(["kitchen", "floor"], str, behind) == ["floor"]
    assert without_submeters(["kitchen", "main"], str, behind) == ["main"]
    assert without_submeters(["kitchen"], str, behind) == ["kitchen"]
    assert without_submeters(["a"], str, behind) == ["a"]
