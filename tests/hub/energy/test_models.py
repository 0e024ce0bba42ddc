"""Which change-point model a meter gets, judged by scipy and by buildings that are known; what has seen one season only
is not judged in the other."""

import json
import math
import subprocess
from pathlib import Path
from random import Random

import pytest

from hub.energy.baseline import FLOOR, Day
from hub.energy.baseline_fit import fit
from hub.energy.drift import evaluate
from hub.energy.significance import limit_of

PEER = Path(__file__).parents[2] / "peers/changepoints.py"
MONDAY = 739_892 - 739_892 % 7 + 1
WEATHER = range(-4, 29, 2)

# base, heat and its balance temperature, cool and its: of a day, kWh, kWh/K, °C
BUILDINGS = {
    "server room": (400.0, 0.0, 0.0, 9.0, 14.0),
    "school with gas": (60.0, 35.0, 15.5, 0.0, 0.0),
    "air-conditioned office": (300.0, 18.0, 13.0, 22.0, 19.5),
    "heat pump without a dead band": (150.0, 16.0, 17.0, 14.0, 17.0),
    "pumps": (220.0, 0.0, 0.0, 0.0, 0.0),
}
PARAMETERS = {
    "server room": {3}, "school with gas": {3}, "air-conditioned office": {5},
    "heat pump without a dead band": {4, 5}, "pumps": {1},
}  # fmt: skip


def days_of(building, seed, noise=0.05, begin=0, count=365):
    base, heat, warm, cool, hot = BUILDINGS[building]
    chance, days, before, spell = Random(seed), [], 10.0, 0.0
    for n in range(begin, begin + count):
        spell = 0.8 * spell + chance.gauss(0, 2)
        mean = 12 - 9 * math.cos((n - 20) / 365 * 2 * math.pi) + spell
        felt = 0.8 * mean + 0.2 * before
        used = base + heat * max(0.0, warm - felt) + cool * max(0.0, felt - hot)
        days.append(Day(MONDAY + n, used * (1 + chance.gauss(0, noise)), mean, before))
        before = mean
    return days


def asked_of_scipy(days, weights):
    rows = [[day.used, day.mean, day.before, weight] for day, weight in zip(days, weights, strict=True)]
    done = subprocess.run(
        ["/usr/bin/python3", PEER],
        input=json.dumps({"days": rows, "at": list(WEATHER)}),
        text=True,
        check=True,
        stdout=subprocess.PIPE,
    )
    return json.loads(done.stdout)


@pytest.mark.real("processes")
@pytest.mark.parametrize("building", BUILDINGS)
def test_model_and_fit_are_those_that_scipy_finds(building):
    days = days_of(building, 7)
    baseline = fit(days)
    [kind] = baseline.kinds
    floor = FLOOR * baseline.typical
    weights = [1 / max(kind.expected(day), floor) ** 2 for day in days]
    theirs = asked_of_scipy(days, weights)
    sizes = {"1": 1, "3h": 4, "3c": 4, "5": 6}  # an inertia beside the parameters
    best = min(theirs, key=lambda name: len(days) * math.log(theirs[name]["left"]) + sizes[name] * math.log(len(days)))
    assert kind.shape.parameters in PARAMETERS[building]
    assert ((kind.shape.warm is not None), (kind.shape.hot is not None)) == (best in ("3h", "5"), best in ("3c", "5"))
    ours = sum(weight * (day.used - kind.expected(day)) ** 2 for day, weight in zip(days, weights, strict=True))
    assert ours <= 1.02 * theirs[best]["left"]
    for temperature, expected in zip(WEATHER, theirs[best]["expected"], strict=True):
        day = Day(MONDAY + 110, 0.0, temperature, temperature)
        assert abs(kind.expected(day) - expected) < 0.03 * expected


@pytest.mark.parametrize("building", BUILDINGS)
def test_the_bias_is_small_and_the_scatter_is_that_of_the_building(building):
    baseline = fit(days_of(building, 8))
    assert abs(baseline.nmbe) < 0.005
    assert 0.04 < baseline.cv < 0.08


@pytest.mark.parametrize(("begin", "there"), [(-60, "warm"), (145, "hot")])
def test_a_season_that_was_not_seen_has_no_term_and_is_not_judged(begin, there):
    days = days_of("air-conditioned office", 9, begin=begin, count=365)
    baseline = fit(days[:125])
    [kind] = baseline.kinds
    assert [name for name in ("warm", "hot") if getattr(kind.shape, name) is not None] == [there]
    after = days[125:]
    limit = limit_of(baseline, days[:125])
    verdict = evaluate(baseline, after, limit)
    assert not verdict.alarms
    assert verdict.judged < 0.7 * len(after)


@pytest.mark.parametrize("stuck", [15.6, -3.9, 20.0])
def test_an_outdoor_thermometer_that_says_the_same_for_months_leaves_a_baseline(stuck):
    """15.6 + 2 − 2 is not 15.6 to a computer: no day would be judged, and there would be nothing to divide by."""
    days = [Day(day.number, day.used, stuck, stuck) for day in days_of("pumps", 3, count=130)]
    baseline = fit(days)
    assert baseline.shape.parameters == 1
    assert all(one is not None for one in baseline.residuals)
    assert math.isfinite(limit_of(baseline, days).sure)
