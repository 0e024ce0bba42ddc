"""The medical float types of GATT values (IEEE 11073-20601; Bluetooth GATT Specification Supplement, "medfloat16" and
"medfloat32", once SFLOAT and FLOAT). Pure.

    medfloat16    exponent s4 (high) | mantissa s12     value = mantissa × 10^exponent
    medfloat32    exponent s8 (high) | mantissa s24

Five mantissas with exponent 0 are no numbers: NaN, NRes (not at this resolution), +INF, -INF and one that is reserved.
"""

from __future__ import annotations

_NO_NUMBER_16 = frozenset((0x07FE, 0x07FF, 0x0800, 0x0801, 0x0802))
_NO_NUMBER_32 = frozenset((0x007FFFFE, 0x007FFFFF, 0x00800000, 0x00800001, 0x00800002))


def medfloat16(raw: int, shift: int = 0) -> float | None:
    """Decode the value × 10^`shift` from 16 bits; None for a special value."""
    if raw in _NO_NUMBER_16:
        return None
    return _value(_signed(raw & 0xFFF, 12), _signed(raw >> 12, 4) + shift)


def medfloat32(raw: int, shift: int = 0) -> float | None:
    """Decode the value × 10^`shift` from 32 bits; None for a special value."""
    if raw in _NO_NUMBER_32:
        return None
    return _value(_signed(raw & 0xFFFFFF, 24), _signed(raw >> 24, 8) + shift)


def _signed(raw: int, bits: int) -> int:
    return raw - (1 << bits) if raw >> (bits - 1) else raw


def _value(mantissa: int, exponent: int) -> float:
    """Return the double nearest to the decimal that was sent, computed on integers, and never an infinity."""
    return float(mantissa * 10**exponent) if exponent >= 0 else mantissa / 10**-exponent
