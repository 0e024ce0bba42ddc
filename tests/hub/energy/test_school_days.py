"""School holidays, regions and days set apart: what the schedule that a meter names changes in its baseline."""

import math
from datetime import date, timedelta
from random import Random

from hub.config.calendars.holidays import public_holidays
from hub.config.model import Core
from hub.energy.baseline import Day
from hub.energy.baseline_fit import fit
from hub.energy.day_types import Almanac, almanac_of
from hub.energy.drift import evaluate
from hub.energy.significance import limit_of

FIRST = date(2026, 9, 1).toordinal()
PERIODS = (
    ("10-17", "11-01"), ("12-19", "01-03"), ("02-13", "02-28"), ("04-10", "04-25"), ("07-03", "08-31"),
)  # fmt: skip
"""Of every year, near enough."""


def away(on):
    said = f"{on:%m-%d}"
    return any(first <= said <= last if first < last else said >= first or said <= last for first, last in PERIODS)


def days_of(seed, *, told, share=0.55, count=730, fault=None):
    """A school that needs 0.8 at weekends and `share` on weekdays without pupils; `told`: what is known of a day."""
    chance, days, before = Random(seed), [], 16.0
    for number in range(FIRST, FIRST + count):
        on = date.fromordinal(number)
        mean = 12 - 9 * math.cos((on.timetuple().tm_yday - 20) / 365 * 2 * math.pi) + chance.gauss(0, 3)
        day = Day(number, 0.0, mean, before, on in public_holidays(on.year), told(on))
        used = (300 + 20 * max(0.0, 15 - mean)) * (0.8 if day.weekday > 4 else share if away(on) else 1.0)
        used *= (1 + chance.gauss(0, 0.025)) * (fault(on) if fault else 1.0)
        days.append(day._replace(used=used))
        before = mean
    return days


def test_a_school_whose_holidays_are_known_is_judged_in_them_and_as_exactly_as_an_office():
    days = days_of(1, told=away)
    baseline = fit(days[:365])
    assert baseline.school is not None
    assert baseline.school not in {baseline.week[at] for at in range(5)}
    assert baseline.cv < 0.04
    verdict = evaluate(baseline, days[365:], limit_of(baseline, days[:365]))
    assert not verdict.alarms
    assert verdict.judged > 340
    blind = [day._replace(away=False) for day in days]
    unsorted = fit(blind[:365])
    assert unsorted.school is None
    assert unsorted.cv > 2 * baseline.cv


def test_a_drift_that_begins_in_the_holidays_is_found_in_them():
    start = date(2028, 7, 10)
    days = days_of(2, told=away, fault=lambda on: 1.12 if on >= start else 1.0)
    baseline = fit(days[:365])
    [found] = evaluate(baseline, days[365:], limit_of(baseline, days[:365])).alarms
    assert 0 <= found - start.toordinal() <= 21


def test_a_building_that_knows_no_school_holidays_has_none_by_its_schedule():
    baseline = fit(days_of(3, told=away, share=1.0)[:365])
    assert baseline.school is None


def test_of_a_school_year_that_nobody_knows_nothing_is_learnt_and_nothing_is_judged():
    late = date(2027, 8, 25)
    partly = fit(days_of(4, told=lambda on: None if on > late else away(on))[:365])
    assert partly.school is None
    known = days_of(4, told=lambda on: away(on) if on < date(2027, 9, 1) else None)
    baseline = fit(known[:365])
    assert baseline.school is not None
    assert [baseline.residual(day) is None for day in known[366:373]] == [day.weekday < 5 for day in known[366:373]]


def test_a_day_that_was_set_apart_by_hand_is_neither_fitted_nor_judged():
    days = [
        day._replace(exception=True, used=9e9) if at % 50 == 0 else day for at, day in enumerate(days_of(5, told=away))
    ]
    baseline = fit(days[:365])
    assert baseline.cv < 0.04
    assert not evaluate(baseline, days[365:], limit_of(baseline, days[:365])).alarms


CORE = Core.model_validate(
    {
        "sites": {"s": {"name": "École"}},
        "calendars": {"travaux": {"days": {"2027-07-26/2027-07-28": ["00:00-24:00"], "2027-02-01": ["08:00-12:00"]}}},
        "school_years": {"2027-2028": {"B": {"2027-10-16/2027-11-01": "Toussaint"}}},
        "schedules": {
            "ile": {"weekly": {"mon-fri": ["08:00-18:00"]}, "public_holidays": {"region": "reunion"}},
            "ecole": {
                "weekly": {"mon-fri": ["08:00-18:00"]},
                "school_holidays": {"zone": "B"},
                "not_during": ["travaux"],
                "exceptions": {"2027-05-07": []},
            },
        },
    }
)


def test_a_schedule_gives_its_region_its_school_zone_and_the_days_it_is_closed():
    island, school = almanac_of(CORE, "ile"), almanac_of(CORE, "ecole")
    assert island.public(date(2026, 12, 20))  # abolition of slavery
    assert not school.public(date(2026, 12, 20))
    assert almanac_of(CORE, "").public(date(2026, 5, 1))
    assert island.away(date(2026, 10, 20)) is False
    assert [school.away(on) for on in (date(2026, 10, 20), date(2026, 11, 10), date(2027, 10, 20))] == [
        True,
        False,
        True,
    ]
    assert school.away(date(2026, 8, 31)) is None
    assert school.exceptions == {date(2027, 5, 7), *(date(2027, 7, 26) + timedelta(days=n) for n in range(3))}


def test_the_end_of_what_is_known_is_said_a_month_before():
    school = almanac_of(CORE, "ecole")
    assert school.ending(date(2027, 10, 2)) is None
    assert school.ending(date(2027, 10, 3)) == date(2027, 11, 1), "the rest of that year was not written"
    assert [school.away(on) for on in (date(2027, 11, 1), date(2027, 11, 2), date(2028, 2, 14))] == [True, None, None]
    assert Almanac().ending(date(2100, 1, 1)) is None
