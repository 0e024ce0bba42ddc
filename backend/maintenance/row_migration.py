"""Migration of a database of a former release, which has a row for each reading, into chunks.

Hub by hub, and some hours of it at once: reports are put together again from the rows of one origin, divided over
buckets as a compactor does, and written in the very transaction that deletes their rows. It may be killed at any
moment: what is left are the rows that are in no chunk yet.

A value that its series' resolution does not give exactly, since that was another when it came, keeps a column of its
own with a finer one: no value changes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

from backend.readings.bucketing import HOUR_MS, Buckets
from backend.readings.chunks.rows import CARRIED, ORIGIN_BITS, POSITION, RSSI, ChunkRow
from backend.readings.stored_bodies import Orders, Parts
from backend.storage.chunks import Changes, SeriesLine
from backend.storage.former_rows import FormerRow, FormerRows, Window
from backend.storage.opening import open_former_rows
from hub.core.model import Position, Value
from hub.protocol.records.dictionary import Refused, Scale
from hub.protocol.records.rows import Column, Shape, Subject

MOST_ROWS = 1 << 17
"""Rows that are moved at once, about: an hour of one hub is taken whole."""
MOST_HOURS = 24 * 31
FINER = ("0.001", "0.000001", "0.000000001", "0.000000000001", "1000000", "100000000")
"""Resolutions that are tried for a value that its own does not give."""
_PLACES = {column.metric for column in POSITION}


class Moved(NamedTuple):
    """How far the migration is: share of all, and rows so far."""

    share: float
    rows: int


Told = Callable[[Moved], None]


def move_rows_of(database: Path, told: Told, *, rehearse: bool = False) -> int:
    """Move all rows in the file of a database, where there are any; return how many. Raises StorageError."""
    if not database.exists():
        return 0
    former = open_former_rows(database, rehearse=rehearse)
    try:
        return move_rows(former, told, rehearse=rehearse)
    finally:
        former.close()


def move_rows(former: FormerRows, told: Told, *, rehearse: bool = False) -> int:
    """Move all rows into chunks; return how many. Raises StorageError."""
    hubs = former.hubs()
    moved = 0
    for at, hub in enumerate(hubs):
        boots = former.boots(hub)
        for boot_at, boot in enumerate(boots):
            mover = _Mover(former, hub, boot, rehearse=rehearse)
            while (rows := mover.step()) is not None:
                moved += rows
                told(Moved((at + (boot_at + mover.share) / len(boots)) / len(hubs), moved))
    former.finish()
    return moved


class _Mover:
    """Moves the dated rows of a hub, or those of one boot of it."""

    def __init__(self, former: FormerRows, hub: str, boot: bytes, *, rehearse: bool) -> None:
        self._former, self._hub, self._boot, self._rehearse = former, hub, boot, rehearse
        self._hours, self._after = 1, -(1 << 62)
        self._begin: int | None = None
        self._reports = _Reports(former.series(hub))
        self._parts = Parts()
        self.share = 0.0

    def step(self) -> int | None:
        """Move the next hours; return how many rows, None when nothing is left."""
        first = self._former.first(self._hub, self._boot, self._after)
        if first is None:
            return None
        begin = first // HOUR_MS * HOUR_MS
        window = Window(self._boot, begin, begin + self._hours * HOUR_MS)
        with self._former.piece():
            rows = self._former.rows(self._hub, window, -1 if self._hours == 1 else MOST_ROWS * 2)
            if self._hours > 1 and len(rows) >= MOST_ROWS * 2:
                self._hours = max(1, self._hours // 4)
                return 0
            self._former.move(self._hub, window, self._changes(window, rows))
        if len(rows) < MOST_ROWS // 2:
            self._hours = min(self._hours * 2, MOST_HOURS)
        self._after = window.last_ms
        self._tell(begin)
        return len(rows)

    def _tell(self, begin: int) -> None:
        if self._begin is None:
            self._begin = begin
        last = self._former.last(self._hub, self._boot) if self._former.first(self._hub, self._boot, begin) else 0
        span = last - self._begin
        self.share = min(1.0, (self._after - self._begin) / span) if span > 0 else 1.0

    def _changes(self, window: Window, rows: list[FormerRow]) -> Changes:
        seen = self._former.seen(self._hub)
        buckets = Buckets(seen, Orders(seen.jobs(), seen.clocks()), self._parts)
        newest = max((row.origin for row in rows), default=0) >> ORIGIN_BITS
        buckets.add_chunk(window.boot, self._former.arrived(newest), self._reports.of(rows))
        changes = Changes(put=[chunk._replace(loose=False) for chunk in buckets.chunks()])
        changes.series = [self._reports.listed(line) for line in buckets.series()]
        return changes


class _Reports:
    """Puts the reports of one hub together from its rows."""

    def __init__(self, series: dict[int, SeriesLine]) -> None:
        self._series = series
        self._lines = {line.name: line for line in series.values()}
        self._subjects: dict[int, Subject] = {}
        self._known: dict[tuple[str, ...], Subject] = {}
        self._columns: dict[tuple[int, str, str], Column] = {}
        self._shapes: dict[tuple[Column, ...], Shape] = {}
        self._scales: dict[str, Scale | None] = {}

    def of(self, rows: Sequence[FormerRow]) -> list[ChunkRow]:
        """Return the reports of these rows."""
        reports: dict[tuple[int, int, Subject], list[FormerRow]] = {}
        for row in rows:
            if row.series in self._series:
                reports.setdefault((row.origin, row.time_ms, self._subject(row.series)), []).append(row)
        return [self._report(*key, sorted(parts)) for key, parts in reports.items()]

    def listed(self, line: SeriesLine) -> SeriesLine:
        """Return a series as it was listed, but for the days and classes that are known now."""
        known = self._lines.get(line.name)
        return line if known is None else known._replace(day=line.day, classes=line.classes)

    def _subject(self, number: int) -> Subject:
        known = self._subjects.get(number)
        if known is None:
            line = self._series[number]
            about = line.name.device, line.name.place, line.site, line.zone, line.model, line.integration
            known = self._subjects[number] = self._known.setdefault(about, Subject(*about))
        return known

    def _report(self, origin: int, time_ms: int, subject: Subject, parts: list[FormerRow]) -> ChunkRow:
        found: dict[str, tuple[Column, Value]] = {}
        for part in parts:
            column, value = self._cell(part)
            found[column.metric] = column, value
        rssi, position = self._carried(found)
        if not found:  # all that is known of it is what it carried
            found = {RSSI.metric: (RSSI, rssi)} if rssi is not None else {}
            rssi = None
        columns = tuple(column for column, _ in found.values())
        shape = self._shapes.get(columns) or self._shapes.setdefault(columns, Shape(columns))
        values = tuple(value for _, value in found.values())
        flags = parts[0].flags
        return ChunkRow(subject, shape, time_ms, origin, values, flags & 15, flags >> 4, rssi, position)

    def _carried(self, found: dict[str, tuple[Column, Value]]) -> tuple[int | None, Position | None]:
        """Take out of a report what it carried under a name of its own, since its device measures something of the same
        name. What it carried under the plain name stays a column: it is read alike."""
        carried = [metric for metric in found if metric.startswith(CARRIED)]
        if not carried:
            return None, None
        rssi = found.pop(CARRIED + RSSI.metric, None)
        position = None
        if any(metric.removeprefix(CARRIED) in _PLACES for metric in carried):
            where = [found.pop(CARRIED + column.metric, None) or found.pop(column.metric, None) for column in POSITION]
            latitude, longitude, accuracy, altitude = (None if one is None else float(one[1]) for one in where)
            if latitude is not None and longitude is not None:
                position = Position(latitude=latitude, longitude=longitude, accuracy=accuracy, altitude=altitude)
        return (None if rssi is None else int(rssi[1])), position

    def _cell(self, row: FormerRow) -> tuple[Column, Value]:
        """Return a value with the column that gives it exactly."""
        kind, value = self._series[row.series].kind, row.value
        if isinstance(value, str):
            return self._column(row.series, "text", ""), value
        if kind == "flag" and value in (0, 1):
            return self._column(row.series, "flag", ""), bool(value)
        for resolution in (self._series[row.series].resolution, *FINER):
            if self._gives(resolution, value):
                return self._column(row.series, "number", resolution), value
        return self._column(row.series, "text", ""), repr(value)

    def _column(self, number: int, kind: str, resolution: str) -> Column:
        known = self._columns.get((number, kind, resolution))
        if known is None:
            line = self._series[number]
            known = self._columns[number, kind, resolution] = Column(
                line.name.metric, line.unit, resolution or line.resolution, kind, line.device_class, line.state_class,
                line.privacy,
            )  # fmt: skip
        return known

    def _gives(self, resolution: str, value: int | float) -> bool:
        """Return whether whole steps of a resolution give a value. SQLite kept one beyond 64 bit as a double."""
        if resolution not in self._scales:
            try:
                self._scales[resolution] = Scale(resolution)
            except Refused:
                self._scales[resolution] = None
        scale = self._scales[resolution]
        if scale is None:
            return False
        item = round(value * scale.up / scale.down)
        return -(1 << 63) < item < 1 << 63 and float(scale.values([item])[0]) == value
