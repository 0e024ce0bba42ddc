"""Decodes data fields: raw bytes to numbers, dates and texts. Pure.

EN 13757-3:2018, Annex A: types A (BCD), B and C (binary), F, G, I and J (points in time), H (real), and the variable
length of Table 5.
"""

from __future__ import annotations

import math
import struct
from decimal import Decimal

import hub
from hub.sdk.phrases import phrase

Value = int | float | str | None
SIZES = {1: 1, 2: 2, 3: 3, 4: 4, 5: 4, 6: 6, 7: 8, 9: 1, 10: 2, 11: 3, 12: 4, 14: 6}
"""Bytes by the data field of a DIF; 0 and 8 have none, 13 is of variable length, 15 a special function."""
REAL, VARIABLE = 5, 13
BCD = (9, 10, 11, 12, 14)


def integer(raw: bytes) -> int:
    """Decode type B: two's complement, least significant byte first."""
    return int.from_bytes(raw, "little", signed=True)


def bcd(raw: bytes) -> int | None:
    """Decode type A: two digits a byte, least significant first; F as the highest digit is a minus. None for an invalid
    number, by which a meter marks a missing value."""
    digits = raw[::-1].hex()
    sign = 1
    if digits.startswith("f"):
        sign, digits = -1, digits[1:]
    return sign * int(digits) if digits.isdigit() else None


def real(raw: bytes) -> float | None:
    """Decode type H; None for a value that is not finite."""
    (value,) = struct.unpack("<f", raw)
    return float(value) if math.isfinite(value) else None


def text(raw: bytes) -> str:
    """Decode ISO 8859-1, last character first; unprintable characters are left out."""
    return "".join(c for c in raw[::-1].decode("latin-1") if c.isprintable()).strip()


def scaled(raw: float, exponent: int) -> int | float:
    """Return raw × 10^exponent, exactly in decimal."""
    if not exponent:
        return raw
    if isinstance(raw, int):  # a single division rounds once, as the decimal would
        power = int(10 ** abs(exponent))
        return raw * power if exponent > 0 else raw / power
    value = Decimal(str(raw)).scaleb(exponent)
    return int(value) if value == value.to_integral_value() and exponent > 0 else float(value)


def date(raw: bytes) -> str | None:
    """Decode type G, 2 bytes, to ISO 8601; None when the meter marks it as invalid."""
    day, month = raw[0] & 0x1F, raw[1] & 0x0F
    year = _year(raw[0] >> 5 | (raw[1] & 0xF0) >> 1)
    return f"{year:04}-{month:02}-{day:02}" if 1 <= day <= 31 and 1 <= month <= 12 else None


def moment(raw: bytes) -> str | None:
    """Decode types F (4 bytes), I (6 bytes) and J (3 bytes, a time of day) to ISO 8601 in the meter's own local
    time."""
    if len(raw) == 3:
        return _time(raw[2] & 0x1F, raw[1] & 0x3F, raw[0] & 0x3F)
    if len(raw) == 4:
        if raw[0] & 0x80:
            return None
        clock = _time(raw[1] & 0x1F, raw[0] & 0x3F)
        day = date(raw[2:4])
    elif len(raw) == 6:
        if raw[1] & 0x80:
            return None
        clock = _time(raw[2] & 0x1F, raw[1] & 0x3F, raw[0] & 0x3F)
        day = date(raw[3:5])
    else:
        return None
    return f"{day}T{clock}" if day and clock else None


def _time(hour: int, minute: int, second: int | None = None) -> str | None:
    if hour > 23 or minute > 59 or (second or 0) > 59:
        return None
    return f"{hour:02}:{minute:02}" + ("" if second is None else f":{second:02}")


def _year(two_digits: int) -> int:
    """Decode a year (EN 13757-3, A.4): 0 to 80 are of this century, above of the last one."""
    return 2000 + two_digits if two_digits <= 80 else 1900 + two_digits


def variable(raw: bytes, kind: int) -> Value:
    """Decode a field of variable length whose LVAR was `kind`. Raises DecodeError for a reserved one."""
    if kind <= 0xBF:
        return text(raw)
    if kind <= 0xC9:
        return bcd(raw)
    if 0xD0 <= kind <= 0xD9:
        value = bcd(raw)
        return None if value is None else -value
    if 0xE0 <= kind <= 0xF6:
        return integer(raw) if len(raw) <= 8 else raw[::-1].hex()
    raise hub.DecodeError(
        "mbus-record", phrase("mbus.length-code-reserved", "a length code {kind:02x} that is reserved", kind=kind)
    )


def variable_size(kind: int) -> int:
    """Return the bytes that follow an LVAR. Raises DecodeError for a reserved one."""
    if kind <= 0xBF:
        return kind
    if kind <= 0xC9 or 0xD0 <= kind <= 0xD9:
        return kind & 0x0F
    if 0xE0 <= kind <= 0xEF:
        return kind - 0xE0
    if 0xF0 <= kind <= 0xF4:
        return 4 * (kind - 0xEC)
    if kind in (0xF5, 0xF6):
        return 48 if kind == 0xF5 else 64
    raise hub.DecodeError(
        "mbus-record", phrase("mbus.length-code-reserved", "a length code {kind:02x} that is reserved", kind=kind)
    )
