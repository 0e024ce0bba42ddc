"""Division of reports over buckets: by privacy class and hour, without what orders erase. Pure.

Compaction, erasure and the putting together of chunks are the same act: reports are divided anew, by what is known now.
A series that was personal once is personal as a whole, so the registry of series is asked for its class. One that was
not personal until now is noted in `turned`: what was stored of it before has to be divided again.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Any

import msgspec

from backend.readings.chunks.rewriting import encode
from backend.readings.chunks.rows import CARRIED, ORIGIN_BITS, POSITION, RSSI, ChunkRow
from backend.readings.stored_bodies import NOBODY, PLACED, PSEUDONYM, Orders, Part, Parts, privacy_of, readings_in
from backend.storage.chunks import (
    Body,
    Bucket,
    ErasureJob,
    HubSnapshot,
    NewChunk,
    SeriesLine,
    SeriesName,
    SeriesSeen,
)
from backend.storage.reading_rules import CLASSES, PERSONAL
from hub.core.model import Position
from hub.protocol.records.rows import Column, Row, Shape, Subject

HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS

_BITS = {privacy: 1 << at for at, privacy in enumerate(CLASSES)}
MANY_SERIES = 20_000
"""Series of a hub that are looked up all at once."""


def series_name(subject: Subject, metric: str) -> SeriesName:
    """Return the series of a metric; the device's id stands for the place where there is none."""
    return SeriesName(subject.place or subject.device, metric, subject.device)


def carried_name(shape: Shape, metric: str) -> str:
    """Return the metric under which a report's signal strength or position is read: where its device measures
    something of the same name itself, the carried one has CARRIED before its name."""
    return CARRIED + metric if any(column.metric == metric for column in shape.columns) else metric


class _Plan:
    """Division of the reports of a subject and shape, and what was seen of them."""

    __slots__ = ("carries", "known", "listed", "named", "newest", "parts", "personal", "undated", "until")

    def __init__(
        self, parts: tuple[Part, ...], personal: frozenset[int], *, known: bool, named: bool, listed: int
    ) -> None:
        self.parts, self.personal, self.known, self.named = parts, personal, known, named
        self.listed = listed  # the last day that all of its series are listed with, -1 when one has to be listed
        self.newest = -1  # Unix ms
        self.until = self.undated = 0.0  # when the last of the dated ones arrived, and of those of a boot
        self.carries: tuple[int | None, Position | None] = None, None

    def day(self) -> int:
        """Return the last day of which there are readings. A date ahead of its arrival does not count, and for what has
        none its arrival does."""
        dated = min(self.newest, int(self.until * 1000)) // DAY_MS if self.newest >= 0 else 0
        return max(dated, int(self.undated * 1000) // DAY_MS)


_NOTHING = _Plan((), frozenset(), known=False, named=False, listed=-1)


class Buckets:
    """Reports of one hub on their way into chunks."""

    def __init__(self, seen: HubSnapshot, orders: Orders, parts: Parts) -> None:
        self._seen, self._orders, self._parts = seen, orders, parts
        self.rows: dict[Bucket, list[ChunkRow]] = {}
        self.count = 0
        self.turned: set[str] = set()  # devices of which a series is personal from now on
        self._arrived: dict[Bucket, float] = {}
        self._erased: dict[str, list[int]] = {}  # order → readings erased, readings that came later
        self._plans: dict[tuple[Subject, Shape], _Plan] = {}
        self._series = seen.all_series(MANY_SERIES)

    def add_body(self, body: Body, rows: Sequence[Row]) -> None:
        self._add(body.boot, body.received_at, rows, body.record << ORIGIN_BITS)

    def add_chunk(self, boot: bytes, arrived_at: float, rows: Sequence[ChunkRow]) -> None:
        self._add(boot, arrived_at, rows)

    def chunks(self) -> list[NewChunk]:
        """Return loose chunks of what was added. Raises Refused."""
        return [
            NewChunk(bucket, len(rows), self._arrived[bucket], True, encode(rows))
            for bucket, rows in self.rows.items()
            if rows
        ]

    def series(self) -> list[SeriesLine]:
        """Return the series that are new, or have readings of a later day than was known."""
        lines: dict[SeriesName, SeriesLine] = {}
        for (subject, shape), plan in self._plans.items():
            if not plan.known or (plan.named and self._orders.hides(subject)):
                continue
            day = plan.day()
            columns: Sequence[Column] = shape.columns
            if plan.listed >= day or columns == PLACED.columns:
                columns = ()
            for column in (*columns, *carried(shape, *there(*plan.carries))):
                name = series_name(subject, column.metric)
                known = lines.get(name) or self._known(name)
                sticky = known is not None and known.privacy == PERSONAL
                privacy = PERSONAL if sticky else privacy_of(column)
                if known is None or known.day < day or class_bit(privacy) & ~known.classes:
                    lines[name] = series_line(subject, column, day, privacy)
        return list(lines.values())

    def jobs(self, jobs: Iterable[ErasureJob]) -> list[ErasureJob]:
        """Return those of the orders that reached something, with their counts."""
        return [
            job._replace(readings=job.readings + found[0], late=job.late + found[1])
            for job in jobs
            if (found := self._erased.get(job.order.id)) is not None
        ]

    def _add(self, boot: bytes, arrived_at: float, rows: Iterable[Sequence[Any]], record: int | None = None) -> None:
        """Divide rows of chunks, or those of a body whose first one has the origin `record`."""
        plans, new = self._plans, tuple.__new__
        hours: dict[int, dict[str, list[ChunkRow]]] = {}
        here: dict[str, list[ChunkRow]] = {}
        last_hour = last_subject = last_shape = None
        plan = _NOTHING
        for at, row in enumerate(rows):
            subject, shape, time_ms, origin, values, quality, trust, rssi, position = row
            if record is not None:
                origin = record + at
            if subject is not last_subject or shape is not last_shape:
                last_subject, last_shape = subject, shape
                plan = plans.get((subject, shape)) or self._planned(subject, shape)
                if boot:
                    plan.undated = max(plan.undated, arrived_at)
                else:
                    plan.until = max(plan.until, arrived_at)
            if not plan.known:
                continue
            if not boot and time_ms > plan.newest:
                plan.newest = time_ms
            hour = time_ms // HOUR_MS
            if hour != last_hour:
                last_hour = hour
                here = hours.get(hour) or hours.setdefault(hour, self._lists(boot, hour, arrived_at))
            parts = plan.parts
            if position is not None:
                plan.carries = rssi if rssi is not None else plan.carries[0], position
                parts = self._parts.of(shape, plan.personal, True)
            elif rssi is not None:
                plan.carries = rssi, plan.carries[1]
            for privacy, own, take, with_rssi, with_position in parts:
                if plan.named:
                    whole = subject, shape, time_ms, origin, values, quality, trust, rssi, position
                    if self.reached(privacy, own, boot, whole, with_rssi, with_position):
                        continue
                here[privacy].append(
                    new(
                        ChunkRow,
                        (
                            subject, own, time_ms, origin, values if take is None else take(values), quality, trust,
                            rssi if with_rssi else None, position if with_position else None,
                        ),
                    )
                )  # fmt: skip
        self.count = sum(map(len, self.rows.values()))

    def _lists(self, boot: bytes, hour: int, arrived_at: float) -> dict[str, list[ChunkRow]]:
        """Return the reports of each class of an hour so far."""
        found = {}
        for privacy in CLASSES:
            bucket = Bucket(privacy, boot, hour)
            found[privacy] = self.rows.setdefault(bucket, [])
            self._arrived[bucket] = max(arrived_at, self._arrived.get(bucket, arrived_at))
        return found

    def reached(
        self, privacy: str, own: Shape, boot: bytes, row: Sequence[Any], with_rssi: bool, with_position: bool
    ) -> bool:
        """Return whether an order reaches these readings of a report, and count them."""
        job = self._orders.reaching(privacy, row[0], boot, row[2])
        if job is None:
            return False
        late = row[3] >> ORIGIN_BITS > job.record
        if late and job.order.kind == PSEUDONYM:
            return True  # counted when it arrived
        counts = self._erased.setdefault(job.order.id, [0, 0])
        counts[late] += readings_in(own, row[7] if with_rssi else None, row[8] if with_position else None)
        return True

    def _planned(self, subject: Subject, shape: Shape) -> _Plan:
        personal = set()
        days = []
        for at, (metric, privacy) in enumerate(_classes_of(shape)):
            seen = self._known(series_name(subject, metric))
            if seen is None:
                days.append(-1)
                continue
            if seen.privacy == PERSONAL:
                personal.add(at)
                privacy = PERSONAL  # noqa: PLW2901 - whatever it is here
            elif privacy == PERSONAL:
                self.turned.add(subject.device)
            days.append(seen.day if seen.classes & class_bit(privacy) else -1)
        columns = frozenset(personal)
        made = self._plans[subject, shape] = _Plan(
            self._parts.of(shape, columns, False),
            columns,
            known=subject.device != NOBODY.device,
            named=bool(self._orders) and self._orders.name(subject),
            listed=min(days),
        )
        return made

    def _known(self, name: SeriesName) -> SeriesSeen | None:
        if self._series is not None:
            return self._series.get(name)
        return self._seen.series([name]).get(name)


def there(rssi: int | None, position: Position | None) -> tuple[bool, ...]:
    """Return which of what reports may carry is there: RSSI, then POSITION."""
    if position is None:
        return (rssi is not None,)
    where = position.latitude, position.longitude, position.accuracy, position.altitude
    return (rssi is not None, *(value is not None for value in where))


@lru_cache(1024)
def carried(shape: Shape, *there: bool) -> list[Column]:
    """Return columns of what is carried by reports of a shape, as `there` says."""
    return [
        msgspec.structs.replace(column, metric=carried_name(shape, column.metric))
        for column, one in zip((RSSI, *POSITION), there, strict=False)
        if one
    ]


@lru_cache(1024)
def _classes_of(shape: Shape) -> list[tuple[str, str]]:
    """Return metric and class of each column."""
    return [(column.metric, privacy_of(column)) for column in shape.columns]


def class_bit(privacy: str) -> int:
    return _BITS[privacy]


def series_line(subject: Subject, column: Column, day: int, privacy: str, classes: int | None = None) -> SeriesLine:
    """Return a series as it is listed, with a chunk of its class where `classes` says nothing else."""
    classes = class_bit(privacy) if classes is None else classes
    return SeriesLine(
        series_name(subject, column.metric), privacy, day, classes, column.unit, column.resolution,
        column.kind, column.device_class, column.state_class, subject.site, subject.zone, subject.model,
        subject.integration,
    )  # fmt: skip
