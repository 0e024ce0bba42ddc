"""Readings of one device and metric, picked out of the body of a block without decoding the others. Pure.

The format is that of `hub.protocol.records.columns`, whose `decode` reads all of a body, and judges all of it: what is
picked here is of the columns that were asked for alone.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import accumulate, compress
from typing import NamedTuple

from backend.storage.reading_rules import MAX_TIME
from hub.core.errors import DecodeError
from hub.core.model import Value
from hub.core.text import phrase
from hub.protocol.records.bodies import Tables
from hub.protocol.records.columns import MAX_READINGS
from hub.protocol.records.dictionary import scales
from hub.protocol.records.integers import I64_MAX, I64_MIN, Reader
from hub.protocol.records.rows import Column, Shape, Subject

_ABSOLUTE, _TIGHT, _BITS = 0x80, 0x40, 0x3F


class PickedReading(NamedTuple):
    """A reading; `at` is the place of its report in the body, `time_ms` by the body's clock."""

    at: int
    time_ms: int
    value: Value
    quality: int
    trust: int
    subject: Subject
    column: Column


class BodyPicker:
    """Picks the readings of a metric of a device out of bodies of one epoch."""

    def __init__(self, tables: Tables, device: str, metric: str) -> None:
        self._shapes = tables.shapes
        self._subjects = {
            number: subject for number, subject in tables.subjects.items() if subject.device == device
        }  # fmt: skip
        self._columns = {
            number: at
            for number, shape in tables.shapes.items()
            for at, column in enumerate(shape.columns)
            if column.metric == metric
        }
        self._scales = {number: scales(tables.shapes[number]) for number in self._columns}

    def pick(self, body: bytes) -> Iterator[PickedReading]:
        """Yield the readings, in the order of the body. Raises DecodeError."""
        if not self._subjects or not self._columns:
            return
        reader = _Skimmer(body)
        if reader.byte():
            reader.take(16)
        begin = 0
        try:
            for _ in range(reader.varint()):
                number = reader.varint()
                shape = self._shapes.get(number)
                count = reader.varint()
                if shape is None or not 0 < count <= MAX_READINGS:
                    raise DecodeError("bad-block", phrase("shape-not-defined", "a shape was never defined"))
                subjects = accumulate(reader.packed(count))
                wanted = self._subjects if number in self._columns else {}
                known = [wanted.get(one) for one in subjects]
                lengths = reader.packed(count)
                total = sum(lengths)
                if min(lengths) < 1 or total > MAX_READINGS:
                    raise DecodeError(
                        "bad-block", phrase("block-too-many-readings", "more readings than a block may hold")
                    )
                if any(known):
                    yield from self._group(reader, number, shape, known, lengths, begin)
                else:
                    reader.skip_group(shape, count, total)
                begin += total
        except (ValueError, OverflowError, MemoryError, IndexError) as error:
            raise DecodeError("bad-block", str(error)) from error

    def _group(
        self,
        reader: _Skimmer,
        number: int,
        shape: Shape,
        known: Sequence[Subject | None],
        lengths: Sequence[int],
        begin: int,
    ) -> Iterator[PickedReading]:
        wanted = self._columns[number]
        total = sum(lengths)
        marks = [0, *accumulate(lengths)]
        spans = [
            (at, marks[at], marks[at + 1], subject) for at, subject in enumerate(known) if subject is not None
        ]  # fmt: skip
        times = reader.track(spans, len(lengths), total)
        if any(not 0 <= time < MAX_TIME for some in times for time in some):
            raise DecodeError("bad-time", phrase("block-item-out-of-range", "an item is out of its range"))
        values: list[list[Value]] = []
        for at, column in enumerate(shape.columns):
            if at != wanted:
                reader.skip_column(column, len(lengths), total)
            elif (scale := self._scales[number][at]) is not None:
                values = [scale.values(items) for items in reader.track(spans, len(lengths), total)]
            else:
                items = reader.flags(total) if column.kind == "flag" else reader.texts(total)
                values = [items[first:last] for _, first, last, _ in spans]
        qualities, trusts = reader.runs(total), reader.runs(total)
        reader.skip_runs(total)
        reader.skip_positions(total)
        column = shape.columns[wanted]
        for (_, first, _, subject), some, own in zip(spans, times, values, strict=True):
            for at, (time_ms, value) in enumerate(zip(some, own, strict=True), first):
                yield PickedReading(begin + at, time_ms, value, qualities[at], trusts[at], subject, column)


_Span = tuple[int, int, int, Subject]


class _Skimmer(Reader):
    """Reads the columns of a body that are wanted, and passes over the others."""

    def track(self, spans: Sequence[_Span], subjects: int, total: int) -> list[list[int]]:
        """Read a track of a group: the items of the subjects of `spans`, each (its place, its first item, the item
        after its last)."""
        base, width = self.head()
        if width & _ABSOLUTE:
            items = self.cells(base, width & ~_ABSOLUTE, total)
            found = [items[first:last] for _, first, last, _ in spans]
        elif subjects == total:
            items = self.cells(base, width, total)
            found = [[items[at]] for at, _, _, _ in spans]
        else:
            firsts, steps = self.cells(base, width, subjects), self.packed(total - subjects)
            found = [
                list(accumulate(steps[first - at : last - at - 1], initial=firsts[at])) for at, first, last, _ in spans
            ]
        if self.wide and any(not I64_MIN <= item <= I64_MAX for some in found for item in some):
            raise DecodeError("bad-block", phrase("block-item-out-of-range", "an item is out of its range"))
        return found

    def flags(self, total: int) -> list[Value]:
        return [bool(item) for item in self.packed(total)]

    def texts(self, total: int) -> list[Value]:
        texts = [self.take(self.varint()).decode() for _ in range(self._count(total))]
        items = self.packed(total)
        if min(items) < 0:
            raise DecodeError("bad-block", phrase("block-item-out-of-range", "an item is out of its range"))
        return [texts[item] for item in items]

    def skip_group(self, shape: Shape, subjects: int, total: int) -> None:
        self._skip_track(subjects, total)
        for column in shape.columns:
            self.skip_column(column, subjects, total)
        for _ in range(3):  # quality, trust, rssi
            self.skip_runs(total)
        self.skip_positions(total)

    def skip_column(self, column: Column, subjects: int, total: int) -> None:
        if column.kind == "number":
            self._skip_track(subjects, total)
            return
        if column.kind == "text":
            for _ in range(self._count(total)):
                self.take(self.varint())
        self._skip(total)

    def skip_runs(self, total: int) -> None:
        runs = self.varint()
        if runs > total:
            raise DecodeError("bad-runs", phrase("column-too-many-runs", "more runs than reports"))
        self._skip(runs or total)
        if runs > 1:
            self._skip(runs)

    def skip_positions(self, total: int) -> None:
        if self.byte():
            count = sum(compress([1] * total, self.runs(total)))
            for _ in range(4):
                self._skip(count)

    def _skip_track(self, subjects: int, total: int) -> None:
        _, width = self.head()
        if width & _ABSOLUTE:
            self._pass(width & ~_ABSOLUTE, total)
            return
        self._pass(width, subjects)
        if subjects != total:
            self._skip(total - subjects)

    def _skip(self, count: int) -> None:
        _, width = self.head()
        self._pass(width, count)

    def _pass(self, width: int, count: int) -> None:
        if width & _TIGHT:
            planes, bits = divmod(width & _BITS, 8)
            self.take(count * planes + (count * bits + 7 >> 3))
        else:
            self.take(count * width)

    def _count(self, total: int) -> int:
        count = self.varint()
        if not 0 < count <= total:
            raise DecodeError("bad-block", phrase("block-too-many-texts", "more texts than reports"))
        return count
