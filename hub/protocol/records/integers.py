"""Integers in few bytes: varints, packed columns, run lengths. Pure; used by `hub.protocol.records.columns`.

varint     LEB128: 7 bits a byte, the least significant first, bit 7 set in all but the last; at most 10 bytes, < 2^64
zigzag     varint of (i << 1) ^ (i >> 63), for a signed i: 0, −1, 1, −2 … become 0, 1, 2, 3 …
packed n   n items, n ≥ 1: zigzag base · u8 width (0 … 8) · width byte planes of n bytes each, least significant first:
           plane p has byte p of every item. item = base + its bytes read as an unsigned integer. A constant column
           has width 0: no planes.
           With bit 6 of the width byte set, its lowest six bits say how many bits b an item has, 1 … 63 and no multiple
           of 8: b ÷ 8 whole planes as above, then the highest b mod 8 bits of every item, one item after the other, the
           most significant bit first; zero bits fill the last byte.
runs n     varint r: 0 → packed n; else packed r values, then, when r > 1, packed r lengths, each at least 1, that
           sum to n
"""

from __future__ import annotations

import sys
from array import array
from collections.abc import Sequence
from itertools import chain, groupby, repeat
from operator import ne

from hub.core.errors import DecodeError
from hub.core.text import phrase

I64_MIN, I64_MAX = -(1 << 63), (1 << 63) - 1
_CODES = {2: "H", 3: "I", 4: "I", 5: "Q", 6: "Q", 7: "Q", 8: "Q"}
_BIG = sys.byteorder == "big"
_NEAR = 1 << 49
_TIGHT, _BITS = 0x40, 0x3F
_WRITTEN = [[format(value, f"0{bits}b") for value in range(1 << bits)] for bits in range(8)]
_READ = [{text: value for value, text in enumerate(texts)} for texts in _WRITTEN]


class PartialPlane(bytes):
    """The highest of `width` planes, where it does not need all of its bits."""

    width: int


def put_varint(out: list[bytes], number: int) -> None:
    if number < 0x80:
        out.append(_BYTES[number])
        return
    item = bytearray()
    while number > 0x7F:
        item.append(number & 0x7F | 0x80)
        number >>= 7
    item.append(number)
    out.append(bytes(item))


_BYTES = [bytes((number,)) for number in range(256)]


def put_packed(out: list[bytes], values: Sequence[int], bias: int = 0, flag: int = 0) -> None:
    """Append `values` minus `bias`, packed; `flag` is or-ed into the width byte. `values` is not empty."""
    low = min(values)
    span = max(values) - low
    base = low - bias
    if span > 0xFFFF_FFFF_FFFF_FFFF or not I64_MIN <= base <= I64_MAX:
        raise OverflowError("beyond 64 bit")
    put_varint(out, base << 1 if base >= 0 else ~(base << 1))
    bits = span.bit_length()
    width = bits + 7 >> 3
    out.append(_BYTES[width | flag])
    if width == 0:
        return
    if width == 1:
        out.append(bytes([value - low for value in values] if low else values))
    else:
        cells = array(_CODES[width], [value - low for value in values] if low else values)
        if _BIG:
            cells.byteswap()
        raw, size = cells.tobytes(), cells.itemsize
        out.extend([raw[plane::size] for plane in range(width)])
    if bits & 7 and len(values) > 1:
        out[-1] = top = PartialPlane(out[-1])
        top.width = width


def tightened(parts: Sequence[bytes]) -> list[bytes]:
    """Return the planes that `put_packed` appended, with every highest plane cut to the bits that it needs."""
    tight = list(parts)
    for at, plane in enumerate(parts):
        if isinstance(plane, PartialPlane):
            bits = max(plane).bit_length()
            head = parts[at - plane.width][0]
            tight[at - plane.width] = _BYTES[head & ~_BITS | _TIGHT | plane.width - 1 << 3 | bits]
            text = "".join(map(_WRITTEN[bits].__getitem__, plane))
            size = len(text) + 7 >> 3
            tight[at] = (int(text, 2) << (size << 3) - len(text)).to_bytes(size, "big")
    return tight


def put_runs(out: list[bytes], values: Sequence[int]) -> None:
    """Append `values` as run lengths, or packed where they change too often. `values` is not empty."""
    if values.count(values[0]) == len(values):
        out.append(_BYTES[1])
        put_packed(out, values[:1])
        return
    if (sum(map(ne, values, values[1:])) + 1) * 2 > len(values):
        out.append(_BYTES[0])
        put_packed(out, values)
        return
    runs = [(value, sum(1 for _ in same)) for value, same in groupby(values)]
    put_varint(out, len(runs))
    put_packed(out, [value for value, _ in runs])
    put_packed(out, [length for _, length in runs])


class Reader:
    """Reads what the functions above wrote, from bytes nobody vouches for. Raises DecodeError, nothing else."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.at = 0
        self.wide = False  # some column read so far might lead beyond 64 bit when summed

    def take(self, count: int) -> bytes:
        end = self.at + count
        if end > len(self.data):
            raise DecodeError("truncated", phrase("body-cut-short", "a body ends early"))
        piece = self.data[self.at : end]
        self.at = end
        return piece

    def byte(self) -> int:
        if self.at >= len(self.data):
            raise DecodeError("truncated", phrase("body-cut-short", "a body ends early"))
        self.at += 1
        return self.data[self.at - 1]

    def varint(self) -> int:
        number = shift = 0
        while True:
            byte = self.byte()
            number |= (byte & 0x7F) << shift
            if byte < 0x80:
                break
            shift += 7
            if shift > 63:
                raise DecodeError("bad-varint", phrase("integer-too-long", "longer than 64 bits"))
        if number > 0xFFFF_FFFF_FFFF_FFFF:
            raise DecodeError("bad-varint", phrase("integer-too-long", "longer than 64 bits"))
        return number

    def packed(self, count: int) -> list[int]:
        return self.cells(*self.head(), count)

    def head(self) -> tuple[int, int]:
        """Base and width byte of a packed column; `cells` reads the rest."""
        coded = self.varint()
        return (coded >> 1) ^ -(coded & 1), self.byte()

    def cells(self, base: int, width: int, count: int) -> list[int]:
        if width > 5 or not -_NEAR < base < _NEAR:  # of a tight one the width byte is above 5 in any case
            self.wide = True
        if width == 0:
            return [base] * count
        if width & _TIGHT:
            width, raw = self._tight(width, count)
        elif width > 8:
            raise DecodeError("bad-width", phrase("column-planes-invalid", "{width} byte planes", width=width))
        else:
            raw = self.take(count * width)
        if width == 1:
            return [value + base for value in raw] if base else list(raw)
        cells = array(_CODES[width])
        size = cells.itemsize
        mixed = bytearray(count * size)
        for plane in range(width):
            mixed[plane::size] = raw[plane * count : (plane + 1) * count]
        cells.frombytes(mixed)
        if _BIG:
            cells.byteswap()
        return [value + base for value in cells] if base else cells.tolist()

    def _tight(self, width: int, count: int) -> tuple[int, bytes]:
        """The number of planes, and these, of a column whose highest plane was cut to its bits."""
        planes, bits = divmod(width & _BITS, 8)
        if width > _TIGHT | _BITS or not bits:
            raise DecodeError("bad-width", phrase("column-width-invalid", "a width byte of {width}", width=width))
        low = self.take(count * planes)
        packed = self.take(count * bits + 7 >> 3)
        text = format(int.from_bytes(packed, "big"), f"0{len(packed) << 3}b")
        end = count * bits
        if "1" in text[end:]:
            raise DecodeError(
                "bad-width", phrase("column-padding-not-zero", "the last byte of a column is not filled with zeros")
            )
        known = _READ[bits]
        return planes + 1, low + bytes([known[text[at : at + bits]] for at in range(0, end, bits)])

    def runs(self, count: int) -> list[int]:
        runs = self.varint()
        if runs == 0:
            return self.packed(count)
        if runs > count:
            raise DecodeError("bad-runs", phrase("column-too-many-runs", "more runs than reports"))
        values = self.packed(runs)
        if runs == 1:
            return values * count
        lengths = self.packed(runs)
        if min(lengths) < 1 or sum(lengths) != count:
            raise DecodeError("bad-runs", phrase("column-run-lengths-wrong", "run lengths do not add up"))
        return list(chain.from_iterable(map(repeat, values, lengths)))

    def end(self) -> None:
        if self.at != len(self.data):
            raise DecodeError("trailing", phrase("body-too-long", "a body goes on after its end"))
