"""Times of the open API: RFC 3339 text and Unix milliseconds. Pure."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta, timezone
from functools import lru_cache

from hub.core.errors import DecodeError
from hub.core.text import phrase

FIRST_MS, LAST_MS = -62_135_596_800_000, 253_402_300_799_999
"""Years 1 … 9999."""
_EPOCH = date(1970, 1, 1).toordinal()
MOMENT = r"\d{4}-\d\d-\d\dT\d\d:\d\d(?::\d\d(?:[.,]\d{1,9})?)?(?:Z|z|[+\- ]\d\d:?\d\d)?"
_MOMENT = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)T(\d\d):(\d\d)(?::(\d\d)(?:[.,](\d{1,9}))?)?(?:(Z|z)|([+\- ])(\d\d):?(\d\d))?$"
)


def time_text(time_ms: int | None) -> str | None:
    """Return a moment as `2027-01-31T08:00:00.000Z`; None of None and of years that no calendar has."""
    if time_ms is None or not FIRST_MS <= time_ms <= LAST_MS:
        return None
    seconds, ms = divmod(time_ms, 1000)
    day, second = divmod(seconds, 86_400)
    minute, second = divmod(second, 60)
    return f"{_day(day)}T{minute // 60:02d}:{minute % 60:02d}:{second:02d}.{ms:03d}Z"


@lru_cache(4096)
def _day(day: int) -> str:
    """Return the date of a day since 1970."""
    return date.fromordinal(day + _EPOCH).isoformat()


def parse_time(text: str) -> int:
    """Return the Unix microseconds of a moment with its offset. A space stands for the `+` that a query string loses.
    Raises DecodeError."""
    found = _MOMENT.match(text)
    if found:
        year, month, day, hour, minute, second, part, zulu, sign, hours, minutes = found.groups()
        if zulu or sign:
            offset = timedelta(hours=int(hours), minutes=int(minutes)) if sign else timedelta()
            try:
                zone = timezone(-offset if sign == "-" else offset)
                # a leap second is the last one of its minute: POSIX has no other
                at = datetime(int(year), int(month), int(day), int(hour), int(minute), min(int(second or 0), 59))
                since = at.replace(tzinfo=zone) - datetime(1970, 1, 1, tzinfo=UTC)
            except (ValueError, OverflowError):
                pass
            else:
                if int(second or 0) <= 60:
                    return (since // timedelta(microseconds=1)) + int((part or "0").ljust(6, "0")[:6])
    raise DecodeError(
        "bad-query",
        phrase(
            "open-time-wrong",
            "{text} is no moment: write it with its offset, as 2027-01-31T08:00:00Z or 2027-01-31T09:00:00%2B01:00",
            text=text[:64],
        ),
    )
