"""Cells of days, weeks and months lie as the calendar of France has them, also where the clock is changed."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from dateutil.relativedelta import MO, relativedelta
from hypothesis import given
from hypothesis import strategies as st

from backend.city.publication.calendar import CELLS, DAY_S, HOUR_S, MONTH_S, WEEK_S, Calendar

PARIS = ZoneInfo("Europe/Paris")
ZONES = st.sampled_from(["Europe/Paris", "Indian/Reunion", "America/Miquelon", "Pacific/Marquesas", "UTC"])
MOMENTS = st.floats(946_684_800, 7_258_118_399)  # 2000 to 2199


def at(text: str) -> float:
    return datetime.fromisoformat(text).replace(tzinfo=PARIS).timestamp()


@pytest.mark.parametrize(("day", "hours"), [("2026-03-29", 23), ("2026-10-25", 25), ("2026-11-30", 24)])
def test_a_day_lasts_as_long_as_the_clocks_of_france_say(day: str, hours: int) -> None:
    days = Calendar(DAY_S, "Europe/Paris")
    start = at(day)
    assert days.begin(start) == days.begin(start + HOUR_S * hours - 1) == start
    assert days.end(start) - start == hours * HOUR_S


def test_a_week_begins_on_monday_and_a_month_on_its_first_day() -> None:
    weeks, months = Calendar(WEEK_S, "Europe/Paris"), Calendar(MONTH_S, "Europe/Paris")
    assert weeks.begin(at("2026-10-25T12:00")) == at("2026-10-19")
    assert weeks.end(at("2026-10-19")) == at("2026-10-26")
    assert months.begin(at("2024-02-29T12:00")) == at("2024-02-01")
    assert months.end(at("2024-02-01")) == at("2024-03-01")
    winter = [at(f"{one}-01") for one in ("2026-12", "2027-01", "2027-02")]
    assert months.starts(winter[0], at("2027-03-01"), 9) == winter
    assert months.last(at("2027-01-20"), 2) == [at("2026-11-01"), at("2026-12-01")]


@given(MOMENTS, st.sampled_from(CELLS), ZONES)
def test_each_moment_lies_in_one_cell_and_cells_leave_no_gap(moment: float, cell_s: int, zone: str) -> None:
    calendar = Calendar(cell_s, zone)
    start = calendar.begin(moment)
    end = calendar.end(start)
    assert start <= moment < end
    assert calendar.begin(end) == end
    assert calendar.begin(start) == calendar.begin(end - 0.001) == start
    assert calendar.first(moment) == (start if moment == start else end)
    assert calendar.last(moment, 2)[1] == calendar.begin(start - 1)
    assert calendar.starts(start, moment, 5) == []
    assert calendar.starts(start, end, 5) == [start]


@given(MOMENTS, ZONES)
def test_weeks_and_months_are_those_of_another_calendar(moment: float, zone: str) -> None:
    local = datetime.fromtimestamp(moment, ZoneInfo(zone))
    midnight = {"hour": 0, "minute": 0, "second": 0, "microsecond": 0, "fold": 0}
    for cell_s, back in ((WEEK_S, relativedelta(weekday=MO(-1))), (MONTH_S, relativedelta(day=1))):
        expected = (local + back).replace(**midnight)  # type: ignore[arg-type]
        assert Calendar(cell_s, zone).begin(moment) == expected.timestamp()


@given(MOMENTS, st.integers(0, 400), ZONES)
def test_months_follow_each_other_and_hold_each_moment(moment: float, days: int, zone: str) -> None:
    calendar = Calendar(HOUR_S, zone)
    months = calendar.months_between(moment, moment + days * DAY_S)
    spans = [calendar.month_span(month) for month in months]
    assert spans[0][0] <= moment < spans[0][1]
    assert spans[-1][0] <= moment + days * DAY_S < spans[-1][1]
    assert [end for _, end in spans[:-1]] == [begin for begin, _ in spans[1:]]


def test_a_moment_is_written_with_the_offset_of_its_hour() -> None:
    calendar = Calendar(HOUR_S, "Europe/Paris")
    twice = datetime(2026, 10, 25, tzinfo=UTC)
    said = [calendar.text((twice + timedelta(hours=hour)).timestamp()) for hour in (0, 1)]
    assert said == ["2026-10-25T02:00:00+02:00", "2026-10-25T02:00:00+01:00"]


@pytest.mark.parametrize("month", ["2026-13", "2026-1-1", "", "0000-01", "2026"])
def test_what_is_no_month_is_refused(month: str) -> None:
    with pytest.raises(ValueError, match=r".*"):
        Calendar(HOUR_S, "Europe/Paris").month_span(month)
