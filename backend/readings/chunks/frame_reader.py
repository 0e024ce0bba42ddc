"""Reading of frames, whose format is in `backend.readings.chunks.frames`: each column only where it is asked for.
Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cached_property
from itertools import accumulate, chain, repeat
from typing import Any, cast, overload

import msgspec

from backend.readings.chunks.frames import (  # fmt: skip
    ACROSS,
    DEGREE,
    EACH,
    FIELDS,
    FILL,
    METRE,
    PLACE,
    READINGS,
    SAME,
    About,
    ShapeFields,
)
from backend.readings.chunks.planes import Cursor, May, Planes, Track
from backend.readings.chunks.rows import (
    CARRIED,
    MAX_TIME,
    ORIGIN_BITS,
    POSITION,
    RSSI,
    ChunkRow,
    Content,
    Picked,
    Point,
)
from hub.core.errors import DecodeError
from hub.core.model import Position, Value
from hub.core.text import phrase, reason_of
from hub.protocol.records.dictionary import Refused, scales
from hub.protocol.records.rows import Column, Shape, Subject

_about = msgspec.msgpack.Decoder(About)


def read_shapes(told: Sequence[ShapeFields]) -> list[Shape]:
    """Return shapes of their fields. Raises DecodeError for those that no block has."""
    shapes = [Shape(tuple(Column(*column) for column in columns)) for columns in told]
    try:
        for shape in shapes:
            scales(shape)
    except Refused as error:
        raise DecodeError("bad-chunk", reason_of(error)) from error
    return shapes


class Texts:
    """A column of texts."""

    __slots__ = ("_planes", "_texts")

    def __init__(self, texts: Sequence[str], planes: Planes) -> None:
        self._texts, self._planes = texts, planes

    def part(self, begin: int, end: int) -> list[str]:
        """Return the texts from `begin` to `end`. Raises DecodeError."""
        items = self._planes.part(begin, end)
        if min(items) < 0 or max(items) >= len(self._texts):
            raise DecodeError("bad-chunk", phrase("block-item-out-of-range", "an item is out of its range"))
        return [self._texts[item] for item in items]


class Group:
    """The reports of one shape in a frame, read where they are asked for."""

    def __init__(
        self, cursor: Cursor, shape: Shape, subjects: list[int], counts: list[int], records: list[int]
    ) -> None:
        self.shape, self.subjects, self.counts, self._records = shape, subjects, counts, records
        self.marks = [0, *accumulate(counts)]
        wide, count = len(subjects), self.marks[-1]
        self._times, self._record = cursor.track(wide, count), cursor.track(wide, count)
        self._places = cursor.track(wide, count)
        self._scales = scales(shape)
        self._columns: list[Track | Texts] = [
            _texts(cursor, count) if column.kind == "text" else cursor.track(wide, count) for column in shape.columns
        ]
        self._quality, self._trust = cursor.part_runs(count), cursor.part_runs(count)
        self._rssi = cursor.may(wide, count)
        there = cursor.byte()
        if there > 1:
            raise DecodeError("bad-chunk", phrase("positions-form-unknown", "unknown form of positions"))
        self._position = [cursor.may(wide, count) for _ in POSITION] if there else []

    def rows(self, subjects: Sequence[Subject]) -> list[ChunkRow]:
        """Return the reports of this group; `subjects` are its own."""
        columns: list[Sequence[Value]] = []
        for place, scale in enumerate(self._scales):
            items = self._column(place)
            columns.append(scale.values(cast("list[int]", items)) if scale is not None else items)
        times, origins, qualities, trusts = self._heads()
        fields = zip(
            chain.from_iterable(map(repeat, subjects, self.counts)),
            repeat(self.shape, self.marks[-1]),
            times,
            origins,
            zip(*columns, strict=True),
            qualities,
            trusts,
            self._read(self._rssi),
            self._positions(),
            strict=True,
        )
        return cast("list[ChunkRow]", list(map(tuple.__new__, repeat(ChunkRow), fields)))

    def picked(self, at: int, subject: Subject, metric: str) -> Iterator[Picked]:
        """Yield the readings of a metric of the subject at place `at`; of what reports carry, those that are there."""
        for place, column in enumerate(self.shape.columns):
            if column.metric == metric:
                yield Picked(subject, column, self._points(at, self._column(place, at)))
        if metric.startswith(CARRIED):
            for column, may in ((RSSI, self._rssi), *zip(POSITION, self._position, strict=False)):
                if CARRIED + column.metric == metric:
                    items = self._read(may, at)
                    points = [point for point in self._points(at, items) if point.item is not None]
                    if points:
                        yield Picked(subject, column, points)

    def _points(self, at: int, items: Sequence[Any]) -> list[Point]:
        times, origins, qualities, trusts = self._heads(at)
        fields = zip(times, origins, items, qualities, trusts, strict=True)
        return cast("list[Point]", list(map(tuple.__new__, repeat(Point), fields)))

    # columns of the subject at place `at`, or of all

    @overload
    def _read(self, column: Track, at: int | None = None) -> list[int]: ...

    @overload
    def _read(self, column: May, at: int | None = None) -> list[int | None]: ...

    def _read(self, column: Track | May, at: int | None = None) -> Any:
        if at is None:
            return column.whole(self.marks, self.counts)
        return column.part(at, self.marks[at], self.marks[at + 1])

    def _span(self, at: int | None) -> tuple[int, int]:
        return (0, self.marks[-1]) if at is None else (self.marks[at], self.marks[at + 1])

    def _heads(self, at: int | None = None) -> tuple[list[int], list[int], list[int], list[int]]:
        begin, end = self._span(at)
        times, records, places = self._read(self._times, at), self._read(self._record, at), self._read(self._places, at)
        qualities, trusts = self._quality.part(begin, end), self._trust.part(begin, end)
        _within(-MAX_TIME, MAX_TIME, times)
        _within(0, len(self._records) - 1, records)
        _within(0, PLACE, places)
        _within(0, 255, qualities, trusts)
        ids = self._records
        origins = [ids[record] << ORIGIN_BITS | place for record, place in zip(records, places, strict=True)]
        return times, origins, qualities, trusts

    def _column(self, place: int, at: int | None = None) -> list[Any]:
        column = self._columns[place]
        if isinstance(column, Texts):
            return column.part(*self._span(at))
        items = self._read(column, at)
        if self._scales[place] is None:
            _within(0, 1, items)
            return list(map(bool, items))
        return items

    def _positions(self) -> Sequence[Position | None]:
        if not self._position:
            return [None] * self.marks[-1]
        return [
            None
            if latitude is None or longitude is None
            else Position(
                latitude=latitude / DEGREE,
                longitude=longitude / DEGREE,
                accuracy=None if accuracy is None else accuracy / METRE,
                altitude=None if altitude is None else altitude / METRE,
            )
            for latitude, longitude, accuracy, altitude in zip(*map(self._read, self._position), strict=True)
        ]


class Frame:
    """A frame, its columns not yet read. Raises DecodeError for bytes that `encode_frame` did not write."""

    def __init__(self, body: bytes, shapes: list[Shape], records: list[int]) -> None:
        cursor = Cursor(body)
        try:
            about = _about.decode(cursor.take(cursor.varint()))
        except (msgspec.DecodeError, ValueError, RecursionError) as error:
            raise DecodeError("bad-chunk", reason_of(error)) from error
        self._body, self._start = body, cursor.at
        self._shapes, self._records = shapes + read_shapes(about.shapes), records
        if not 0 < about.count <= READINGS or len(about.fields) != len(FIELDS):
            raise DecodeError("bad-chunk", phrase("chunk-subject-fields", "subjects with fields missing"))
        self._names = [_names(form, texts, about.count) for form, texts in about.fields]
        self._groups = [(shape, list(accumulate(subjects)), counts) for shape, subjects, counts in about.groups]
        self.reports, readings = 0, 0
        for shape, subjects, counts in self._groups:
            if not 0 <= shape < len(self._shapes) or not subjects or len(subjects) != len(counts) or min(counts) < 1:
                raise DecodeError("bad-chunk", phrase("chunk-group-wrong", "a group without a shape or a subject"))
            _within(0, about.count - 1, subjects)
            self.reports += sum(counts)
            readings += sum(counts) * len(self._shapes[shape].columns)
        if readings > READINGS:
            raise DecodeError("bad-chunk", phrase("chunk-too-many-readings", "more readings than a frame may hold"))

    @property
    def devices(self) -> list[str]:
        """The device of each subject."""
        return self._names[0]

    def subject(self, number: int) -> Subject:
        return Subject(*(names[number] for names in self._names))

    @cached_property
    def _known(self) -> list[Subject]:
        return [self.subject(number) for number in range(len(self.devices))]

    def contents(self) -> list[Content]:
        """Return what the frame holds, without reading a column."""
        known = self._known
        return [
            Content(known[number], self._shapes[shape], count)
            for shape, subjects, counts in self._groups
            for number, count in zip(subjects, counts, strict=True)
        ]

    def groups(self) -> Iterator[Group]:
        """Yield the groups."""
        cursor = Cursor(self._body)
        cursor.at = self._start
        for shape, subjects, counts in self._groups:
            yield Group(cursor, self._shapes[shape], subjects, counts, self._records)
        cursor.end()

    def rows(self) -> list[ChunkRow]:
        """Return all reports, by group, subject, time and origin."""
        known = self._known
        return [row for group in self.groups() for row in group.rows([known[number] for number in group.subjects])]

    def picked(self, device: str, metric: str) -> Iterator[Picked]:
        """Yield the readings of a metric of a device."""
        wanted = {number for number, name in enumerate(self.devices) if name == device}
        if wanted:
            for group in self.groups():
                for at, number in enumerate(group.subjects):
                    if number in wanted:
                        yield from group.picked(at, self.subject(number), metric)


def _names(form: int, texts: list[str], count: int) -> list[str]:
    if form == EACH and len(texts) == count:
        return texts
    if form == SAME and len(texts) == 1:
        return texts * count
    if form == ACROSS and len(texts) == 1 and len(texts[0]) % count == 0:
        return [texts[0][at::count].rstrip(FILL) for at in range(count)]
    raise DecodeError("bad-chunk", phrase("chunk-subject-fields", "subjects with fields missing"))


def _texts(cursor: Cursor, count: int) -> Texts:
    known = cursor.varint()
    if not 0 < known <= count:
        raise DecodeError("bad-chunk", phrase("block-too-many-texts", "more texts than reports"))
    try:
        texts = [cursor.take(cursor.varint()).decode() for _ in range(known)]
    except UnicodeDecodeError as error:
        raise DecodeError("bad-chunk", reason_of(error)) from error
    return Texts(texts, cursor.planes(count))


def _within(low: int, high: int, *columns: Sequence[int]) -> None:
    for items in columns:
        if items and (min(items) < low or max(items) > high):
            raise DecodeError("bad-chunk", phrase("block-item-out-of-range", "an item is out of its range"))
