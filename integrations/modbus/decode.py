"""Decodes register words to values. Pure.

A word is one register, 0 to 65535, as sent by the device; a bit table gives words of 0 or 1. MODBUS Application
Protocol V1.1b3, §4.2: a register is big-endian on the wire. The order of several registers in one number is the
vendor's choice: `word_order` and `byte_order`.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Sequence
from decimal import Decimal

import hub
from hub.sdk.phrases import phrase
from integrations.modbus.settings import BITS, FLOATS, Register

Value = float | int | bool | str


def decode(register: Register, words: Sequence[int]) -> Value | None:
    """Return the value of one register of the map, in the metric's unit; None when the device has none (an `invalid`
    value, a float that is not a number, an empty string). Raises DecodeError: `truncated`, `bad-word`, `bad-text` or
    `not-finite`."""
    if len(words) != register.size:
        raise hub.DecodeError(
            "truncated",
            phrase(
                "modbus.wrong-word-count",
                "{metric}: {expected} words expected, {received} came",
                metric=register.metric,
                expected=register.size,
                received=len(words),
            ),
        )
    top = 1 if register.table in BITS else 0xFFFF
    if any(not 0 <= word <= top for word in words):
        raise hub.DecodeError(
            "bad-word",
            phrase("modbus.word-out-of-range", "{metric}: a word is outside 0..{top}", metric=register.metric, top=top),
        )
    if register.type == "bool":
        return bool(words[0] & (0xFFFF if register.mask is None else register.mask))
    data = _ordered(register, words)
    if register.type == "string":
        return _text(register, data)
    if register.type in FLOATS:
        return _float(register, data)
    return _integer(register, data)


def _ordered(register: Register, words: Sequence[int]) -> bytes:
    first_to_last = words if register.word_order == "big" else reversed(words)
    return b"".join(word.to_bytes(2, register.byte_order) for word in first_to_last)


def _text(register: Register, data: bytes) -> str | None:
    try:
        text = data.split(b"\0", 1)[0].decode("utf-8").strip()
    except UnicodeDecodeError as error:
        raise hub.DecodeError(
            "bad-text", phrase("modbus.text-not-utf-8", "{metric}: not UTF-8", metric=register.metric)
        ) from error
    if not text.isprintable():
        raise hub.DecodeError(
            "bad-text",
            phrase("modbus.control-characters", "{metric}: holds control characters", metric=register.metric),
        )
    return text or None


def _float(register: Register, data: bytes) -> float | None:
    packed = struct.Struct(FLOATS[register.type])
    (raw,) = packed.unpack(data)
    # compared in the device's precision: 9999.9 is another number in 32 bits
    if math.isnan(raw) or data in [packed.pack(value) for value in register.invalid]:
        return None
    return _finite(register, raw * register.scale + register.offset)


def _integer(register: Register, data: bytes) -> int | float | None:
    bits = 8 * len(data)
    pattern = int.from_bytes(data, "big")
    if any(int(value) % (1 << bits) == pattern for value in register.invalid):
        return None
    raw = pattern
    if register.mask is not None:
        raw = (pattern & register.mask) >> (register.mask & -register.mask).bit_length() - 1
    elif register.type.startswith("int"):
        raw -= (pattern >> bits - 1) << bits
    if register.scale == 1 and register.offset == 0:
        return raw
    # in decimal, so that 217 * 0.1 is 21.7
    return _finite(register, float(raw * Decimal(repr(register.scale)) + Decimal(repr(register.offset))))


def _finite(register: Register, value: float) -> float:
    if not math.isfinite(value):
        raise hub.DecodeError(
            "not-finite", phrase("modbus.value-infinite", "{metric}: the value is infinite", metric=register.metric)
        )
    return value
