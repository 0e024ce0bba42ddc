"""Resolver of plain YAML text to null, bool, int, float or text, by the core schema of YAML 1.2 (YAML 1.2.2, §10.3.2).
Pure.

`no`, `on` and `12:30:00` are text here, as they are in JSON: YAML 1.1 reads them as False, True and 45000.
"""

from __future__ import annotations

import math
import re

from hub.core.text import phrase

Scalar = str | int | float | bool | None

_NULL = frozenset(("", "~", "null", "Null", "NULL"))
_BOOL = {"true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False}
_INT = re.compile(r"[-+]?[0-9]+")
_OCTAL = re.compile(r"0o[0-7]+")
_HEX = re.compile(r"0x[0-9a-fA-F]+")
_FLOAT = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?")
_ENDLESS = re.compile(r"[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)")

SMALLEST, LARGEST = -(1 << 63), (1 << 63) - 1
_MOST_DIGITS = 400


def resolve(text: str) -> Scalar:
    """Return the value of an unquoted scalar. Raises ValueError for numbers out of range: not finite, or whole and
    beyond 64 bits."""
    if text in _NULL:
        return None
    if text in _BOOL:
        return _BOOL[text]
    for pattern, base in ((_INT, 10), (_OCTAL, 8), (_HEX, 16)):
        if pattern.fullmatch(text):
            return _whole(text, base)
    if _ENDLESS.fullmatch(text):
        raise ValueError(phrase("number-not-finite", "a number must be finite; put it in quotes if it is text"))
    if _FLOAT.fullmatch(text):
        number = float(text)
        if math.isinf(number):
            raise ValueError(phrase("number-too-large", "this number is too large; put it in quotes if it is text"))
        return number
    return text


def _whole(text: str, base: int) -> int:
    number = int(text if base == 10 else text[2:], base) if len(text) <= _MOST_DIGITS else LARGEST + 1
    if not SMALLEST <= number <= LARGEST:
        raise ValueError(
            phrase("whole-number-too-large", "this whole number does not fit 64 bits; put it in quotes if it is text")
        )
    return number
