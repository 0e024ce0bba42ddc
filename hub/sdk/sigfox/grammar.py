"""The payload grammar that the operator's page calls "custom payload config": bytes → named values. Pure.

    format      one or more fields, separated by spaces
    field       name:[byte]:type
    type        bool:BIT | char:BYTES[:BIT] | float:32[:ENDIAN][:BIT], or 64 | uint:BITS[:ENDIAN][:BIT] | int: as uint
    ENDIAN      big-endian (by default) | little-endian; may be left empty: uint:4::3
    BIT         7, the most significant and the default, to 0: where reading starts in the first byte
    name        letters, digits, '-', '_', '#'

Bits are read from the most significant one on, across bytes. Where `byte` is left empty:

    the first field     byte 0
    a flag (bool)       the byte after what was read last, and it uses none: eight flags and then `uint:8` read one
                        byte nine times
    any other           the byte after what was read last; the last byte of it where that field gave its BIT

as Sigfox's API documentation says ("custom format" grammar). What it leaves open about flags is taken from formats
in use: `s4::uint:16 b7::bool:7 … b0::bool:0 sum::uint:8 bat::uint:8` fills 12 bytes only this way. Of its own examples
one is not followed: `str::char:6 i1::uint:16 i2::uint:32:2` asks for more bits than the message has.

`little-endian` turns whole bytes round, so such a field has a multiple of 8 bits.
"""

from __future__ import annotations

import math
import re
import struct
from typing import NamedTuple

from hub.core.errors import DecodeError
from hub.core.model import Value
from hub.core.text import phrase

MAX_BYTES = 12
"""Bytes of user data in an uplink; a message may have none."""
MAX_FORMAT = 1024
MAX_FIELDS = 96

_NAME = re.compile(r"[A-Za-z0-9_#-]{1,48}")
_NUMBER = re.compile(r"[0-9]{1,3}")
_BIG, _LITTLE = "big-endian", "little-endian"


class Field(NamedTuple):
    """`byte` and `bit` say where it starts, `size` is in bits; `type` is bool, char, float, uint or int."""

    name: str
    type: str
    byte: int
    bit: int
    size: int
    little: bool

    @property
    def end(self) -> int:
        """Bytes that a payload needs for this field to be in it."""
        return self.byte + (7 - self.bit + self.size + 7) // 8


class Said(NamedTuple):
    """`skipped`: (name, reason) of fields that gave no value: `short-payload`, `not-finite`, `bad-text`."""

    values: dict[str, Value]
    skipped: tuple[tuple[str, str], ...]


class Grammar:
    """A format, read once. Raises ValueError with what is wrong and where."""

    def __init__(self, text: str) -> None:
        if len(text) > MAX_FORMAT:
            raise ValueError(
                phrase("payload-format-too-long", "a payload format has at most {most} characters", most=MAX_FORMAT)
            )
        self.fields = tuple(_fields(text))

    def read(self, payload: bytes) -> Said:
        """The values of one payload. A message may be shorter than its format: what it lacks is skipped.

        Raises DecodeError `oversized` (more than 12 bytes) and `truncated` (it holds none of the fields).
        """
        if len(payload) > MAX_BYTES:
            raise DecodeError(
                "oversized",
                phrase("sigfox-message-too-long", "a Sigfox message has at most {most} bytes", most=MAX_BYTES),
            )
        values: dict[str, Value] = {}
        skipped: list[tuple[str, str]] = []
        for field in self.fields:
            if field.end > len(payload):
                skipped.append((field.name, "short-payload"))
                continue
            value = _value(field, payload)
            if isinstance(value, float) and not math.isfinite(value):
                skipped.append((field.name, "not-finite"))
            elif value is None:
                skipped.append((field.name, "bad-text"))
            else:
                values[field.name] = value
        if all(reason == "short-payload" for _, reason in skipped) and not values:
            raise DecodeError(
                "truncated",
                phrase(
                    "payload-without-fields",
                    "{count} [byte holds|bytes hold] none of the fields; check the payload format",
                    count=len(payload),
                ),
            )
        return Said(values, tuple(skipped))


def _fields(text: str) -> list[Field]:
    words = text.split()
    if not words:
        raise ValueError(
            phrase(
                "payload-format-without-fields",
                "a payload format names at least one field, like temp::int:16:little-endian",
            )
        )
    if len(words) > MAX_FIELDS:
        raise ValueError(
            phrase("payload-format-too-many-fields", "a payload format has at most {most} fields", most=MAX_FIELDS)
        )
    found: list[Field] = []
    after, last, gave_bit = 0, 0, False  # the byte after what was read last, its last byte, and whether it gave a BIT
    for word in words:
        name, index, kind, parameters = _parts(word)
        if name in {field.name for field in found}:
            raise ValueError(
                phrase(
                    "payload-format-field-twice", "{word!r}: there is a field {name!r} already", word=word, name=name
                )
            )
        start = int(index) if index else last if gave_bit and kind != "bool" else after
        field, gave = _field(word, name, kind, parameters, start)
        if field.end > MAX_BYTES:
            raise ValueError(
                phrase(
                    "payload-format-field-too-far",
                    "{word!r}: ends at byte {end}, a message has {most}",
                    word=word,
                    end=field.end,
                    most=MAX_BYTES,
                )
            )
        found.append(field)
        if kind == "bool":
            if index:
                after, gave_bit = start, False
        else:
            after, last, gave_bit = field.end, field.end - 1, gave
    return found


def _parts(word: str) -> tuple[str, str, str, list[str]]:
    name, *rest = word.split(":")
    if not _NAME.fullmatch(name):
        raise ValueError(
            phrase(
                "payload-format-bad-field",
                "{word!r}: a field is name:byte:type:…, its name of letters, digits, '-', '_' and '#'",
                word=word[:60],
            )
        )
    if len(rest) < 3 or (rest[0] and not _NUMBER.fullmatch(rest[0])):
        raise ValueError(
            phrase(
                "payload-format-field-incomplete",
                "{word!r}: expected name:byte:type:size, the byte a number or empty: {name}::uint:8",
                word=word[:60],
                name=name,
            )
        )
    return name, rest[0], rest[1], rest[2:]


def _field(word: str, name: str, kind: str, parameters: list[str], start: int) -> tuple[Field, bool]:
    """The field, and whether it gives the bit it starts at."""
    size = int(parameters[0]) if _NUMBER.fullmatch(parameters[0]) else -1
    if kind == "bool":
        if not 0 <= size <= 7 or len(parameters) > 1:
            raise ValueError(phrase("payload-format-bad-bool", "{word!r}: a bool names one bit, 0 to 7", word=word))
        return Field(name, kind, start, size, 1, False), False
    little, bit = _order(word, parameters[1:])
    if kind == "char":
        size, right = size * 8, 1 <= size <= MAX_BYTES and not little
    else:
        right = size in {32, 64} if kind == "float" else 1 <= size <= 64
        if kind not in {"float", "uint", "int"}:
            raise ValueError(
                phrase(
                    "payload-format-no-such-type",
                    "{word!r}: there is no type {kind!r}; there are bool, char, float, uint and int",
                    word=word,
                    kind=kind,
                )
            )
    if not right:
        raise ValueError(_bad_size(word, kind))
    if little and size % 8:
        raise ValueError(
            phrase(
                "payload-format-odd-little-endian",
                "{word!r}: little-endian turns whole bytes round, and {size} bits are none",
                word=word,
                size=size,
            )
        )
    return Field(name, kind, start, 7 if bit is None else bit, size, little), bit is not None


def _bad_size(word: str, kind: str) -> str:
    if kind == "char":
        return phrase("payload-format-bad-char", "{word!r}: a char has 1 to 12 bytes and no byte order", word=word)
    if kind == "float":
        return phrase("payload-format-bad-float", "{word!r}: a float has 32 or 64 bits", word=word)
    return phrase("payload-format-bad-integer", "{word!r}: a {kind} has 1 to 64 bits", word=word, kind=kind)


def _order(word: str, rest: list[str]) -> tuple[bool, int | None]:
    """Whether it is little-endian, and the bit it starts at where it says one."""
    little, bit = False, None
    if rest and (rest[0] in {"", _BIG, _LITTLE}):
        little = rest.pop(0) == _LITTLE
    if rest and rest[0] in set("01234567"):
        bit = int(rest.pop(0))
    if rest:
        raise ValueError(
            phrase(
                "payload-format-bad-byte-order",
                "{word!r}: {given!r} is no byte order ({big}, {little}) and no bit from 0 to 7",
                word=word,
                given=rest[0],
                big=_BIG,
                little=_LITTLE,
            )
        )
    return little, bit


def _value(field: Field, payload: bytes) -> Value | None:
    whole = int.from_bytes(payload[field.byte : field.end], "big")
    behind = (field.end - field.byte) * 8 - (7 - field.bit) - field.size
    raw = whole >> behind & (1 << field.size) - 1
    if field.type == "bool":
        return bool(raw)
    if field.type in {"uint", "int"}:
        if field.little:
            raw = int.from_bytes(raw.to_bytes(field.size // 8, "big"), "little")
        return raw - (1 << field.size) if field.type == "int" and raw >> field.size - 1 else raw
    content = raw.to_bytes(field.size // 8, "big")
    if field.type == "float":
        form = f"{'<' if field.little else '>'}{'f' if field.size == 32 else 'd'}"
        return float(struct.unpack(form, content)[0])
    try:
        text = content.decode()
    except UnicodeDecodeError:
        return None
    text = text.rstrip("\0 ")
    return text if text.isprintable() else None
