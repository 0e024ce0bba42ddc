"""Rollups of readings: those of the parts make that of the whole, and nothing depends on an order."""

from __future__ import annotations

import contextlib
from fractions import Fraction
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backend.readings.chunks import rollups
from backend.readings.chunks.rewriting import encode, pick
from backend.readings.chunks.rollups import DAY, HOUR, MINUTE, Rollup, merged, roll_up
from backend.readings.chunks.rows import ChunkRow, Picked, Point
from hub.core.errors import DecodeError
from hub.protocol.records.rows import Column, Shape, Subject

BEGIN = 497_000 * HOUR
SUBJECT = Subject("mbus:1", "cellar")
GAUGE = Column("temperature", "Cel", "0.01")
METER = Column("index", "Wh", "5", state_class="total_increasing")
items = st.integers(-3, 3) | st.integers(-40, 9000) | st.integers(-(1 << 63), (1 << 63) - 1)


@st.composite
def readings(draw: st.DrawFn, width: int = DAY) -> list[Point]:
    """Readings of some hours, each with an origin of its own."""
    drawn = draw(
        st.lists(st.tuples(st.integers(0, 3 * width - 1), items, st.sampled_from((0, 0, 0, 1, 2))), max_size=30)
    )
    return [Point(BEGIN + time, at << 12, item, quality, 1) for at, (time, item, quality) in enumerate(drawn)]


def naive(points: list[Point], column: Column) -> dict[str, Any]:
    """What is told of readings, worked out from their list."""
    good = sorted(point for point in points if point.quality != 2)
    values = [point.item for point in good]
    return {
        "count": len(good),
        "bad": len(points) - len(good),
        "uncertain": sum(point.quality == 1 for point in good),
        "low": min(values, default=None),
        "high": max(values, default=None),
        "total": sum(values) if values else None,
        "first": good[0][:3] if good else None,
        "last": good[-1][:3] if good else None,
        "increase": sum(b - a if b >= a else max(b, 0) for a, b in pairwise(values))
        if values and column is METER
        else None,
    }


def told(rollup: Rollup) -> dict[str, Any]:
    edges = {
        name: edge and (edge.time_ms, edge.origin, edge.item)
        for name, edge in (("first", rollup.first), ("last", rollup.last))
    }
    names = ("count", "bad", "uncertain", "low", "high", "total", "increase")
    return {name: getattr(rollup, name) for name in names} | edges


@given(readings(), st.sampled_from((GAUGE, METER)), st.sampled_from((MINUTE, HOUR, DAY)))
def test_each_interval_tells_what_its_readings_say(points: list[Point], column: Column, width: int) -> None:
    found = roll_up(Picked(SUBJECT, column, points), width)
    wanted: dict[int, list[Point]] = {}
    for point in points:
        wanted.setdefault(point.time_ms // width * width, []).append(point)
    assert {one.begin_ms: told(one) for one in found} == {begin: naive(some, column) for begin, some in wanted.items()}
    assert roll_up(Picked(SUBJECT, column, points[::-1]), width) == found


@given(readings(), st.sampled_from((GAUGE, METER)), st.sampled_from((MINUTE, HOUR)), st.randoms())
def test_the_parts_of_a_day_make_the_day_in_whatever_order(
    points: list[Point], column: Column, width: int, chance: Any
) -> None:
    picked = Picked(SUBJECT, column, points)
    parts = roll_up(picked, width)
    chance.shuffle(parts)
    for day in roll_up(picked, DAY):
        within = [part for part in parts if day.begin_ms <= part.begin_ms < day.begin_ms + DAY]
        assert merged(within, day.begin_ms, DAY) == day
        hours = {part.begin_ms // HOUR: [] for part in within}  # type: ignore[var-annotated]
        for part in within:
            hours[part.begin_ms // HOUR].append(part)
        by_hours = [merged(some, hour * HOUR, HOUR) for hour, some in hours.items()]
        assert merged(by_hours, day.begin_ms, DAY) == day


@given(readings(HOUR // 3), st.sampled_from((GAUGE, METER)), st.data())
def test_parts_whose_readings_lie_among_each_other_tell_everything_but_an_increase(
    points: list[Point], column: Column, data: st.DataObject
) -> None:
    points = [point for point in points if point.time_ms < BEGIN + HOUR]
    early = [point for point in points if data.draw(st.booleans())]
    late = [point for point in points if point not in early]
    parts = [part for some in (early, late) for part in roll_up(Picked(SUBJECT, column, some), HOUR)]
    if not parts:
        return
    whole = told(roll_up(Picked(SUBJECT, column, points), HOUR)[0])
    found = told(merged(parts, BEGIN, HOUR))
    increase = found.pop("increase")
    assert increase in (whole.pop("increase"), None)
    assert found == whole


@given(st.lists(st.tuples(st.sampled_from(("0.01", "0.1", "0.5", "2.5", "3")), items), min_size=1, max_size=6))
def test_parts_of_several_resolutions_are_added_up_exactly(given_items: list[tuple[str, int]]) -> None:
    parts = [
        roll_up(
            Picked(
                SUBJECT,
                Column("x", resolution=step, state_class="total_increasing"),
                [Point(BEGIN + at, at, item, 0, 1)],
            ),
            MINUTE,
        )[0]
        for at, (step, item) in enumerate(given_items)
    ]
    whole = merged(parts, BEGIN, HOUR)
    values = [Fraction(step) * item for step, item in given_items]
    assert whole.total is not None
    assert whole.total * Fraction(whole.step) == sum(values)
    assert whole.low is not None
    assert whole.low * Fraction(whole.step) == min(values)
    assert whole.increase is not None
    rises = (b - a if b >= a else max(b, Fraction(0)) for a, b in pairwise(values))
    assert whole.increase * Fraction(whole.step) == sum(rises)


@given(readings())
def test_what_is_packed_is_unpacked_with_sums_beyond_64_bit_too(points: list[Point]) -> None:
    full = [*points, *(Point(BEGIN + at, at << 20, (1 << 63) - 1, 0, 1) for at in range(3))]
    found = roll_up(Picked(SUBJECT, METER, full), HOUR)
    assert rollups.unpack(rollups.pack(found)) == found


@given(st.binary(max_size=100))
def test_whatever_comes_as_rollups_is_an_error_of_ours(data: bytes) -> None:
    with contextlib.suppress(DecodeError):
        pytest.fail(str(rollups.unpack(data)))


def test_texts_and_flags_tell_what_they_can() -> None:
    shape = Shape((Column("mode", kind="text"), Column("open", kind="flag")))
    said = [("éco", False), ("12", True), ("nuit", True), ("bad", False)]
    data = encode(
        [
            ChunkRow(SUBJECT, shape, BEGIN + at * MINUTE, 1 << 12 | at, values, 2 if at == 3 else 0)
            for at, values in enumerate(said)
        ]
    )
    ((mode,), (opened,)) = (roll_up(pick(data, device="mbus:1", metric=m)[0], HOUR) for m in ("mode", "open"))
    assert (mode.count, mode.bad, mode.low, mode.total, mode.mean) == (3, 1, None, None, None)
    assert mode.first is not None
    assert mode.last is not None
    assert (mode.first.item, mode.last.item) == ("éco", "nuit")
    assert (opened.count, opened.total, opened.low, opened.high, opened.increase) == (3, 2, 0, 1, None)
    assert rollups.unpack(rollups.pack([mode, opened])) == [mode, opened]


def test_a_value_is_in_the_unit_of_the_series() -> None:
    (hour,) = roll_up(Picked(SUBJECT, GAUGE, [Point(BEGIN, 1, 2000, 0, 1), Point(BEGIN + 1, 2, 2101, 0, 1)]), HOUR)
    assert (hour.value(hour.low or 0), hour.value(hour.high or 0), hour.mean) == (20.0, 21.01, 20.505)


@pytest.mark.parametrize(
    ("period_s", "share"), [(60, 0.5), (120, 1.0), (1, 0.5), (3600, 1.0), (7200, 1.0), (0, 0.5), (90, 0.75)]
)
def test_completeness_is_the_share_of_slots_that_such_a_series_fills(period_s: int, share: float) -> None:
    points = [Point(BEGIN + minute * MINUTE, minute, 1, 0, 1) for minute in range(0, 60, 2)]
    burst = [Point(BEGIN + ms, 1000 + ms, 1, 0, 1) for ms in range(50)]
    for some in (points, points + burst):
        (hour,) = roll_up(Picked(SUBJECT, GAUGE, some), HOUR)
        assert hour.completeness(period_s * 1000) == share


def test_only_parts_of_an_interval_make_its_rollup() -> None:
    (hour,) = roll_up(Picked(SUBJECT, GAUGE, [Point(BEGIN, 1, 1, 0, 1)]), HOUR)
    for parts, begin in (([], BEGIN), ([hour], BEGIN + 1), ([hour], BEGIN - 1)):
        with pytest.raises(ValueError, match="parts of it"):
            merged(parts, begin, HOUR)
