"""Frames of a chunk: the reports of up to 32 devices, as columns. Pure.

A frame, before it is compressed:

    about     MessagePack [shapes, count, fields, groups], its length before it as a varint:
                shapes    [[column …] …]: those that the chunk's head does not hold. Their numbers follow the head's
                count     of subjects
                fields    six of [form, texts]: devices, places, sites, zones, models, integrations. Form 0: a text for
                          each subject; 1: one text for all; 2: one text with the first character of each, then the
                          second of each …, short ones filled with U+0000
                groups    [[shape, [subject …], [reports …]] …]: each shape, the subjects that have reports of it,
                          rising: the first, then differences; and how many reports
    columns   of each group with s subjects and n reports, which lie in the order of subjects, then of (time, origin):
                time      track n, Unix ms (UTC)
                record    track n, places in the head's list of records
                place     track n, 0 … 4095, the report's position in its record
                values    one column a metric, in the order of the shape:
                  number  track n of value / resolution
                  flag    track n of 0 and 1
                  text    varint d; d times (varint length in bytes, UTF-8); packed n of indices into these
                quality   runs n          trust     runs n
                rssi      may n of dBm
                position  u8 0 = none; 1 = may n of latitude, of longitude (10⁻⁷ degree), accuracy and altitude (cm)

The columns are in `backend.readings.chunks.planes`.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from itertools import accumulate, chain, zip_longest
from typing import Any, NamedTuple

import msgspec

from backend.readings.chunks.planes import differences, put_may, put_track
from backend.readings.chunks.rows import MAX_TIME, ORIGIN_BITS, ChunkRow
from hub.core.model import Position
from hub.protocol.records.dictionary import Refused, Scale, scales
from hub.protocol.records.integers import I64_MAX, I64_MIN, put_packed, put_runs, put_varint
from hub.protocol.records.rows import Shape, Subject

DEVICES = 32
READINGS = 1 << 15
"""Most readings in a frame."""
TEXT_WEIGHT = 8
"""Characters of texts and names that count as one reading in the size of a frame."""
MAX_FRAME = 1 << 23
"""Largest frame in bytes, before compression."""

EACH, SAME, ACROSS = 0, 1, 2
"""Forms in which a field of the subjects is told."""
FILL = "\0"

PLACE = (1 << ORIGIN_BITS) - 1
_SAFE = 1 << 49
"""Items below this are what `Scale` makes of a value; beyond, a fraction tells which one a double came from."""
DEGREE, METRE = 10**7, 100
FIELDS = Subject.__struct_fields__
ShapeFields = list[tuple[str, str, str, str, str, str, str]]


class Bucket(NamedTuple):
    """Reports of one subject and shape, by (time, origin)."""

    subject: Subject
    shape: Shape
    rows: list[ChunkRow]


class About(msgspec.Struct, array_like=True, forbid_unknown_fields=True):
    """Beginning of a frame: which subjects have how many reports of which shapes."""

    shapes: list[ShapeFields]
    count: int
    fields: list[tuple[int, list[str]]]
    groups: list[tuple[int, list[int], list[int]]]


def shape_fields(shape: Shape) -> ShapeFields:
    return [msgspec.structs.astuple(column) for column in shape.columns]


def encode_frame(buckets: Sequence[Bucket], shapes: dict[Shape, int], records: dict[int, int]) -> list[bytes]:
    """Return a frame in pieces, to be compressed one after the other. `shapes` are the numbers of those that the head
    holds, `records` the places of their ids in its list. Raises Refused."""
    subjects: dict[Subject, int] = {}
    own: dict[Shape, int] = {}
    groups: dict[Shape, list[Bucket]] = {}
    for bucket in buckets:
        subjects.setdefault(bucket.subject, len(subjects))
        if bucket.shape not in shapes:
            own.setdefault(bucket.shape, len(shapes) + len(own))
        groups.setdefault(bucket.shape, []).append(bucket)
    about = msgspec.msgpack.encode(
        About(
            [shape_fields(shape) for shape in own],
            len(subjects),
            [_put_names([getattr(subject, name) for subject in subjects]) for name in FIELDS],
            [
                (
                    shapes[shape] if shape in shapes else own[shape],
                    differences([subjects[bucket.subject] for bucket in group]),
                    [len(bucket.rows) for bucket in group],
                )
                for shape, group in groups.items()
            ],
        )
    )
    out: list[bytes] = []
    put_varint(out, len(about))
    out.append(about)
    try:
        for shape, group in groups.items():
            _put_group(out, shape, group, records)
    except (TypeError, ValueError, OverflowError, AttributeError) as error:
        raise error if isinstance(error, Refused) else Refused("unencodable", str(error)) from error
    return out


def _put_group(out: list[bytes], shape: Shape, group: Sequence[Bucket], records: dict[int, int]) -> None:
    rows = group[0].rows if len(group) == 1 else list(chain.from_iterable(bucket.rows for bucket in group))
    marks = [0, *accumulate(len(bucket.rows) for bucket in group)]
    _, _, times, origins, values, qualities, trusts, rssis, positions = zip(*rows, strict=True)
    if min(times) < -MAX_TIME or max(times) > MAX_TIME:
        raise Refused("time")
    put_track(out, times, marks)
    put_track(out, [records[origin >> ORIGIN_BITS] for origin in origins], marks)
    put_track(out, [origin & PLACE for origin in origins], marks)
    columns = list(zip(*values, strict=True))
    if len(columns) != len(shape.columns):
        raise Refused("shape")
    for column, scale, items in zip(shape.columns, scales(shape), columns, strict=True):
        if scale is not None:
            put_track(out, _items(scale, items), marks)
        elif column.kind == "flag":
            put_track(out, list(map(int, items)), marks)
        else:
            _put_texts(out, items)
    put_runs(out, bytes(qualities))
    put_runs(out, bytes(trusts))
    put_may(out, rssis, marks)
    _put_positions(out, positions, marks)


def _items(scale: Scale, values: Sequence[Any]) -> list[int]:
    try:
        items, bias = scale.items(values)
    except Refused:  # one at the end of 64 bit, which as a double is beyond it, or what is no number
        return [_item(scale, value) for value in values]
    whole = [item - bias for item in items] if bias else list(items)
    if bias and min(whole) > -_SAFE and max(whole) < _SAFE:
        return whole
    return [_item(scale, value) for value in values]


def _item(scale: Scale, value: Any) -> int:
    """Return an item that gives this value, exactly."""
    item = round(Fraction(value) * scale.up / scale.down)
    if I64_MIN <= item <= I64_MAX:
        return item
    last = I64_MAX if item > 0 else I64_MIN
    if scale.values([last]) != [value]:
        raise Refused("beyond-64-bit")
    return last


def _put_texts(out: list[bytes], items: Sequence[Any]) -> None:
    index = {text: at for at, text in enumerate(dict.fromkeys(items))}
    put_varint(out, len(index))
    for text in index:
        raw = text.encode()
        put_varint(out, len(raw))
        out.append(raw)
    put_packed(out, [index[text] for text in items])


def _put_positions(out: list[bytes], positions: Sequence[Position | None], marks: Sequence[int]) -> None:
    if positions.count(None) == len(positions):
        out.append(bytes(1))
        return
    out.append(b"\1")
    for name, step in (("latitude", DEGREE), ("longitude", DEGREE), ("accuracy", METRE), ("altitude", METRE)):
        values = [None if position is None else getattr(position, name) for position in positions]
        put_may(out, [None if value is None else round(value * step) for value in values], marks)


def _put_names(names: list[str]) -> tuple[int, list[str]]:
    if names.count(names[0]) == len(names):
        return SAME, names[:1]
    longest, size = max(map(len, names)), sum(map(len, names))
    if longest * len(names) > 2 * size or any(FILL in name for name in names):
        return EACH, names
    return ACROSS, ["".join(chain.from_iterable(zip_longest(*names, fillvalue=FILL)))]
