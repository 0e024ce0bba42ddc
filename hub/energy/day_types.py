"""Holidays and exceptional days of a meter's schedule. Pure.

Public holidays are those of the schedule's region, by default of all of France; school holidays those of its zone, as
far as their years are known; `exceptions` are days excluded by hand: the schedule's exceptions, and days that a
calendar of its `not_during` closes from 00:00 to 24:00. Other hours of the schedule do not matter here.
"""

from __future__ import annotations

from datetime import date, timedelta
from typing import NamedTuple

from hub.config.calendars.holidays import public_holidays
from hub.config.calendars.schools import Holidays, holidays
from hub.config.model import Core
from hub.config.parts.schedules import dates_of

SOON = timedelta(days=30)
_WHOLE = "00:00-24:00"


class Almanac(NamedTuple):
    """The days of one schedule. `zone` is that of the school holidays or ""; `name` the schedule's, "" where the meter
    has none."""

    name: str = ""
    region: str = "metropole"
    zone: str = ""
    school: Holidays = Holidays({}, None)
    exceptions: frozenset[date] = frozenset()

    def public(self, day: date) -> bool:
        return day in public_holidays(day.year, self.region)

    def away(self, day: date) -> bool | None:
        """Return whether the day is in school holidays, None if its school year is unknown."""
        if not self.zone:
            return False
        return day in self.school.days if self.school.knows(day) else None

    def ending(self, today: date) -> date | None:
        """Return the last known day of school holidays where it is near or past, else None."""
        until = self.school.until
        return until if self.zone and until is not None and until - today < SOON else None

    def known(self, first: int, last: int) -> str:
        """Return a fingerprint of the rules for the days from `first` to `last` (ordinals); a change means another
        classification."""
        if not self.name:
            return ""
        ends = "".join(str(self.school.knows(date.fromordinal(day))) for day in (first, last)) if self.zone else ""
        return f"{self.region} {self.zone} {ends}"


def almanac_of(core: Core, schedule: str) -> Almanac:
    """Return the almanac of one of the core's schedules; for "" the public holidays of all of France."""
    written = core.schedules.get(schedule)
    if written is None:
        return Almanac()
    closed = [core.calendars[name].days for name in written.not_during if name in core.calendars]
    apart = [*written.exceptions, *(period for days in closed for period, hours in days.items() if _WHOLE in hours)]
    public, school = written.public_holidays, written.school_holidays
    return Almanac(
        name=schedule,
        region="metropole" if public is None else public.region,
        zone="" if school is None else school.zone,
        school=Holidays({}, None) if school is None else holidays(school.zone, core.school_years),
        exceptions=frozenset(day for period in apart for day in dates_of(period)),
    )
