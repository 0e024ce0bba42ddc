"""Readings of feeds, as those of hubs are read. Blocking; any thread."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager

from backend.queries.series_history import StoredReading
from backend.storage.city import open_api as tables
from backend.storage.city.database import Reader
from backend.storage.queries import SeriesLine
from hub.protocol.records.rows import Column, Subject

PREFIX = "feed:"
"""Beginning of the hub under which a feed's things are; no hub is called so."""
STEP = "0.000001"
"""Step in which figures of intervals are computed."""
_PAGE = 2000
_OF_FEED = Subject("feed", "feed")
_NUMBER = Column("value", resolution=STEP)

Snapshots = Callable[[], AbstractContextManager[Reader]]


class FeedHistory:
    """Readings of a feed's series, as those of a hub's are read."""

    def __init__(self, snapshot: Snapshots, series: int, column: Column = _NUMBER) -> None:
        self._snapshot, self._series, self._column = snapshot, series, column

    def between(self, start: int, end: int) -> Iterator[StoredReading]:
        """Yield the readings with start ≤ time < end (Unix ms), by time."""
        while True:
            page = self._page(start, end, newest_first=False)
            yield from page
            if len(page) < _PAGE:
                return
            start = page[-1].time_ms + 1

    def backwards(self, start: int, end: int) -> Iterator[StoredReading]:
        """Yield the readings with start ≤ time < end (Unix ms), the newest first."""
        while True:
            page = self._page(start, end, newest_first=True)
            yield from page
            if len(page) < _PAGE:
                return
            end = page[-1].time_ms

    def count(self, start: int, end: int) -> int:
        with self._snapshot() as reader:
            return tables.count_feed(reader, self._series, start, end)

    def _page(self, start: int, end: int, *, newest_first: bool) -> list[StoredReading]:
        with self._snapshot() as reader:
            rows = tables.feed_readings(reader, self._series, start, end, _PAGE, newest_first=newest_first)
        return [StoredReading(at, 0, value, 0, 0, _OF_FEED, self._column) for at, value in rows]


class FeedSeries:
    """Series of feeds, for questions that ask for series of hubs too; see `backend.queries.range_queries.Elsewhere`."""

    def __init__(self, snapshot: Snapshots) -> None:
        self._snapshot = snapshot

    def line(self, series: str) -> SeriesLine | None:
        """Return what is known of a series; None where it is no feed's."""
        found = self._found(series)
        return None if found is None else found[1]

    def histories(self, line: SeriesLine) -> list[FeedHistory] | None:
        """Return the readings of a series; None where it is no feed's."""
        found = self._found(f"{line.hub}/{line.place}/{line.metric}")
        if found is None:
            return None
        column = Column(line.metric, line.unit, STEP, line.kind, line.device_class, line.state_class, line.privacy)
        return [FeedHistory(self._snapshot, found[0], column)]

    def _found(self, series: str) -> tuple[int, SeriesLine] | None:
        if not series.startswith(PREFIX):
            return None
        hub, _, rest = series.partition("/")
        place, _, metric = rest.rpartition("/")
        with self._snapshot() as reader:
            row = tables.feed_line(reader, hub, series)
        if row is None:
            return None
        return row.id, SeriesLine(
            hub, place, metric, row.unit, STEP, row.kind, row.device_class, row.state_class, row.privacy, row.site,
            row.zone, [place],
        )  # fmt: skip
