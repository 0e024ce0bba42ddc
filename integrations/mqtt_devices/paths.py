"""Where a value stands in a payload: a path like `sensors[0].temperature`. Pure.

A path is keys joined by dots; `[n]` is the nth element of a list, `['a key']` one with any characters. The empty path
is the payload itself.
"""

from __future__ import annotations

import math
import re
from typing import Any

import msgspec

import hub

Value = float | int | bool | str
MAX_PAYLOAD = 1 << 18
MAX_STEPS = 16

_STEP = re.compile(r"""\.?([A-Za-z_@$][\w$@-]*)|\[(\d{1,4})\]|\[(?:'([^']{1,64})'|"([^"]{1,64})")\]""", re.ASCII)
_TRUE = {"on", "true", "open", "yes", "1", "detected", "online", "occupied"}
_FALSE = {"off", "false", "closed", "no", "0", "clear", "offline", "vacant"}


def steps(path: str) -> tuple[str | int, ...]:
    """Raises ValueError for what is no path."""
    found: list[str | int] = []
    at = 0
    while at < len(path):
        match = _STEP.match(path, at)
        if match is None or len(found) >= MAX_STEPS:
            raise ValueError(f"not a path: {path!r}; expected one like sensors[0].temperature")
        key, number, single, double = match.groups()
        found.append(int(number) if number is not None else key or single or double)
        at = match.end()
    return tuple(found)


def read(payload: bytes) -> Any:
    """A payload as JSON; what is none is text. Raises DecodeError `mqtt-payload` for one that is too long or binary."""
    if len(payload) > MAX_PAYLOAD:
        raise hub.DecodeError("mqtt-payload", f"{len(payload)} bytes")
    try:
        return msgspec.json.decode(payload)
    except (msgspec.MsgspecError, RecursionError):
        pass
    try:
        return payload.decode("utf-8").strip()
    except UnicodeDecodeError:
        raise hub.DecodeError("mqtt-payload", "neither JSON nor text") from None


def follow(data: Any, path: tuple[str | int, ...]) -> Any:
    """What stands there; None when nothing does."""
    for step in path:
        if isinstance(step, str) and isinstance(data, dict):
            data = data.get(step)
        elif isinstance(step, int) and isinstance(data, list) and step < len(data):
            data = data[step]
        else:
            return None
    return data


def number(raw: Any) -> float | None:
    """A finite number, also one in a string."""
    if isinstance(raw, bool):
        return float(raw)
    if isinstance(raw, str):
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
    text = str(raw).strip().lower() if isinstance(raw, bool | int | float | str) else ""
    return True if text in _TRUE else False if text in _FALSE else None


def text(raw: Any) -> str | None:
    if not isinstance(raw, bool | int | float | str):
        return None
    said = str(raw)[:64]
    return said if said.isprintable() else None
