"""Public holidays and the end of the year: apart where a building spends them otherwise, days like others where not."""

import math
from datetime import date
from random import Random

from hub.config.calendars.holidays import public_holidays
from hub.energy.baseline import HOLIDAY, YEAR_END, Day
from hub.energy.baseline_fit import fit
from hub.energy.drift import evaluate
from hub.energy.significance import limit_of

FIRST = date(2027, 2, 1).toordinal()


def days_of(seed, *, closed, count=730, fault=None):
    """An office that needs four fifths at weekends and, where `closed`, on holidays and at the end of the year."""
    chance, days, before = Random(seed), [], 8.0
    for number in range(FIRST, FIRST + count):
        on = date.fromordinal(number)
        mean = 12 - 9 * math.cos((on.timetuple().tm_yday - 20) / 365 * 2 * math.pi) + chance.gauss(0, 3)
        day = Day(number, 0.0, mean, before, on in public_holidays(on.year))
        used = (300 + 20 * max(0.0, 15 - mean)) * (0.8 if day.weekday > 4 or (closed and day.special) else 1.0)
        used *= (1 + chance.gauss(0, 0.025)) * (fault(on) if fault else 1.0)
        days.append(day._replace(used=used))
        before = mean
    return days


def judged(days):
    baseline = fit(days[:365])
    return baseline, evaluate(baseline, days[365:], limit_of(baseline, days[:365]))


def test_the_end_of_the_year_and_holidays_of_a_closed_office_are_no_drift():
    for seed in range(3):
        baseline, verdict = judged(days_of(seed, closed=True))
        assert baseline.apart == (HOLIDAY, YEAR_END)
        assert not verdict.alarms
        assert baseline.cv < 0.035


def test_a_building_that_knows_no_holidays_is_judged_on_each_day():
    baseline, verdict = judged(days_of(5, closed=False))
    assert baseline.apart == ()
    assert verdict.judged > 355


def test_a_drift_that_begins_at_the_end_of_the_year_is_found_soon_after():
    start = date(2028, 12, 26)
    _, verdict = judged(days_of(6, closed=True, fault=lambda on: 1.1 if on >= start else 1.0))
    [found] = verdict.alarms
    assert 0 <= found - start.toordinal() <= 21


def test_an_end_of_the_year_that_was_never_seen_is_not_judged():
    days = days_of(7, closed=True, count=420)
    baseline = fit(days[:300])
    assert YEAR_END in baseline.apart
    assert not evaluate(baseline, days[300:], limit_of(baseline, days[:300])).alarms


def test_special_days_are_those_of_the_calendar():
    found = [Day(date(2027, *on).toordinal(), 0, 0, 0).special for on in ((12, 23), (12, 24), (12, 31), (1, 2), (1, 3))]
    assert found == ["", YEAR_END, YEAR_END, YEAR_END, ""]
    assert Day(date(2027, 5, 17).toordinal(), 0, 0, 0, holiday=True).special == HOLIDAY
