"""Programmes: is it one of these hours now, by the clocks of a site? Pure.

An interval is of the day on which it begins; one that ends no later than it begins, ends on the next day. On the days
of the clock change an interval begins and ends when the clocks of the wall say so. Which hours a day has is decided in
this order: exceptions, public holidays, school holidays, weekday.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

import msgspec

from hub.config.calendars.holidays import public_holidays

Interval = tuple[int, int]
"""Minutes of the day."""
Hours = tuple[Interval, ...]

SOON = timedelta(days=30)
"""A calendar that ends sooner is to be renewed."""


class Calendar(msgspec.Struct, frozen=True):
    """Hours of single days; `until`: the last day that it knows of, None: for ever."""

    name: str
    days: Mapping[date, Hours]
    until: date | None = None


class Special(msgspec.Struct, frozen=True):
    """What makes a day another than its weekday. `school` are the days without school."""

    exceptions: Mapping[date, Hours] = {}
    region: str | None = None
    holiday: Hours = ()
    school: Calendar | None = None
    school_hours: Hours = ()
    also: tuple[Calendar, ...] = ()
    never: tuple[Calendar, ...] = ()


class Programme(msgspec.Struct, frozen=True):
    """Intervals by weekday, Monday first."""

    zone: ZoneInfo
    days: tuple[Hours, ...]
    special: Special = Special()

    def active(self, unix_s: float) -> bool:
        """Is this moment in one of its intervals?"""
        local = datetime.fromtimestamp(unix_s, self.zone)
        today, minute = local.date(), local.hour * 60 + local.minute
        before = today - timedelta(days=1)
        special = self.special
        if any(_in(one.days.get(today, ()), one.days.get(before, ()), minute) for one in special.never):
            return False
        if _in(self.hours(today)[0], self.hours(before)[0], minute):
            return True
        return any(_in(one.days.get(today, ()), one.days.get(before, ()), minute) for one in special.also)

    def hours(self, day: date) -> tuple[Hours, str]:
        """The hours of a day, calendars aside, and what made them other than the weekday's: "exception", the name of a
        holiday, or ""."""
        special = self.special
        if day in special.exceptions:
            return special.exceptions[day], "exception"
        if special.region is not None:
            holiday = public_holidays(day.year, special.region).get(day)
            if holiday is not None:
                return special.holiday, holiday
        if special.school is not None and day in special.school.days:
            return special.school_hours, special.school.name
        return self.days[day.weekday()], ""

    def ending(self, unix_s: float) -> list[tuple[str, date]]:
        """Its calendars that end within SOON, or have ended: (name, last day that is known)."""
        today = datetime.fromtimestamp(unix_s, self.zone).date()
        special = self.special
        known = [*([special.school] if special.school else []), *special.also, *special.never]
        return [(one.name, one.until) for one in known if one.until is not None and one.until - today < SOON]


def _in(hours: Hours, before: Hours, minute: int) -> bool:
    """Is this minute in the hours of its day, or in those of the day before that go past midnight?"""
    if any(begin <= minute and (minute < end or end <= begin) for begin, end in hours):
        return True
    return any(end <= begin and minute < end for begin, end in before)
