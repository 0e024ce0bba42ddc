from __future__ import annotations

import time

import pytest

from hub.clock import BUILD_FLOOR, SystemClock

FAR = 4_000_000_000.0  # the year 2096


@pytest.fixture
def wall(monkeypatch):
    """The machine's wall clock, settable."""

    class Wall:
        now = BUILD_FLOOR + 1000.0

    monkeypatch.setattr(time, "time", lambda: Wall.now)
    return Wall


def test_a_clock_from_before_this_software_was_built_is_not_sure(wall):
    wall.now = 0.0
    assert not SystemClock().sure()
    wall.now = BUILD_FLOOR + 1
    assert SystemClock().sure()


def test_a_clock_behind_the_last_time_remembered_is_not_sure(wall):
    assert not SystemClock(floor=BUILD_FLOOR + 5000).sure()


def test_a_signed_ack_gives_the_time_to_a_hub_that_has_none_and_it_goes_on_from_there(wall, monkeypatch):
    wall.now = 0.0
    clock = SystemClock()
    clock.told(BUILD_FLOOR + 500, 0.2)
    assert clock.sure()
    assert (clock.source, clock.error_s) == ("backend", 0.2)
    assert clock.now() == pytest.approx(BUILD_FLOOR + 500, abs=5)
    later = time.monotonic() + 60
    monkeypatch.setattr(time, "monotonic", lambda: later)
    assert clock.now() == pytest.approx(BUILD_FLOOR + 560, abs=5)


def test_the_machines_own_clock_wins_as_soon_as_it_is_plausible(wall):
    wall.now = 0.0
    clock = SystemClock()
    clock.told(BUILD_FLOOR + 500, 0.2)
    wall.now = BUILD_FLOOR + 900
    assert clock.now() == BUILD_FLOOR + 900


def test_a_sure_clock_is_not_moved_by_anybody(wall):
    clock = SystemClock()
    clock.told(FAR, 0.2)
    assert clock.now() == wall.now


def test_a_time_from_before_this_software_was_built_is_not_heeded(wall):
    wall.now = 0.0
    clock = SystemClock()
    clock.told(BUILD_FLOOR - 1, 0.2)
    assert not clock.sure()


def test_a_floor_remembered_while_the_clock_ran_ahead_does_not_lock_the_hub_out_for_years(wall):
    clock = SystemClock(floor=FAR)
    assert not clock.sure()
    clock.told(BUILD_FLOOR + 2000, 0.2)
    assert clock.sure()
