"""Intervals of aggregates: minutes and hours, and the days and months of a time zone's civil calendar. Pure.

Times are Unix ms. An hour begins at minute 0 of local time, a day at midnight: it lasts 23 or 25 hours where the clock
is changed, and begins with its first moment where a change leaves midnight out.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Literal, get_args
from zoneinfo import ZoneInfo

from hub.core.errors import DecodeError
from hub.core.text import phrase

Step = Literal["minute", "hour", "day", "month"]
STEPS: tuple[Step, ...] = get_args(Step)
DEFAULT_ZONE = "Europe/Paris"
MAX_TIME = 253_339_228_800_000
"""Intervals begin before this, in the year 9998, so that each date that follows can be written."""
MINUTE_MS, HOUR_MS = 60_000, 3_600_000
_MAX_ZONE = 64


class Intervals:
    """Intervals of one length: a step of STEPS, in the civil time of an IANA zone. Raises DecodeError for a zone that
    is not known here."""

    def __init__(self, step: Step, zone: str = DEFAULT_ZONE) -> None:
        self.step, self.zone = step, _zone(zone)
        standard = datetime(2026, 1, 1, tzinfo=self.zone).utcoffset() or timedelta()
        self._shift = standard // timedelta(milliseconds=1) % HOUR_MS

    def begin(self, time_ms: int) -> int:
        """Return the beginning of the interval that contains a moment."""
        if self.step == "minute":
            return time_ms // MINUTE_MS * MINUTE_MS
        if self.step == "hour":
            return (time_ms + self._shift) // HOUR_MS * HOUR_MS - self._shift
        day = self._local(time_ms)
        return self.start(day if self.step == "day" else day.replace(day=1))

    def after(self, begin_ms: int) -> int:
        """Return the beginning of the interval after the one that begins at `begin_ms`."""
        if self.step == "minute":
            return begin_ms + MINUTE_MS
        if self.step == "hour":
            return begin_ms + HOUR_MS
        day = self._local(begin_ms)
        if self.step == "day":
            return self.start(day + timedelta(days=1))
        return self.start((day.replace(day=1) + timedelta(days=32)).replace(day=1))

    def _local(self, time_ms: int) -> date:
        return datetime.fromtimestamp(time_ms // 1000, UTC).astimezone(self.zone).date()

    def start(self, day: date) -> int:
        """Return the first moment of a day: of a midnight that is left out, Python takes the moment of the change."""
        return int(datetime(day.year, day.month, day.day, tzinfo=self.zone).timestamp()) * 1000


def _zone(name: str) -> ZoneInfo:
    try:
        if len(name) <= _MAX_ZONE:
            return ZoneInfo(name)
    except (KeyError, ValueError, OSError):  # OSError: a directory of zones
        pass
    raise DecodeError(
        "bad-query",
        phrase("query-zone-unknown", "there is no time zone {zone!r}; one is Europe/Paris", zone=name[:_MAX_ZONE]),
    )
