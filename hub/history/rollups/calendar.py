"""Hours, days and months in a site's time zone. Times are whole Unix seconds. Pure."""

from __future__ import annotations

from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

HOUR = 3600


class Calendar:
    """The calendar of one IANA time zone. Hours begin at minute 0 of local time."""

    def __init__(self, timezone: str) -> None:
        self.timezone = timezone
        self.zone = ZoneInfo(timezone)
        offset = datetime(2026, 1, 1, tzinfo=self.zone).utcoffset() or timedelta()
        self.shift = int(offset.total_seconds()) % HOUR

    def hour(self, time: float) -> int:
        """Return the beginning of the hour that contains `time`."""
        return (int(time) + self.shift) // HOUR * HOUR - self.shift

    def local(self, time: float) -> datetime:
        return datetime.fromtimestamp(time, self.zone)

    def day(self, time: float) -> int:
        """Return the beginning of the day that contains `time`: midnight, or its first moment where a clock change
        skips midnight."""
        return self._day(self.local(time))

    def next_day(self, day: int) -> int:
        """Return the beginning of the day after the one that begins at `day`: 23, 24 or 25 hours later."""
        return self._day(self.local(day).replace(hour=12) + timedelta(days=1))

    def days(self, begin: float, end: float) -> list[int]:
        """Return the beginnings of all days that have a second in [begin, end)."""
        found, day = [], self.day(begin)
        while day < end:
            found.append(day)
            day = self.next_day(day)
        return found

    def month(self, time: float) -> int:
        """Return year × 12 + month − 1."""
        at = self.local(time)
        return at.year * 12 + at.month - 1

    def month_start(self, month: int) -> int:
        return self._day(datetime(month // 12, month % 12 + 1, 1, 12, tzinfo=self.zone))

    def months(self, begin: float, end: float) -> list[int]:
        """Return the beginnings of all months that have a second in [begin, end)."""
        if end <= begin:
            return []
        return [self.month_start(n) for n in range(self.month(begin), self.month(end - 1) + 1)]

    def hours(self, begin: float, end: float) -> list[int]:
        """Return the beginnings of all hours that have a second in [begin, end)."""
        return list(range(self.hour(begin), int(end) if end == int(end) else int(end) + 1, HOUR))

    def _day(self, at: datetime) -> int:
        midnight = at.replace(hour=0, minute=0, second=0, microsecond=0, fold=0)
        return self.hour(midnight.timestamp() + HOUR / 2)  # a day without midnight begins with its first hour


def month_name(month: int) -> str:
    """Format a month number: `2026-03`."""
    return f"{month // 12:04d}-{month % 12 + 1:02d}"
