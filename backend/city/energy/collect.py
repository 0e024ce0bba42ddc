"""Reads the stored readings of meters and outdoor temperatures into hours, and computes the months that are over.

Each series is read from where it was left, and LATE_S before that: what a hub delivers later than that is not in hours
that were computed, until the series is read anew. An hour holds what `hub.history.rollups.recorder` writes of it: of a
counter the readings at the ends of each run that rises, of a gauge its time-weighted mean. So the figures are those
that the hub itself has. Blocking.
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from backend.city.energy.hours import StoredAggregates, frozen
from backend.queries.range_queries import find_series
from backend.queries.series_history import SeriesHistory, StoredReading
from backend.storage.city import energy as tables
from backend.storage.city.database import CityDatabase
from backend.storage.city.energy import Followed
from backend.storage.queries import Queries
from hub.core.model import Quality
from hub.history.rollups.calendar import HOUR, Calendar
from hub.history.rollups.counter import collapse
from hub.history.rollups.gauge import HOLD_S, fold
from hub.history.rollups.row_format import put_lives, put_points

YEARS = 5
LATE_S = 8 * 86_400
"""Hubs keep what was not acknowledged for a week and more; it comes in the first days after they return."""
COUNTER = "total_increasing"
LIFE = 1


class Read(NamedTuple):
    """Readings taken from a series, and the months whose hours changed."""

    readings: int
    months: list[int]


def read_series(queries: Queries, database: CityDatabase, series: str, calendar: Calendar, now: float) -> Read:
    """Bring the hours of a series up to date, a month at a time, out of one snapshot. Raises NotFound, StorageError."""
    known = _followed(queries, database, series)
    first = calendar.month_start(calendar.month(now) - 12 * YEARS)
    begin = max(first, known.through_ms // 1000 - LATE_S)
    touched, count = [], 0
    with queries.snapshot() as snapshot:
        line = find_series(snapshot, series)
        seen = snapshot.hub(line.hub)
        histories = [SeriesHistory(seen, device, line.metric, line.place) for device in line.devices]
        for month in range(calendar.month(begin), calendar.month(now) + 1):
            start, end = calendar.month_start(month), calendar.month_start(month + 1)
            span = max(start, begin), min(end, int(now) + 1)
            known, some = _read_month(histories, database, known, month, span, calendar)
            if some:
                touched.append(month)
                count += some
    known = known._replace(through_ms=int(now * 1000))
    with database.transaction() as t:
        tables.put_followed(t, known)
    return Read(count, touched)


def _followed(queries: Queries, database: CityDatabase, series: str) -> Followed:
    """Return how far a series was read; one whose unit or step is another one now begins anew."""
    with queries.snapshot() as now:
        line = find_series(now, series)
    counter = line.state_class == COUNTER
    with database.transaction() as t:
        known = tables.followed(t).get(series)
        if known is not None and (known.unit, known.step, known.counter) != (line.unit, line.resolution, counter):
            tables.forget_series(t, known.n)
            known = None
        if known is None:
            known = Followed(tables.next_series(t), series, line.unit, line.resolution, counter, (), 0)
            tables.put_followed(t, known)
    return known


def _read_month(
    histories: Sequence[SeriesHistory],
    database: CityDatabase,
    known: Followed,
    month: int,
    span: tuple[int, int],
    calendar: Calendar,
) -> tuple[Followed, int]:
    """Read a part of a month; return what is known of the series then, and how many readings there were."""
    begin, end = calendar.hour(span[0]), span[1]
    before = 0 if known.counter else HOLD_S
    readings = [
        one
        for history in histories
        for one in history.between((begin - before) * 1000, end * 1000)
        if one.quality < Quality.BAD
    ]
    if not readings:
        return known, 0
    step = float(known.step)
    points = sorted(
        {(one.time_ms // 1000, round(float(one.value) / step)) for one in readings if not isinstance(one.value, str)}
    )
    changes = _changes(known.changes, readings) if known.counter else known.changes
    cuts = [at for at, _ in changes[1:]]
    rows: dict[int, bytes] = {}
    if known.counter:
        for hour, some in itertools.groupby(points, lambda one: calendar.hour(one[0])):
            rows[hour] = put_points(hour, collapse(some, cuts))
    else:
        for hour in calendar.hours(begin, end):
            near = [one for one in points if hour - HOLD_S <= one[0] < hour + HOUR]
            stats = fold(near, hour, hour + HOUR)
            if stats.weight:
                rows[hour] = put_lives({LIFE: stats})
    known = known._replace(changes=changes)
    with database.transaction() as t:
        stored = {hour: body for hour, body in tables.hours(t, known.n, month).items() if not begin <= hour < end}
        tables.put_hours(t, known.n, month, stored | rows)
        tables.put_followed(t, known)
    return known, len(points)


def _changes(before: tuple[tuple[int, str], ...], readings: list[StoredReading]) -> tuple[tuple[int, str], ...]:
    """Return from which second which device reported at a place: its first reading, in order."""
    first = {device: at for at, device in before}
    for one in readings:
        at, device = one.time_ms // 1000, one.subject.device
        first[device] = min(at, first.get(device, at))
    return tuple(sorted((at, device) for device, at in first.items()))


def freeze_months(
    database: CityDatabase,
    aggregates: StoredAggregates,
    key: tuple[str, str],
    one: Followed,
    changed: Iterable[int],
    calendar: Calendar,
    now: float,
) -> int:
    """Compute the months of a series that are over: those that changed, and the one after each, whose first hour may
    have been waiting for a reading before it. Return how many."""
    this, count = calendar.month(now), 0
    for month in sorted({at + more for at in changed for more in (0, 1)}):
        if month < this:
            body = asyncio.run(frozen(aggregates, key, month))
            with database.transaction() as t:
                tables.put_month(t, one.n, month, body)
            count += 1
    return count
