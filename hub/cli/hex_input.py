"""Frames that people type or paste: hexadecimal as other tools print it, or a JSON object."""

from __future__ import annotations

import base64
import re
from typing import Any

import msgspec

from hub.core.errors import DecodeError
from hub.core.nesting import shallow_json
from hub.core.text import phrase, reason_of

LINE_LIMIT = 64 * 1024
"""Maximum characters of a line."""
_PREFIX = re.compile(r"(?:^|(?<=[\s,;:._-]))0[xX]|\\x")
_SEPARATORS = re.compile(r"[\s,;:._-]+")
_WRONG = re.compile(r"[^0-9A-Fa-f\s,;:._-]")
_BASE64 = re.compile(r"(?:[A-Za-z0-9+/]{4})+(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?|[A-Za-z0-9+/]{2,3}={1,2}")
_SHOWN = 64
"""Maximum bytes that a message offers in hexadecimal."""


def to_hex(text: str) -> str:
    """Return the digits of a hexadecimal text: `68 19`, `68:19`, `68-19`, `0x68, 0x19`, `\\x68\\x19` or `6819`.

    No digit is guessed. Raises DecodeError `not-hex` with the first character that is no digit, `odd-hex` with the part
    that lacks one.
    """
    bare = _PREFIX.sub(lambda prefix: " " * len(prefix.group()), text)
    if wrong := _WRONG.search(bare):
        raise DecodeError("not-hex", _not_hexadecimal(text.strip(), wrong.group(), wrong.start() + 1))
    parts = [part for part in _SEPARATORS.split(bare) if part]
    if not parts:
        raise DecodeError("not-hex", phrase("hex-is-empty", "there is no hexadecimal digit"))
    for number, part in enumerate(parts, 1):
        if len(part) % 2:
            raise DecodeError("odd-hex", _odd(part, number, len(parts)))
    return "".join(parts)


def _not_hexadecimal(text: str, wrong: str, position: int) -> str:
    if _BASE64.fullmatch(text):
        data = base64.b64decode(text)
        offered = data[:_SHOWN].hex() + ("…" if len(data) > _SHOWN else "")
        return phrase(
            "hex-may-be-base64",
            "{wrong!r} is no hexadecimal digit. As Base64 it would be {offered}: give it so",
            wrong=wrong,
            offered=offered,
        )
    return phrase(
        "hex-wrong-character",
        "{wrong!r} at character {position} is no hexadecimal digit",
        wrong=wrong,
        position=position,
    )


def _odd(part: str, number: int, parts: int) -> str:
    if parts == 1:
        return phrase(
            "hex-odd",
            "{count} hexadecimal [digit|digits], and two make a byte: a leading zero is missing, or the end is cut off",
            count=len(part),
        )
    return phrase(
        "hex-odd-part",
        "part {number}, {part!r}, has an odd number of digits: a byte is written with two, 05 and not 5",
        number=number,
        part=part[:_SHOWN],
    )


def _form(reason: str) -> str:
    return phrase("frame-form-wrong", "a frame is a JSON object or hexadecimal: {reason}", reason=reason)


def parse_line(line: str) -> dict[str, Any]:
    """Return the JSON object of a line; of one in hexadecimal {"raw": digits}. Raises DecodeError."""
    if len(line) > LINE_LIMIT:
        raise DecodeError(
            "oversized", phrase("line-too-long", "a line has at most {count} characters", count=LINE_LIMIT)
        )
    if line.lstrip()[:1] not in ("{", "[", '"'):
        try:
            return {"raw": to_hex(line)}
        except DecodeError as error:
            raise DecodeError(error.reason, _form(error.detail)) from None
    try:
        given = msgspec.json.decode(shallow_json(line), type=dict[str, Any])
    except msgspec.MsgspecError as error:
        raise DecodeError("not-json", _form(reason_of(error))) from error
    if "raw" in given:
        if not isinstance(given["raw"], str):
            raise DecodeError(
                "not-hex",
                phrase("hex-without-quotes", 'hexadecimal stands in quotes, {{"raw": "0123"}}: a number loses zeros'),
            )
        given["raw"] = to_hex(given["raw"])
    return given
