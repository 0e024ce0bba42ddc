"""Cells of time. Those of minutes and of an hour begin at multiples of their length since 1970. Days, weeks (from
Monday) and months are those of a zone's civil calendar: a day has 23 or 25 hours twice a year. Pure.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple, Self

from backend.queries.intervals import Intervals

HOUR_S, DAY_S = 3600, 86_400
WEEK_S, MONTH_S = 7 * DAY_S, 30 * DAY_S
"""Nominal lengths: real ones are those of the calendar."""
CELLS = (300, 900, HOUR_S, DAY_S, WEEK_S, MONTH_S)
"""Lengths that a data set may have, s."""


class Calendar(NamedTuple):
    """Cells of one length in one zone. `cell_s`: one of CELLS; `zone`: a name of the IANA time zone database. Moments
    are Unix seconds. Each function raises DecodeError for a zone that is not known here."""

    cell_s: int
    zone: str

    @classmethod
    def of(cls, about: Mapping[str, Any]) -> Self:
        """Return the calendar of a data set, from what the public sees of it."""
        return cls(int(about["cell_s"]), str(about["zone"]))

    def begin(self, at: float) -> float:
        """Return the start of the cell that a moment lies in."""
        if self.cell_s < DAY_S:
            return float(math.floor(at / self.cell_s) * self.cell_s)
        start = self._intervals.begin(math.floor(at * 1000))
        if self.cell_s == WEEK_S:
            day = self._local(start / 1000).date()
            start = self._intervals.start(day - timedelta(days=day.weekday()))
        return start / 1000

    def end(self, start: float) -> float:
        """Return the end of the cell that begins at `start`, which is the start of the next one."""
        if self.cell_s < DAY_S:
            return start + self.cell_s
        end = round(start * 1000)
        for _ in range(7 if self.cell_s == WEEK_S else 1):
            end = self._intervals.after(end)
        return end / 1000

    def first(self, since: float) -> float:
        """Return the start of the first cell that lies wholly after a moment."""
        start = self.begin(since)
        return start if start == since else self.end(start)

    def starts(self, begin: float, until: float, most: int) -> list[float]:
        """Return the starts of the cells from `begin`, the start of one, that are over at `until`; `most` at most."""
        found: list[float] = []
        while len(found) < most and (end := self.end(begin)) <= until:
            found.append(begin)
            begin = end
        return found

    def last(self, until: float, count: int) -> list[float]:
        """Return the starts of the last `count` cells that are over at `until`."""
        found: list[float] = []
        end = self.begin(until)
        while len(found) < count:
            end = self.begin(end - 1)
            found.append(end)
        return found[::-1]

    # files hold a month of cells

    def month(self, at: float) -> str:
        """Return the month of a moment, as `YYYY-MM`."""
        return self._local(at).strftime("%Y-%m")

    def months(self, starts: Iterable[float]) -> list[str]:
        """Return the months that cells begin in, in order."""
        return sorted({self.month(start) for start in starts})

    def months_between(self, first: float, last: float) -> list[str]:
        """Return the months from one moment to another."""
        found = [self.month(first)]
        while found[-1] < self.month(last):
            found.append(self.month(self.month_span(found[-1])[1]))
        return found

    def month_span(self, month: str) -> tuple[float, float]:
        """Return begin and end of a month. Raises ValueError."""
        months = Intervals("month", self.zone)
        begin = months.start(datetime.strptime(month, "%Y-%m").date())
        return begin / 1000, months.after(begin) / 1000

    def text(self, at: float) -> str:
        """Return a moment as ISO 8601 with the offset of the zone: `2026-10-25T00:00:00+02:00`."""
        return self._local(at).isoformat(timespec="seconds")

    @property
    def _intervals(self) -> Intervals:
        return Intervals("month" if self.cell_s == MONTH_S else "day", self.zone)

    def _local(self, at: float) -> datetime:
        return datetime.fromtimestamp(at, UTC).astimezone(self._intervals.zone)
