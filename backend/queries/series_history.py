"""Readings of one series of a hub, out of its chunks and of the bodies that are not compacted yet.

All is read from one snapshot: the chunks, and the bodies above the watermark, so that each reading is there once while
a compactor runs. Readings of a boot are dated by the clock of the boot as it is known at that moment. What an order to
erase reaches is left out, whether its bytes are gone already or not.

A device's metric is named as in the list of series; where its device measures nothing of such a name, `rssi`,
`latitude`, `longitude`, `position_accuracy` and `altitude` are what its reports carry, else `report.rssi` and so on.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from operator import attrgetter
from typing import NamedTuple

from backend.readings.body_picking import BodyPicker
from backend.readings.bucketing import DAY_MS, HOUR_MS, carried_name, class_bit, series_name
from backend.readings.chunks import rewriting as chunk_format
from backend.readings.chunks.rows import CARRIED, ORIGIN_BITS, POSITION, RSSI, Picked
from backend.readings.stored_bodies import Orders, privacy_of, read_body, vocabulary
from backend.storage.chunks import Body, BootClock, ChunkHead, HubSnapshot, SeriesName
from backend.storage.reading_rules import EXACT_MS, PERSONAL
from hub.core.errors import DecodeError, StorageError
from hub.core.model import Position, Quality, Value
from hub.core.text import phrase, reason_of
from hub.protocol.records.bodies import Tables
from hub.protocol.records.compression import expand
from hub.protocol.records.rows import Column, Row, Subject

_CARRIED = {column.metric: column for column in (RSSI, *POSITION)}
_in_order = attrgetter("time_ms", "origin")


class StoredReading(NamedTuple):
    """A reading. `time_ms` is Unix ms; of a boot whose clock is unknown it is monotonic, and `boot` says of which."""

    time_ms: int
    origin: int
    value: Value
    quality: int
    trust: int
    subject: Subject
    column: Column
    boot: bytes = b""


class SeriesHistory:
    """Readings of one metric of one device, out of one snapshot of its hub."""

    def __init__(
        self,
        seen: HubSnapshot,
        device: str,
        metric: str,
        place: str | None = None,
        look: Callable[[], None] | None = None,
    ) -> None:
        """`place` is that of the series, where its device may have stood at several. `look` is called before each chunk
        is read, and may raise: where nothing is found, nothing is yielded either."""
        self._look = look
        self._seen, self._device, self._metric, self._place = seen, device, metric, place
        self._plain = metric.removeprefix(CARRIED)
        self._clocks, self._boots = seen.clocks(), seen.boots()
        self._classes = -1 if self._plain in _CARRIED else seen.classes_of(device, metric)
        self._orders = Orders(seen.jobs(), self._clocks)
        self._tail: list[StoredReading] | None = None
        self._measured: dict[str, bool] = {}  # place → whether what is carried has a name of its own
        self._personal: dict[str, bool] = {}  # place → whether this series is personal, whatever its class

    def between(self, start: int, end: int) -> Iterator[StoredReading]:
        """Yield the readings with start ≤ time < end (Unix ms), by time and origin."""
        waiting = [one for one in self._dated_tail() if start <= one.time_ms < end]
        for begin, boot, head in self._dated_heads(start, end):
            waiting.sort(key=_in_order)
            ready = [one for one in waiting if one.time_ms < begin]
            yield from ready
            waiting = waiting[len(ready) :]
            waiting += [one for one in self._of_chunk(head, boot) if start <= one.time_ms < end]
        yield from sorted(waiting, key=_in_order)

    def backwards(self, start: int, end: int) -> Iterator[StoredReading]:
        """Yield the readings with start ≤ time < end (Unix ms), the newest first."""
        waiting = [one for one in self._dated_tail() if start <= one.time_ms < end]
        for begin, boot, head in reversed(self._dated_heads(start, end)):
            waiting.sort(key=_in_order, reverse=True)
            ready = [one for one in waiting if one.time_ms >= begin + HOUR_MS]
            yield from ready
            waiting = waiting[len(ready) :]
            waiting += [one for one in self._of_chunk(head, boot) if start <= one.time_ms < end]
        yield from sorted(waiting, key=_in_order, reverse=True)

    def count(self, start: int, end: int) -> int:
        """Return how many readings have start ≤ time < end (Unix ms). Chunks that lie within are not read, only
        counted, unless something in them was erased."""
        found = sum(start <= one.time_ms < end for one in self._dated_tail())
        for begin, boot, head in self._dated_heads(start, end):
            if start <= begin and begin + HOUR_MS <= end and not self._orders and self._plain not in _CARRIED:
                found += self._count_of_chunk(head)
            else:
                found += sum(start <= one.time_ms < end for one in self._of_chunk(head, boot))
        return found

    def undated(self) -> list[StoredReading]:
        """Return the readings of boots whose clock is unknown, by boot, time and origin."""
        found = [one for one in self._in_tail() if one.boot]
        for boot in self._boots:
            if boot not in self._clocks:
                for head in self._seen.heads(None, None, boot):
                    found += self._of_chunk(head, boot)
        return sorted(found, key=attrgetter("boot", "time_ms", "origin"))

    def latest(self, before: int, day: int | None = None) -> StoredReading | None:
        """Return the newest reading that is dated before this moment; None where there is none. `day` is where to look
        first, unless the place is known."""
        newest = max((one for one in self._dated_tail() if one.time_ms < before), key=_in_order, default=None)
        last = day if self._place is None else self._last_day()
        if newest is None and last is not None:
            newest = self._newest(self._dated_heads(last * DAY_MS, before), before, None)
            if newest is not None:
                return newest
        return self._newest(self._dated_heads(None if newest is None else newest.time_ms, before), before, newest)

    def _last_day(self) -> int | None:
        """Return the last day of which there may be readings of this series."""
        name = SeriesName(self._place or "", self._metric, self._device)
        known = self._seen.series([name]).get(name)
        return None if known is None else known.day

    def _newest(
        self, heads: list[tuple[int, bytes, ChunkHead]], before: int, newest: StoredReading | None
    ) -> StoredReading | None:
        for begin, boot, head in reversed(heads):
            if newest is not None and begin + HOUR_MS <= newest.time_ms:
                continue
            of_chunk = [one for one in self._of_chunk(head, boot) if one.time_ms < before]
            newest = max([*of_chunk, *([] if newest is None else [newest])], key=_in_order, default=None)
        return newest

    def _dated_heads(self, start: int | None, end: int) -> list[tuple[int, bytes, ChunkHead]]:
        """Return (when it begins, boot, chunk) of the chunks with dates from `start` up to `end`, in this order."""
        found: list[tuple[int, bytes, ChunkHead]] = []
        known = {boot: self._clocks[boot] for boot in self._boots if boot in self._clocks}
        for boot, clock in ({b"": BootClock(0, 0)} | known).items():
            first = None if start is None else (start - clock.offset_ms) // HOUR_MS
            last = (end - 1 - clock.offset_ms) // HOUR_MS
            found += [
                (head.bucket.hour * HOUR_MS + clock.offset_ms, boot, head)
                for head in self._seen.heads(first, last, boot)
                if self._classes & class_bit(head.bucket.privacy)
            ]
        return sorted(found, key=lambda one: (one[0], one[2].id))

    def _dated_tail(self) -> list[StoredReading]:
        return [one for one in self._in_tail() if not one.boot]

    def _in_tail(self) -> list[StoredReading]:
        if self._tail is None:
            self._tail = list(self._of_bodies())
        return self._tail

    # chunks

    def _count_of_chunk(self, head: ChunkHead) -> int:
        if self._look is not None:
            self._look()
        try:
            found = chunk_format.count(self._seen.data(head.id), device=self._device, metric=self._metric)
        except DecodeError as error:
            raise _damaged(head, error) from error
        return sum(reports for subject, reports in found if not self._elsewhere(subject))

    def _of_chunk(self, head: ChunkHead, boot: bytes) -> Iterator[StoredReading]:
        if self._look is not None:
            self._look()
        data, new = self._seen.data(head.id), tuple.__new__  # a NamedTuple's own would take twice as long
        try:
            found = chunk_format.pick(data, device=self._device, metric=self._metric)
            if self._plain in _CARRIED:
                found = self._carried(data, found)
            for picked in found:
                if self._elsewhere(picked.subject):
                    continue
                subject, column, values = picked.subject, picked.column, picked.values()
                readings = [
                    new(StoredReading, (time_ms, origin, value, quality, trust, subject, column, b""))
                    for (time_ms, origin, _, quality, trust), value in zip(picked.points, values, strict=True)
                ]
                if self._orders:
                    privacy = head.bucket.privacy
                    readings = [one for one in readings if not self._erased(privacy, subject, boot, one.time_ms)]
                yield from [self._dated(boot, one) for one in readings] if boot else readings
        except DecodeError as error:
            raise _damaged(head, error) from error

    def _carried(self, data: bytes, found: list[Picked]) -> list[Picked]:
        """Return what reports carry under this name, beside what the device measures."""
        carried = chunk_format.pick(data, device=self._device, metric=CARRIED + self._plain)
        apart = self._metric != self._plain
        wanted = [picked for picked in carried if self._apart(picked.subject) == apart]
        return wanted if apart else [*found, *wanted]

    def _apart(self, subject: Subject) -> bool:
        """Return whether what reports carry has a name of its own, since the device measures something of the same
        name."""
        place = subject.place
        if place not in self._measured:
            name = series_name(subject, CARRIED + self._plain)
            self._measured[place] = name in self._seen.series([name])
        return self._measured[place]

    # bodies

    def _of_bodies(self) -> Iterator[StoredReading]:
        words: dict[int, Tables] = {}
        pickers: dict[int, BodyPicker] = {}
        whole: list[tuple[Body, list[Row]]] = []
        for body in self._seen.bodies():
            try:
                if body.epoch not in words:
                    words[body.epoch] = vocabulary(self._seen.names(body.epoch))
                if self._plain in _CARRIED:
                    whole.append((body, read_body(body, words[body.epoch])))
                    continue
                picker = pickers.get(body.epoch)
                if picker is None:
                    picker = pickers[body.epoch] = BodyPicker(words[body.epoch], self._device, self._metric)
                for one in picker.pick(expand(body.data)):
                    yield from self._visible(body, *one)
            except DecodeError:
                continue  # the compactor sets it aside, and tells
        for _, rows in whole:
            for row in rows:
                if row.subject.device == self._device and carried_name(row.shape, self._plain) != self._plain:
                    self._measured[row.subject.place] = True
        for body, rows in whole:
            yield from self._of_rows(body, rows)

    def _of_rows(self, body: Body, rows: Sequence[Row]) -> Iterator[StoredReading]:
        for at, row in enumerate(rows):
            if row.subject.device != self._device:
                continue
            for column, value in zip(row.shape.columns, row.values, strict=True):
                if column.metric == self._metric:
                    yield from self._visible(body, at, row.time_ms, value, row.quality, row.trust, row.subject, column)
            carried = _value(row.rssi, row.position, self._plain)
            if carried is not None and self._apart(row.subject) == (self._metric != self._plain):
                column = _CARRIED[self._plain]
                yield from self._visible(body, at, row.time_ms, carried, row.quality, row.trust, row.subject, column)

    def _visible(
        self,
        body: Body,
        at: int,
        time_ms: int,
        value: Value,
        quality: int,
        trust: int,
        subject: Subject,
        column: Column,
    ) -> Iterator[StoredReading]:
        if self._elsewhere(subject):
            return
        if self._orders and self._orders.name(subject):
            privacy = PERSONAL if self._is_personal(subject) else privacy_of(column)
            if self._erased(privacy, subject, body.boot, time_ms):
                return
        origin = (body.record << ORIGIN_BITS) + at
        yield self._dated(body.boot, StoredReading(time_ms, origin, value, quality, trust, subject, column))

    def _elsewhere(self, subject: Subject) -> bool:
        return self._place is not None and self._place != (subject.place or subject.device)

    def _is_personal(self, subject: Subject) -> bool:
        place = subject.place
        if place not in self._personal:
            name = series_name(subject, self._metric)
            seen = self._seen.series([name])
            self._personal[place] = name in seen and seen[name].privacy == PERSONAL
        return self._personal[place]

    def _erased(self, privacy: str, subject: Subject, boot: bytes, time_ms: int) -> bool:
        return bool(self._orders) and self._orders.reaching(privacy, subject, boot, time_ms) is not None

    def _dated(self, boot: bytes, one: StoredReading) -> StoredReading:
        if not boot:
            return one
        clock = self._clocks.get(boot)
        if clock is None:
            return one._replace(boot=boot)
        uncertain = clock.error_ms > EXACT_MS and one.quality == Quality.GOOD
        quality = int(Quality.UNCERTAIN) if uncertain else one.quality
        return one._replace(time_ms=one.time_ms + clock.offset_ms, quality=quality)


def _damaged(head: ChunkHead, error: DecodeError) -> StorageError:
    return StorageError(
        phrase(
            "stored-chunk-damaged",
            "what is stored from hour {hour} cannot be read: {reason}",
            hour=head.bucket.hour,
            reason=reason_of(error),
        )
    )


def _value(rssi: int | None, position: Position | None, metric: str) -> Value | None:
    if metric == RSSI.metric or position is None:
        return rssi if metric == RSSI.metric else None
    own = position.latitude, position.longitude, position.accuracy, position.altitude
    return dict(zip((column.metric for column in POSITION), own, strict=True))[metric]
