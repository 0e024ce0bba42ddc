"""Sanitizer of uploaded pictures: PNG or JPEG, checked segment by segment and reassembled. Pure.

Only the segments that a picture needs are kept, so metadata of a phone (place, time, owner: Exif) is removed, and so is
anything hidden behind it. Of Exif one number stays, the orientation, in a segment made here. No pixel is decoded here:
the browser that shows the picture does that, in its own sandbox. SVG is refused, since it holds programs.

    PNG   ISO/IEC 15948 (W3C, 3rd edition): IHDR, PLTE, tRNS, IDAT, IEND, each with its CRC
    JPEG  ITU-T T.81: SOI, APP0 of JFIF, APP14 of Adobe (meaning of colours), DQT, SOF0-2, DHT, DRI, SOS, EOI
    Exif  CIPA DC-008: APP1 of TIFF 6.0; tag 0x0112 of its first directory, orientation 1-8
"""

from __future__ import annotations

import struct
import zlib
from typing import NamedTuple

from hub.page_kit.refusals import Refused

MOST_BYTES = 4 << 20
LEAST_SIDE, MOST_SIDE = 32, 8000
_PNG = b"\x89PNG\r\n\x1a\n"
_KEPT = (b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND")
_DEPTHS = {0: (1, 2, 4, 8, 16), 2: (8, 16), 3: (1, 2, 4, 8), 4: (8, 16), 6: (8, 16)}


class Picture(NamedTuple):
    """A sanitized picture. `kind` is its content type; `width` and `height` in pixels, as it is shown."""

    kind: str
    width: int
    height: int
    data: bytes


def sanitize(data: bytes) -> Picture:
    """Return the picture without anything else. Raises Refused."""
    if len(data) > MOST_BYTES:
        raise Refused("plan-large")
    try:
        if data.startswith(_PNG):
            plan = _png(data)
        elif data.startswith(b"\xff\xd8\xff"):
            plan = _jpeg(data)
        else:
            raise Refused("plan-kind")
    except (struct.error, IndexError, ValueError):
        raise Refused("plan-broken") from None
    if not all(LEAST_SIDE <= side <= MOST_SIDE for side in (plan.width, plan.height)):
        raise Refused("plan-size")
    return plan


def _png(data: bytes) -> Picture:
    out, at, names = bytearray(_PNG), len(_PNG), list[bytes]()
    width = height = 0
    while at < len(data):
        (size,) = struct.unpack_from(">I", data, at)
        name, end = data[at + 4 : at + 8], at + 8 + size
        (crc,) = struct.unpack_from(">I", data, end)
        if zlib.crc32(data[at + 4 : end]) != crc or (not names) != (name == b"IHDR"):
            raise ValueError
        if name == b"IHDR":
            width, height, depth, colour, packing, filtering, lacing = struct.unpack(">IIBBBBB", data[at + 8 : end])
            if depth not in _DEPTHS.get(colour, ()) or (packing, filtering) != (0, 0) or lacing > 1:
                raise ValueError
        if name in _KEPT:
            out += data[at : end + 4]
        elif not name[0] & 0x20:  # an unknown critical chunk: the picture cannot be shown without it
            raise ValueError
        names.append(name)
        at = end + 4
        if name == b"IEND":
            break
    if names[-1:] != [b"IEND"] or b"IDAT" not in names:
        raise ValueError
    return Picture("image/png", width, height, bytes(out))


_FRAMES, _TABLES, _ALONE = (0xC0, 0xC1, 0xC2), (0xDB, 0xC4, 0xDD), (0x01, *range(0xD0, 0xD8))


def _jpeg(data: bytes) -> Picture:
    out, at, width, height, scans, turned = bytearray(b"\xff\xd8"), 2, 0, 0, 0, 1
    while True:
        if data[at] != 0xFF:
            raise ValueError
        while data[at] == 0xFF:
            at += 1
        kind, at = data[at], at + 1
        if kind == 0xD9:
            break
        if kind in _ALONE or kind < 0xC0:
            raise ValueError
        (size,) = struct.unpack_from(">H", data, at)
        body = data[at + 2 : at + size]
        if size < 2 or len(body) != size - 2:
            raise ValueError
        at += size
        kept = kind in _TABLES or kind == 0xDA
        if kind in _FRAMES:
            if width:
                raise ValueError
            depth, height, width, parts = struct.unpack_from(">BHHB", body)
            if depth != 8 or parts not in (1, 3, 4) or len(body) != 6 + 3 * parts:
                raise ValueError
            kept = True
        elif 0xC0 <= kind <= 0xCF and kind != 0xC4:  # lossless, hierarchical, arithmetic: not supported by browsers
            raise ValueError
        kept |= kind == 0xE0 and body.startswith(b"JFIF\0")
        kept |= kind == 0xEE and body.startswith(b"Adobe")
        if kind == 0xE0 and kept:
            body = body[:12] + b"\0\0"  # without its thumbnail
        if kind == 0xEE:
            body = body[:12]
        if kind == 0xE1 and body.startswith(_EXIF) and not scans and turned == 1:
            turned = _orientation(body[len(_EXIF) :])
            body, kept = _upright(turned), turned > 1
        if kept:
            out += struct.pack(">BBH", 0xFF, kind, len(body) + 2) + body
        if kind == 0xDA:
            scans += 1
            end = _scan(data, at)
            out += data[at:end]
            at = end
    if not width or not scans:
        raise ValueError
    if turned >= 5:  # rotated by 90 degrees
        width, height = height, width
    return Picture("image/jpeg", width, height, bytes(out + b"\xff\xd9"))


_EXIF = b"Exif\0\0"


def _orientation(tiff: bytes) -> int:
    """Return the orientation; 1, upright, for invalid ones."""
    order = {b"II*\0": "<", b"MM\0*": ">"}.get(tiff[:4])
    if order is None:
        return 1
    try:
        (start,) = struct.unpack_from(f"{order}I", tiff, 4)
        (count,) = struct.unpack_from(f"{order}H", tiff, start)
        for n in range(min(count, 200)):
            tag, kind, many, value = struct.unpack_from(f"{order}HHIH", tiff, start + 2 + 12 * n)
            if (tag, kind, many) == (0x0112, 3, 1):
                return value if 1 <= value <= 8 else 1
    except struct.error:
        pass
    return 1


def _upright(orientation: int) -> bytes:
    """Return an APP1 segment with this orientation and nothing else."""
    return _EXIF + b"MM\0*" + struct.pack(">IHHHIHHI", 8, 1, 0x0112, 3, 1, orientation, 0, 0)


_STUFFED = frozenset((0x00, *range(0xD0, 0xD8)))


def _scan(data: bytes, at: int) -> int:
    """Return the end of a scan's entropy-coded bytes: the next marker that is neither stuffing nor a restart."""
    while True:
        at = data.index(b"\xff", at)
        if data[at + 1] not in _STUFFED:
            return at
        at += 2
