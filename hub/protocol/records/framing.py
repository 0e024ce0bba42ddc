"""The framing of records in a segment, and finding them again after damage. Pure: bytes in, positions out.

    marker      4   C5 49 6C 9D
    length      4   of the payload, at most MAX_PAYLOAD
    kind        1   EPOCH 1 · TABLE 2 · BLOCK 3 · GAP 4 · CLOCK 5 · LOCAL 6
    flags       1   MORE: more records of this commit follow; the other bits are reserved, 0
    readings    2   in this record
    seq         8   BLOCK, GAP, CLOCK: the record's number in (run, stream); EPOCH: first seq of the segment;
                    TABLE, LOCAL: their own counter in this epoch, from 1
    total       8   readings of this (run, stream) up to and with this record
    commit      4   Unix seconds of the commit
    checksum    4   crc32 of the 32 bytes above
    payload     length
    signature  64
    checksum    4   crc32 of payload and signature

All integers are unsigned and big-endian. Checksums find damage, they do not authenticate: the signature does.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import NamedTuple
from zlib import crc32

from hub.core.errors import SegmentDamaged
from hub.core.text import phrase

MARKER = b"\xc5Il\x9d"
EPOCH, TABLE, BLOCK, GAP, CLOCK, LOCAL = 1, 2, 3, 4, 5, 6
KINDS = {EPOCH: "EPOCH", TABLE: "TABLE", BLOCK: "BLOCK", GAP: "GAP", CLOCK: "CLOCK", LOCAL: "LOCAL"}
NUMBERED = frozenset((BLOCK, GAP, CLOCK))
"""Kinds that carry a seq; the others are context or the hub's own."""
CONTEXT = frozenset((EPOCH, TABLE))
MORE = 1
"""The flag of every record of a commit but its last."""

HEADER_SIZE = 36
SIGNATURE_SIZE = 64
OVERHEAD = HEADER_SIZE + SIGNATURE_SIZE + 4
MAX_PAYLOAD = 1 << 20
SECTOR = 512
"""Smallest unit that a disk writes, in bytes."""
DOUBTED = 64
"""Damaged bodies may make the scan read at most this many times the data. A disk that shows one sector at all places of
others, with headers of 32 KiB in it, makes as many of them overlap."""

_HEAD = struct.Struct(">4sIBBHQQI")
_U32 = struct.Struct(">I")


class Head(NamedTuple):
    """A record's header, read. `offset` is where the record starts in what was scanned, `size` its whole length;
    `more`: it is not the last one of its commit."""

    offset: int
    size: int
    kind: int
    readings: int
    seq: int
    total: int
    commit_s: int
    more: bool


class Damage(NamedTuple):
    """Bytes `start` … `end` (exclusive) that belong to no intact record."""

    start: int
    end: int


def pack_header(
    kind: int, length: int, *, readings: int, seq: int, total: int, commit_s: int, more: bool = False
) -> bytes:
    """The 36 header bytes of a record with `length` payload bytes. `more`: others of its commit follow."""
    if not 0 <= length <= MAX_PAYLOAD:
        raise ValueError(
            phrase(
                "payload-too-large", "a payload of {length} bytes is beyond {limit}", length=length, limit=MAX_PAYLOAD
            )
        )
    head = _HEAD.pack(MARKER, length, kind, MORE if more else 0, readings, seq, total, commit_s)
    return head + _U32.pack(crc32(head))


def pack_record(header: bytes, payload: bytes, signature: bytes) -> bytes:
    body = payload + signature
    return header + body + _U32.pack(crc32(body))


def read_head(data: bytes | memoryview, offset: int) -> Head | None:
    """The header at `offset`, or None where no valid header stands. The record may reach beyond `data`."""
    raw = data[offset : offset + HEADER_SIZE]
    if len(raw) < HEADER_SIZE or raw[:4] != MARKER or crc32(raw[:32]) != _U32.unpack(raw[32:])[0]:
        return None
    _, length, kind, flags, readings, seq, total, commit_s = _HEAD.unpack(raw[:32])
    if length > MAX_PAYLOAD or kind not in KINDS or flags & ~MORE:
        return None
    return Head(offset, length + OVERHEAD, kind, readings, seq, total, commit_s, bool(flags & MORE))


def mended_head(data: bytes, offset: int) -> Head | None:
    """Return the header at `offset` as it was before one of its bits flipped, if that is all that happened to it. Only
    good for knowing what was lost: the record stays damaged."""
    raw = bytearray(data[offset : offset + HEADER_SIZE])
    if len(raw) < HEADER_SIZE:
        return None
    bit = _FLIPS.get(crc32(raw[:32]) ^ _U32.unpack(raw[32:])[0])
    if bit is None:
        return None
    raw[bit >> 3] ^= 1 << (bit & 7)
    head = read_head(bytes(raw), 0)
    return None if head is None else head._replace(offset=offset)


def _flips() -> dict[int, int]:
    """Map the difference of a header's checksum to the bit that flipped: a CRC is linear, so it does not depend on the
    rest."""
    zeros, found = crc32(bytes(32)), {}
    for bit in range(HEADER_SIZE * 8):
        raw = bytearray(HEADER_SIZE)
        raw[bit >> 3] ^= 1 << (bit & 7)
        found[crc32(raw[:32]) ^ zeros ^ _U32.unpack(raw[32:])[0]] = bit
    return found


_FLIPS = _flips()


def intact(data: bytes | memoryview, head: Head) -> bool:
    """True when the whole record of `head` lies in `data` and its payload checksum holds."""
    end = head.offset + head.size
    if end > len(data):
        return False
    return crc32(data[head.offset + HEADER_SIZE : end - 4]) == int(_U32.unpack(data[end - 4 : end])[0])


def scan(data: bytes, start: int = 0) -> Iterator[Head | Damage]:
    """Every intact record from `start`, and every span that is none. Spans never touch one another.

    Within a record whose header holds and whose body does not others are looked for, as long as such bodies are no
    longer together than DOUBTED times the data. Those of records that were written one after another are no longer than
    the data once; a sector that a disk shows in place of others, too, makes some overlap. Of headers that somebody has
    forged, whose bodies would be read again and again for hours, the length is believed then.
    """
    offset, damage, doubted = start, -1, 0
    while offset < len(data):
        head = read_head(data, offset)
        if head is not None and intact(data, head):
            if damage >= 0:
                yield Damage(damage, offset)
                damage = -1
            yield head
            offset += head.size
            continue
        if damage < 0:
            damage = offset
        step = 1
        if head is not None and offset + head.size <= len(data):
            doubted += head.size
            step = head.size if doubted > DOUBTED * len(data) else 1
        offset = data.find(MARKER, offset + step)
        if offset < 0:
            break
    if damage >= 0:
        yield Damage(damage, len(data))


class Written(NamedTuple):
    """Offsets of the last byte of a file that is not zero, and of the end of what was written: the same where the last
    sector is all zeros, since that one was never written, else the end of the file."""

    nonzero: int
    end: int

    @classmethod
    def of(cls, data: bytes) -> Written:
        nonzero = len(data.rstrip(b"\0"))
        return cls(nonzero, len(data) if any(data[(len(data) - 1) // SECTOR * SECTOR :]) else nonzero)


def torn(data: bytes, start: int, written: Written | None = None) -> bool:
    """True when `data[start:]`, which holds no intact record, can only be a write that was cut short.

    `data` is a file from its beginning; `written` is what `Written.of` it says, for whoever asks more than once. True
    for nothing, for bytes never written (zeros), and for a proper beginning of one record, with or without such bytes
    behind it. Anything else may be a committed record that was damaged later, and has to be declared.
    """
    nonzero, end = written or Written.of(data)
    if nonzero <= start:
        return True
    if end - start < HEADER_SIZE:
        begun = data[start : min(end, start + len(MARKER))]
        return begun == MARKER[: len(begun)]
    head = read_head(data, start)
    return head is not None and head.size > end - start


def unwritten(data: bytes, start: int) -> bool:
    """True when a sector of a file reads as zeros, from `start` in it on, and a later one does not.

    `start` is where a commit begins. No record has so many zeros: a write lost that sector and kept a later one, or the
    disk itself has turned it to zeros. (What a lost end leaves, `torn` sees.)
    """
    written = len(data.rstrip(b"\0"))
    while (end := (start // SECTOR + 1) * SECTOR) < written:
        if not data[start:end].strip(b"\0"):
            return True
        start = end
    return False


class Parts(NamedTuple):
    """One record taken apart. `header`, `payload` and `signature` are the exact bytes that were signed."""

    head: Head
    header: bytes
    payload: bytes
    signature: bytes


def parse(raw: bytes) -> Parts:
    """Take exactly one record apart. Raises SegmentDamaged when `raw` is anything else."""
    head = read_head(raw, 0)
    if head is None or head.size != len(raw) or not intact(raw, head):
        raise SegmentDamaged(phrase("not-one-intact-record", "these bytes are not one intact record"))
    cut = len(raw) - 4 - SIGNATURE_SIZE
    return Parts(head, raw[:HEADER_SIZE], raw[HEADER_SIZE:cut], raw[cut:-4])
