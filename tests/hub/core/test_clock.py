from __future__ import annotations

import time
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hub.core.clock import AGREE_S, BUILD_FLOOR, DRIFT, EXACT_S, PATIENCE_S, SystemClock

FAR = 4_000_000_000.0  # the year 2096


def told(clock: SystemClock, unix_s: float, age_s: float) -> bool:
    """An answer that is read now, to a question asked `age_s` ago."""
    now = time.monotonic()
    return clock.told(unix_s, now - age_s, now)


@pytest.fixture
def up(monkeypatch):
    """The machine's monotonic clock, settable; its wall clock stands at 1970."""

    class Up:
        now = 50.0

    monkeypatch.setattr(time, "time", lambda: 0.0)
    monkeypatch.setattr(time, "monotonic", lambda: Up.now)
    return Up


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


def test_a_date_is_believed_by_the_very_reading_that_gave_it(monkeypatch):
    wrong, right = 5.0, BUILD_FLOOR + 5.0
    for first, second in ((wrong, right), (right, wrong)):  # the clock is set just after it was read
        times = iter([first, second, second])
        monkeypatch.setattr(time, "time", lambda times=times: next(times))
        assert SystemClock().date() == (right if first == right else None)


def test_a_clock_behind_the_last_time_remembered_is_not_sure(wall):
    assert not SystemClock(floor=BUILD_FLOOR + 5000).sure()


def test_a_signed_ack_gives_the_time_to_a_hub_that_has_none_and_it_goes_on_from_there(wall, monkeypatch):
    wall.now = 0.0
    clock = SystemClock()
    told(clock, BUILD_FLOOR + 500, 0.2)
    assert clock.sure()
    mark = clock.mark()
    assert (mark.source, mark.error_s) == ("backend", pytest.approx(0.1, abs=0.01))
    assert mark.offset_s == pytest.approx(BUILD_FLOOR + 500.1 - time.monotonic(), abs=30)
    assert clock.now() == pytest.approx(BUILD_FLOOR + 500, abs=30)
    later = time.monotonic() + 60
    monkeypatch.setattr(time, "monotonic", lambda: later)
    assert clock.now() == pytest.approx(BUILD_FLOOR + 560, abs=30)


def test_the_machines_own_clock_wins_as_soon_as_it_is_plausible(wall):
    wall.now = 0.0
    clock = SystemClock()
    told(clock, BUILD_FLOOR + 500, 0.2)
    wall.now = BUILD_FLOOR + 900
    assert clock.now() == BUILD_FLOOR + 900


def test_a_sure_clock_is_not_moved_by_anybody(wall):
    clock = SystemClock()
    told(clock, FAR, 0.2)
    assert clock.now() == wall.now


def test_a_time_from_before_this_software_was_built_is_not_heeded(wall):
    wall.now = 0.0
    clock = SystemClock()
    told(clock, BUILD_FLOOR - 1, 0.2)
    assert not clock.sure()


def test_a_floor_remembered_while_the_clock_ran_ahead_does_not_lock_the_hub_out_for_years(wall):
    clock = SystemClock(floor=FAR)
    assert not clock.sure()
    told(clock, BUILD_FLOOR + 2000, 0.2)
    assert clock.sure()


# -- the floor: what a clock that ran ahead may do to the years after it

DAY = 86_400.0


def process(memory: Any) -> SystemClock:
    """The clock of a new process, with what the one before it remembered."""
    clock = SystemClock()
    clock.recall(memory)
    return clock


def test_one_boot_in_the_far_future_does_not_make_the_right_time_unsure_for_years(wall):
    wall.now = FAR
    ahead = process(SystemClock().remember())
    assert ahead.sure(), "nobody can know better yet"
    wall.now = BUILD_FLOOR + DAY
    after = process(ahead.remember())
    assert not after.sure()
    told(after, BUILD_FLOOR + DAY + 1, 0.2)
    assert after.sure()
    wall.now += 60.0
    assert process(after.remember()).sure(), "and the next boot is sure by itself"


def test_a_floor_is_not_raised_by_a_clock_that_the_backend_contradicts(wall):
    before = process(None).remember()
    wall.now = FAR
    ahead = process(before)
    told(ahead, BUILD_FLOOR + 2000, 0.2)
    assert (ahead.sure(), ahead.agrees()) == (True, False)
    assert ahead.ahead_s == pytest.approx(FAR - BUILD_FLOOR - 2000)
    wall.now = BUILD_FLOOR + 3000
    assert process(ahead.remember()).sure()


def test_no_ack_moves_the_time_below_what_two_clocks_once_agreed_on(wall):
    wall.now = BUILD_FLOOR + 90 * DAY
    clock = process(None)
    told(clock, wall.now + 10, 0.2)
    assert clock.proven == wall.now
    wall.now = BUILD_FLOOR + 5.0
    later = process(clock.remember())
    told(later, BUILD_FLOOR + 80 * DAY, 0.2)
    assert not later.sure(), "an ack key in wrong hands cannot take us back to a time when an old certificate was good"
    told(later, BUILD_FLOOR + 91 * DAY, 0.2)
    assert later.sure()
    assert later.now() == pytest.approx(BUILD_FLOOR + 91 * DAY, abs=30)


def test_a_backend_alone_in_the_far_future_proves_nothing_for_good(wall):
    wall.now = 0.0
    clock = process(None)
    told(clock, FAR, 0.2)
    assert clock.sure(), "it is all that a machine without a clock has"
    assert clock.proven == BUILD_FLOOR
    mended = process(clock.remember())
    told(mended, BUILD_FLOOR + DAY, 0.2)
    assert mended.now() == pytest.approx(BUILD_FLOOR + DAY, abs=30)


def test_nothing_makes_a_time_before_the_build_sure(wall):
    wall.now = 0.0
    clock = process([0.0, 0.0])
    told(clock, BUILD_FLOOR - DAY, 0.2)
    assert (clock.floor, clock.proven) == (BUILD_FLOOR, BUILD_FLOOR)
    assert not clock.sure()


@given(
    st.none() | st.floats() | st.text() | st.lists(st.none() | st.floats() | st.integers() | st.binary(), max_size=3)
)
def test_any_memory_is_taken_up_or_passed_over(memory: Any) -> None:
    clock = SystemClock()
    clock.recall(memory)
    assert clock.floor >= clock.proven >= BUILD_FLOOR


@settings(max_examples=200)
@given(st.data())
def test_whatever_clocks_have_done_one_fresh_ack_makes_the_time_right_again(data: st.DataObject) -> None:
    """Lives of a machine whose clock is anywhere, and of a backend that is mostly right: the oracle is the true time.
    Both are never wrong alike."""
    true, memory = BUILD_FLOOR + DAY, None
    with pytest.MonkeyPatch.context() as patch:
        for _ in range(data.draw(st.integers(1, 6))):
            true += data.draw(st.floats(1.0, 100 * DAY))
            wrong = data.draw(st.sampled_from(["none", "machine", "backend"]))
            shift = data.draw(st.floats(-1e9, 1e10))
            machine = true + shift * (wrong == "machine")
            backend = true + shift * (wrong == "backend")
            if wrong == "backend":
                machine = data.draw(st.sampled_from([0.0, true]))
            patch.setattr(time, "time", lambda machine=machine: machine)
            clock = process(memory)
            told(clock, backend, 0.0)
            memory = clock.remember()
        true += 1.0
        patch.setattr(time, "time", lambda: 0.0)
        last = process(memory)
        told(last, true, 0.0)
        assert last.sure()
        assert last.now() == pytest.approx(true, abs=AGREE_S + 5)


# -- how exactly the time is known

NOON = BUILD_FLOOR + DAY


def test_an_answer_that_took_long_does_not_make_the_time_sure_and_a_quick_one_does(up):
    clock = SystemClock()
    assert clock.told(NOON, 40.0, 45.0), "it wants to hear it again"
    assert (clock.date(), clock.mark(), clock.exact()) == (None, None, False)
    up.now = 51.0
    assert not clock.told(NOON + 6.0, 50.8, 51.0)
    assert clock.exact()
    assert clock.date() == pytest.approx(NOON + 6.1, abs=0.11)


def test_when_no_answer_is_quick_the_time_is_given_after_a_while_and_is_not_called_exact(up):
    clock = SystemClock()
    clock.told(NOON, 45.0, 50.0)
    up.now += PATIENCE_S - 1.0
    assert not clock.sure()
    up.now += 1.0
    assert (clock.sure(), clock.exact()) == (True, False)
    assert 2.5 < clock.mark().error_s < 2.6
    assert not clock.told(NOON + PATIENCE_S, 165.0, 170.0), "it has asked often enough"


def test_a_time_that_nobody_confirms_is_called_exact_no_longer_than_a_crystal_keeps_it(up):
    clock = SystemClock()
    clock.told(NOON, 49.8, 50.0)
    up.now += 0.8 / DRIFT
    assert clock.exact()
    up.now += 0.2 / DRIFT
    assert (clock.sure(), clock.exact()) == (True, False)
    clock.told(NOON + 1 / DRIFT, up.now - 0.2, up.now)
    assert clock.exact()


def test_two_answers_that_contradict_each_other_leave_the_newer_one(up):
    clock = SystemClock()
    clock.told(NOON, 49.9, 50.0)
    up.now = 60.0
    clock.told(NOON + 3600.0, 59.9, 60.0)
    assert clock.now() == pytest.approx(NOON + 3600.0, abs=0.1)
    clock.told(NOON + 10.0, 59.9, 60.0)
    assert clock.date() == pytest.approx(NOON + 10.0, abs=0.1)


def test_a_time_that_is_known_well_is_not_moved_back_for_one_that_is_known_better(up):
    clock = SystemClock()
    clock.told(NOON, 49.85, 50.0)
    offset = clock.mark().offset_s
    assert offset == pytest.approx(NOON - 50.0 + 0.075)
    for _ in range(20):
        up.now += 30.0
        clock.told(NOON - 50.0 + up.now, up.now - 0.01, up.now)
    assert clock.mark().offset_s == offset
    assert clock.mark().error_s < 0.1
    up.now += 30.0
    clock.told(NOON - 50.0 - 0.2 + up.now, up.now - 0.01, up.now)
    assert clock.mark().offset_s == pytest.approx(offset - 0.27, abs=0.01), "it is wrong by more than that now"


def test_a_hub_that_has_heard_the_time_needs_nobody_when_its_own_clock_falls_back(wall):
    clock = SystemClock()
    told(clock, wall.now, 0.2)
    assert clock.mark().source == "system"
    wall.now = 0.0
    assert clock.mark().source == "backend"
    assert clock.date() == pytest.approx(BUILD_FLOOR + 1000.0, abs=30)


def test_a_date_that_could_not_be_given_is_remembered_until_somebody_asks(wall):
    clock = SystemClock()
    assert (clock.sure(), clock.doubted) == (True, False)
    wall.now = 0.0
    clock.date()
    wall.now = BUILD_FLOOR + 1
    assert (clock.sure(), clock.doubted) == (True, True)


def test_a_slow_answer_is_no_contradiction_of_a_clock_that_lies_within_it(wall):
    clock = SystemClock()
    told(clock, wall.now - 1700.0, 1800.0)  # half an hour between two states, on a metered line
    assert clock.agrees()
    told(clock, wall.now - 1700.0, 1.0)
    assert not clock.agrees()


def test_what_a_contradicted_clock_dates_is_told_with_the_contradiction_as_its_error(wall):
    clock = SystemClock()
    told(clock, wall.now + 7200.0, 0.2)
    assert (clock.mark().source, clock.mark().error_s) == ("system", pytest.approx(7200.0, abs=30))


@settings(max_examples=300)
@given(st.data())
def test_whatever_the_delays_the_true_time_lies_within_the_error_and_what_is_called_exact_is(
    data: st.DataObject,
) -> None:
    """Exchanges with any delay on either way, between crystals that are 100 ppm apart at most."""
    rate = data.draw(st.floats(-DRIFT, DRIFT))
    now = 100.0

    def true(monotonic: float) -> float:
        return NOON + monotonic * (1 + rate)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(time, "time", lambda: 0.0)
        patch.setattr(time, "monotonic", lambda: now)
        clock = SystemClock()
        for _ in range(data.draw(st.integers(1, 8))):
            there, back, lull = (data.draw(st.floats(0.0, most)) for most in (20.0, 20.0, 5000.0))
            after, now = now, now + there + back
            clock.told(true(after + there), after, now)
            now += lull
            if (mark := clock.mark()) is not None:
                off = abs(now + mark.offset_s - true(now))
                assert off <= mark.error_s + 1e-5
                assert clock.date() == pytest.approx(now + mark.offset_s)
                assert not clock.exact() or off <= EXACT_S + 1e-5
            else:
                assert not clock.sure()
