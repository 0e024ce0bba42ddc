"""Readings of many series in a range of time, raw or rolled up, a page at a time. Blocking; any thread.

All of a page is of one snapshot. A page ends when it has as many rows as were asked for, or when its time is over: what
has been read until then is returned with the place where the next page begins, so that no question is too long, only
slow. Times are Unix ms.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from heapq import merge
from operator import attrgetter
from typing import NamedTuple, Protocol

from backend.queries.intervals import Intervals
from backend.queries.range_rollups import LOOK_BACK_MS, IntervalRollups, Told
from backend.queries.series_history import SeriesHistory, StoredReading
from backend.queries.views import NotFound
from backend.readings.chunks.rollups import COUNTER
from backend.storage.chunks import HubSnapshot
from backend.storage.queries import SeriesLine
from backend.storage.reading_rules import newest_limit
from hub.core.errors import NotReady
from hub.core.text import phrase

PAGE_S = 10.0
"""Seconds of reading after which a page ends."""
LONGEST_S = 4 * PAGE_S
"""Seconds after which one that has no row yet is given up."""
_WINDOW_MS = 31 * 86_400_000
"""Chunks of so much time are listed at once."""
_LOOK = 256
"""Readings between two looks at the clock."""
_in_order = attrgetter("time_ms", "origin")


class RangeQuery(NamedTuple):
    """A question for the readings of some series with start ≤ time < end; rolled up where there are intervals, which
    are then taken whole: the first one contains `start`, the last one the moment before `end`."""

    series: tuple[str, ...]
    start: int
    end: int
    intervals: Intervals | None
    limit: int


class Place(NamedTuple):
    """Where a page begins: a series of the question, and a moment; of raw readings, those of this moment whose (origin,
    device) is not greater were told already."""

    series: int = 0
    time_ms: int | None = None
    origin: int = -1
    device: str = ""


class RangeRow(NamedTuple):
    """A row of a page: of which series of the question, and a reading or what is told of an interval."""

    series: int
    told: StoredReading | Told


class Page(NamedTuple):
    """A page, the lines of the series in the order of the question, and where the next page begins; None after the
    last."""

    rows: list[RangeRow]
    series: list[SeriesLine]
    next: Place | None


class RangeSnapshot(Protocol):
    """What of a `backend.storage.queries.Snapshot` is needed here."""

    def series(
        self, hub: str = "", place: str = "", metric: str = "", *, after: tuple[str, str, str], limit: int
    ) -> list[SeriesLine]: ...

    def hub(self, hub: str) -> HubSnapshot: ...


class RangeSource(Protocol):
    def snapshot(self) -> AbstractContextManager[RangeSnapshot]: ...


class History(Protocol):
    """Readings of a series or of one device of it."""

    def between(self, start: int, end: int) -> Iterator[StoredReading]:
        """Yield the readings with start ≤ time < end, by time."""


class Elsewhere(Protocol):
    """Series that no hub delivered. Both methods return None for any other."""

    def line(self, series: str) -> SeriesLine | None: ...

    def histories(self, line: SeriesLine) -> Sequence[History] | None: ...


class Ranges:
    """Answers to questions for ranges, out of one database, and of series that are stored elsewhere."""

    def __init__(
        self, source: RangeSource, clock: Callable[[], float] = time.monotonic, elsewhere: Elsewhere | None = None
    ) -> None:
        self._source, self._clock, self._elsewhere = source, clock, elsewhere

    def page(self, query: RangeQuery, place: Place) -> Page:
        """Return the page that begins at a place. Raises NotFound for a series that there is not, NotReady when nothing
        was told in LONGEST_S, StorageError."""
        watch = _Watch(self._clock)
        rows: list[RangeRow] = []
        at = place.series
        with self._source.snapshot() as now:
            lines = [self._line(now, series) for series in query.series]
            try:
                for at in range(place.series, len(lines)):
                    watch.moved = watch.moved or at > place.series
                    here = place if at == place.series else Place(at)
                    for one in _rows(self._histories(now, lines[at]), lines[at], query, here, watch):
                        if len(rows) == query.limit:
                            return Page(rows, lines, _after(rows[-1]))
                        rows.append(RangeRow(at, one))
                        watch.moved = True
            except _OutOfTime:
                if watch.moved:
                    return Page(rows, lines, _after(rows[-1]) if rows and rows[-1].series == at else Place(at))
                raise NotReady(
                    phrase(
                        "range-too-slow",
                        "nothing could be told within {seconds:g} s: ask for a shorter step or fewer series",
                        seconds=LONGEST_S,
                    )
                ) from None
        return Page(rows, lines, None)

    def _line(self, now: RangeSnapshot, series: str) -> SeriesLine:
        found = None if self._elsewhere is None else self._elsewhere.line(series)
        return find_series(now, series) if found is None else found

    def _histories(self, now: RangeSnapshot, line: SeriesLine) -> Sequence[History]:
        found = None if self._elsewhere is None else self._elsewhere.histories(line)
        return _of_hub(now.hub(line.hub), line) if found is None else found

    def latest(self, series: Sequence[str], wall: float) -> list[tuple[SeriesLine, StoredReading | None]]:
        """Return the newest reading of each series; one that is dated ahead of `wall` (Unix s) only where there is no
        other. Raises NotFound, StorageError."""
        found = []
        with self._source.snapshot() as now:
            for name in series:
                line = find_series(now, name)
                found.append((line, newest(now.hub(line.hub), line, wall)))
        return found


class _OutOfTime(Exception):
    """The time of a page is over."""


class _Watch:
    """Time of a page. `moved`: there is something to tell, so that the page may end."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock, self._began, self.moved = clock, clock(), False

    def look(self) -> None:
        """Raise _OutOfTime when it is over."""
        if self._clock() - self._began > (PAGE_S if self.moved else LONGEST_S):
            raise _OutOfTime

    def over(self, readings: Iterable[StoredReading]) -> Iterator[StoredReading]:
        """Yield readings while there is time."""
        for count, one in enumerate(readings):
            if count % _LOOK == 0:
                self.look()
            yield one


def _rows(
    histories: Sequence[History], line: SeriesLine, query: RangeQuery, place: Place, watch: _Watch
) -> Iterator[StoredReading | Told]:
    """Yield the rows of a series from a place on. Raises _OutOfTime."""
    start = query.start if place.time_ms is None else place.time_ms
    if query.intervals is None:
        told = start, place.origin, place.device
        for one in _between(histories, start, query.end, watch):
            if place.time_ms is None or _whole_order(one) > told:
                yield one
        return
    start = query.intervals.begin(start)
    end = query.intervals.after(query.intervals.begin(query.end - 1))
    rollups = IntervalRollups(query.intervals)
    if line.state_class == COUNTER:
        rollups.look_back(_between(histories, start - LOOK_BACK_MS, start, watch))
    yield from rollups.of(_between(histories, start, end, watch))


def newest(seen: HubSnapshot, line: SeriesLine, wall: float) -> StoredReading | None:
    """Return the newest reading of a series, of a hub's snapshot."""
    limit = newest_limit(wall)
    histories = _of_hub(seen, line)
    for before in (limit + 1, 1 << 62):
        found = [one for one in (history.latest(before) for history in histories) if one is not None]
        if found:
            return max(found, key=_in_order)
    return None


def split(series: str) -> tuple[str, str, str]:
    """Return hub, place and metric of a series id."""
    hub, _, rest = series.partition("/")
    place, _, metric = rest.rpartition("/")
    return hub, place, metric


def find_series(now: RangeSnapshot, series: str) -> SeriesLine:
    hub, place, metric = split(series)
    if hub and place and metric:
        for line in now.series(hub, place, metric, after=("", "", ""), limit=1):
            return line
    raise NotFound(phrase("no-such-series", "there is no series {series}", series=series[:200]))


def _of_hub(seen: HubSnapshot, line: SeriesLine) -> list[SeriesHistory]:
    return [SeriesHistory(seen, device, line.metric, line.place) for device in line.devices]


def _between(histories: Sequence[History], start: int, end: int, watch: _Watch) -> Iterator[StoredReading]:
    """Yield the readings of a series by time, origin and device."""
    while start < end:
        watch.look()
        until = min(end, start + _WINDOW_MS)
        of = [history.between(start, until) for history in histories]
        yield from watch.over(of[0] if len(of) == 1 else merge(*of, key=_whole_order))
        start = until


def _whole_order(one: StoredReading) -> tuple[int, int, str]:
    return one.time_ms, one.origin, one.subject.device


def _after(row: RangeRow) -> Place:
    told = row.told
    if isinstance(told, StoredReading):
        return Place(row.series, told.time_ms, told.origin, told.subject.device)
    return Place(row.series, told.rollup.begin_ms + told.rollup.width_ms)
