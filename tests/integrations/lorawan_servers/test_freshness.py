"""The memory of counters: what a broker gives again is told once, what was never told is told."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

import hub
from integrations.lorawan_servers import freshness
from integrations.lorawan_servers.freshness import Memory, Verdict, Window, judge, take

Frame = tuple[str, int, float]


def after(*frames: Frame) -> tuple[Window, ...]:
    windows: tuple[Window, ...] = ()
    for session, fcnt, time in frames:
        windows = take(windows, session, fcnt, time)
    return windows


def test_the_first_frame_is_fresh_and_the_same_again_a_repeat() -> None:
    assert judge((), "a", 7, 1.0) is Verdict.FRESH
    assert judge(after(("a", 7, 1.0)), "a", 7, 1.0) is Verdict.REPEAT
    assert judge(after(("a", 7, 1.0)), "a", 7, 9.0) is Verdict.REPEAT  # the server took a retransmission


def test_a_frame_left_out_may_come_late_once() -> None:
    windows = after(("a", 7, 1.0), ("a", 9, 3.0))
    assert judge(windows, "a", 8, 2.0) is Verdict.LATE
    windows = take(windows, "a", 8, 2.0)
    assert judge(windows, "a", 8, 2.0) is Verdict.REPEAT
    assert judge(windows, "a", 10, 4.0) is Verdict.FRESH


def test_what_is_older_than_the_window_is_a_replay() -> None:
    assert judge(after(("a", 1, 1.0), ("a", 500, 9.0)), "a", 2, 2.0) is Verdict.REPLAY


def test_a_new_session_starts_anew_and_the_former_one_is_remembered() -> None:
    windows = after(("a", 500, 5.0), ("b", 0, 6.0))
    assert judge(windows, "a", 500, 5.0) is Verdict.REPEAT
    assert judge(windows, "a", 501, 5.5) is Verdict.LATE
    windows = take(windows, "a", 501, 5.5)
    assert judge(windows, "a", 501, 5.5) is Verdict.REPEAT
    assert judge(windows, "b", 1, 7.0) is Verdict.FRESH


def test_a_session_older_than_both_is_a_replay() -> None:
    windows = after(("a", 500, 5.0), ("b", 0, 6.0), ("c", 0, 7.0))
    assert judge(windows, "a", 501, 5.5) is Verdict.REPLAY


def test_a_device_that_starts_over_in_its_session_is_heard() -> None:
    """ABP, where the server is told not to check: a new battery."""
    windows = after(("a", 500, 5.0))
    assert judge(windows, "a", 0, 6.0) is Verdict.RESET
    windows = take(windows, "a", 0, 6.0)
    assert judge(windows, "a", 0, 6.0) is Verdict.REPEAT
    assert judge(windows, "a", 500, 5.0) is Verdict.REPEAT
    assert judge(windows, "a", 1, 7.0) is Verdict.FRESH


def test_without_a_time_the_counter_alone_decides() -> None:
    windows = after(("a", 5, 5.0))
    assert judge(windows, "a", 5, None) is Verdict.REPEAT
    assert judge(windows, "a", 6, None) is Verdict.FRESH
    assert judge(windows, "b", 0, None) is Verdict.FRESH
    assert judge(windows, "a", 4, None) is Verdict.LATE


def test_what_is_remembered_survives_and_what_is_damaged_is_said() -> None:
    memory = Memory(after(("a", 500, 5.0), ("b", 1 << 31, 6.0)), 4.5, "app")
    assert freshness.decode(freshness.encode(memory)) == memory
    for data in (None, b"", b"\xc1", 7, b"\x92\x02\x90", {"a": 1}):
        with pytest.raises(hub.DecodeError, match="bad-record"):
            freshness.decode(data)


def test_two_thousand_records_fit_into_a_plugins_state() -> None:
    memory = Memory(after(("a", 0xFFFFFFF0, 1.79e9), ("b", 0xFFFFFFFF, 1.79e9 + 5)), 1.79e9, "x" * 36)
    assert (len(freshness.encode(memory)) + 16 + 3) * 2000 <= 256 * 1024


@st.composite
def histories(draw: st.DrawFn) -> list[Frame]:
    """What a server takes: sessions one after the other, rising counters, rising times; some start over."""
    frames, time = [], 1.79e9
    for session in range(draw(st.integers(1, 4))):
        fcnt = draw(st.integers(0, 3))
        for _ in range(draw(st.integers(1, 12))):
            time += draw(st.integers(1, 1000))
            frames.append((f"s{session}", fcnt, time))
            fcnt += draw(st.integers(1, 40))
    return frames


@given(histories(), st.data())
def test_whatever_the_broker_gives_again_each_frame_is_told_once(frames: list[Frame], data: st.DataObject) -> None:
    """QoS 1: in order, and after each break of the connection again from the first that was not acknowledged."""
    windows: tuple[Window, ...] = ()
    told: list[Frame] = []
    at = 0
    while at < len(frames):
        until = data.draw(st.integers(at + 1, len(frames)))
        back = data.draw(st.integers(0, 20))
        for session, fcnt, time in frames[max(0, at - back) : until]:
            if not judge(windows, session, fcnt, time).told:
                windows = take(windows, session, fcnt, time)
                told.append((session, fcnt, time))
        at = until
    assert told == frames


@given(histories(), st.data())
def test_replays_are_never_told_twice(frames: list[Frame], data: st.DataObject) -> None:
    """Whoever may publish on the broker plays back anything that was said, whenever."""
    windows: tuple[Window, ...] = ()
    told = []
    for at, frame in enumerate(frames):
        old = data.draw(st.lists(st.sampled_from(frames[: at + 1]), max_size=4))
        for session, fcnt, time in [frame, *old]:
            if not judge(windows, session, fcnt, time).told:
                windows = take(windows, session, fcnt, time)
                told.append((session, fcnt, time))
    assert sorted(told) == sorted(frames)
