"""Ranges of readings, raw and rolled up, out of bodies and chunks: each reading once, whatever the pages."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from backend.queries.cursors import decode_cursor, encode_cursor
from backend.queries.intervals import Intervals
from backend.queries.range_queries import Page, Place, RangeQuery, Ranges
from backend.queries.range_rollups import Told
from backend.queries.series_history import StoredReading
from backend.queries.views import NotFound
from backend.storage.opening import open_queries
from hub.core.errors import DecodeError, NotReady
from hub.core.model import Quality
from hub.protocol.records.rows import Column, Row, Shape, Subject

from ..compaction_kit import BOOT, HOUR, NOW, Town, count, report

DAY = 24 * HOUR
METER = Shape((Column("energy", "kW.h", "0.001", state_class="total_increasing"),))
PARIS = ZoneInfo("Europe/Paris")
SERIES = "h/room-1/count"


def paris(*at: int) -> int:
    return int(datetime(*at, tzinfo=PARIS).timestamp() * 1000)  # type: ignore[arg-type,misc]


def meter(time_ms: int, value: float, device: str = "meter:1", **more: Any) -> Row:
    subject = Subject(device, "cellar", "school", "")
    return Row(subject, METER, time_ms, True, (value,), **{"quality": 0, "trust": 1, **more})


@pytest.fixture
def town(tmp_path: Path) -> Iterator[Town]:
    made = Town(tmp_path / "backend.db")
    yield made
    made.close()


@pytest.fixture
def ranges(town: Town) -> Ranges:
    return Ranges(open_queries(town.path))


def asked(*series: str, start: int = NOW - DAY, end: int = NOW + DAY, step: str = "", limit: int = 1000) -> RangeQuery:
    return RangeQuery(series or (SERIES,), start, end, Intervals(step) if step else None, limit)


def pages(ranges: Ranges, query: RangeQuery) -> Iterator[Page]:
    place: Place | None = Place()
    while place is not None:
        page = ranges.page(query, place)
        yield page
        assert len(page.rows) <= query.limit
        place = page.next and decode_cursor(encode_cursor(page.next, "q"), "q", Place)


def raw(ranges: Ranges, query: RangeQuery) -> list[tuple[int, int, Any]]:
    found = []
    for page in pages(ranges, query):
        for row in page.rows:
            assert isinstance(row.told, StoredReading)
            found.append((row.series, row.told.time_ms, row.told.value))
    return found


def told(ranges: Ranges, query: RangeQuery) -> list[Told]:
    found = []
    for page in pages(ranges, query):
        for row in page.rows:
            assert isinstance(row.told, Told)
            found.append(row.told)
    return found


@pytest.fixture
def two_forms(town: Town) -> Town:
    """Readings of which half lie in chunks and half in bodies, several of them in one millisecond."""
    town.arrive("h", [count(NOW + n // 3, n) for n in range(20)])
    town.arrive("h", [report(NOW + n, 20 + n) for n in range(5)])
    town.settle(1000)
    town.arrive("h", [count(NOW + n // 3, n) for n in range(20, 40)])
    return town


@pytest.mark.parametrize("limit", [1, 2, 3, 7, 1000])
def test_pages_of_any_size_tell_each_reading_once_and_in_order(two_forms: Town, ranges: Ranges, limit: int) -> None:
    found = raw(ranges, asked(SERIES, "h/room-1/temperature", limit=limit))
    assert found == [(0, NOW + n // 3, n) for n in range(40)] + [(1, NOW + n, 20 + n) for n in range(5)]


def test_what_is_compacted_between_two_pages_is_told_once(two_forms: Town, ranges: Ranges) -> None:
    first = ranges.page(asked(limit=25), Place())
    two_forms.settle(100_000)
    assert first.next is not None
    rest = ranges.page(asked(limit=25), first.next)
    assert [row.told.value for row in first.rows + rest.rows] == list(range(40))  # type: ignore[union-attr]
    assert rest.next is None


def test_a_range_takes_its_first_moment_and_not_its_last(two_forms: Town, ranges: Ranges) -> None:
    assert [at for _, at, _ in raw(ranges, asked(start=NOW + 2, end=NOW + 4))] == [NOW + 2] * 3 + [NOW + 3] * 3


def test_a_series_that_there_is_not_is_named(two_forms: Town, ranges: Ranges) -> None:
    for unknown in ("h/room-1/other", "x/room-1/count", "", "h", "//", "h/room-1/"):
        with pytest.raises(NotFound, match="there is no series"):
            ranges.page(asked(SERIES, unknown), Place())


def test_days_are_those_of_the_zone_and_last_23_or_25_hours_at_a_change_of_the_clock(
    town: Town, ranges: Ranges
) -> None:
    begin = paris(2027, 3, 26)
    town.arrive("h", [count(begin + n * HOUR, n) for n in range(24 * 4 - 1)])
    town.settle(1000)
    days = told(ranges, asked(start=begin + 1, end=paris(2027, 3, 29, 1), step="day"))
    assert [(day.rollup.begin_ms, day.rollup.width_ms // HOUR, day.rollup.count) for day in days] == [
        (paris(2027, 3, 26), 24, 24),
        (paris(2027, 3, 27), 24, 24),
        (paris(2027, 3, 28), 23, 23),
        (paris(2027, 3, 29), 24, 24),
    ]
    autumn = Intervals("day").begin(paris(2027, 10, 31, 12))
    assert (autumn, Intervals("day").after(autumn) - autumn) == (paris(2027, 10, 31), 25 * HOUR)


@pytest.mark.parametrize(
    ("zone", "step", "at", "begin", "after"),
    [
        ("Asia/Kathmandu", "hour", "2027-01-01T00:20:00Z", "2027-01-01T00:15:00Z", "2027-01-01T01:15:00Z"),
        ("Indian/Reunion", "day", "2027-01-01T21:00:00Z", "2027-01-01T20:00:00Z", "2027-01-02T20:00:00Z"),
        ("America/Havana", "day", "2027-03-14T12:00:00Z", "2027-03-14T05:00:00Z", "2027-03-15T04:00:00Z"),
        ("Pacific/Apia", "day", "2011-12-30T09:00:00Z", "2011-12-29T10:00:00Z", "2011-12-30T10:00:00Z"),
        ("Europe/Paris", "month", "2027-03-15T00:00:00Z", "2027-02-28T23:00:00Z", "2027-03-31T22:00:00Z"),
        ("Europe/Paris", "month", "2027-12-31T23:30:00Z", "2027-12-31T23:00:00Z", "2028-01-31T23:00:00Z"),
        ("Europe/Paris", "minute", "2027-01-01T00:00:59Z", "2027-01-01T00:00:00Z", "2027-01-01T00:01:00Z"),
    ],
)
def test_an_interval_begins_and_ends_by_the_civil_calendar(
    zone: str, step: str, at: str, begin: str, after: str
) -> None:
    def ms(text: str) -> int:
        return int(datetime.fromisoformat(text).timestamp() * 1000)

    intervals = Intervals(step, zone)
    assert (intervals.begin(ms(at)), intervals.after(ms(begin))) == (ms(begin), ms(after))


@pytest.mark.parametrize("zone", ["", "Europe", "Nowhere/City", "../etc/passwd", "x" * 4000, "\0", "/etc/localtime"])
def test_a_zone_that_there_is_not_is_a_clear_error(zone: str) -> None:
    with pytest.raises(DecodeError, match="there is no time zone"):
        Intervals("day", zone)


def test_an_hour_is_told_exactly_and_without_its_bad_readings(town: Town, ranges: Ranges) -> None:
    values = [20.01, 20.02, 19.5, 21.25]
    town.arrive("h", [report(NOW + n * 60_000, value) for n, value in enumerate(values)])
    town.arrive("h", [report(NOW + 5 * 60_000, 99.0, quality=int(Quality.BAD))])
    town.settle(1000)
    town.arrive("h", [report(NOW + 6 * 60_000, 20.0, quality=int(Quality.UNCERTAIN))])
    (one,) = told(ranges, asked("h/room-1/temperature", step="hour"))
    rollup = one.rollup
    assert (rollup.begin_ms, rollup.width_ms) == (NOW // HOUR * HOUR, HOUR)
    assert (rollup.count, rollup.bad, rollup.uncertain) == (5, 1, 1)
    assert rollup.mean == (20.01 + 20.02 + 19.5 + 21.25 + 20.0) / 5
    assert [rollup.value(item) for item in (rollup.low, rollup.high, rollup.total)] == [19.5, 21.25, 100.78]  # type: ignore[arg-type]
    assert rollup.first is not None
    assert rollup.last is not None
    assert [rollup.value(int(edge.item)) for edge in (rollup.first, rollup.last)] == [20.01, 20.0]
    assert (one.increase, rollup.slots.bit_count()) == (None, 5)


@pytest.mark.parametrize("limit", [1, 2, 5, 100])
@pytest.mark.parametrize("step", ["minute", "hour", "day", "month"])
def test_what_a_counter_rose_adds_up_whatever_the_step_and_the_pages(
    town: Town, ranges: Ranges, step: str, limit: int
) -> None:
    begin = paris(2027, 1, 31, 22)
    dial = [0.5 * n for n in range(20)] + [0.25 * n for n in range(10)]  # the meter is replaced after 20 readings
    rows = [meter(begin + n * HOUR // 2 + 5000, value) for n, value in enumerate(dial)]
    town.arrive("h", rows[:17])
    town.settle(1000)
    town.arrive("h", rows[17:])
    found = told(ranges, asked("h/cellar/energy", start=begin, end=begin + DAY, step=step, limit=limit))
    assert sum(one.increase or 0 for one in found) == 19 * 0.5 + 9 * 0.25
    assert sum(one.resets for one in found) == 1
    assert sum(one.rollup.count for one in found) == 30


def test_a_rise_counts_from_before_the_interval_unless_that_is_long_ago(town: Town, ranges: Ranges) -> None:
    begin = NOW // HOUR * HOUR
    bad = meter(begin - 10, 500.0, quality=int(Quality.BAD))
    town.arrive("h", [meter(begin - 3 * DAY, 1.0), meter(begin - HOUR, 5.0), bad, meter(begin + 10, 7.0)])
    town.arrive("h", [meter(begin + 4 * DAY, 9.0), meter(begin + 4 * DAY + 1, 10.0)])
    town.settle(1000)
    found = told(ranges, asked("h/cellar/energy", start=begin, end=begin + 5 * DAY, step="hour"))
    assert [one.increase for one in found] == [2.0, 1.0]


def test_two_meters_at_one_place_are_told_of_together_and_each_rises_by_itself(town: Town, ranges: Ranges) -> None:
    begin = NOW // HOUR * HOUR
    rows = [meter(begin + n * 60_000, 100.0 + n) for n in range(5)]
    rows += [meter(begin + n * 60_000 + 7, 3.0 + 2 * n, "meter:2") for n in range(5)]
    town.arrive("h", sorted(rows, key=lambda row: row.time_ms))
    town.settle(1000)
    (one,) = told(ranges, asked("h/cellar/energy", step="hour"))
    assert (one.increase, one.resets, one.rollup.count) == (4.0 + 8.0, 0, 10)
    assert one.rollup.value(one.rollup.high or 0) == 104.0
    assert [device for _, _, device in raw(ranges, asked("h/cellar/energy"))] == [
        value for n in range(5) for value in (100.0 + n, 3.0 + 2 * n)
    ]


def test_an_interval_is_told_the_same_from_parts_as_whole(
    town: Town, ranges: Ranges, monkeypatch: pytest.MonkeyPatch
) -> None:
    town.arrive("h", [meter(NOW + n * 700, (n * n % 50) / 8) for n in range(200)])
    town.settle(1000)
    whole = told(ranges, asked("h/cellar/energy", step="day"))
    monkeypatch.setattr("backend.queries.range_rollups._PART", 7)
    assert told(ranges, asked("h/cellar/energy", step="day")) == whole
    assert whole[0].rollup.count == 200


def test_a_boot_that_gets_its_date_is_in_the_range_from_then_on(town: Town, ranges: Ranges) -> None:
    town.arrive("h", [count(n * 1000, n) for n in range(3)], BOOT)
    town.settle(1000)
    assert raw(ranges, asked()) == []
    town.date("h", BOOT, NOW)
    assert raw(ranges, asked()) == [(0, NOW + n * 1000, n) for n in range(3)]


def test_what_an_order_erases_is_in_no_row_and_in_no_sum(town: Town, ranges: Ranges) -> None:
    town.arrive("h", [report(NOW + n, 20.0) for n in range(4)])
    town.settle(1000)
    town.order("h", "device", "ble:1", NOW + 2)
    assert [at for _, at, _ in raw(ranges, asked("h/room-1/motion"))] == [NOW + 2, NOW + 3]
    assert [one.rollup.count for one in told(ranges, asked("h/room-1/motion", step="hour"))] == [2]


def test_what_a_device_measured_elsewhere_is_another_series(town: Town, ranges: Ranges) -> None:
    town.arrive("h", [count(NOW, 1), count(NOW + 1, 2, Subject("ble:1", "room-2", "school", "ground"))])
    town.settle(1000)
    assert raw(ranges, asked()) == [(0, NOW, 1)]
    assert [one.value for _, one in ranges.latest([SERIES, "h/room-2/count"], NOW / 1000) if one] == [1, 2]


def test_the_newest_reading_of_many_series_is_told_and_one_that_is_dated_ahead_gives_way(
    two_forms: Town, ranges: Ranges
) -> None:
    two_forms.arrive("h", [count(NOW + 100 * DAY, 99), meter(NOW + 100 * DAY, 5)])
    two_forms.settle(1000)
    found = ranges.latest([SERIES, "h/room-1/temperature", "h/cellar/energy"], NOW / 1000 + 1)
    assert [(line.metric, one and one.value) for line, one in found] == [
        ("count", 39),
        ("temperature", 24),
        ("energy", 5),
    ]


def test_a_place_within_an_interval_cuts_none_in_two(town: Town, ranges: Ranges) -> None:
    town.arrive("h", [count(NOW + n * 60_000, n) for n in range(120)])
    town.settle(1000)
    whole = ranges.page(asked(step="hour"), Place()).rows
    forged = ranges.page(asked(step="hour"), Place(0, NOW + HOUR + 12_345)).rows
    assert [row.told for row in forged] == [row.told for row in whole][1:]


class _Late:
    """A clock that says what it is told to, more at each look."""

    def __init__(self, step: float) -> None:
        self.now, self._step = 0.0, step

    def __call__(self) -> float:
        self.now += self._step
        return self.now


@pytest.mark.parametrize("step", ["", "minute", "hour"])
def test_a_page_whose_time_is_over_ends_and_the_next_one_goes_on(town: Town, step: str) -> None:
    town.arrive("h", [count(NOW + n * 1000, n) for n in range(600)])
    town.arrive("h", [meter(NOW + n * 1000, n) for n in range(600)])
    town.settle(1000)
    query = asked(SERIES, "h/cellar/energy", step=step, limit=2000)
    slow, quick = Ranges(open_queries(town.path), _Late(4.0)), Ranges(open_queries(town.path))
    found = list(pages(slow, query))
    assert len(found) > 1
    assert repr([row for page in found for row in page.rows]) == repr(quick.page(query, Place()).rows)


def test_a_page_that_cannot_tell_anything_in_time_is_given_up_with_what_to_do(town: Town) -> None:
    town.arrive("h", [count(NOW + n * 1000, n) for n in range(600)])
    town.settle(1000)
    with pytest.raises(NotReady, match="ask for a shorter step"):
        Ranges(open_queries(town.path), _Late(30.0)).page(asked(), Place())


@pytest.mark.parametrize("text", ["", "x", "é", "AAAA", "=" * 5, "kg", "x" * 3000, encode_cursor(["a"], "q")])
def test_what_is_no_cursor_is_a_clear_error(text: str) -> None:
    with pytest.raises(DecodeError, match="no cursor"):
        decode_cursor(text, "q", Place)


def test_a_cursor_of_another_question_is_refused() -> None:
    with pytest.raises(DecodeError, match="another question"):
        decode_cursor(encode_cursor(Place(1, 2), ["a", 1]), ["a", 2], Place)
