"""ICS files: examples of RFC 5545 with the instances that it lists itself; changed, cancelled and hostile events."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hub.config.calendars.ical import BadCalendar, read, school_to_yaml, school_years, to_yaml
from hub.config.document import Document
from hub.config.parts.schedules import Calendar
from hub.config.positions import Positions

PARIS, NEW_YORK = ZoneInfo("Europe/Paris"), ZoneInfo("America/New_York")
BEGIN, END = date(1997, 1, 1), date(1998, 12, 31)


def file(*events: str) -> bytes:
    inner = "".join(f"BEGIN:VEVENT\n{event.strip()}\nEND:VEVENT\n" for event in events)
    text = f"BEGIN:VCALENDAR\nVERSION:2.0\nPRODID:-//x//y//EN\n{inner}END:VCALENDAR\n"
    return text.replace("\n", "\r\n").encode()


def days(event: str, *more: str, zone: ZoneInfo = NEW_YORK, begin: date = BEGIN, end: date = END) -> list[str]:
    found = read(file(event, *more), zone, begin, end)
    assert found.skipped == []
    return [day.isoformat() for day in found.days]


AT_NINE = "DTSTART;TZID=America/New_York:19970902T090000\nDURATION:PT1H\nUID:1\n"


@pytest.mark.parametrize(
    ("rule", "count", "first", "last"),
    [  # RFC 5545 section 3.8.5.3, the examples and the instances listed below them
        ("RRULE:FREQ=DAILY;COUNT=10", 10, "1997-09-02", "1997-09-11"),
        ("RRULE:FREQ=DAILY;UNTIL=19971224T000000Z", 113, "1997-09-02", "1997-12-23"),
        ("RRULE:FREQ=DAILY;INTERVAL=10;COUNT=5", 5, "1997-09-02", "1997-10-12"),
        ("RRULE:FREQ=WEEKLY;COUNT=10", 10, "1997-09-02", "1997-11-04"),
        ("RRULE:FREQ=WEEKLY;UNTIL=19971007T000000Z;WKST=SU;BYDAY=TU,TH", 10, "1997-09-02", "1997-10-02"),
        ("RRULE:FREQ=MONTHLY;COUNT=10;BYMONTHDAY=2,15", 10, "1997-09-02", "1998-01-15"),
        ("RRULE:FREQ=YEARLY;INTERVAL=2;COUNT=10;BYMONTH=1,2,3", 0, "", ""),
    ],
)
def test_repetitions_are_those_that_the_standard_lists(rule: str, count: int, first: str, last: str) -> None:
    found = days(AT_NINE + rule)
    assert len(found) == count
    if count:
        assert (found[0], found[-1]) == (first, last)


def test_an_exception_date_takes_one_instance_away() -> None:
    found = days(AT_NINE + "RRULE:FREQ=DAILY;COUNT=4\nEXDATE;TZID=America/New_York:19970903T090000,19970904T090000")
    assert found == ["1997-09-02", "1997-09-05"]


def test_an_added_date_counts() -> None:
    assert days(AT_NINE + "RDATE;TZID=America/New_York:19970910T090000") == ["1997-09-02", "1997-09-10"]


def test_a_changed_instance_replaces_the_one_that_it_names() -> None:
    moved = "UID:1\nRECURRENCE-ID;TZID=America/New_York:19970903T090000\nDTSTART:19970920T120000Z\nDURATION:PT1H"
    assert days(AT_NINE + "RRULE:FREQ=DAILY;COUNT=3", moved) == ["1997-09-02", "1997-09-04", "1997-09-20"]


def test_a_cancelled_event_is_none() -> None:
    found = read(file("UID:1\nDTSTART:20260101T100000Z\nDURATION:PT1H\nSTATUS:CANCELLED"), PARIS, BEGIN, END)
    assert found.days == {}


def test_a_whole_day_is_a_whole_day_and_its_end_is_not_in_it() -> None:
    found = read(
        file("UID:1\nSUMMARY:Noël\nDTSTART;VALUE=DATE:20261219\nDTEND;VALUE=DATE:20270104"),
        PARIS,
        date(2026, 9, 1),
        date(2027, 8, 31),
    )
    assert (min(found.days), max(found.days), len(found.days)) == (date(2026, 12, 19), date(2027, 1, 3), 16)
    assert set(found.days.values()) == {((0, 1440),)}
    text = to_yaml(found, date(2027, 8, 31), "x.ics")
    assert '  "2026-12-19/2027-01-03": ["00:00-24:00"]  # Noël\n' in text


def test_hours_keep_to_the_clock_of_the_wall_when_the_clocks_change() -> None:
    weekly = (
        "UID:1\nDTSTART;TZID=Europe/Paris:20261019T180000\nDTEND;TZID=Europe/Paris:20261019T200000\n"
        "RRULE:FREQ=WEEKLY;COUNT=3"
    )
    found = read(file(weekly), PARIS, date(2026, 10, 1), date(2026, 12, 1))
    assert list(found.days.values()) == [((1080, 1200),)] * 3  # 25 October lies between
    in_utc = read(
        file(weekly.replace(";TZID=Europe/Paris", "")), ZoneInfo("Indian/Reunion"), date(2026, 10, 1), date(2026, 12, 1)
    )
    assert set(in_utc.days.values()) == {((1080, 1200),)}  # without a zone it is the schedule's


def test_an_event_over_midnight_has_hours_on_both_days() -> None:
    found = read(
        file("UID:1\nDTSTART:20260620T200000Z\nDTEND:20260621T003000Z"), PARIS, date(2026, 6, 1), date(2026, 7, 1)
    )
    assert found.days == {date(2026, 6, 20): ((1320, 1440),), date(2026, 6, 21): ((0, 150),)}


@pytest.mark.parametrize(
    ("begin", "end", "first", "last"),
    [  # Paris, from midnight to midnight, as a mailbox exports it
        ("20261016T220000Z", "20261101T230000Z", date(2026, 10, 17), date(2026, 11, 1)),
        ("20270326T230000Z", "20270329T220000Z", date(2027, 3, 27), date(2027, 3, 29)),
        ("20261231T230000Z", "20270101T230000Z", date(2027, 1, 1), date(2027, 1, 1)),
        ("20280228T230000Z", "20280229T230000Z", date(2028, 2, 29), date(2028, 2, 29)),
    ],
)
def test_whole_days_that_are_written_in_utc_stay_whole_when_the_clocks_change_between(
    begin: str, end: str, first: date, last: date
) -> None:
    found = read(file(f"UID:1\nDTSTART:{begin}\nDTEND:{end}"), PARIS, date(2026, 1, 1), date(2028, 12, 31))
    assert (min(found.days), max(found.days), len(found.days)) == (first, last, (last - first).days + 1)
    assert set(found.days.values()) == {((0, 1440),)}


@pytest.mark.parametrize(
    ("begin", "end", "hours"),
    [
        ("20261025T000000Z", "20261025T010000Z", (120, 180)),  # 02:00 in summer time to 02:00 in winter time
        ("20261025T010000Z", "20261025T020000Z", (120, 180)),
        ("20261024T230000Z", "20261025T020000Z", (60, 180)),
        ("20260329T000000Z", "20260329T020000Z", (60, 240)),
    ],
)
def test_an_event_in_the_hour_that_comes_twice_or_not_at_all_has_its_hours(
    begin: str, end: str, hours: tuple[int, int]
) -> None:
    found = read(file(f"UID:1\nDTSTART:{begin}\nDTEND:{end}"), PARIS, date(2026, 1, 1), date(2026, 12, 31))
    assert (list(found.days.values()), found.skipped) == ([(hours,)], [])


def test_an_end_in_another_zone_than_the_begin_is_when_it_says() -> None:
    flight = "UID:1\nDTSTART;TZID=Europe/Paris:20261024T230000\nDTEND:20261025T030000Z"
    found = read(file(flight), PARIS, date(2026, 1, 1), date(2026, 12, 31))
    assert found.days == {date(2026, 10, 24): ((1380, 1440),), date(2026, 10, 25): ((0, 240),)}


def test_a_repetition_ends_by_the_clock_of_its_event_wherever_the_schedule_is() -> None:
    daily = "UID:1\nDTSTART:20260706T{0}Z\nDURATION:PT1H\nRRULE:FREQ=DAILY;UNTIL={1}Z"
    july = {"begin": date(2026, 7, 1), "end": date(2026, 7, 31)}
    antilles = days(daily.format("010000", "20260709T010000"), zone=ZoneInfo("America/Martinique"), **july)
    assert antilles == ["2026-07-05", "2026-07-06", "2026-07-07", "2026-07-08"]
    assert days(daily.format("233000", "20260708T220000"), zone=PARIS, **july) == ["2026-07-07", "2026-07-08"]


def test_the_last_day_of_a_schedule_has_an_event_whose_own_clock_is_a_day_ahead() -> None:
    noumea = "UID:1\nDTSTART;TZID=Pacific/Noumea:20260709T050000\nDURATION:PT1H\nRRULE:FREQ=DAILY"
    found = days(noumea, zone=PARIS, begin=date(2026, 7, 1), end=date(2026, 7, 10))
    assert found == ["2026-07-08", "2026-07-09", "2026-07-10"]


def test_a_zone_that_the_file_defines_itself_is_understood() -> None:
    zone = (
        "BEGIN:VTIMEZONE\r\nTZID:Ici\r\nBEGIN:STANDARD\r\nDTSTART:19700101T000000\r\nTZOFFSETFROM:+0400\r\n"
        "TZOFFSETTO:+0400\r\nEND:STANDARD\r\nEND:VTIMEZONE\r\n"
    )
    data = file("UID:1\nDTSTART;TZID=Ici:20260115T120000\nDURATION:PT1H").replace(
        b"BEGIN:VEVENT", zone.encode() + b"BEGIN:VEVENT", 1
    )
    found = read(data, PARIS, date(2026, 1, 1), date(2026, 2, 1))
    assert found.days == {date(2026, 1, 15): ((540, 600),)}


@pytest.mark.parametrize(
    ("event", "said"),
    [
        ("UID:1\nSUMMARY:a", "no DTSTART"),
        ("UID:1\nDTSTART:20260101T100000Z\nDTEND:20260101T090000Z", "ends before"),
        ("UID:1\nDTSTART:20260101T100000Z\nDURATION:PT1H\nRRULE:FREQ=SECONDLY", "SECONDLY"),
        ("UID:1\nDTSTART:00010101T100000Z\nDURATION:PT1H\nRRULE:FREQ=DAILY", "before 1970"),
        ("UID:1\nDTSTART;VALUE=DATE:20260101\nDTEND:20260101T090000Z", "two kinds"),
        ("UID:1\nDTSTART;VALUE=DATE:20260101\nDTEND;VALUE=DATE:20290101", "longer than"),
    ],
)
def test_an_event_that_is_not_understood_is_left_out_with_its_reason_and_the_rest_counts(event: str, said: str) -> None:
    good = "UID:2\nDTSTART:20260701T100000Z\nDURATION:PT1H"
    found = read(file(event, good), PARIS, date(2026, 1, 1), date(2026, 12, 31))
    assert list(found.days) == [date(2026, 7, 1)]
    [(_, why)] = found.skipped
    assert said in why


@pytest.mark.parametrize(
    "data",
    [b"", b"\xff\xfe", b"hello", b"BEGIN:VCALENDAR\r\nEND:VCALENDAR\r\n", b"BEGIN:VEVENT\r\n" * 5000, b"x" * (5 << 20)],
)
def test_what_is_no_calendar_is_refused(data: bytes) -> None:
    with pytest.raises(BadCalendar):
        read(data, PARIS, BEGIN, END)


def test_a_rule_that_never_comes_true_or_always_ends_soon() -> None:
    never = "UID:1\nDTSTART:20260101T100000Z\nDURATION:PT1H\nRRULE:FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30;COUNT=5"
    assert len(read(file(never), PARIS, date(2026, 1, 1), date(2027, 1, 1)).days) <= 1
    flood = "UID:1\nDTSTART:19700101T000000Z\nDURATION:PT1H\nRRULE:FREQ=DAILY"
    with pytest.raises(BadCalendar, match="more than"):
        read(file(flood, *[flood.replace("UID:1", f"UID:{n}") for n in range(2, 9)]), PARIS, BEGIN, date(2027, 1, 1))


LINES = st.sampled_from(
    [
        "DTSTART:20260101T100000Z",
        "DTSTART;VALUE=DATE:20260228",
        "DTSTART;TZID=Nowhere/Land:20260101T100000",
        "DTEND:20260102T100000Z",
        "DURATION:P1DT2H",
        "DURATION:-P1D",
        "RRULE:FREQ=DAILY;COUNT=3",
        "RRULE:FREQ=WEEKLY;BYDAY=MO",
        "RRULE:FREQ=YEARLY;BYMONTH=13",
        "RRULE:COUNT=x",
        "RRULE:FREQ=MONTHLY;BYDAY=-1FR;UNTIL=20260301",
        "EXDATE:20260102T100000Z",
        "EXDATE;VALUE=DATE:20260102",
        "RDATE;VALUE=PERIOD:20260101T100000Z/PT1H",
        "RECURRENCE-ID:20260102T100000Z",
        "SUMMARY:a\\nb # ]",
        "BEGIN:VALARM",
        "END:VALARM",
        "UID:1",
        "STATUS:CANCELLED",
    ]
)


@settings(max_examples=150, deadline=None)
@given(st.one_of(st.lists(st.lists(LINES, max_size=7), max_size=4), st.binary(max_size=200)))
def test_any_file_is_refused_or_gives_hours_that_the_configuration_takes(made: list[list[str]] | bytes) -> None:
    data = made if isinstance(made, bytes) else file(*("\n".join(event) for event in made))
    try:
        found = read(data, PARIS, date(2026, 1, 1), date(2026, 6, 30))
    except BadCalendar:
        return
    findings: list[object] = []
    said = Document(Positions(), findings, set()).read(to_yaml(found, date(2026, 6, 30), "a\nb"), "c.yaml")
    assert findings == []
    calendar = Calendar.model_validate({**said, "days": said["days"] or {}})
    covered = [day for period in calendar.days for day in _all(period)]
    assert sorted(covered) == sorted(found.days)


def _all(period: str) -> list[date]:
    first, _, last = period.partition("/")
    begin, end = datetime.fromisoformat(first).date(), datetime.fromisoformat(last or first).date()
    return [begin + timedelta(days=n) for n in range((end - begin).days + 1)]


def _whole(first: str, after: str, name: str) -> str:
    return f"UID:{name}{first}\nSUMMARY:{name}\nDTSTART;VALUE=DATE:{first}\nDTEND;VALUE=DATE:{after}\n"


def test_the_calendar_of_an_academie_becomes_school_years_and_its_first_days_of_term_do_not() -> None:
    found = read(
        file(
            _whole("20260817", "20260818", "Prérentrée des enseignants"),
            _whole("20261010", "20261026", "Vacances après la 1re période"),
            _whole("20261219", "20270201", "Été austral"),
            _whole("20270703", "20270704", "Début des vacances d'hiver austral"),
            _whole("20271009", "20271025", "Vacances après la 1re période"),
            "UID:r\nSUMMARY:Réunion\nDTSTART:20270105T100000Z\nDTEND:20270105T120000Z\n",
            "UID:m\nSUMMARY:Conseil\nDTSTART:20270505T060000Z\nDTEND:20270505T080000Z\n",
        ),
        ZoneInfo("Indian/Reunion"),
        date(2026, 8, 1),
        date(2027, 12, 31),
    )
    years, left = school_years(found)
    assert years == {
        "2026-2027": {
            "2026-10-10/2026-10-25": "Vacances après la 1re période",
            "2026-12-19/2027-01-31": "Été austral",
            "2027-07-03": "Début des vacances d'hiver austral",
        },
        "2027-2028": {"2027-10-09/2027-10-24": "Vacances après la 1re période"},
    }
    assert left == [
        ("Prérentrée des enseignants", "classes begin, they do not stop"),
        ("Conseil", "not a whole day"),
    ]
    text = school_to_yaml(years, "reunion", "test")
    assert "write its last day behind /" in text
    findings: list[object] = []
    said = Document(Positions(), findings, set()).read(text, "reunion.yaml")
    assert said == {year: {"reunion": periods} for year, periods in years.items()}
    assert findings == []
