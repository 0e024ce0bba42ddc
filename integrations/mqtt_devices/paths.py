"""A payload, and what its values are as numbers, flags and texts. Pure."""

from __future__ import annotations

import math
from typing import Any

import msgspec

import hub
from hub.sdk.nesting import shallow_json

Value = float | int | bool | str
MAX_PAYLOAD = 1 << 18
LONGEST = 256
"""Characters of a text that may be a number or a flag. One payload may be read for thousands of entities, and none of
them reads a long one through."""
_WHOLE = 1 << 64
"""A whole number beyond is no flag and no text: to write one of thousands of digits takes the square of them."""
_TRUE = {"on", "true", "open", "yes", "1", "detected", "online", "occupied"}
_FALSE = {"off", "false", "closed", "no", "0", "clear", "offline", "vacant"}


def read(payload: bytes) -> Any:
    """A payload as JSON; what is none is text. Raises DecodeError `mqtt-payload` for one that is too long or binary."""
    if len(payload) > MAX_PAYLOAD:
        raise hub.DecodeError("mqtt-payload", f"{len(payload)} bytes")
    try:
        return msgspec.json.decode(shallow_json(payload))
    except (msgspec.MsgspecError, UnicodeDecodeError):
        pass
    try:
        return payload.decode("utf-8").strip()
    except UnicodeDecodeError:
        raise hub.DecodeError("mqtt-payload", "neither JSON nor text") from None


def number(raw: Any) -> float | None:
    """A finite number, also one in a string."""
    if isinstance(raw, bool):
        return float(raw)
    if isinstance(raw, str):
        if len(raw) > LONGEST:
            return None
        try:
            raw = float(raw)
        except ValueError:
            return None
    if not isinstance(raw, int | float):
        return None
    try:
        value = float(raw)
    except OverflowError:
        return None
    return value if math.isfinite(value) else None


def flag(raw: Any) -> bool | None:
    text = word(raw).strip().lower()
    return True if text in _TRUE else False if text in _FALSE else None


def text(raw: Any) -> str | None:
    if not isinstance(raw, bool | int | float | str) or (isinstance(raw, int) and abs(raw) >= _WHOLE):
        return None
    said = str(raw)[:64]
    return said if said.isprintable() else None


def word(raw: Any) -> str:
    """A value as a flag's payload writes it; "" for one that is too long to be one, or none."""
    if isinstance(raw, str):
        return raw if len(raw) <= LONGEST else ""
    return str(raw) if isinstance(raw, bool | float) or (isinstance(raw, int) and abs(raw) < _WHOLE) else ""
