"""One test of one value: hysteresis, durations, rates, differences, aggregates."""

from __future__ import annotations

import math
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from hypothesis import given, settings
from hypothesis import strategies as st

from hub.automation.rules.conditions import (
    LEAST,
    Aggregate,
    Difference,
    Equals,
    ForDuration,
    Limit,
    Rate,
    Unchanged,
    is_number,
)
from hub.automation.rules.schedules import Programme

NUMBERS = st.floats(-1e6, 1e6)
ANY = st.one_of(st.floats(), st.integers(-(2**70), 2**70), st.booleans(), st.text(max_size=5))
STEPS = st.lists(st.tuples(st.floats(0, 1000), st.booleans()), max_size=50)
PARIS = ZoneInfo("Europe/Paris")


@settings(deadline=None)
@given(st.lists(NUMBERS), NUMBERS, st.floats(0, 1e3), st.booleans())
def test_between_the_limit_and_where_it_clears_nothing_changes(values, limit, margin, up):
    test = Limit(limit, limit - margin if up else limit + margin, up)
    on = False
    for value in values:
        before, on = on, test.holds(value, on)
        low, high = sorted((test.limit, test.clears))
        if low < value < high:
            assert on == before
        elif up:
            assert on == (value >= limit or (before and value >= test.clears))
        else:
            assert on == (value < limit or (before and value < test.clears))


@settings(deadline=None)
@given(ANY, st.booleans())
def test_a_value_of_the_wrong_kind_is_no_answer_and_no_error(value, on):
    told = Limit(10.0, 8.0).holds(value, on)
    assert (told is None) == (not is_number(value))
    assert Equals(True).holds(value, on) in (True, False, None)
    assert Equals("open").holds(value, on) in (True, False, None)


@settings(deadline=None)
@given(STEPS, st.floats(0, 2000))
def test_it_turns_on_when_it_held_that_long_without_a_break_and_off_at_once(steps, for_s):
    held, at, since = ForDuration(for_s), 0.0, None
    for gap, holds in steps:
        at += gap
        held.step(holds, at)
        since = (at if since is None else since) if holds else None
        assert held.on == (since is not None and at - since >= for_s)


def test_the_clock_alone_turns_it_on():
    held = ForDuration(60.0)
    assert not held.step(True, 100.0)
    assert not held.due(159.9)
    assert held.due(160.0)
    assert not held.due(161.0)  # it is on: nothing changes
    assert held.step(False, 162.0)


@settings(deadline=None)
@given(st.floats(0.001, 1e4), st.floats(-1e3, 1e3), st.lists(st.floats(1, 600), min_size=2, max_size=60))
def test_the_rate_of_a_straight_line_is_its_slope_whatever_the_pace(over_s, slope, gaps):
    rate, at = Rate(over_s), 0.0
    for gap in gaps:
        at += gap
        found = rate.take("first", slope * at / 3600, at)
        assert found is None or math.isclose(found, slope, rel_tol=1e-6, abs_tol=1e-6)
    assert found is not None or at - gaps[0] < over_s


@settings(deadline=None)
@given(st.dictionaries(st.sampled_from("abcdef"), st.tuples(NUMBERS, st.floats(0, 100)), min_size=1))
def test_an_aggregate_is_of_what_was_told_lately(told):
    order = sorted(told.items(), key=lambda one: one[1][1])
    for kind, truth in (("max", max), ("min", min), ("mean", lambda found: math.fsum(found) / len(found))):
        aggregate = Aggregate(kind, 50.0)
        for who, (value, at) in order:
            found = aggregate.take(who, value, at)
        end = order[-1][1][1]
        assert found == truth([value for value, at in told.values() if end - at <= 50.0])


def test_a_difference_needs_both_series_at_about_the_same_time():
    minus = Difference(60.0)
    assert minus.take("first", 50.0, 0.0) is None
    assert minus.take("second", 40.0, 30.0) == 10.0
    assert minus.take("second", 41.0, 61.0) is None  # the first is too old by now
    assert minus.take("first", 50.0, 62.0) == 9.0
    assert minus.take("first", "x", 63.0) is None


def test_a_value_is_stuck_when_readings_come_and_say_the_same():
    unchanged = Unchanged()
    for n in range(LEAST - 1):
        assert unchanged.take("first", 5.0, n * 100.0) == 0.0
    assert unchanged.take("first", 5.0, 900.0) == 900.0
    assert unchanged.take("first", 5.1, 901.0) == 0.0


NIGHT = Programme(PARIS, (((1320, 360),),) * 5 + ((), ()))  # mon-fri 22:00-06:00


def at(text):
    return datetime.fromisoformat(text).replace(tzinfo=PARIS).timestamp()


def test_a_night_belongs_to_the_day_on_which_it_begins():
    assert NIGHT.active(at("2026-11-27T23:00"))  # Friday
    assert NIGHT.active(at("2026-11-28T05:59"))  # the same night
    assert not NIGHT.active(at("2026-11-28T06:00"))
    assert not NIGHT.active(at("2026-11-28T23:00"))  # Saturday
    assert not NIGHT.active(at("2026-11-30T05:00"))  # Monday morning: Sunday has no night
    assert NIGHT.active(at("2026-11-30T22:00"))


def test_hours_are_those_of_the_sites_clocks_in_summer_and_winter():
    day = Programme(ZoneInfo("Indian/Reunion"), (((480, 1080),),) * 7)
    assert day.active(datetime(2026, 7, 1, 4, 0, tzinfo=UTC).timestamp())  # 08:00 there
    assert not day.active(datetime(2026, 7, 1, 14, 0, tzinfo=UTC).timestamp())
    school = Programme(PARIS, (((480, 1080),),) * 7)
    assert school.active(datetime(2026, 7, 1, 6, 0, tzinfo=UTC).timestamp())
    assert not school.active(datetime(2026, 1, 5, 6, 0, tzinfo=UTC).timestamp())
    assert school.active(datetime(2026, 1, 5, 7, 0, tzinfo=UTC).timestamp())


@settings(deadline=None)
@given(st.integers(0, 10_080))
def test_a_whole_week_is_every_minute(minute):
    whole = Programme(PARIS, (((0, 1440),),) * 7)
    assert whole.active(at("2026-03-23T00:00") + minute * 60)
