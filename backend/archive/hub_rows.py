"""Readings of a hub by days, out of one snapshot: chunks, and the bodies that are not compacted yet. Pure.

They are what `backend.queries.series_history` answers: dated by the clocks of boots as they are known at that moment,
without what orders to erase reach. A file of a day is made anew only when its *key* changes: which chunks it is made
of, how their boots are dated, which records wait in bodies, which orders hide something.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from datetime import date
from typing import NamedTuple

import msgspec

from backend.archive.parquet import Group, Reading, SeriesKey
from backend.readings.bucketing import DAY_MS, HOUR_MS, Buckets, series_name
from backend.readings.chunks import rewriting as chunk_format
from backend.readings.chunks.rows import CARRIED, ORIGIN_BITS, POSITION, RSSI, ChunkRow
from backend.readings.stored_bodies import NOBODY, PLACED, Orders, Parts, privacy_of, read_body, vocabulary
from backend.storage.chunks import BootClock, Bucket, ChunkHead, HubSnapshot
from backend.storage.reading_rules import EXACT_MS, PERSONAL
from hub.core.errors import DecodeError
from hub.core.model import Quality
from hub.protocol.records.bodies import Tables
from hub.protocol.records.rows import Column, Subject

UNDATED = "undated"
"""The day of readings of boots whose clock is unknown."""
_FIRST_DAY, _LAST_DAY = -719_162, 2_932_896
"""The years 1 to 9999; what is dated beyond is with these days, or no calendar could name its file."""
_UTC = BootClock(0, 0)


class _Source(NamedTuple):
    """Reports of one bucket: a chunk, or those of bodies (then `head` is None)."""

    bucket: Bucket
    head: ChunkHead | None
    rows: Sequence[ChunkRow]

    def name(self) -> str:
        return str(self.head.id) if self.head is not None else f"tail of {self.rows[-1].origin}, {len(self.rows)}"


class Damage(NamedTuple):
    """A chunk or body that cannot be read, and why."""

    what: str
    reason: str


class HubRows:
    """Readings of one hub, of records up to `last`; None: of all. Of the day that was read last, `damage` tells what
    cannot be read, and `waits` whether later records were left out."""

    def __init__(self, seen: HubSnapshot, last: int | None = None) -> None:
        self._seen, self._last = seen, last
        self.waits = False
        self._clocks = seen.clocks()
        self._jobs = seen.jobs()
        self._orders = Orders(self._jobs, self._clocks)
        self.damage: list[Damage] = []
        self._unread: list[Damage] = []
        self._columns: dict[tuple[object, ...], tuple[str, str]] = {}
        self._sources: dict[int | str, list[_Source]] = {}
        for source in (*self._chunks(), *self._tail()):
            for day in self._days_of(source.bucket):
                self._sources.setdefault(day, []).append(source)

    def days(self) -> dict[str, str]:
        """Return the key of each day of which there may be readings; the last may be UNDATED."""
        ordered = sorted(self._sources, key=lambda day: (day == UNDATED, day if isinstance(day, int) else 0))
        return {_named(day): self._key(self._sources[day]) for day in ordered}

    def groups(self, day: str) -> Iterator[Group]:
        """Yield the readings of a day, an hour at a time; the undated ones by chunks."""
        self.damage, self._unread, self.waits = self._unread, [], False
        if day == UNDATED:
            for source in self._sources[UNDATED]:
                yield self._group([source], None)
            return
        number = _number(day)
        sources = self._sources[number]
        for hour in self._hours(number, sources):
            near = [one for one in sources if hour - HOUR_MS < self._begin(one.bucket) < hour + HOUR_MS]
            group = self._group(near, (hour, hour + HOUR_MS))
            if group:
                yield group

    # which readings there are

    def _chunks(self) -> Iterator[_Source]:
        for head in self._seen.heads():
            yield _Source(head.bucket, head, ())

    def _tail(self) -> Iterator[_Source]:
        """Yield the readings of bodies as the compactor would divide them."""
        buckets = Buckets(self._seen, self._orders, Parts())
        words: dict[int, Tables] = {}
        for body in self._seen.bodies():
            try:
                if body.epoch not in words:
                    words[body.epoch] = vocabulary(self._seen.names(body.epoch))
                buckets.add_body(body, read_body(body, words[body.epoch]))
            except DecodeError as error:
                self._unread.append(Damage(f"record {body.record}", str(error)))
        for bucket, rows in buckets.rows.items():
            if rows:
                yield _Source(bucket, None, rows)

    def _days_of(self, bucket: Bucket) -> set[int | str]:
        if bucket.boot and bucket.boot not in self._clocks:
            return {UNDATED}
        begin = self._begin(bucket)
        return {_bounded(begin // DAY_MS), _bounded((begin + HOUR_MS - 1) // DAY_MS)}

    def _begin(self, bucket: Bucket) -> int:
        return bucket.hour * HOUR_MS + self._clocks.get(bucket.boot, _UTC).offset_ms

    def _hours(self, day: int, sources: Iterable[_Source]) -> Iterator[int]:
        """Yield the hours of a day in which some of these begin or end."""
        hours: set[int] = set()
        for one in sources:
            begin = self._begin(one.bucket)
            hours |= {begin // HOUR_MS * HOUR_MS, (begin + HOUR_MS - 1) // HOUR_MS * HOUR_MS}
        yield from sorted(hour for hour in hours if _bounded(hour // DAY_MS) == day)

    def _key(self, sources: Iterable[_Source]) -> str:
        """Return what the readings of a day depend on."""
        told = []
        for one in sources:
            clock = self._clocks.get(one.bucket.boot) if one.bucket.boot else None
            told.append((one.name(), one.bucket.boot, clock))
        hidden = [job.order for job in self._jobs if job.done_at is None]
        return hashlib.sha256(msgspec.msgpack.encode((sorted(told, key=repr), hidden))).hexdigest()[:32]

    # reading

    def _group(self, sources: Iterable[_Source], between: tuple[int, int] | None) -> Group:
        group: Group = {}
        for source in sources:
            try:
                rows = source.rows if source.head is None else self._visible(source.head)
                found = self._readings(source, rows, between)
            except DecodeError as error:
                self.damage.append(Damage(f"chunk {source.name()}", str(error)))
                continue
            for key, readings in found.items():
                group.setdefault(key, []).extend(readings)
        return group

    def _visible(self, head: ChunkHead) -> list[ChunkRow]:
        rows = list(chunk_format.decode(self._seen.data(head.id)))
        if not self._orders:
            return rows
        of = head.bucket
        return [row for row in rows if self._orders.reaching(of.privacy, row[0], of.boot, row[2]) is None]

    def _readings(self, source: _Source, rows: Iterable[ChunkRow], between: tuple[int, int] | None) -> Group:
        boot = source.bucket.boot
        clock = self._clocks.get(boot) if boot else _UTC
        arrived = int((source.head.arrived_at if source.head is not None else 0) * 1000) if clock is None else None
        inexact = clock is not None and clock.error_ms > EXACT_MS
        group: Group = {}
        for row in rows:
            subject, shape, monotonic, origin, values, quality, trust, rssi, position = row
            time_ms = None if clock is None else monotonic + clock.offset_ms
            if (between is not None and time_ms is not None and not between[0] <= time_ms < between[1]) or (
                subject.device == NOBODY.device
            ):
                continue
            shown = int(Quality.UNCERTAIN) if inexact and quality == Quality.GOOD else quality
            if self._last is not None and origin >> ORIGIN_BITS > self._last:
                self.waits = True
                continue
            at = origin >> ORIGIN_BITS, origin & (1 << ORIGIN_BITS) - 1
            told = (monotonic, arrived) if boot else (None, None)
            if shape.columns != PLACED.columns:
                for column, value in zip(shape.columns, values, strict=True):
                    one = Reading(time_ms, *at, value, shown, quality, trust, *told)
                    group.setdefault(self._series(subject, column, boot, False), []).append(one)
            carried = [(RSSI, rssi)]
            if position is not None:
                where = position.latitude, position.longitude, position.accuracy, position.altitude
                carried += zip(POSITION, where, strict=True)  # type: ignore[arg-type]
            for column, found in carried:
                if found is not None:
                    one = Reading(time_ms, *at, found, shown, quality, trust, *told)
                    group.setdefault(self._series(subject, column, boot, True), []).append(one)
        return group

    def _series(self, subject: Subject, column: Column, boot: bytes, carried: bool) -> SeriesKey:
        metric, privacy = self._named_as(subject, column, carried)
        return SeriesKey(
            subject.device, subject.place, subject.site, subject.zone, subject.model, subject.integration, metric,
            column.unit, column.resolution, column.kind, column.device_class, column.state_class, privacy, boot.hex(),
            carried,
        )  # fmt: skip

    def _named_as(self, subject: Subject, column: Column, carried: bool) -> tuple[str, str]:
        """Return the metric under which a column is read, and its class, as the list of series has them."""
        key = subject.place, subject.device, column, carried
        known = self._columns.get(key)
        if known is None:
            metric = column.metric
            if carried and self._seen.series([series_name(subject, CARRIED + metric)]):
                metric = CARRIED + metric
            name = series_name(subject, metric)
            seen = self._seen.series([name]).get(name)
            personal = seen is not None and seen.privacy == PERSONAL
            known = self._columns[key] = metric, PERSONAL if personal else privacy_of(column)
        return known


def _bounded(day: int) -> int:
    return min(max(day, _FIRST_DAY), _LAST_DAY)


def _named(day: int | str) -> str:
    return day if isinstance(day, str) else day_name(day)


def day_name(day: int) -> str:
    """Return the date of a day since 1970."""
    return date.fromordinal(_bounded(day) + 719_163).isoformat()


def _number(day: str) -> int:
    return date.fromisoformat(day).toordinal() - 719_163
