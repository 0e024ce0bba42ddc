"""Rows of readings: series numbers, bulk insertion, latest values, and times for readings that came without one.

The rows of a commit are sorted by (series, time) before they are inserted, so that each leaf of the B-tree is visited
once.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from operator import itemgetter
from typing import Any

import apsw
import msgspec

from hub.core.errors import DecodeError
from hub.core.model import Position
from hub.core.text import phrase
from hub.protocol.records.opening import ClockMark
from hub.protocol.records.rows import Column, Row, Shape, Subject

ORIGIN_BITS = 12
"""A block holds at most 4,096 readings, so a report's position in it needs 12 bits."""
MAX_PENDING = 262_144
"""Rows held in memory before they are handed to SQLite, still inside the transaction."""

MAX_CACHED = 100_000
"""Numbers of series, of reports' shapes and of boots that are cached in memory."""
PERSONAL = "personal"
CLASSES = (PERSONAL, "environment", "technical")

AHEAD_S = 120.0
"""A reading may be dated this many seconds ahead of this machine's clock, and be the newest. A hub allows its devices
as much."""
EXACT_MS = 1000
"""Readings dated by a clock with a greater uncertainty are marked uncertain."""

MAX_TIME = 2**53
"""Times are non-negative ms below this, so that sums stay far from 64 bit and JSON keeps them exact."""

_I64_MAX = 2**63 - 1
_place_in_tree = itemgetter(0, 1, 2)
CARRIED = "report."
"""Before the name of what a report carries, where its device has a metric of that name: no metric has a point."""
_RSSI = Column(metric="rssi", unit="dB[mW]", device_class="signal_strength", state_class="measurement")
_POSITION = (
    Column(metric="latitude", unit="deg", resolution="0.0000001", privacy="personal"),
    Column(metric="longitude", unit="deg", resolution="0.0000001", privacy="personal"),
    Column(metric="position_accuracy", unit="m", resolution="0.01", privacy="personal"),
    Column(metric="altitude", unit="m", resolution="0.01", privacy="personal"),
)

_INSERT = "insert or ignore into readings values (?, ?, ?, ?, ?)"
_INSERT_UNDATED = "insert or ignore into undated values (?, ?, ?, ?, ?, ?)"
_NEWER = (
    "set time = excluded.time, value = excluded.value, flags = excluded.flags"
    " where case when latest.time > {limit} then excluded.time <= {limit} or excluded.time >= latest.time"
    " else excluded.time between latest.time and {limit} end"
)
"""A date ahead of this machine's clock gives way to any that is not: else it would be the newest for years."""
_LATEST = f"insert into latest values (?1, ?2, ?3, ?4) on conflict (series) do update {_NEWER.format(limit='?5')}"  # noqa: S608
_FLAGS = "case when flags & 15 = 0 then flags | ?2 else flags end"
_DATED = (
    f"insert or ignore into readings select series, mono + ?1, origin, value, {_FLAGS} from undated where boot = ?3"  # noqa: S608
    " order by series, mono, origin"
)
_NEWEST_DATED = (
    f"insert into latest select * from (select series, mono + ?1, value, {_FLAGS} from undated"  # noqa: S608
    " where boot = ?3 and series = ?4 order by mono + ?1 > ?5, mono desc, origin desc limit 1) where true"
    f" on conflict (series) do update {_NEWER.format(limit='?5')}"
)
_NEWEST = (
    "insert or ignore into latest select series, time, value, flags from readings"
    " where series = ? and time <= ? order by time desc limit 1"
)
_SERIES = (
    "insert into series (hub, place, metric, device, unit, resolution, kind, device_class, state_class, privacy, site,"
    " zone, model, integration) values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
    " on conflict (hub, place, metric, device) do update set unit = excluded.unit, resolution = excluded.resolution,"
    " kind = excluded.kind, device_class = excluded.device_class, state_class = excluded.state_class,"
    " site = excluded.site, zone = excluded.zone, model = excluded.model, integration = excluded.integration,"
    " privacy = case series.privacy when 'personal' then 'personal' else excluded.privacy end returning id"
)
"""A series that was personal once stays so as a whole: its readings are not told apart by when they came."""

Reading = tuple[int, int, int, Any, int]
"""(series, time in ms, origin, value, flags)"""


class Readings:
    """Collector of rows for the current transaction. One thread."""

    def __init__(self, connection: apsw.Connection) -> None:
        self._db = connection
        self._pending: list[Reading] = []
        self._undated: list[tuple[int, int, int, int, Any, int]] = []
        self._series: dict[tuple[str, Subject, Column], int] = {}
        self._columns: dict[tuple[Subject, Shape], tuple[int, ...]] = {}
        self._named: dict[tuple[str, Subject, Column], bool] = {}
        self._boots: dict[tuple[str, bytes], tuple[int, int | None, bool]] = {}

    def add(self, hub: str, record: int, boot: bytes, rows: Sequence[Row]) -> None:
        """Add the rows of one block, checked by `check_times`. `boot` is empty when they carry UTC."""
        number, offset, inexact = self._boot(hub, boot) if boot else (0, 0, False)
        pending: list[Reading] = self._pending if offset is not None else []
        shift = offset or 0
        origin = record << ORIGIN_BITS
        append = pending.append
        last_subject: Subject | None = None
        last_shape: Shape | None = None
        ids: tuple[int, ...] = ()
        for subject, shape, time_ms, _, values, quality, trust, rssi, position in rows:
            if subject is not last_subject or shape is not last_shape:
                last_subject, last_shape = subject, shape
                ids = self._columns.get((subject, shape)) or self._number(hub, subject, shape)
            at = time_ms + shift
            flags = (quality or inexact) | trust << 4
            for series, value in zip(ids, values, strict=True):
                append((series, at, origin, value, flags))
            if rssi is not None:
                append((self._carried(hub, subject, _RSSI), at, origin, rssi, flags))
            if position is not None:
                self._place(hub, subject, position, (at, origin, flags), pending)
            origin += 1
        if offset is None:
            self._undated += [(number, *reading) for reading in pending]
        if len(self._pending) + len(self._undated) > MAX_PENDING:
            self.flush()

    def offset(self, hub: str, boot: bytes) -> int | None:
        """Return the offset from a boot's monotonic ms to Unix ms, 0 for rows in UTC; None while it is unknown."""
        return self._boot(hub, boot)[1] if boot else 0

    def flush(self) -> None:
        """Hand the pending rows to SQLite, inside the caller's transaction."""
        if self._pending:
            self._insert(sorted(self._pending, key=_place_in_tree))
            self._pending.clear()
        if self._undated:
            self._many(_INSERT_UNDATED, self._undated)
            self._undated.clear()

    def date(self, hub: str, mark: ClockMark) -> None:
        """Give the readings of `mark.boot` their time. The most exact mark of a boot is kept.

        Readings dated by a mark beyond EXACT_MS are marked uncertain, and stay so: a better mark that follows only
        dates later ones. A mark that `check_mark` refuses must not be passed.
        """
        number, offset, _ = self._boot(hub, mark.boot)
        row = self._db.execute("select error_ms from boots where id = ?", (number,)).get
        if offset is not None and row is not None and row <= mark.error_ms:
            return
        offset = mark.wall_minus_monotonic_ms
        self._db.execute(
            "update boots set offset_ms = ?, error_ms = ?, source = ? where id = ?",
            (offset, mark.error_ms, mark.source[:64], number),
        )
        inexact, limit = mark.error_ms > EXACT_MS, newest_limit(time.time())
        self._boots[hub, mark.boot] = number, offset, inexact
        # moved within SQLite, in order: a hub without a clock sends millions in a month
        self._db.execute(_DATED, (offset, int(inexact), number))
        for (series,) in self._db.execute("select distinct series from undated where boot = ?", (number,)).fetchall():
            self._db.execute(_NEWEST_DATED, (offset, int(inexact), number, series, limit))
        self._db.execute("delete from undated where boot = ?", (number,))

    def rolled_back(self) -> None:
        """Discard the pending rows and every number cached in a failed transaction."""
        self._pending.clear()
        self._undated.clear()
        self._boots.clear()
        self.forget_subjects()

    def forget_subjects(self) -> None:
        """Discard cached numbers of subjects that no open epoch names any more."""
        self._columns.clear()
        self._series.clear()
        self._named.clear()

    def trim(self) -> None:
        """Discard cached subjects when they are many, after an epoch was closed. Not with each epoch: a hub that begins
        one after the other would cause the numbers of all hubs to be looked up again."""
        if max(len(self._series), len(self._columns), len(self._named)) > MAX_CACHED:
            self.forget_subjects()

    def _insert(self, rows: list[Reading]) -> None:
        self._many(_INSERT, rows)
        limit = newest_limit(time.time())
        newest = {row[0]: row for row in rows if row[1] <= limit}
        if len(newest) < len(rows):
            newest = {row[0]: row for row in rows if row[1] > limit} | newest
        self._many(_LATEST, [(series, at, value, flags, limit) for series, at, _, value, flags in newest.values()])

    def _many(self, statement: str, rows: Sequence[tuple[Any, ...]]) -> None:
        try:
            self._db.executemany(statement, rows)
        except OverflowError:  # a value beyond 64 bit; SQLite stores it as a double
            self._db.executemany(statement, [tuple(map(_bounded, row)) for row in rows])

    def _place(
        self, hub: str, subject: Subject, position: Position, at: tuple[int, int, int], pending: list[Reading]
    ) -> None:
        time_ms, origin, flags = at
        values = (position.latitude, position.longitude, position.accuracy, position.altitude)
        for column, value in zip(_POSITION, values, strict=True):
            if value is not None:
                pending.append((self._carried(hub, subject, column), time_ms, origin, value, flags))

    def _number(self, hub: str, subject: Subject, shape: Shape) -> tuple[int, ...]:
        for column in (_RSSI, *_POSITION):
            if any(own.metric == column.metric for own in shape.columns):
                self._named[hub, subject, column] = True
        ids = self._columns[subject, shape] = tuple(self._one(hub, subject, column) for column in shape.columns)
        return ids

    def _carried(self, hub: str, subject: Subject, column: Column) -> int:
        """Return the number of a series of what reports carry beside their values. A device may have a metric of the
        same name, as an `altitude` by air pressure: then each has a series of its own, from then on."""
        apart = msgspec.structs.replace(column, metric=CARRIED + column.metric)
        named = self._named.get((hub, subject, column))
        if named is None:
            key = hub, subject.place or subject.device, apart.metric, subject.device
            found = self._db.execute(
                "select 1 from series where hub = ? and place = ? and metric = ? and device = ?", key
            ).get
            named = self._named[hub, subject, column] = found is not None
        return self._one(hub, subject, apart if named else column)

    def _one(self, hub: str, subject: Subject, column: Column) -> int:
        known = self._series.get((hub, subject, column))
        if known is None:
            place = subject.place or subject.device
            privacy = (
                column.privacy if column.privacy in CLASSES else PERSONAL
            )  # unknown class of a newer hub: treat it as personal
            known = self._series[hub, subject, column] = self._db.execute(
                _SERIES,
                (
                    hub,
                    place,
                    column.metric,
                    subject.device,
                    column.unit,
                    column.resolution,
                    column.kind,
                    column.device_class,
                    column.state_class,
                    privacy,
                    subject.site,
                    subject.zone,
                    subject.model,
                    subject.integration,
                ),
            ).get
        return known

    def _boot(self, hub: str, boot: bytes) -> tuple[int, int | None, bool]:
        """Return a boot's number, its offset once one is known, and whether that one is uncertain."""
        known = self._boots.get((hub, boot))
        if known is None:
            if len(self._boots) >= MAX_CACHED:
                self._boots.clear()
            self._db.execute("insert or ignore into boots (hub, boot) values (?, ?)", (hub, boot))
            row = self._db.execute("select id, offset_ms, error_ms from boots where hub = ? and boot = ?", (hub, boot))
            number, offset, error = row.get
            known = self._boots[hub, boot] = number, offset, error is not None and error > EXACT_MS
        return known


def newest_limit(now: float) -> int:
    """Return the Unix ms up to which a reading may be the newest, before any that is dated later; `now` in seconds."""
    return int((now + AHEAD_S) * 1000)


def restore_latest(db: apsw.Connection, series: int, now: float) -> None:
    """Look for the newest reading of a series that has none noted, because rows of it were deleted."""
    for limit in (newest_limit(now), _I64_MAX):
        db.execute(_NEWEST, (series, limit))


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


def _bounded(value: Any) -> Any:
    return float(value) if isinstance(value, int) and abs(value) > _I64_MAX else value
