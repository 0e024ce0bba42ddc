"""How long the buffer lasts, from plain numbers."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.rpc.autonomy import LEAST_S, STEP_S, STEPS, WriteRate, days_and_hours

HOUR, DAY = 3600.0, 86400.0
GB = 1 << 30


def running(hours: int, size: int = 1000, readings: int = 100) -> WriteRate:
    """One commit of so many bytes and readings each minute."""
    written = WriteRate(0.0)
    for minute in range(1, hours * 60 + 1):
        written.add(readings, size, minute * 60.0)
    return written


def test_it_is_the_room_that_is_left_by_the_rate_of_the_last_day() -> None:
    found = running(2).autonomy(unsent=0, taken=0, most=1_000_000, free=GB, now=2 * HOUR)
    assert found.rate == pytest.approx(1000 / 60)
    assert found.readings_rate == pytest.approx(100 / 60)
    assert found.seconds == pytest.approx(60_000.0)


def test_what_waits_takes_room_and_what_was_acknowledged_does_not() -> None:
    written = running(2)
    acked = written.autonomy(unsent=0, taken=500_000, most=1_000_000, free=GB, now=2 * HOUR)
    waits = written.autonomy(unsent=50_000, taken=500_000, most=1_000_000, free=GB, now=2 * HOUR)
    assert acked.seconds == pytest.approx(60_000.0)
    assert waits.seconds == pytest.approx(30_000.0)


def test_a_disk_that_others_fill_shortens_it() -> None:
    found = running(2).autonomy(unsent=0, taken=0, most=GB, free=1000, now=2 * HOUR)
    assert found.seconds == pytest.approx(60.0)


def test_a_full_buffer_has_none_left() -> None:
    found = running(2).autonomy(unsent=200_000, taken=2_000_000, most=1_000_000, free=0, now=2 * HOUR)
    assert found.seconds == 0.0


def test_nothing_is_said_before_there_is_a_rate() -> None:
    young = WriteRate(0.0)
    young.add(10, 1000, LEAST_S - 1.0)
    assert young.autonomy(unsent=0, taken=0, most=GB, free=GB, now=LEAST_S - 1.0).seconds is None
    assert WriteRate(0.0).autonomy(unsent=0, taken=0, most=GB, free=GB, now=DAY).seconds is None


def test_a_restart_keeps_the_rate_and_the_time_the_hub_was_off_does_not_count() -> None:
    before = running(24)
    after = WriteRate(500 * DAY, before.remembered())
    found = after.autonomy(unsent=0, taken=0, most=1_000_000, free=GB, now=500 * DAY)
    assert found.rate == pytest.approx(1000 / 60)


def test_only_the_last_day_counts() -> None:
    written = running(24, size=9_000)
    for minute in range(24 * 60, 49 * 60):
        written.add(100, 1000, minute * 60.0)
    assert len(written.remembered()) == STEPS
    found = written.autonomy(unsent=0, taken=0, most=GB, free=GB, now=49 * HOUR)
    assert found.rate == pytest.approx(1000 / 60, rel=0.01)


def test_a_step_is_told_so_that_it_can_be_kept() -> None:
    written = WriteRate(0.0)
    assert not written.add(1, 1, STEP_S - 1.0)
    assert written.add(1, 1, STEP_S)
    assert written.remembered() == [[STEP_S, 2, 2]]


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.0, "0 h 0 min"),
        (15_120.0, "4 h 12 min"),
        (9 * DAY + 4 * HOUR + 59, "9 d 4 h"),
        (365 * DAY, "more than a year"),
        (float("inf"), "more than a year"),
    ],
)
def test_it_is_said_in_days_and_hours(seconds: float, text: str) -> None:
    assert days_and_hours(seconds) == text


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=3) | st.binary(max_size=3),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
)


@given(ANYTHING, st.integers(0, GB), st.integers(0, GB), st.integers(0, GB), st.integers(0, GB))
def test_whatever_was_kept_it_gives_a_time_or_says_nothing(
    memory: object, unsent: int, taken: int, most: int, free: int
) -> None:
    found = WriteRate(0.0, memory).autonomy(unsent=unsent, taken=taken, most=most, free=free, now=DAY)
    assert found.seconds is None or found.seconds >= 0.0
