"""The bodies of TABLE, GAP, CLOCK and LOCAL: small msgpack arrays, of these parts in this order. Pure.

TABLE   [[number, shape]…], [[number, subject]…]      numbers from 0, each told once, good in this segment alone
        shape     [column…]
        column    [metric, unit (UCUM), resolution, kind, device class, state class, privacy class]: seven texts;
                  kind is "number", "flag" or "text"; the others may be empty, except the resolution of a number
        subject   [device, place, site, zone, model, integration]: six texts, each may be empty
GAP     stream, run (16 B), first seq, last seq, readings, from s, to s, reason
        what is lost of (stream, run), both seqs included. None of it was taken in by the hub before the Unix second
        `from`, and none committed after `to`, by the hub's clock at that time. The reason is "evicted": the records
        themselves told these times to the second, but that those of an earlier run told only their commits, and `from`
        may then be as much earlier as readings wait for one, 5 s by default; or "damaged": the nearest that could be
        read told them, and they may lie further apart
CLOCK   boot (16 B), wall − monotonic in ms, error in ms, source (text)
LOCAL   part, parts, {key: value}                     value nil: the key was removed
        A segment of `readings` begins with a snapshot of all keys, in `parts` records numbered from 1; later
        LOCAL records carry changes only and have parts = 0.
"""

from __future__ import annotations

from typing import Any, TypeVar

import msgspec

from hub.core.errors import DecodeError
from hub.core.text import phrase, reason_of
from hub.protocol.records import columns
from hub.protocol.records.dictionary import Refused, scales
from hub.protocol.records.rows import STREAMS, Column, Row, Shape, Subject

DAMAGED = "damaged"
EVICTED = "evicted"
MAX_ENTRIES = 65536

_T = TypeVar("_T")
_encode = msgspec.msgpack.Encoder().encode


class Gap(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """Declaration of records of `stream` and `run` that are missing for good: seqs `first` … `last` with `readings`
    readings, taken in and committed between the Unix seconds `from_s` and `to_s`; `reason` "damaged" or "evicted"."""

    stream: str
    run: bytes
    first: int
    last: int
    readings: int
    from_s: int
    to_s: int
    reason: str


class ClockMark(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """Offset that dates the monotonic times of `boot`: Unix ms = monotonic ms + `wall_minus_monotonic_ms`, give or take
    `error_ms`."""

    boot: bytes
    wall_minus_monotonic_ms: int
    error_ms: int
    source: str


class Table(msgspec.Struct, frozen=True):
    """Numbers told once in a segment, used by its blocks."""

    shapes: dict[int, Shape]
    subjects: dict[int, Subject]


class Tables:
    """Content of all TABLE records of one epoch. A number that is named twice keeps its first meaning."""

    def __init__(self) -> None:
        self.shapes: dict[int, Shape] = {}
        self.subjects: dict[int, Subject] = {}

    def add(self, table: Table) -> None:
        """Raises DecodeError when an epoch tells more than any hub has."""
        self.shapes = table.shapes | self.shapes
        self.subjects = table.subjects | self.subjects
        if len(self.shapes) > MAX_ENTRIES or len(self.subjects) > MAX_ENTRIES:
            raise DecodeError(
                "too-long", phrase("epoch-too-many-entries", "one epoch holds too many shapes or subjects")
            )


class Block(msgspec.Struct, frozen=True):
    """Reports, still as columns."""

    body: bytes

    def rows(self, tables: Tables | Table) -> list[Row]:
        """The reports, sorted by (shape, subject, time). Raises DecodeError, with reason "unknown-table" when a
        TABLE record of this epoch is missing from `tables`."""
        return columns.decode(self.body, tables.shapes, tables.subjects)[1]

    @property
    def boot(self) -> bytes:
        """The boot whose monotonic clock dates these reports; empty when they carry UTC."""
        return self.body[1:17] if self.body[:1] == b"\1" else b""


class Local(msgspec.Struct, frozen=True):
    """Changes of the hub's own small state. `part` of `parts` when it belongs to a snapshot, else 0 of 0."""

    part: int
    parts: int
    values: dict[str, Any]


class _TableBody(msgspec.Struct, array_like=True, forbid_unknown_fields=True):
    shapes: list[tuple[int, list[tuple[str, str, str, str, str, str, str]]]]
    subjects: list[tuple[int, tuple[str, str, str, str, str, str]]]


class _LocalBody(msgspec.Struct, array_like=True, forbid_unknown_fields=True):
    part: int
    parts: int
    values: dict[str, Any]


_table = msgspec.msgpack.Decoder(_TableBody)
_gap = msgspec.msgpack.Decoder(Gap)
_clock = msgspec.msgpack.Decoder(ClockMark)
_local = msgspec.msgpack.Decoder(_LocalBody)


def encode_table(shapes: list[tuple[int, Shape]], subjects: list[tuple[int, Subject]]) -> bytes:
    return _encode(
        [
            [(number, [_fields(column) for column in shape.columns]) for number, shape in shapes],
            [(number, _fields(subject)) for number, subject in subjects],
        ]
    )


def _fields(struct: Column | Subject) -> tuple[str, ...]:
    return tuple(getattr(struct, name) for name in struct.__struct_fields__)


def decode_table(body: bytes) -> Table:
    told = _read(_table, body)
    shapes = {number: Shape(tuple(Column(*column) for column in columns)) for number, columns in told.shapes}
    for shape in shapes.values():
        try:
            scales(shape)
        except Refused as error:
            raise DecodeError("bad-table", reason_of(error)) from error
    return Table(shapes, {number: Subject(*fields) for number, fields in told.subjects})


def encode_gap(gap: Gap) -> bytes:
    return _encode(gap)


def decode_gap(body: bytes) -> Gap:
    gap = _read(_gap, body)
    if gap.stream not in STREAMS or len(gap.run) != 16 or not 0 < gap.first <= gap.last:
        raise DecodeError("bad-gap", phrase("record-address-unknown", "no such stream, run or range"))
    return gap


def encode_clock(mark: ClockMark) -> bytes:
    return _encode(mark)


def decode_clock(body: bytes) -> ClockMark:
    mark = _read(_clock, body)
    if len(mark.boot) != 16:
        raise DecodeError("bad-clock", phrase("boot-id-wrong-size", "a boot id is 16 bytes"))
    return mark


def encode_local(values: dict[str, msgspec.Raw | None], part: int = 0, parts: int = 0) -> bytes:
    return _encode([part, parts, values])


def decode_local(body: bytes) -> Local:
    told = _read(_local, body)
    return Local(told.part, told.parts, told.values)


def _read(decoder: msgspec.msgpack.Decoder[_T], body: bytes) -> _T:
    try:
        return decoder.decode(body)
    except (msgspec.DecodeError, ValueError, RecursionError) as error:
        raise DecodeError("bad-body", reason_of(error)) from error
