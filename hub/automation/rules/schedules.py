"""Weekly programmes in a site's local time, with holidays, calendars and exceptions. Pure.

An interval belongs to the day on which it begins; one whose end is not after its start ends on the next day. On days of
a clock change intervals follow the local wall clock. The hours of a day are decided in this order: exceptions, public
holidays, school holidays, weekday.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

import msgspec

from hub.config.calendars.holidays import public_holidays

Interval = tuple[int, int]
"""Start and end, in minutes of the day."""
Hours = tuple[Interval, ...]

SOON = timedelta(days=30)
"""A calendar that ends within this time is reported as due for renewal."""


class Calendar(msgspec.Struct, frozen=True):
    """Hours of single days; `until` is the last day known, None: for ever."""

    name: str
    days: Mapping[date, Hours]
    until: date | None = None


class SpecialDays(msgspec.Struct, frozen=True):
    """Deviations from the weekly hours. `school` holds the days without school."""

    exceptions: Mapping[date, Hours] = {}
    region: str | None = None
    holiday: Hours = ()
    school: Calendar | None = None
    school_hours: Hours = ()
    also: tuple[Calendar, ...] = ()
    never: tuple[Calendar, ...] = ()


class Programme(msgspec.Struct, frozen=True):
    """Intervals by weekday, Monday first, in one time zone."""

    zone: ZoneInfo
    days: tuple[Hours, ...]
    special: SpecialDays = SpecialDays()

    def active(self, unix_s: float) -> bool:
        """Return whether a moment lies in one of the intervals."""
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
        """Return the hours of a day without calendars, and why they differ from the weekday's: "exception", a holiday's
        name, or ""."""
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
        """Return (name, last known day) of calendars that have ended or end within SOON."""
        today = datetime.fromtimestamp(unix_s, self.zone).date()
        special = self.special
        known = [*([special.school] if special.school else []), *special.also, *special.never]
        return [(one.name, one.until) for one in known if one.until is not None and one.until - today < SOON]


def _in(hours: Hours, before: Hours, minute: int) -> bool:
    """Return whether a minute lies in the hours of its day, or in hours of the day before that run past midnight."""
    if any(begin <= minute and (minute < end or end <= begin) for begin, end in hours):
        return True
    return any(end <= begin and minute < end for begin, end in before)
