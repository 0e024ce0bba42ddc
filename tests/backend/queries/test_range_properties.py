"""What is told of intervals against a plain count of the same readings, and what strangers may write into questions."""

from __future__ import annotations

from collections import defaultdict
from fractions import Fraction
from typing import Any

import pytest
from aiohttp.test_utils import make_mocked_request
from hypothesis import given
from hypothesis import strategies as st

from backend.api.guard import chosen_format
from backend.api.operations import FORMATS
from backend.api.reading import _moment
from backend.queries.cursors import decode_cursor, encode_cursor
from backend.queries.intervals import MAX_TIME, STEPS, Intervals, Step
from backend.queries.range_queries import Place
from backend.queries.range_rollups import LOOK_BACK_MS, IntervalRollups, Told
from backend.queries.series_history import StoredReading
from hub.core.errors import DecodeError
from hub.core.model import Quality
from hub.protocol.records.rows import Column, Subject

BEGIN = 1_800_000_000_000
STEP = Fraction("0.001")
METER = Column("energy", "kW.h", "0.001", state_class="total_increasing")
DEVICES = {name: Subject(name, "cellar", "school", "") for name in ("a", "b")}

reading = st.tuples(
    st.sampled_from(sorted(DEVICES)),
    st.integers(0, 6 * 86_400_000),
    st.integers(-5000, 10**9),
    st.sampled_from([0, 1, 2]),
)


def stored(origin: int, device: str, after: int, item: int, quality: int) -> StoredReading:
    return StoredReading(BEGIN + after, origin, item / 1000, quality, 1, DEVICES[device], METER)


def counted(readings: list[StoredReading], intervals: Intervals, start: int) -> dict[int, dict[str, Any]]:
    """Count what an interval holds, one reading after the other, in fractions."""
    found: dict[int, dict[str, Any]] = defaultdict(lambda: {"items": [], "bad": 0, "rise": None})
    last: dict[str, tuple[int, Fraction]] = {}
    for one in readings:
        value, device = STEP * round(float(one.value) * 1000), one.subject.device
        begin = intervals.begin(one.time_ms)
        if one.quality == Quality.BAD:
            if one.time_ms >= start:
                found[begin]["bad"] += 1
            continue
        if one.time_ms >= start:
            told = found[begin]
            told["items"].append(value)
            rise = Fraction(0)
            if device in last and last[device][0] >= begin - LOOK_BACK_MS:
                rise = value - last[device][1] if value >= last[device][1] else max(value, Fraction(0))
            told["rise"] = rise + (told["rise"] or 0)
        last[device] = one.time_ms, value
    return found


@given(st.lists(reading, max_size=60), st.sampled_from(STEPS), st.integers(0, 6 * 86_400_000))
def test_intervals_tell_what_a_plain_count_tells(
    some: list[tuple[str, int, int, int]], step: Step, offset: int
) -> None:
    readings = sorted((stored(n, *one) for n, one in enumerate(some)), key=lambda one: (one.time_ms, one.origin))
    intervals = Intervals(step)
    start = intervals.begin(BEGIN + offset)
    rollups = IntervalRollups(intervals)
    rollups.look_back(one for one in readings if start - LOOK_BACK_MS <= one.time_ms < start)
    told: list[Told] = list(rollups.of(one for one in readings if one.time_ms >= start))
    seen = [one for one in readings if one.time_ms >= start - LOOK_BACK_MS]
    expected = counted(seen, intervals, start)
    assert [one.rollup.begin_ms for one in told] == sorted(expected)
    for one in told:
        rollup, plain = one.rollup, expected[one.rollup.begin_ms]
        items = plain["items"]
        assert (rollup.count, rollup.bad) == (len(items), plain["bad"])
        assert rollup.begin_ms + rollup.width_ms == intervals.after(rollup.begin_ms)
        if not items:
            assert (rollup.low, rollup.first, one.increase) == (None, None, None)
            continue
        assert [STEP * (item or 0) for item in (rollup.low, rollup.high, rollup.total)] == [
            min(items), max(items), sum(items)
        ]  # fmt: skip
        assert rollup.mean == float(sum(items) / len(items))
        assert rollup.first is not None
        assert rollup.last is not None
        assert [STEP * int(edge.item) for edge in (rollup.first, rollup.last)] == [items[0], items[-1]]
        assert one.increase == float(plain["rise"])


@given(st.sampled_from(STEPS), st.integers(0, MAX_TIME - 1), st.sampled_from(
    ["Europe/Paris", "UTC", "Asia/Kathmandu", "Australia/Lord_Howe", "America/Havana", "Pacific/Apia"]
))  # fmt: skip
def test_intervals_have_no_hole_and_do_not_overlap(step: Step, moment: int, zone: str) -> None:
    intervals = Intervals(step, zone)
    begin = intervals.begin(moment)
    after = intervals.after(begin)
    assert begin <= moment < after
    assert intervals.begin(begin) == begin
    assert intervals.begin(after - 1) == begin
    assert intervals.begin(after) == after


@given(st.text(max_size=60) | st.binary(max_size=60).map(lambda data: encode_cursor(data, "q")))
def test_any_text_is_a_cursor_of_its_question_or_a_clear_error(text: str) -> None:
    with pytest.raises(DecodeError, match="cursor"):
        decode_cursor(text, "q", Place)


@given(st.text(alphabet="aptxc/*;q=0.19, -jsonvd.qeu", max_size=80) | st.text(max_size=40))
def test_any_accept_header_gets_a_format_that_is_offered_or_a_clear_error(accept: str) -> None:
    request = make_mocked_request("GET", "/", headers={"Accept": accept.replace("\r", "").replace("\n", "")})
    try:
        found = chosen_format(request, FORMATS)
    except DecodeError:
        return
    assert found in FORMATS


@given(st.text(alphabet="0123456789-T:Z+.W ", max_size=40) | st.text(max_size=40) | st.integers(0, 2**53))
def test_any_moment_lies_in_the_calendar_or_is_a_clear_error(given_: str | int) -> None:
    try:
        found = _moment(given_, "from", Intervals("day"))
    except DecodeError:
        return
    assert 0 <= found < MAX_TIME
