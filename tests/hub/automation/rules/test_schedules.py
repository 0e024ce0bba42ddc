"""Which hours a day has: exceptions, then holidays, then weekdays; calendars that add and take away; what is ending."""

from __future__ import annotations

from datetime import date, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from hub.automation.rules.compiler import compile_programme
from hub.automation.rules.schedules import Programme
from hub.config.load import Models, load
from hub.core.errors import ConfigError

PARIS = ZoneInfo("Europe/Paris")
SCHOOL = """\
calendars:
  hall: {until: "2027-06-30", days: {2027-01-09: ["14:00-18:00"], 2027-01-16: ["20:00-02:00"]}}
  closed: {days: {2027-03-08/2027-03-12: ["00:00-24:00"]}}
schedules:
  school:
    weekly: {mon-fri: ["08:00-18:00"]}
    public_holidays: {region: alsace-moselle}
    school_holidays: {zone: B, hours: ["09:00-12:00"]}
    exceptions: {2027-05-06: ["10:00-11:00"], 2027-06-14/2027-06-15: []}
    also_during: [hall]
    not_during: [closed]
"""


def programme(tmp_path: Path, text: str = SCHOOL) -> Programme:
    file = tmp_path / "config.yaml"
    file.write_text(text)
    core = load(file, Models()).config
    return compile_programme(core.schedules["school"], core)


def at(text: str) -> float:
    return datetime.fromisoformat(text).replace(tzinfo=PARIS).timestamp()


@pytest.mark.parametrize(
    ("moment", "active"),
    [
        ("2027-01-11T08:00", True), ("2027-01-11T17:59", True), ("2027-01-11T18:00", False),  # a Monday
        ("2027-01-10T10:00", False),  # a Sunday
        ("2027-02-22T10:00", True), ("2027-02-22T14:00", False),  # winter holidays of zone B
        ("2027-02-15T14:00", True),  # … which are zone A's
        ("2027-03-29T10:00", False),  # Easter Monday
        ("2027-03-26T10:00", False),  # Good Friday: Alsace-Moselle
        ("2027-05-06T10:30", True), ("2027-05-06T14:00", False),  # Ascension, but for the exception
        ("2027-06-14T10:00", False), ("2027-06-15T10:00", False), ("2027-06-16T10:00", True),
        ("2027-01-09T15:00", True), ("2027-01-09T13:00", False),  # a Saturday: the hall is let
        ("2027-01-17T01:59", True), ("2027-01-17T02:00", False),  # … until late
        ("2027-03-09T10:00", False),  # closed
    ],
)  # fmt: skip
def test_a_day_has_the_hours_of_what_knows_it_best(tmp_path: Path, moment: str, active: bool) -> None:
    assert programme(tmp_path).active(at(moment)) is active


@pytest.mark.parametrize(("more", "zone"), [("", "Pacific/Noumea"), ("    site: paris\n", "Europe/Paris")])
def test_hours_are_those_of_the_hubs_site_where_the_schedule_names_none(tmp_path: Path, more: str, zone: str) -> None:
    text = "hub: {site: here}\nsites: {here: {timezone: Pacific/Noumea}, paris: {}}\n" + SCHOOL + more
    opening = datetime(2027, 1, 11, 8, 0, tzinfo=ZoneInfo(zone)).timestamp()  # a Monday
    assert [programme(tmp_path, text).active(opening + s) for s in (-1, 0)] == [False, True]


def test_why_a_day_is_other_than_its_weekday_is_told(tmp_path: Path) -> None:
    made = programme(tmp_path)
    assert made.hours(date(2027, 3, 29)) == ((), "Lundi de Pâques")
    assert made.hours(date(2027, 2, 22)) == (((540, 720),), "school holidays, zone B")
    assert made.hours(date(2027, 5, 6)) == (((600, 660),), "exception")
    assert made.hours(date(2027, 1, 11)) == (((480, 1080),), "")


def test_a_calendar_that_ends_soon_is_told_thirty_days_before(tmp_path: Path) -> None:
    made = programme(tmp_path)
    assert made.ending(at("2027-05-30T12:00")) == []
    assert made.ending(at("2027-06-10T12:00")) == [("calendar hall", date(2027, 6, 30))]
    assert ("school holidays, zone B", date(2027, 8, 31)) in made.ending(at("2027-09-10T12:00"))


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("    also_during: [hal]", "there is no calendar 'hal'"),
        (
            "    school_holidays: {zone: corse}",
            "Corse orders its own school holidays and none are shipped; there are A, B, C",
        ),
        ("    school_holidays: {zone: La Réunion}", "`ilot schedule import FILE --school reunion`"),
        ("    school_holidays: {zone: D}", "no school year has a zone 'D'; there are A, B, C"),
        ("    public_holidays: {region: texas}", "expected metropole, alsace-moselle"),
        ("    exceptions: {2027-02-30: []}", "expected a date"),
        ("    exceptions: {2027-02-20/2027-02-10: []}", "a period ends"),
    ],
)
def test_a_schedule_that_cannot_be_followed_is_refused_with_its_line(tmp_path: Path, line: str, said: str) -> None:
    file = tmp_path / "config.yaml"
    file.write_text(f'schedules:\n  school:\n    weekly: {{mon: ["08:00-09:00"]}}\n{line}\n')
    with pytest.raises(ConfigError) as caught:
        load(file, Models())
    assert [problem.line for problem in caught.value.problems] == [4]
    assert said in caught.value.problems[0].message


def test_a_year_that_the_configuration_adds_counts(tmp_path: Path) -> None:
    more = (
        SCHOOL.replace("zone: B", "zone: reunion")
        + "school_years: {2026-2027: {reunion: {2027-01-04/2027-01-20: Été}}}\n"
    )
    made = programme(tmp_path, more)
    assert made.active(at("2027-01-11T14:00")) is False
    assert made.active(at("2027-01-11T10:00")) is True
