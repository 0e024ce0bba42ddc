"""Weekly programmes: is it one of these hours now, by the clocks of a site? Pure.

An interval is of the day on which it begins; one that ends no later than it begins, ends on the next day. On the days
of the clock change an interval begins and ends when the clocks of the wall say so.
"""

from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo

import msgspec

Interval = tuple[int, int]
"""Minutes of the day."""


class Programme(msgspec.Struct, frozen=True):
    """Intervals by weekday, Monday first."""

    zone: ZoneInfo
    days: tuple[tuple[Interval, ...], ...]

    def active(self, unix_s: float) -> bool:
        """Is this moment in one of its intervals?"""
        local = datetime.fromtimestamp(unix_s, self.zone)
        minute, today = local.hour * 60 + local.minute, local.weekday()
        for begin, end in self.days[today]:
            if begin <= minute and (minute < end or end <= begin):
                return True
        return any(end <= begin and minute < end for begin, end in self.days[today - 1])
