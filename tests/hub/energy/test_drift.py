"""Drift: found where there is one, not where there is none; holidays and cold spells are no drift."""

import math
from random import Random

from hub.energy.baseline import Day
from hub.energy.baseline_fit import fit
from hub.energy.degree import day_mean, degree_days
from hub.energy.drift import evaluate
from hub.energy.significance import limit_of
from hub.history.rollups.cells import Cell

MONDAY = 739_892 - 739_892 % 7 + 1


def days_of(seed, years=2, noise=0.03, fault=None, closed=()):
    """A heated school: base, slope below 15 °C, half as much at weekends."""
    chance, days, before, spell = Random(seed), [], 10.0, 0.0
    for n in range(years * 365):
        spell = 0.8 * spell + chance.gauss(0, 2)
        mean = 11.5 - 8.5 * math.cos((n - 20) / 365 * 2 * math.pi) + spell
        day = Day(MONDAY + n, 0.0, mean, before)
        used = 100 + 40 * max(0.0, 15 - mean)
        used *= 0.5 if day.weekday > 4 or n in closed else 1.0
        used *= (1 + chance.gauss(0, noise)) * (fault(n) if fault else 1.0)
        days.append(day._replace(used=used))
        before = mean
    return days


def verdict_of(days):
    baseline = fit(days[:365])
    return baseline, evaluate(baseline, days[365:], limit_of(baseline, days[:365]))


def test_the_model_finds_what_the_building_was_made_of():
    baseline, _ = verdict_of(days_of(1))
    assert baseline.off == (5, 6)
    assert baseline.week in ((0, 0, 0, 0, 0, 1, 1), (0, 0, 0, 0, 0, 1, 2))
    for kind, part in ((baseline.kinds[0], 1.0), (baseline.kinds[baseline.week[5]], 0.5)):
        assert abs(kind.shape.warm - 15) < 0.8
        assert kind.shape.hot is None
        base, slope = kind.weights
        assert abs(base - 100 * part) < 7
        assert abs(slope - 40 * part) < 3
    assert 0.02 < baseline.sigma < 0.04
    assert baseline.r2 > 0.97
    assert baseline.cv < 0.05


def test_a_rise_of_a_tenth_is_found_within_two_weeks_and_sized():
    start = 365 + 20
    _, verdict = verdict_of(days_of(2, fault=lambda n: 1.1 if n >= start else 1.0))
    assert verdict.drifting == 1
    assert 0 <= verdict.found - (MONDAY + start) <= 14
    assert 0 <= verdict.since - (MONDAY + start) <= 7 or verdict.since < MONDAY + start
    assert 0.08 < verdict.size < 0.12


def test_a_fall_of_a_tenth_is_found_too():
    _, verdict = verdict_of(days_of(3, fault=lambda n: 0.9 if n >= 390 else 1.0))
    assert verdict.drifting == -1
    assert 0 <= verdict.found - (MONDAY + 390) <= 14


def test_a_building_that_is_explained_to_the_percent_is_no_blind_spot():
    _, verdict = verdict_of(days_of(13, noise=0.008, fault=lambda n: 1.1 if n >= 400 else 1.0))
    assert verdict.drifting == 1
    assert 0 <= verdict.found - (MONDAY + 400) <= 14
    assert 0.09 < verdict.size < 0.11


def test_one_misread_day_is_no_drift():
    days = days_of(14)
    for factor in (0.0, 8.0):
        spoilt = [day._replace(used=day.used * factor) if at == 420 else day for at, day in enumerate(days)]
        assert not verdict_of(spoilt)[1].alarms


def test_a_meter_that_cools_has_a_term_for_it_and_its_drift_is_found():
    chance, days, before = Random(21), [], 10.0
    for n in range(2 * 365):
        mean = 13 - 9 * math.cos((n - 20) / 365 * 2 * math.pi) + chance.gauss(0, 2.5)
        used = (200 + 25 * max(0.0, mean - 17) + 6 * max(0.0, 12 - mean)) * (1 + chance.gauss(0, 0.04))
        days.append(Day(MONDAY + n, used * (1.1 if n >= 365 + 180 else 1.0), mean, before))
        before = mean
    baseline, verdict = verdict_of(days)
    [kind] = baseline.kinds
    assert abs(kind.shape.hot - 17) < 1
    assert abs(kind.shape.warm - 12) < 2.5
    assert kind.shape.inertia < 0.15
    assert verdict.drifting == 1
    assert 0 <= verdict.found - (MONDAY + 365 + 180) <= 14


def test_a_meter_that_neither_heats_nor_cools_is_given_neither_term():
    chance = Random(22)
    days = [day._replace(used=100 * (1 + chance.gauss(0, 0.05))) for day in days_of(22, years=1)]
    [kind] = fit(days).kinds
    assert (kind.shape.warm, kind.shape.hot) == (None, None)


def test_noise_that_lasts_from_day_to_day_asks_for_more_before_it_is_a_drift():
    chance, spell, days = Random(23), 0.0, []
    for day in days_of(23, years=1, noise=0.0):
        spell = 0.8 * spell + chance.gauss(0, 0.05 * 0.6)
        days.append(day._replace(used=day.used * (1 + spell)))
    lasting, plain = fit(days), days_of(23, years=1, noise=0.05)
    assert limit_of(lasting, days).threshold > 1.5 * limit_of(fit(plain), plain).threshold


def test_what_is_sure_to_be_found_in_two_weeks_grows_with_the_noise():
    sure = [limit_of(fit(days), days).sure for noise in (0.01, 0.04, 0.09) for days in [days_of(24, 1, noise)]]
    assert sure[0] == 0.05  # nothing smaller is told
    assert 0.05 <= sure[1] < 0.08 < sure[2] < 0.13


def test_sound_buildings_are_left_alone():
    alarms = sum(len(verdict_of(days_of(seed))[1].alarms) for seed in range(10, 14))
    assert alarms <= 1  # four systems, one year each


def test_a_drift_that_was_repaired_is_over():
    _, verdict = verdict_of(days_of(4, fault=lambda n: 1.12 if 390 <= n < 430 else 1.0))
    assert verdict.alarms
    assert verdict.drifting == 0


def test_weeks_of_holidays_are_no_drift():
    closed = {*range(365 + 40, 365 + 54), *range(365 + 110, 365 + 124)}
    _, verdict = verdict_of(days_of(5, closed=closed))
    assert not [found for found in verdict.alarms if any(abs(found - MONDAY - n) < 8 for n in closed)]


def test_a_day_far_colder_than_any_that_was_seen_is_not_judged():
    baseline, _ = verdict_of(days_of(6))
    assert baseline.residual(Day(MONDAY, 5000.0, baseline.coldest - 3, 0.0)) is None


def test_too_short_a_period_or_an_idle_meter_gives_no_baseline():
    assert fit(days_of(7)[:100]) is None
    assert fit([day._replace(used=0.0) for day in days_of(7)[:365]]) is None


def test_the_same_days_give_the_same_verdict():
    assert verdict_of(days_of(8)) == verdict_of(days_of(8))


def test_degree_days_are_those_of_the_mean_of_the_hours_and_a_poor_day_has_none():
    hours = [Cell(n * 3600, 5.0 if n < 12 else 9.0) for n in range(24)]
    assert degree_days(day_mean(hours)) == 11.0
    assert degree_days(day_mean([Cell(0, 21.0)])) == 0.0
    assert day_mean([*hours[:17], *[Cell(n, None) for n in range(7)]]) is None
    assert degree_days(None) is None
