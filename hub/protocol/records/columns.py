"""The body of a BLOCK: reports as columns, up to 4,096 readings. Pure; encode and decode are exact mirrors.

    time base   u8 0 = Unix ms (UTC) · 1 = monotonic ms of one boot, whose 16-byte id follows
    groups      varint; then one group per shape, each:
      shape     varint, its number in TABLE
      subjects  varint s, at least 1
      numbers   packed s, the subjects' numbers in TABLE, rising: the first, then differences
      reports   packed s, how many each subject has, at least 1; n is their sum. Every column below has one item a
                report, sorted by (subject, time)
      time      track n
      values    one column per metric, in the order of the shape, by the metric's kind:
        number    track n of value / resolution, rounded half to even
        flag      packed n of 0 and 1
        text      varint d; d times (varint length in bytes, UTF-8); packed n of indices into these, from 0
      quality   runs n: 0 good · 1 uncertain · 2 bad · 3 undated
      trust     runs n: 1 class A · 2 class B · 3 class C
      rssi      runs n of dBm, −32767 … 32767; −32768 = none
      position  u8 0 = none; 1 = runs n of 0 and 1 (has one), then for the m that have one: packed m of
                latitude and of longitude in 10⁻⁷ degree, of accuracy and of altitude in cm, −2^63 = none

    track n     packed s of each subject's first item, then, when n > s, packed n − s of the differences between
                neighbours of one subject, subject after subject. When a difference would pass 64 bit: packed n
                with bit 7 of the width byte set, the items themselves.

`packed` and `runs` are in `hub.protocol.records.integers`. Nothing follows the last group. A report carries as many
readings as its shape has metrics. Each item is a signed 64-bit integer; a reader refuses a block with one that is not.
A resolution is a decimal, 1 to 9 digits, then perhaps a point and 1 to 12 digits, above zero. A number decodes to
item × resolution, which is the double nearest to that decimal (an int where the resolution is whole).
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Sequence
from itertools import accumulate, chain, compress, repeat
from operator import add, itemgetter, ne, sub
from typing import Any, cast

from hub.core.errors import DecodeError
from hub.core.model import Position, Value
from hub.core.text import phrase, reason_of
from hub.protocol.records.compression import MAX_BODY
from hub.protocol.records.dictionary import MAX_COLUMNS, Numbering, Refused, scales
from hub.protocol.records.integers import I64_MAX, I64_MIN, Reader, put_packed, put_runs, put_varint, tightened
from hub.protocol.records.rows import Row, Shape, Subject

MAX_READINGS = MAX_COLUMNS
MAX_TEXT = 1024
MAX_SHAPE, MAX_SUBJECT = 1 << 17, 1 << 11
"""Largest description of a shape, and of a subject, in bytes."""
TRIED = 8192
"""A body up to this size in bytes is encoded in both ways: in larger ones zstd finds the pattern where there is one."""
TEXT_WEIGHT = 8
"""Characters of text that count as one reading in the size of a block."""

NO_RSSI = -32768
_ABSOLUTE = 0x80
_EXACT = 1 << 51
_DEGREE, _METRE = 10**7, 100


def encode(rows: Sequence[Row], numbering: Numbering, boot: bytes = b"") -> bytes:
    """The body of one block, as whole planes: the first of `forms`."""
    return forms(rows, numbering, boot)[0]


def forms(rows: Sequence[Row], numbering: Numbering, boot: bytes = b"") -> list[bytes]:
    """The body of one block, written in one way or in two: as whole planes, and of a block that is not large also with
    the highest planes cut to their bits. Which is shorter in the end is seen after compression: noise is shorter in
    bits, a pattern in bytes. All rows have one time base: UTC, or monotonic of `boot` (16 bytes) when given.

    Raises Refused when some row cannot be stored; encoding that row alone raises it too.
    """
    out: list[bytes] = [b"\1" + boot if boot else b"\0"]
    groups: dict[Shape, list[Row]] = {}
    if len(shapes := {row[1] for row in rows}) == 1:
        groups[shapes.pop()] = list(rows)
    else:
        for row in rows:
            groups.setdefault(row[1], []).append(row)
    put_varint(out, len(groups))
    try:
        for shape, group in groups.items():
            _put_group(out, shape, group, numbering)
    except (TypeError, ValueError, OverflowError, AttributeError) as error:
        raise error if isinstance(error, Refused) else Refused("unencodable", str(error)) from error
    body = b"".join(out)
    if len(body) > MAX_BODY:
        raise Refused("too-long")
    return [body, b"".join(tightened(out))] if len(body) <= TRIED else [body]


def _put_group(out: list[bytes], shape: Shape, rows: list[Row], numbering: Numbering) -> None:
    put_varint(out, numbering.shape(shape))
    subjects, _, times, _, values, qualities, trusts, rssis, positions = zip(*rows, strict=True)
    array("q", times)  # refuses what is no 64-bit integer
    numbers: Sequence[int] = numbering.numbers(subjects)
    count = len(rows)
    if count > 1:
        span = max(times) - min(times) + 1
        keys = [number * span + time for number, time in zip(numbers, times, strict=True)]
        order = itemgetter(*sorted(range(count), key=keys.__getitem__))
        numbers, times, values = order(numbers), order(times), order(values)
        qualities, trusts, rssis, positions = order(qualities), order(trusts), order(rssis), order(positions)
    firsts = [True, *map(ne, numbers[1:], numbers)]
    distinct = list(compress(numbers, firsts))
    put_varint(out, len(distinct))
    put_packed(out, [distinct[0], *map(sub, distinct[1:], distinct)])
    marks = [*compress(range(count), firsts), count]
    put_packed(out, list(map(sub, marks[1:], marks)))
    _put_track(out, times, 0, firsts, len(distinct))
    columns = list(zip(*values, strict=True))
    if len(columns) != len(shape.columns):
        raise Refused(
            "shape",
            phrase(
                "values-and-metrics-differ",
                "{values} values for {metrics} metrics",
                values=len(columns),
                metrics=len(shape.columns),
            ),
        )
    for column, scale, items in zip(shape.columns, numbering.scales(shape), columns, strict=True):
        if scale is not None:
            whole, bias = scale.items(items)
            _put_track(out, whole, bias, firsts, len(distinct))
        elif column.kind == "flag":
            _put_flags(out, items)
        else:
            _put_texts(out, items)
    put_runs(out, bytes(qualities))
    put_runs(out, bytes(trusts))
    _put_rssi(out, rssis)
    _put_positions(out, positions)


def _put_track(out: list[bytes], items: Sequence[int], bias: int, firsts: list[bool], subjects: int) -> None:
    if subjects == len(items):
        put_packed(out, items, bias)
        return
    repeats = [not first for first in firsts[1:]]
    steps = list(compress(map(sub, items[1:], items), repeats))
    if max(steps) > I64_MAX or min(steps) < I64_MIN:
        put_packed(out, items, bias, _ABSOLUTE)
        return
    put_packed(out, list(compress(items, firsts)), bias)
    put_packed(out, steps)


def _put_flags(out: list[bytes], items: Sequence[Any]) -> None:
    try:
        cells = array("B", items)
    except (TypeError, OverflowError) as error:
        raise Refused("not-a-flag", str(error)) from error
    if max(cells) > 1:
        raise Refused("not-a-flag")
    put_packed(out, cells)


def _put_texts(out: list[bytes], items: Sequence[Any]) -> None:
    if set(map(type, items)) != {str} or max(map(len, items)) > MAX_TEXT:
        raise Refused(
            "not-a-text", phrase("record-text-too-long", "a text has at most {limit} characters", limit=MAX_TEXT)
        )
    index = {text: at for at, text in enumerate(dict.fromkeys(items))}
    put_varint(out, len(index))
    for text in index:
        raw = text.encode()
        put_varint(out, len(raw))
        out.append(raw)
    put_packed(out, [index[text] for text in items])


def _put_rssi(out: list[bytes], items: Sequence[int | None]) -> None:
    if items.count(None) == len(items):
        put_runs(out, (NO_RSSI,) * len(items))
        return
    if NO_RSSI in items:
        raise Refused("rssi")
    # the array refuses what is no 16-bit number; as a list, so that bytes() of it are its items and not its memory
    put_runs(out, array("h", [NO_RSSI if item is None else item for item in items]).tolist())


def _put_positions(out: list[bytes], positions: Sequence[Position | None]) -> None:
    if positions.count(None) == len(positions):
        out.append(b"\0")
        return
    out.append(b"\1")
    put_runs(out, bytes([position is not None for position in positions]))
    found = [position for position in positions if position is not None]
    for values, step, limit in (
        ([p.latitude for p in found], _DEGREE, 90 * _DEGREE),
        ([p.longitude for p in found], _DEGREE, 180 * _DEGREE),
        ([p.accuracy for p in found], _METRE, _EXACT),
        ([p.altitude for p in found], _METRE, _EXACT),
    ):
        items = [I64_MIN if value is None else round(value * step) for value in values]
        if any(abs(item) > limit for item in items if item != I64_MIN):
            raise Refused("position")
        put_packed(out, items)


def decode(body: bytes, shapes: dict[int, Shape], subjects: dict[int, Subject]) -> tuple[bytes, list[Row]]:
    """The boot id (empty for UTC) and the rows of a block, in its own order.

    Raises DecodeError for any body that `encode` did not write, and for numbers no TABLE has told.
    """
    reader = Reader(body)
    base = reader.byte()
    if base > 1:
        raise DecodeError("bad-time-base", str(base))
    boot = reader.take(16) if base else b""
    rows: list[Row] = []
    readings = 0
    try:
        for _ in range(reader.varint()):
            shape = shapes.get(reader.varint())
            if shape is None:
                raise DecodeError("unknown-table", phrase("shape-not-defined", "a shape was never defined"))
            group = _group(reader, shape, subjects, not base, MAX_READINGS - readings)
            readings += len(group) * len(shape.columns)
            rows += group
    except (ValueError, OverflowError, MemoryError) as error:
        raise DecodeError("bad-block", reason_of(error)) from error
    reader.end()
    return boot, rows


class _Layout:
    """Assignment of the reports of a group to its subjects, computed once for all its columns."""

    __slots__ = ("firsts", "lengths", "marks", "subjects", "total")

    def __init__(self, lengths: list[int], total: int) -> None:
        self.lengths, self.total, self.subjects = lengths, total, len(lengths)
        self.firsts: list[bool] = []
        self.marks: list[int] = []
        if self.subjects != total:
            self.marks = [0, *accumulate(lengths[:-1])]
            mask = bytearray(total)
            for mark in self.marks:
                mask[mark] = 1
            self.firsts = list(map(bool, mask))


def _group(reader: Reader, shape: Shape, known: dict[int, Subject], sure: bool, room: int) -> list[Row]:
    count = reader.varint()
    if not 0 < count * len(shape.columns) <= room:
        raise DecodeError("bad-block", phrase("block-wrong-count", "no report, or more readings than a block may hold"))
    numbers = list(accumulate(reader.packed(count)))
    lengths = reader.packed(count)
    total = sum(lengths)
    if min(lengths) < 1 or total * len(shape.columns) > room:
        raise DecodeError("bad-block", phrase("block-too-many-readings", "more readings than a block may hold"))
    try:
        subjects = [known[number] for number in numbers]
    except KeyError as error:
        raise DecodeError("unknown-table", phrase("subject-not-defined", "a subject was never defined")) from error
    layout = _Layout(lengths, total)
    times = _track(reader, layout)
    columns: list[Iterable[Value]] = []
    for column, scale in zip(shape.columns, scales(shape), strict=True):
        if scale is not None:
            columns.append(scale.values(_track(reader, layout)))
        elif column.kind == "flag":
            columns.append(_flags(reader, total))
        else:
            columns.append(_texts(reader, total))
    qualities, trusts = reader.runs(total), reader.runs(total)
    _within(0, 255, qualities, trusts)
    signals = reader.runs(total)
    _within(-(1 << 15), (1 << 15) - 1, signals)
    rssis: list[int | None] = [None if rssi == NO_RSSI else rssi for rssi in signals]
    who = subjects if total == count else chain.from_iterable(map(repeat, subjects, lengths))
    fields = zip(
        who,
        repeat(shape, total),
        times,
        repeat(sure, total),
        zip(*columns, strict=True),
        qualities,
        trusts,
        rssis,
        _positions(reader, total),
        strict=True,
    )
    # what Row._make does, without a call in Python for each row
    return cast("list[Row]", list(map(tuple.__new__, repeat(Row), fields)))


def _track(reader: Reader, layout: _Layout) -> list[int]:
    base, width = reader.head()
    if width & _ABSOLUTE:
        items = reader.cells(base, width & ~_ABSOLUTE, layout.total)
    elif layout.subjects == layout.total:
        items = reader.cells(base, width, layout.total)
    else:
        firsts = reader.cells(base, width, layout.subjects)
        steps = iter(reader.packed(layout.total - layout.subjects))
        # one running sum over all subjects, then each subject is lifted from where that sum stood to its own first
        sums = list(accumulate([0 if first else next(steps) for first in layout.firsts]))
        lifts = map(sub, firsts, [sums[mark] for mark in layout.marks])
        items = list(map(add, sums, chain.from_iterable(map(repeat, lifts, layout.lengths))))
    if reader.wide:
        _within(I64_MIN, I64_MAX, items)
    return items


def _within(low: int, high: int, *columns: list[int]) -> None:
    for items in columns:
        if min(items) < low or max(items) > high:
            raise DecodeError("bad-block", phrase("block-item-out-of-range", "an item is out of its range"))


def _flags(reader: Reader, total: int) -> list[bool]:
    items = reader.packed(total)
    _within(0, 1, items)
    return list(map(bool, items))


def _texts(reader: Reader, total: int) -> list[str]:
    count = reader.varint()
    if not 0 < count <= total:
        raise DecodeError("bad-block", phrase("block-too-many-texts", "more texts than reports"))
    texts = [reader.take(reader.varint()).decode() for _ in range(count)]
    if max(map(len, texts)) > MAX_TEXT:  # one of a few bytes here may be the reading of every report
        raise DecodeError(
            "bad-block", phrase("block-text-too-long", "a text of more than {limit} characters", limit=MAX_TEXT)
        )
    items = reader.packed(total)
    _within(0, count - 1, items)
    return [texts[item] for item in items]


def _positions(reader: Reader, total: int) -> Iterable[Position | None]:
    present = reader.byte()
    if present == 0:
        return repeat(None, total)
    if present > 1:
        raise DecodeError("bad-block", phrase("positions-form-unknown", "unknown form of positions"))
    has = reader.runs(total)
    _within(0, 1, has)
    count = sum(has)
    if count == 0:
        raise DecodeError("bad-block", phrase("positions-column-empty", "a column of positions without one"))
    latitudes, longitudes = reader.packed(count), reader.packed(count)
    _within(-90 * _DEGREE, 90 * _DEGREE, latitudes)
    _within(-180 * _DEGREE, 180 * _DEGREE, longitudes)
    found = iter(
        [
            Position(latitude=latitude / _DEGREE, longitude=longitude / _DEGREE, accuracy=accuracy, altitude=altitude)
            for latitude, longitude, accuracy, altitude in zip(
                latitudes, longitudes, _metres(reader, count), _metres(reader, count), strict=True
            )
        ]
    )
    return [next(found) if here else None for here in has]


def _metres(reader: Reader, count: int) -> list[float | None]:
    items = reader.packed(count)
    _within(I64_MIN, I64_MAX, items)
    return [None if item == I64_MIN else item / _METRE for item in items]
