"""Drift: found where there is one, not where there is none; holidays and cold spells are no drift."""

import math
from random import Random

from hub.energy.baseline import Day, fit
from hub.energy.degree import day_mean, degree_days
from hub.energy.drift import judge, threshold
from hub.rollup.cells import Cell

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
    return baseline, judge(baseline, days[365:], threshold(baseline))


def test_the_model_finds_what_the_building_was_made_of():
    baseline, _ = verdict_of(days_of(1))
    assert abs(baseline.balance - 15) < 0.6
    assert baseline.off == (5, 6)
    base, slope, off_base, off_slope = baseline.weights
    assert abs(base - 100) < 5
    assert abs(slope - 40) < 2
    assert abs(off_base + 50) < 5
    assert abs(off_slope + 20) < 2
    assert 0.02 < baseline.sigma < 0.04


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


def test_sound_buildings_are_left_alone():
    alarms = sum(len(verdict_of(days_of(seed))[1].alarms) for seed in range(10, 16))
    assert alarms <= 1  # six systems, one year each


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
