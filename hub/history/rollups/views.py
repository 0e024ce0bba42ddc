"""Hours, days and months of a series, from stored rows and from memory."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from hub.core.model import Place, series_id
from hub.history.rollups.calendar import HOUR, Calendar
from hub.history.rollups.counter import UNKNOWN, Dial, Part, Point, Segment, segments, split
from hub.history.rollups.gauge import Stats, fold, merge
from hub.history.rollups.meter_settings import dial_of
from hub.history.rollups.pending import Track
from hub.history.rollups.row_format import Month, get_lives, get_month, get_points, whole
from hub.history.rollups.tables import RollupTables, StoredSeries

Key = tuple[str, str]
"""(place, metric)."""


class Series(NamedTuple):
    """Facts of a series: unit, step, whether it is a counter, and which devices reported for it since when."""

    unit: str
    step: str
    counter: bool
    device_changes: tuple[tuple[int, str], ...]


class Views:
    """Reads aggregates. Every coroutine raises DiskRefuses and StorageError; an unknown series is empty."""

    def __init__(
        self,
        memory: RollupTables,
        life: int,
        *,
        known: Callable[[Key], StoredSeries | None],
        track: Callable[[Key], Track | None],
        place: Callable[[str], Place | None],
        calendar: Callable[[str], Calendar],
        first: Callable[[], int],
    ) -> None:
        self._life = life
        self._tables, self._known, self._track, self._place = memory, known, track, place
        self._calendar, self._first = calendar, first
        self.first_hour = self.last_hour = 0

    def series(self, key: Key) -> Series | None:
        track, known = self._track(key), self._known(key)
        if track is not None:
            return Series(track.unit, track.step, track.counter, tuple(track.device_changes))
        return None if known is None else Series(known.unit, known.step, known.counter, known.device_changes)

    def calendar_of(self, key: Key) -> Calendar:
        place = self._place(key[0])
        return self._calendar(place.site if place else "")

    def dial(self, key: Key) -> Dial:
        series = self.series(key)
        if series is None:
            return Dial()
        return dial_of(self._place(key[0]), key[1], series.step, series.device_changes)

    def first_month(self, key: Key) -> int | None:
        """Return the month of the first hour that the file may have of it, or None."""
        series = self.series(key)
        if series is None or not series.device_changes:
            return None
        return self.calendar_of(key).month(max(series.device_changes[0][0], self._first(), 0))

    async def gauge(self, key: Key, edges: Sequence[int]) -> list[Stats]:
        """Return the statistics of a gauge between each two edges, which are beginnings of hours."""
        hours = await self._gauge_hours(key, edges[0], edges[-1])
        cells: list[list[Stats]] = [[] for _ in edges[1:]]
        at = 0
        for hour in sorted(hours):
            while hour >= edges[at + 1]:
                at += 1
            cells[at].append(hours[hour])
        return [merge(cell) for cell in cells]

    async def counter(self, key: Key, edges: Sequence[int]) -> list[Part]:
        """Return the consumption between each two edges, which are beginnings of hours."""
        return split(await self.segments(key, edges[0], edges[-1]), edges)

    async def segments(self, key: Key, begin: int, end: int) -> list[Segment]:
        """Return the consumption between the readings of an interval, including the nearest readings outside it on both
        sides."""
        return segments(await self.points(key, begin, end), self.dial(key))

    async def points(self, key: Key, begin: int, end: int) -> list[Point]:
        """Return the stored readings of a counter in [begin, end), with the one before and the one after."""
        calendar = self.calendar_of(key)
        found: set[Point] = set()
        for hour, body in (await self._rows(key, begin, end)).items():
            found.update(get_points(hour, body))
        for hour in self._waiting(key, begin, end):
            found.update(self._pending_points(key, hour))
        inside = sorted(found)
        before, after = await self.point_before(key, begin), await self._point_after(key, calendar.hour(end - 1) + HOUR)
        return [*([before] if before else []), *inside, *([after] if after else [])]

    async def known_span(self, key: Key, begin: int, end: int) -> tuple[int, int] | None:
        """Return the first and last second for which a counter's consumption in [begin, end) is known, or None."""
        points = await self.points(key, begin, end)
        return (points[0][0], points[-1][0]) if len(points) > 1 else None

    async def point_before(self, key: Key, begin: int) -> Point | None:
        known, found = self._known(key), []
        if known is not None and begin > self.first_hour > 0:
            row = await self._tables.nearest(known.n, begin - HOUR, self.first_hour)
            found += get_points(*row)[-1:] if row else []
        track = self._track(key)
        earlier = [hour for hour in track.waiting() if hour < begin] if track is not None else []
        if earlier:
            found += sorted(self._pending_points(key, max(earlier)))[-1:]
        return max(found, default=None)

    async def _point_after(self, key: Key, end: int) -> Point | None:
        known, found = self._known(key), []
        if known is not None and end <= self.last_hour:
            row = await self._tables.nearest(known.n, end, self.last_hour)
            found += get_points(*row)[:1] if row else []
        track = self._track(key)
        later = [hour for hour in track.waiting() if hour >= end] if track is not None else []
        if later:
            found += sorted(self._pending_points(key, min(later)))[:1]
        return min(found, default=None)

    async def month(self, key: Key, month: int, frozen: dict[tuple[str, int], bytes]) -> Month | None:
        """Return a frozen month, or compute it."""
        body = frozen.get((series_id(*key), month))
        return get_month(body) if body is not None else await self.compute_month(key, month)

    async def months(self, keys: Sequence[Key]) -> dict[tuple[str, int], bytes]:
        """Return the frozen months of some series."""
        return await self._tables.months({series_id(*key) for key in keys})

    async def compute_month(self, key: Key, month: int) -> Month | None:
        """Compute a month from its hours; None where nothing is known.

        A single reading of a counter, or one at the very edge of the month, says nothing; two equal ones say that
        nothing was used between them.
        """
        series = self.series(key)
        if series is None:
            return None
        calendar = self.calendar_of(key)
        begin, end = calendar.month_start(month), calendar.month_start(month + 1)
        if not series.counter:
            stats = (await self.gauge(key, [begin, end]))[0]
            return Month(series.step, covered=stats.covered, stats=stats) if stats.weight + stats.readings else None
        points = await self.points(key, begin, end)
        parts = segments(points, self.dial(key))
        part = split(parts, [begin, end])[0]
        if not part.amount and not any(one.begin < end and one.end > begin and one.kind != UNKNOWN for one in parts):
            return None
        inside = [point for point in points if begin <= point[0] < end]
        first, last = (inside[0][1], inside[-1][1]) if inside else (0, 0)
        return Month(series.step, part.amount, part.estimated, part.covered, first, last)

    async def _gauge_hours(self, key: Key, begin: int, end: int) -> dict[int, Stats]:
        lives = {hour: get_lives(body) for hour, body in (await self._rows(key, begin, end)).items()}
        track = self._track(key)
        if track is not None:
            for hour in self._waiting(key, begin, end):
                known, late = track.pending(hour)
                parts = lives.setdefault(hour, {})
                if isinstance(known, Stats):
                    parts[-1] = known  # this run's, newer than what it may have written
                    parts.pop(self._life, None)
                if late:
                    parts[-2] = fold(sorted(set(late)), hour, hour + HOUR, track.period())
        return {hour: whole(parts) for hour, parts in lives.items()}

    async def _rows(self, key: Key, begin: int, end: int) -> dict[int, bytes]:
        known = self._known(key)
        first = max(begin, self.first_hour or begin)
        hours = self.calendar_of(key).hours(first, end) if first < end else []
        return await self._tables.read(known.n, hours) if known is not None and hours else {}

    def _waiting(self, key: Key, begin: int, end: int) -> list[int]:
        track = self._track(key)
        return [] if track is None else [hour for hour in track.waiting() if begin <= hour < end]

    def _pending_points(self, key: Key, hour: int) -> list[Point]:
        track = self._track(key)
        known, late = track.pending(hour) if track is not None else (None, [])
        return [*(known if isinstance(known, list) else []), *late]
