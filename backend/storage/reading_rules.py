"""Rules that hold in every database: privacy classes, how long they are kept, and which times are believed. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from hub.core.errors import DecodeError
from hub.core.text import phrase
from hub.protocol.records.opening import ClockMark
from hub.protocol.records.rows import Row

PERSONAL = "personal"
CLASSES = (PERSONAL, "environment", "technical")
"""Privacy classes of readings."""
DEFAULT_DAYS = {
    PERSONAL: 396, "environment": 0, "technical": 0, "alerts": 396, "alarms": 396, "forks": 396, "quarantine": 396,
    "callbacks": 396, "questions": 90, "witnesses": 1827,
}  # fmt: skip
"""Days that each class of `backend.readings.retention` is kept, unless the owner sets others; 0: for ever."""

AHEAD_S = 120.0
"""A reading may be dated this many seconds ahead of this machine's clock, and be the newest. A hub allows its devices
as much."""
EXACT_MS = 1000
"""Readings dated by a clock with a greater uncertainty are marked uncertain."""
MAX_TIME = 2**53
"""Times are non-negative ms below this, so that sums stay far from 64 bit and JSON keeps them exact."""


def newest_limit(now: float) -> int:
    """Return the Unix ms up to which a reading may be the newest, before any that is dated later; `now` in seconds."""
    return int((now + AHEAD_S) * 1000)


def check_times(rows: Sequence[Row]) -> None:
    """Raise DecodeError when a report's time is out of range."""
    times = [row[2] for row in rows]
    if times and not (min(times) >= 0 and max(times) < MAX_TIME):
        raise DecodeError(
            "bad-time", phrase("report-date-out-of-range", "a report is dated before 1970 or after the year 287396")
        )


def check_mark(mark: ClockMark) -> None:
    """Raise DecodeError when a CLOCK record is out of range."""
    if not (abs(mark.wall_minus_monotonic_ms) < MAX_TIME and 0 <= mark.error_ms < MAX_TIME):
        raise DecodeError(
            "bad-clock",
            phrase("clock-difference-out-of-range", "the difference or error of a clock is beyond any clock's"),
        )
