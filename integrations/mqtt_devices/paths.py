"""Parses payloads, and converts their values to numbers, flags and texts. Pure."""

from __future__ import annotations

import math
from typing import Any

import msgspec

import hub
from hub.sdk.nesting import shallow_json
from hub.sdk.phrases import phrase

Value = float | int | bool | str
MAX_PAYLOAD = 1 << 18
LONGEST = 256
"""Maximum characters of a text that may be a number or a flag. One payload may be read for thousands of entities, so
long texts are not scanned for each."""
_WHOLE = 1 << 64
"""Limit of whole numbers that may be a flag or a text: formatting one of thousands of digits takes quadratic time."""
_TRUE = {"on", "true", "open", "yes", "1", "detected", "online", "occupied"}
_FALSE = {"off", "false", "closed", "no", "0", "clear", "offline", "vacant"}


def read(payload: bytes) -> Any:
    """Parse a payload as JSON, else as text. Raises DecodeError `mqtt-payload` for one that is too long or binary."""
    if len(payload) > MAX_PAYLOAD:
        raise hub.DecodeError(
            "mqtt-payload", phrase("mqtt_devices.payload-too-long", "{count} bytes", count=len(payload))
        )
    try:
        return msgspec.json.decode(shallow_json(payload))
    except (msgspec.MsgspecError, UnicodeDecodeError):
        pass
    try:
        return payload.decode("utf-8").strip()
    except UnicodeDecodeError:
        raise hub.DecodeError(
            "mqtt-payload", phrase("mqtt_devices.neither-json-nor-text", "neither JSON nor text")
        ) from None


def number(raw: Any) -> float | None:
    """Return a finite number, also from a string."""
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
    """Return a value as in a flag's payload; "" for one that is too long, or none."""
    if isinstance(raw, str):
        return raw if len(raw) <= LONGEST else ""
    return str(raw) if isinstance(raw, bool | float) or (isinstance(raw, int) and abs(raw) < _WHOLE) else ""
