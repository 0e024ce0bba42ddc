"""The hub's views of hours and months, over what `collect` stored in the city's database."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from typing import cast

from backend.storage.city import energy as tables
from backend.storage.city.database import CityDatabase
from backend.storage.city.energy import Followed
from hub.core.model import Place, series_id
from hub.history.rollups.calendar import HOUR, Calendar
from hub.history.rollups.row_format import get_month, put_month
from hub.history.rollups.tables import RollupTables, StoredSeries
from hub.history.rollups.views import Key, Views

KEPT = 2000
"""Months of hours that are held in memory, about 10 KB each."""
SILENCE_H = 24 * 400
"""Hours within which the reading before or after an interval is looked for."""


class StoredHours:
    """What `Views` asks of the hub's own tables, out of the city's. One thread."""

    def __init__(self, database: CityDatabase, calendar: Calendar, numbers: Mapping[str, int]) -> None:
        """`numbers`: id of a series among the hub's, place and metric, → its number."""
        self._database, self._calendar, self._numbers = database, calendar, numbers
        self._hours: OrderedDict[tuple[int, int], dict[int, bytes]] = OrderedDict()
        self._with_hours: dict[int, list[int]] = {}

    async def read(self, n: int, hours: Sequence[int]) -> dict[int, bytes]:
        found: dict[int, bytes] = {}
        for month in self._among(n, self._calendar.month(hours[0]), self._calendar.month(hours[-1])):
            rows = self._month(n, month)
            found |= {hour: body for hour, body in rows.items() if hours[0] <= hour <= hours[-1]}
        return found

    async def nearest(self, n: int, hour: int, end: int) -> tuple[int, bytes] | None:
        """Return the row at an hour or the nearest one towards `end`, within SILENCE_H."""
        forward = end >= hour
        end = min(end, hour + SILENCE_H * HOUR) if forward else max(end, hour - SILENCE_H * HOUR)
        low, high = min(hour, end), max(hour, end)
        months = self._among(n, self._calendar.month(low), self._calendar.month(high))
        for month in months if forward else reversed(months):
            rows = self._month(n, month)
            inside = [one for one in rows if low <= one <= high]
            if inside:
                chosen = min(inside) if forward else max(inside)
                return chosen, rows[chosen]
        return None

    async def months(self, names: set[str]) -> dict[tuple[str, int], bytes]:
        found: dict[tuple[str, int], bytes] = {}
        with self._database.snapshot() as r:
            for name in names:
                if name in self._numbers:
                    found |= {(name, month): body for month, body in tables.months(r, self._numbers[name]).items()}
        return found

    def _among(self, n: int, first: int, last: int) -> list[int]:
        """Return the months of a series that have hours."""
        if n not in self._with_hours:
            with self._database.snapshot() as r:
                self._with_hours[n] = tables.months_with_hours(r, n)
        return [month for month in self._with_hours[n] if first <= month <= last]

    def _month(self, n: int, month: int) -> dict[int, bytes]:
        found = self._hours.get((n, month))
        if found is None:
            with self._database.snapshot() as r:
                found = tables.hours(r, n, month)
            self._hours[n, month] = found
            while len(self._hours) > KEPT:
                self._hours.popitem(last=False)
        return found


class StoredAggregates:
    """What `hub.energy.figures.Survey` reads: `views`, and the keys of all series."""

    def __init__(
        self,
        database: CityDatabase,
        calendar: Calendar,
        known: Mapping[Key, Followed],
        place: Callable[[str], Place | None],
    ) -> None:
        self.series = sorted(known)
        self.numbers = {series_id(*key): one.n for key, one in known.items()}
        stored = {
            key: StoredSeries(
                n=one.n, place=key[0], metric=key[1], unit=one.unit, step=one.step, counter=one.counter,
                device_changes=one.changes,
            )
            for key, one in known.items()
        }  # fmt: skip
        self.views = Views(
            cast(RollupTables, StoredHours(database, calendar, self.numbers)),
            0,
            known=stored.get,
            track=lambda key: None,
            place=place,
            calendar=lambda site: calendar,
            first=lambda: 0,
        )
        with database.snapshot() as r:
            bounds = tables.bounds(r)
        if bounds is not None:
            self.views.first_hour = calendar.month_start(bounds[0])
            self.views.last_hour = calendar.month_start(bounds[1] + 1)


async def frozen(aggregates: StoredAggregates, key: Key, month: int) -> bytes | None:
    """Compute a month that is over; None where nothing is known of it."""
    found = await aggregates.views.compute_month(key, month)
    if found is None:
        return None
    body = put_month(found)
    assert get_month(body) == found  # noqa: S101 - both are ours
    return body
