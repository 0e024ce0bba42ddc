"""A chunk: a head with the directory, then frames, each compressed on its own. Pure.

    magic      4   "ICHK"
    version    1   1
    size       4   of the head, compressed; unsigned, big-endian, as the next
    checksum   4   crc32 of the head, compressed
    head           zstd of MessagePack [records, shapes, frames]:
                     records  ids of the records that the reports came with, rising: [how many, the first, packed
                              differences between neighbours], empty where there is one alone
                     shapes   [[column …] …] of those that more than one frame has; a column is its seven fields
                     frames   [[first device, size compressed, size, checksum, reports] …] in the order of devices.
                              The checksum is the crc32 of the frame, compressed
    frames         zstd, one after the other

Devices lie in the order of their ids. A frame begins with another device than the one before ends with, but for a
device that is too much for one frame: that begins a frame of its own, and goes on in the next.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from itertools import accumulate
from operator import gt, sub
from struct import Struct
from typing import NamedTuple
from zlib import crc32

import msgspec

from backend.readings.chunks.frame_reader import Frame, read_shapes
from backend.readings.chunks.frames import MAX_FRAME, ShapeFields, shape_fields
from backend.readings.chunks.planes import Cursor
from backend.readings.chunks.rows import ORIGIN_BITS
from hub.core.errors import DecodeError
from hub.core.text import phrase, reason_of
from hub.protocol.records.compression import Joiner, expand
from hub.protocol.records.dictionary import Refused
from hub.protocol.records.integers import put_packed
from hub.protocol.records.rows import Shape

MAGIC, VERSION = b"ICHK", 1
MAX_HEAD = 1 << 25
"""Largest head in bytes, before compression."""
MAX_REPORTS = 1 << 20
"""Most reports in one chunk: more are for several."""
MAX_RECORD = 1 << 63 - ORIGIN_BITS
"""Ids of records are below this, so that an origin has 63 bits."""

_START = Struct(">4sBII")


class Entry(NamedTuple):
    """A frame in the directory."""

    first: str
    stored: int
    size: int
    checksum: int
    reports: int


class _Records(msgspec.Struct, array_like=True, forbid_unknown_fields=True):
    count: int
    first: int
    steps: bytes


class _Head(msgspec.Struct, array_like=True, forbid_unknown_fields=True):
    records: _Records
    shapes: list[ShapeFields]
    frames: list[Entry]


_head = msgspec.msgpack.Decoder(_Head)


class Chunk:
    """A chunk opened for reading: its head is read, its frames are not. Raises DecodeError for bytes that `write` did
    not write."""

    def __init__(self, data: bytes) -> None:
        if len(data) < _START.size:
            raise DecodeError("truncated", phrase("chunk-cut-short", "a chunk ends early"))
        magic, version, size, checksum = _START.unpack_from(data)
        if magic != MAGIC:
            raise DecodeError("bad-chunk", phrase("chunk-magic", "this is not a chunk of readings"))
        if version != VERSION:
            raise DecodeError(
                "bad-version",
                phrase(
                    "chunk-version",
                    "a chunk of format {version}, this release reads {own}",
                    version=version,
                    own=VERSION,
                ),
            )
        self.data, at = data, _START.size + size
        packed = data[_START.size : at]
        if len(packed) != size or crc32(packed) != checksum:
            raise DecodeError("bad-checksum", phrase("chunk-damaged", "a chunk is damaged: its checksum is another"))
        try:
            head = _head.decode(expand(packed, MAX_HEAD))
        except (msgspec.DecodeError, ValueError, RecursionError) as error:
            raise DecodeError("bad-chunk", reason_of(error)) from error
        self.records = _ids(head.records)
        self.shapes = read_shapes(head.shapes)
        self.entries = head.frames
        self._firsts = [entry.first for entry in self.entries]
        self._places = list(accumulate((entry.stored for entry in self.entries), initial=at))
        if self._places[-1] != len(data) or any(entry.stored < 0 for entry in self.entries):
            raise DecodeError("truncated", phrase("chunk-cut-short", "a chunk ends early"))
        if any(map(gt, self._firsts, self._firsts[1:])):
            raise DecodeError("bad-chunk", phrase("chunk-directory-wrong", "a frame is not what the directory says"))
        if not 0 < sum(entry.reports for entry in self.entries) <= MAX_REPORTS:
            raise DecodeError("bad-chunk", phrase("chunk-too-many-reports", "more reports than a chunk may hold"))

    def stored(self, at: int) -> bytes:
        """Return a frame as it is stored."""
        return self.data[self._places[at] : self._places[at + 1]]

    def frame(self, at: int) -> Frame:
        """Open a frame."""
        entry, packed = self.entries[at], self.stored(at)
        if crc32(packed) != entry.checksum:
            raise DecodeError("bad-checksum", phrase("chunk-damaged", "a chunk is damaged: its checksum is another"))
        body = expand(packed, min(MAX_FRAME, max(0, entry.size)))
        frame = Frame(body, self.shapes, self.records)
        if (len(body), frame.devices[0], frame.reports) != (entry.size, entry.first, entry.reports):
            raise DecodeError("bad-chunk", phrase("chunk-directory-wrong", "a frame is not what the directory says"))
        return frame

    def frames(self) -> Iterator[Frame]:
        return (self.frame(at) for at in range(len(self.entries)))

    def places_of(self, device: str) -> range:
        """Return which frames may hold a device: none when it comes before all."""
        begin, end = bisect_left(self._firsts, device), bisect_right(self._firsts, device)
        return range(begin, end) if begin < end else range(max(0, begin - 1), begin)


def assemble(records: Sequence[int], shapes: Sequence[Shape], frames: Sequence[tuple[Entry, bytes]]) -> bytes:
    """Join a head to its frames. Raises Refused when the head is too large."""
    entries = [entry for entry, _ in frames]
    head = msgspec.msgpack.encode(_Head(_steps(records), [shape_fields(shape) for shape in shapes], entries))
    if len(head) > MAX_HEAD or sum(entry.reports for entry in entries) > MAX_REPORTS:
        raise Refused("too-many", phrase("chunk-too-many-reports", "more reports than a chunk may hold"))
    packed = Joiner()([head])
    start = _START.pack(MAGIC, VERSION, len(packed), crc32(packed))
    return b"".join((start, packed, *(body for _, body in frames)))


def _steps(records: Sequence[int]) -> _Records:
    out: list[bytes] = []
    if len(records) > 1:
        put_packed(out, list(map(sub, records[1:], records)))
    return _Records(len(records), records[0], b"".join(out))


def _ids(told: _Records) -> list[int]:
    if not (0 < told.count <= MAX_REPORTS and 0 <= told.first < MAX_RECORD):
        raise DecodeError("bad-chunk", phrase("chunk-records-wrong", "ids of records that do not rise"))
    if told.count == 1:
        return [told.first]
    cursor = Cursor(told.steps)
    steps = cursor.planes(told.count - 1).part(0, told.count - 1)
    cursor.end()
    ids = list(accumulate(steps, initial=told.first))
    if min(steps) < 1 or ids[-1] >= MAX_RECORD:
        raise DecodeError("bad-chunk", phrase("chunk-records-wrong", "ids of records that do not rise"))
    return ids
