"""Bytes taken one field after the other, a line for each; MessagePack walked that way. For `annotate.py`."""

from __future__ import annotations

import struct
from collections.abc import Callable

SHOWN = 8


class Walk:
    """Lines of offset, bytes and meaning, one for each field taken from `data`."""

    def __init__(self, data: bytes, lines: list[str], at: int = 0, indent: str = "") -> None:
        self.data, self.lines, self.at, self.indent = data, lines, at, indent

    def say(self, text: str = "") -> None:
        self.lines.append(text)

    def take(self, count: int, meaning: str | Callable[[bytes], str]) -> bytes:
        piece = self.data[self.at : self.at + count]
        assert len(piece) == count
        self._line(piece, meaning if isinstance(meaning, str) else meaning(piece))
        self.at += count
        return piece

    def number(self, count: int, meaning: str) -> int:
        """An unsigned integer; `{}` in `meaning` is its value."""
        return int.from_bytes(self.take(count, lambda raw: meaning.format(f"{int.from_bytes(raw, 'big'):,}")), "big")

    def varint(self, meaning: str | Callable[[int], str]) -> int:
        size = 1
        while self.data[self.at + size - 1] & 0x80:
            size += 1
        found = sum((byte & 0x7F) << 7 * at for at, byte in enumerate(self.data[self.at : self.at + size]))
        self.take(size, meaning if isinstance(meaning, str) else meaning(found))
        return found

    def rest(self) -> bool:
        return self.at < len(self.data)

    def _line(self, piece: bytes, meaning: str) -> None:
        shown = piece.hex(" ") if len(piece) <= SHOWN else f"{piece[: SHOWN - 1].hex(' ')} …"
        self.say(f"{self.indent}{self.at:6}  {shown:<24}  {meaning}".rstrip())


SIZES = {0xC4: 1, 0xC5: 2, 0xD9: 1, 0xDA: 2, 0xDC: 2, 0xDE: 2}
NUMBERS = {0xCA: 4, 0xCB: 8, 0xCC: 1, 0xCD: 2, 0xCE: 4, 0xCF: 8, 0xD0: 1, 0xD1: 2, 0xD2: 4, 0xD3: 8}


NAMES = {
    7: ["metric", "unit", "resolution", "kind", "device class", "state class", "privacy class"],
    6: ["device", "place", "site", "zone", "model", "integration"],
    4: ["boot", "wall − monotonic in ms", "error in ms", "source"],
}
"""What the parts of an array are, by how many there are."""


def msgpack(walk: Walk, names: dict[int, list[str]], depth: int = 0, name: str = "") -> None:
    """One value, each scalar on its line, arrays and maps before what they hold."""
    code = walk.data[walk.at]
    pad = "  " * depth + (f"{name}: " if name else "")
    wide = SIZES.get(code, 0)
    size = int.from_bytes(walk.data[walk.at + 1 : walk.at + 1 + wide], "big")
    if code <= 0x7F:
        walk.take(1, f"{pad}{code}")
    elif code in NUMBERS:
        walk.take(1 + NUMBERS[code], lambda raw: f"{pad}{number(code, raw[1:])}")
    elif code <= 0x8F or code == 0xDE:
        count = size if wide else code & 15
        walk.take(1 + wide, f"{pad}map of {count}")
        for _ in range(count):
            msgpack(walk, names, depth + 1, "key")
            msgpack(walk, names, depth + 2)
    elif code <= 0x9F or code == 0xDC:
        count = size if wide else code & 15
        walk.take(1 + wide, f"{pad}array of {count}")
        for part in names.get(count, [""] * count):
            msgpack(walk, names, depth + 1, part)
    elif code in {0xC4, 0xC5}:
        walk.take(1 + wide + size, f"{pad}{size} bytes")
    else:
        assert code <= 0xBF or code in {0xD9, 0xDA}, f"0x{code:02x} stands in none of our vectors"
        size = size if wide else code & 31
        walk.take(1 + wide + size, lambda raw: pad + text_of(raw[1 + wide :]))


def number(code: int, raw: bytes) -> str:
    if code == 0xCB:
        return str(struct.unpack(">d", raw)[0])
    return str(int.from_bytes(raw, "big", signed=code >= 0xD0))


def text_of(raw: bytes) -> str:
    return '"' + raw.decode().replace("\0", "\\0") + '"'
