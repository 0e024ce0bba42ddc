"""Reading of one hub for the register: its devices, and what is new of its readings.

All is read from one snapshot. Bodies of records that were not seen are read; of chunks only those that a compactor made
of such records. A hub that is read for the first time, or of which readings were erased, is read from its newest chunks
backwards, until each of its series has a reading.

Readings of a boot whose clock is unknown, and readings dated ahead of this machine's clock, are nobody's newest.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterator, Sequence
from itertools import groupby
from typing import NamedTuple

import msgspec

from backend.city.register import kinds
from backend.queries.series_history import SeriesHistory
from backend.readings.bucketing import HOUR_MS
from backend.readings.chunks import rewriting as chunk_format
from backend.readings.chunks.rows import CARRIED, ORIGIN_BITS, POSITION, RSSI, ChunkRow
from backend.readings.stored_bodies import Orders, privacy_of, read_body, vocabulary
from backend.storage.chunks import BootClock, ChunkHead, HubSnapshot
from backend.storage.city.register import DeviceFacts, Followed, Newest, SeriesFacts
from backend.storage.queries import DeviceSeries, Snapshot
from backend.storage.reading_rules import EXACT_MS, newest_limit
from hub.core.errors import DecodeError
from hub.core.model import Position, Quality, Value, series_id
from hub.protocol.records.bodies import Tables
from hub.protocol.records.rows import Column, Shape, Subject

MOST_HOURS = 72
"""Hours of chunks that are read whole for a hub's first newest readings; what is older is looked up by series."""
_CARRIED = (RSSI, *POSITION)
_ALL = 1 << 40

Key = tuple[str, str]
"""Device and metric."""


class News(NamedTuple):
    """What is new of a hub: its devices where they changed, the newest reading of each series of which something came,
    by (device, metric), and how many times each device was heard. `whole`: nothing that was noted before holds."""

    devices: tuple[DeviceFacts, ...] | None
    latest: dict[Key, Newest]
    heard: dict[str, int]
    whole: bool
    followed: Followed


def read_hub(now: Snapshot, hub: str, before: Followed | None, wall: float, *, inventory: bool = True) -> News:
    """Return what is new of a hub since `before`. Without `inventory`, its devices are not looked at. Raises
    StorageError."""
    seen = now.hub(hub)
    orders = _digest(f"{job.order.id} {job.record}" for job in seen.jobs())
    clocks = seen.clocks()
    told = _digest(sorted(boot.hex() for boot in clocks))
    whole = before is None or orders != before.orders
    listing = inventory or before is None or whole  # an order may have erased names
    listed = now.device_series(hub) if listing else []
    mark = _digest(map(repr, listed)) if listing or before is None else before.inventory
    newest = _Newest(seen, clocks, newest_limit(wall))
    chunk = max((head.id for head in seen.after(0 if before is None else before.chunk, _ALL)), default=0)
    record = 0
    if before is None or whole:
        record = newest.read_back({(one.device, one.place, one.metric) for one in listed})
    else:
        if seen.through > before.record:
            newest.read_chunks(seen.after(before.chunk, _ALL), before.record)
        record = newest.read_bodies(before.record if told == before.clocks else 0)
    if before is not None:
        record, chunk = max(record, before.record), max(chunk, before.chunk)
    devices = None
    if listing and (before is None or mark != before.inventory):
        devices = tuple(_devices(hub, listed, newest.subjects))
    state = Followed(max(record, seen.through), chunk, told, orders, mark)
    return News(devices, newest.found(), newest.heard(), whole, state)


class _Newest:
    """Finds newest readings."""

    def __init__(self, seen: HubSnapshot, clocks: dict[bytes, BootClock], limit_ms: int) -> None:
        self._seen, self._clocks, self._limit = seen, clocks, limit_ms
        self._orders = Orders(seen.jobs(), clocks)
        self._found: dict[Key, tuple[int, int, Value, Column | None, int, int]] = {}
        self._times: dict[str, set[int]] = {}
        self._apart: dict[tuple[str, str], frozenset[str]] = {}
        self.subjects: dict[str, tuple[int, Subject]] = {}

    def found(self) -> dict[Key, Newest]:
        return {key: _newest(*one) for key, one in self._found.items()}

    def heard(self) -> dict[str, int]:
        """Return at how many times each device was heard."""
        return {device: len(times) for device, times in self._times.items()}

    def read_bodies(self, after: int) -> int:
        """Read bodies of records after `after`; return the last record, 0 where there is none."""
        tables: dict[int, Tables] = {}
        last = 0
        for body in self._seen.bodies(after=after):
            last = body.record
            try:
                if body.epoch not in tables:
                    tables[body.epoch] = vocabulary(self._seen.names(body.epoch))
                rows = read_body(body, tables[body.epoch])
            except DecodeError:
                continue  # the compactor sets it aside, and says so
            for at, row in enumerate(rows):
                origin = (body.record << ORIGIN_BITS) + at
                self._take(body.boot, row.subject, row.shape, row.time_ms, origin, row.values, row.quality, row.trust,
                           row.rssi, row.position)  # fmt: skip
        return last

    def read_chunks(self, heads: Sequence[ChunkHead], after: int) -> None:
        """Read what chunks hold of records after `after`."""
        for head in heads:
            for row in _rows(self._seen, head):
                if row.origin >> ORIGIN_BITS > after:
                    self._take(head.bucket.boot, row.subject, row.shape, row.time_ms, row.origin, row.values,
                               row.quality, row.trust, row.rssi, row.position)  # fmt: skip

    def read_back(self, wanted: Collection[tuple[str, str, str]]) -> int:
        """Read bodies and the newest chunks until each of these (device, place, metric) is found; return the last
        record of a body."""
        last = self.read_bodies(0)
        missing = {(device, metric) for device, _, metric in wanted} - self._found.keys()
        dated = [(self._hour(head), head) for head in self._seen.heads()]
        known = sorted(((hour, head) for hour, head in dated if hour is not None), key=lambda one: -one[0])
        for count, (_, group) in enumerate(groupby(known, key=lambda one: one[0])):
            if not missing or count >= MOST_HOURS:
                break
            self.read_chunks([head for _, head in group], 0)
            missing -= self._found.keys()
        for device, place, metric in sorted(wanted):
            if (device, metric) in missing:
                one = SeriesHistory(self._seen, device, metric, place).latest(self._limit + 1)
                if one is not None and not one.boot:
                    self._note(device, metric, one.time_ms, one.origin, one.value, one.column, one.quality, one.trust)
        return last

    def _hour(self, head: ChunkHead) -> int | None:
        """Return the dated hour of a chunk; None of a boot whose clock is unknown."""
        if not head.bucket.boot:
            return head.bucket.hour
        clock = self._clocks.get(head.bucket.boot)
        return None if clock is None else (head.bucket.hour * HOUR_MS + clock.offset_ms) // HOUR_MS

    def _take(
        self,
        boot: bytes,
        subject: Subject,
        shape: Shape,
        time_ms: int,
        origin: int,
        values: Sequence[Value],
        quality: int,
        trust: int,
        rssi: int | None,
        position: Position | None,
    ) -> None:
        own = time_ms
        if boot:
            clock = self._clocks.get(boot)
            if clock is None:
                return
            time_ms += clock.offset_ms
            if clock.error_ms > EXACT_MS and quality == Quality.GOOD:
                quality = int(Quality.UNCERTAIN)
        if time_ms > self._limit or not subject.device or "\0" in subject.device:
            return
        names = bool(self._orders) and self._orders.name(subject)
        pairs = list(zip(shape.columns, values, strict=True))
        taken = False
        for column, value in (*pairs, *self._carried(shape, rssi, position)):
            if names and self._orders.reaching(privacy_of(column), subject, boot, own) is not None:
                continue
            taken = True
            metric = self._named(shape, column)
            self._note(subject.device, metric, time_ms, origin, value, column, quality, trust)
        if taken:
            self._times.setdefault(subject.device, set()).add(time_ms)
            if self.subjects.get(subject.device, (-1, None))[0] < time_ms:
                self.subjects[subject.device] = time_ms, subject

    def _carried(self, shape: Shape, rssi: int | None, position: Position | None) -> Iterator[tuple[Column, Value]]:
        if rssi is not None:
            yield RSSI, rssi
        if position is not None:
            where = position.latitude, position.longitude, position.accuracy, position.altitude
            for column, value in zip(POSITION, where, strict=True):
                if value is not None:
                    yield column, value

    @staticmethod
    def _named(shape: Shape, column: Column) -> str:
        """Return the metric of a column; one that is carried has another name where the report measures the same."""
        if column in _CARRIED and any(one.metric == column.metric and one is not column for one in shape.columns):
            return CARRIED + column.metric
        return column.metric

    def _note(
        self,
        device: str,
        metric: str,
        time_ms: int,
        origin: int,
        value: Value,
        column: Column,
        quality: int,
        trust: int,
    ) -> None:
        known = self._found.get((device, metric))
        if known is None or known[:2] < (time_ms, origin):
            self._found[device, metric] = time_ms, origin, value, column, quality, trust


def _newest(time_ms: int, origin: int, value: Value, column: Column | None, quality: int, trust: int) -> Newest:
    if column is not None and column.kind == "flag" and value in (0, 1):
        value = bool(value)
    number = float(value) if isinstance(value, int | float) else None
    return Newest(time_ms, msgspec.json.encode(value).decode(), number, quality, trust)


def _rows(seen: HubSnapshot, head: ChunkHead) -> Iterator[ChunkRow]:
    try:
        yield from chunk_format.decode(seen.data(head.id))
    except DecodeError:
        return  # `ilot backend check` finds it, and queries of its hour say so


def _devices(
    hub: str, listed: Sequence[DeviceSeries], subjects: dict[str, tuple[int, Subject]]
) -> Iterator[DeviceFacts]:
    for device, group in groupby(listed, key=lambda one: one.device):
        lines = list(group)
        yield _device(hub, device, lines, subjects)


def _device(hub: str, device: str, lines: list[DeviceSeries], subjects: dict[str, tuple[int, Subject]]) -> DeviceFacts:
    """Return a device as it is where it stands: at the place of its newest reading that was read now, else at that of
    its last day."""
    place = max(lines, key=lambda one: (one.day, one.place)).place
    if device in subjects:
        at = subjects[device][1].place or device
        place = at if any(one.place == at for one in lines) else place
    here = [one for one in lines if one.place == place]
    newest = max(here, key=lambda one: one.day)
    metrics = {one.metric for one in here}
    guessed = kinds.guess(
        metrics, {one.device_class for one in here}, (device, place, newest.zone, newest.model, newest.integration)
    )
    return DeviceFacts(
        device, newest.site, newest.zone, place, guessed.kind, guessed.layer,
        kinds.worst(one.privacy for one in here), int({"latitude", "longitude"} <= metrics), place,
        tuple(
            SeriesFacts(one.metric, one.unit, f"{hub}/{series_id(place, one.metric)}", one.kind, one.device_class,
                        one.state_class, one.privacy)
            for one in here
        ),
    )  # fmt: skip


def _digest(texts: Iterator[str] | Sequence[str]) -> str:
    made = hashlib.sha256()
    for one in texts:
        made.update(one.encode(errors="replace") + b"\n")
    return made.hexdigest()[:32]
