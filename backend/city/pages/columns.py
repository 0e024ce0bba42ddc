"""Columns of the map's things, as `/map/things` and `/map/exact` send them. Pure.

A body is a head in JSON behind its length (4 bytes, the lowest first), then planes: for each byte of a column, the
lowest first, that byte of every thing. Positions in no order have nothing for a compressor but the bits they do not
use, which planes show it; as decimal digits they take two fifths more.

    /map/things  number (4 planes), latitude (3) and longitude (3) in cells, layer, state, flags (1 each)
    /map/exact   number (4 planes), the place within the cell (1): four bits of latitude, above them four of longitude

Positions are counted in 1/100,000 degree from the south pole and the 180th meridian. A cell is 16 of these, some 18 m
from south to north: less than two pixels at a zoom below 14, so that a map asks for the rest only where it shows.
Numbers are differences to the thing before, and cells as well where the head has `"steps": true`, which it has where
that is shorter. A difference d is written 2d, or -2d - 1 where it is negative.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import msgspec

MICRO = 100_000
SOUTH, WEST = 90 * MICRO, 180 * MICRO
INSIDE = 4
"""Bits of a position within its cell."""
_GZIP, _LAST = b"\x1f\x8b\x08\0\0\0\0\0\2\xff", b"\3\0"
"""Beginning of a member of gzip, and an empty last block."""
_MASK = (1 << INSIDE) - 1


class Columns(NamedTuple):
    """Things by columns: positions in 1/100,000 degree, layers and states by their places in the board's lists."""

    numbers: Sequence[int]
    lats: Sequence[int]
    lons: Sequence[int]
    layers: bytes
    states: bytes
    flags: bytes


def things(head: dict[str, Any], columns: Columns) -> bytes:
    """Return a body with the cells of all things, compressed by gzip."""
    lats = [one >> INSIDE for one in _counted(columns.lats, SOUTH)]
    lons = [one >> INSIDE for one in _counted(columns.lons, WEST)]
    ordered, free = (
        [_deflated(plane) for values in (lats, lons) for plane in _planes(form(values), 3)] for form in (_steps, list)
    )
    steps = _size(*ordered) < _size(*free)
    numbers = [_deflated(plane) for plane in _planes(_steps(columns.numbers), 4)]
    rest = [_deflated(plane) for plane in (columns.layers, columns.states, columns.flags)]
    return _body({**head, "steps": steps}, [*numbers, *(ordered if steps else free), *rest], len(columns.numbers))


def exact(columns: Columns) -> bytes:
    """Return a body with the places of all things within their cells, compressed by gzip."""
    inside = bytes(
        lat & _MASK | (lon & _MASK) << INSIDE
        for lat, lon in zip(_counted(columns.lats, SOUTH), _counted(columns.lons, WEST), strict=True)
    )
    planes = [*_planes(_steps(columns.numbers), 4), inside]
    return _body({}, [_deflated(plane) for plane in planes], len(columns.numbers))


class _Part(NamedTuple):
    """A piece of a stream of DEFLATE (RFC 1951), which ends on a byte and refers to nothing before it."""

    data: bytes
    plain: bytes


def _deflated(plain: bytes) -> _Part:
    """Return the shorter of two: without copies, which cost more than they spare where nothing comes again, or with."""
    return min((_by(strategy, plain) for strategy in (zlib.Z_FILTERED, zlib.Z_HUFFMAN_ONLY)), key=_size)


def _by(strategy: int, plain: bytes) -> _Part:
    packer = zlib.compressobj(9, zlib.DEFLATED, -15, 9, strategy)
    return _Part(packer.compress(plain) + packer.flush(zlib.Z_SYNC_FLUSH), plain)


def _size(*parts: _Part) -> int:
    return sum(len(part.data) for part in parts)


def _body(head: dict[str, Any], parts: Sequence[_Part], count: int) -> bytes:
    """Return a member of gzip (RFC 1952) of a head and these parts."""
    text = msgspec.json.encode({**head, "count": count})
    every = [_deflated(struct.pack("<I", len(text)) + text), *parts]
    plain = b"".join(part.plain for part in every)
    end = _LAST + struct.pack("<II", zlib.crc32(plain), len(plain) & 0xFFFFFFFF)
    return b"".join([_GZIP, *(part.data for part in every), end])


def _planes(values: Sequence[int], width: int) -> list[bytes]:
    data = struct.pack(f"<{len(values)}I", *values)
    return [data[byte::4] for byte in range(width)]


def _steps(values: Iterable[int]) -> list[int]:
    found, last = list[int](), 0
    for one in values:
        step, last = one - last, one
        found.append(step << 1 if step >= 0 else ~(step << 1))
    return found


def _counted(values: Iterable[int], origin: int) -> list[int]:
    """Return positions from their origin; one that is not on Earth, at its edge."""
    return [max(0, min(2 * origin, one + origin)) for one in values]
