"""A JSON document -> readings. Pure.

The empty path is the document itself, which may be a bare number or word. Dates are Unix seconds or milliseconds, or
ISO 8601 with a zone.
"""

from __future__ import annotations

import math
import re
from datetime import datetime
from decimal import Decimal
from typing import Any, NamedTuple

import msgspec

import hub
from hub.sdk.jsonpath import JsonPath
from hub.sdk.nesting import shallow_json

Value = float | int | bool | str

MAX_BODY = 1 << 18
MAX_TEXT = 64
LONGEST = 256
"""Characters of a text that may be a number or a flag; the rest of one that is text is not looked at. One document may
be read for many values, and none of them reads a long text through."""
_WHOLE = 1 << 64
"""A whole number beyond is no flag and no text: to write one of thousands of digits takes the square of them."""
_MILLISECONDS = 1e11  # Unix seconds of the year 5138, milliseconds of 1973

_TRUE = {"on", "true", "open", "yes", "1", "detected", "online", "occupied"}
_FALSE = {"off", "false", "closed", "no", "0", "clear", "offline", "vacant"}
_NOTHING = {"", "null", "none", "nan", "n/a", "-", "--", "---", "unknown", "unavailable"}


class Entry(NamedTuple):
    """One value: metric value = raw * `scale` + `offset`. `on` and `off` are what a flag says, empty for the usual
    words."""

    metric: hub.Metric
    path: JsonPath
    scale: float = 1.0
    offset: float = 0.0
    on: str = ""
    off: str = ""


class Reading(NamedTuple):
    """`time` is Unix seconds, None for now; `skipped` are reasons, as slugs to count, why a value gave no reading."""

    values: dict[str, Value]
    time: float | None
    skipped: list[str]


def document(body: bytes) -> Any:
    """Raises DecodeError `http-body` for what is neither JSON nor a short text."""
    if len(body) > MAX_BODY:
        raise hub.DecodeError("http-body", f"{len(body)} bytes: at most {MAX_BODY} are read")
    try:
        return msgspec.json.decode(shallow_json(body))
    except (msgspec.MsgspecError, UnicodeDecodeError):
        pass
    try:
        text = body.decode("utf-8").strip()
    except UnicodeDecodeError:
        raise hub.DecodeError("http-body", "neither JSON nor text") from None
    if len(text) > MAX_TEXT or not text.isprintable():  # a page for people, an error in HTML
        raise hub.DecodeError("http-body", "this is no JSON: look at the address, and at what it shows in a browser")
    return text


def read(data: Any, entries: tuple[Entry, ...], time: JsonPath | None) -> Reading:
    """What a document says. A value that is not there is counted: whoever named it expects it."""
    values: dict[str, Value] = {}
    skipped: list[str] = []
    for entry in entries:
        raw = _short(entry.path.of(data), entry.metric.kind)
        if raw is None:
            skipped.append("http-missing")
        elif not (isinstance(raw, str) and raw.strip().lower() in _NOTHING):
            value = _value(raw, entry)
            if value is None:
                skipped.append("http-value")
            else:
                values[entry.metric.key] = value
    date = None if time is None else _date(time.of(data))
    if time is not None and date is None:
        skipped.append("http-time")
    return Reading(values, date, skipped)


def _short(raw: Any, kind: str) -> Any:
    """A value, and of a text so much as may count. A list stands for what is none."""
    if isinstance(raw, str) and len(raw) > LONGEST:
        return raw[:LONGEST] if kind == "text" else []
    return [] if isinstance(raw, int) and abs(raw) >= _WHOLE and kind != "number" else raw


def _value(raw: Any, entry: Entry) -> Value | None:
    if not isinstance(raw, bool | int | float | str):
        return None
    if entry.metric.kind == "text":
        said = str(raw).strip()[:MAX_TEXT]
        return said if said and said.isprintable() else None
    if entry.metric.kind == "flag":
        return _flag(raw, entry)
    return _number(raw, entry)


def _flag(raw: bool | int | float | str, entry: Entry) -> bool | None:
    text = str(raw).strip()
    if entry.on or entry.off:
        return True if text == entry.on else False if text == entry.off else None
    word = text.lower()
    return True if word in _TRUE else False if word in _FALSE else None


def _number(raw: bool | int | float | str, entry: Entry) -> float | int | None:
    if isinstance(raw, str):
        text = raw.strip()
        if len(text) > 40:
            return None
        try:
            raw = int(text) if re.fullmatch(r"[+-]?\d{1,18}", text) else float(text)
        except ValueError:
            return None
    raw = int(raw) if isinstance(raw, bool) else raw
    try:
        if not math.isfinite(raw):
            return None
        if entry.scale == 1 and entry.offset == 0:
            return raw if isinstance(raw, float) or abs(raw) < 1 << 63 else float(raw)
        # in decimal, so that 217 * 0.1 is 21.7
        value = float(Decimal(repr(raw)) * Decimal(repr(entry.scale)) + Decimal(repr(entry.offset)))
    except (OverflowError, ValueError):
        return None
    return value if math.isfinite(value) else None


def _date(raw: Any) -> float | None:
    """Unix seconds; None for what is no date, or one without a zone: nothing says which it would be."""
    if isinstance(raw, str):
        try:
            found = datetime.fromisoformat(raw.strip())
            return found.timestamp() if found.tzinfo is not None else None
        except (ValueError, OverflowError):
            return None
    if isinstance(raw, bool) or not isinstance(raw, int | float):
        return None
    try:
        seconds = float(raw)
    except OverflowError:
        return None
    seconds = seconds / 1000 if seconds >= _MILLISECONDS else seconds
    return seconds if 0 < seconds < _MILLISECONDS else None
