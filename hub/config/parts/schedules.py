"""Sections `schedules:`, `calendars:` and `school_years:`: hours at which rules watch. Pure.

A day's hours are those of the first that defines it: `exceptions`, `public_holidays`, `school_holidays`, `weekly`.
`also_during` adds hours, `not_during` removes them.
"""

from __future__ import annotations

import re
from datetime import date, timedelta
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, model_validator

from hub.config.field_types import Empty, Id, Section, readable
from hub.core.text import phrase

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
LONGEST_PERIOD = 400
"""Maximum days of a period."""

_DAYS = re.compile(rf"({'|'.join(DAYS)})(?:-({'|'.join(DAYS)}))?")
_HOURS = re.compile(r"([01][0-9]|2[0-4]):([0-5][0-9])-([01][0-9]|2[0-4]):([0-5][0-9])")
_YEAR = re.compile(r"(20[0-9]{2})-(20[0-9]{2})")


def days_of(text: str) -> tuple[int, ...]:
    """Parse `mon-fri` into 0 … 4. Raises ValueError with a sentence."""
    found = _DAYS.fullmatch(text)
    if found is None:
        raise ValueError(phrase("days-of-wrong-form", "expected days like mon, sat-sun or mon-fri"))
    first = DAYS.index(found[1])
    last = DAYS.index(found[2]) if found[2] else first
    return tuple((first + step) % 7 for step in range((last - first) % 7 + 1))


def hours_of(text: str) -> tuple[int, int]:
    """Parse `22:00-06:00` into minutes of the day (1320, 360); an end not after its beginning is on the next day.
    Raises ValueError with a sentence."""
    found = _HOURS.fullmatch(text)
    if found is None:
        raise ValueError(
            phrase("hours-of-wrong-form", "expected hours like 08:00-12:30; 22:00-06:00 ends on the next day")
        )
    begin, end = int(found[1]) * 60 + int(found[2]), int(found[3]) * 60 + int(found[4])
    if max(begin, end) > 1440 or begin in (1440, end):
        raise ValueError(
            phrase("hours-out-of-day", "hours run from 00:00 to 24:00, and end at another minute than they begin")
        )
    return begin, end


def day_of(text: str) -> date:
    """Parse `2026-12-24`. Raises ValueError with a sentence."""
    try:
        if not re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", text):
            raise ValueError(text)
        return date.fromisoformat(text)
    except ValueError:
        raise ValueError(
            phrase("date-of-wrong-form", "expected a date like 2026-12-24, not {given!r}", given=text[:20])
        ) from None


def period_of(text: str) -> tuple[date, date]:
    """Parse `2026-12-19/2027-01-03` into its first and last day; a date alone is a period of one day. Raises ValueError
    with a sentence."""
    first, slash, last = text.partition("/")
    begin = day_of(first)
    end = day_of(last) if slash else begin
    if not 0 <= (end - begin).days < LONGEST_PERIOD:
        raise ValueError(
            phrase(
                "period-out-of-bounds",
                "a period ends on the day it begins or later, and has {days} days at the most",
                days=LONGEST_PERIOD,
            )
        )
    return begin, end


def dates_of(text: str) -> list[date]:
    """Return all days of a period."""
    begin, end = period_of(text)
    return [begin + timedelta(days=step) for step in range((end - begin).days + 1)]


def _year(text: str) -> str:
    found = _YEAR.fullmatch(text)
    if found is None or int(found[2]) != int(found[1]) + 1:
        raise ValueError(phrase("school-year-of-wrong-form", "expected a school year like 2026-2027"))
    return text


Days = Annotated[str, readable(days_of)]
Hours = Annotated[str, readable(hours_of)]
Day = Annotated[str, readable(day_of)]
Period = Annotated[str, readable(period_of)]
SchoolYear = Annotated[str, AfterValidator(_year)]
OfADay = Annotated[list[Hours], Field(max_length=24)]
Region = Literal[
    "metropole",
    "alsace-moselle",
    "guadeloupe",
    "martinique",
    "guyane",
    "reunion",
    "mayotte",
    "saint-barthelemy",
    "saint-martin",
    "saint-pierre-et-miquelon",
    "nouvelle-caledonie",
    "wallis-et-futuna",
]
"""`hub.config.calendars.holidays.REGIONS`."""


class PublicHolidays(Section):
    """The hours of French public holidays, which the hub computes."""

    region: Region = Field(default="metropole", description="Whose holidays: some regions have more than others.")
    hours: OfADay = Field(default=[], description="Hours of such a day, in place of its weekday's; by default none.")


class SchoolHolidays(Section):
    """The hours of days in school holidays."""

    zone: str = Field(
        max_length=40, description="A, B or C, or another zone that `school_years` has. Ask the académie which."
    )
    hours: OfADay = Field(default=[], description="Hours of such a day, in place of its weekday's; by default none.")


class Calendar(Section):
    """Days with hours, one by one: as `ilot schedule import` makes them of an ICS file, or written by hand."""

    until: Day | None = Field(
        default=None, description="Until which day it is complete; `ilot status` says when that comes near."
    )
    days: dict[Period, Annotated[list[Hours], Field(min_length=1, max_length=48)]] = Field(
        max_length=5000,
        description='Hours by date or period: {2026-12-24: ["08:00-12:00"]}; a whole day is 00:00-24:00.',
    )


class Schedule(Section):
    """A programme of hours, in a site's time."""

    site: Id | None = Field(
        default=None, description="The site whose time zone it follows: an id of `sites`. Without it, the hub's."
    )
    weekly: Annotated[dict[Days, OfADay], Empty] = Field(
        default={},
        description='Hours by days: {mon-fri: ["08:00-18:00"]}; 22:00-06:00 ends on the next day.',
    )
    public_holidays: PublicHolidays | None = Field(
        default=None, description="Other hours on French public holidays; without it they are days like others."
    )
    school_holidays: SchoolHolidays | None = Field(
        default=None, description="Other hours in school holidays; without it they are days like others."
    )
    exceptions: Annotated[dict[Period, OfADay], Empty] = Field(
        default={},
        max_length=1000,
        description="Hours of single days or periods, before all else: {2026-12-24: [], 2027-05-10/2027-05-14: "
        '["08:00-12:00"]}.',
    )
    also_during: list[Id] = Field(
        default=[], max_length=20, description="Its hours too: ids of `calendars`, the bookings of a hall for instance."
    )
    not_during: list[Id] = Field(
        default=[], max_length=20, description="Never during these: ids of `calendars`, closures for instance."
    )

    @model_validator(mode="after")
    def _has_hours(self) -> Schedule:
        if not self.weekly and not self.also_during:
            raise ValueError(
                phrase("schedule-without-hours", "say its hours: `weekly`, or a calendar in `also_during`")
            )
        return self


SchoolYears = dict[SchoolYear, dict[Annotated[str, Field(max_length=40)], dict[Period, str]]]
"""School year → zone → period without school (first and last such day) → its name."""
