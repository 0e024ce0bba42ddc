"""Decodes JSON documents to readings. Pure.

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
from hub.sdk.phrases import phrase

Value = float | int | bool | str

MAX_BODY = 1 << 18
MAX_TEXT = 64
LONGEST = 256
"""Maximum characters of a text that may be a number or a flag; longer texts are cut. One document may be read for many
values, so long texts are not scanned for each."""
_WHOLE = 1 << 64
"""Limit of whole numbers that may be a flag or a text: formatting one of thousands of digits takes quadratic time."""
_MILLISECONDS = 1e11  # Unix seconds of the year 5138, milliseconds of 1973

_TRUE = {"on", "true", "open", "yes", "1", "detected", "online", "occupied"}
_FALSE = {"off", "false", "closed", "no", "0", "clear", "offline", "vacant"}
_NOTHING = {"", "null", "none", "nan", "n/a", "-", "--", "---", "unknown", "unavailable"}


class Entry(NamedTuple):
    """A value: metric value = raw * `scale` + `offset`. `on` and `off` are a flag's values, empty for the usual
    words."""

    metric: hub.Metric
    path: JsonPath
    scale: float = 1.0
    offset: float = 0.0
    on: str = ""
    off: str = ""


class Reading(NamedTuple):
    """Readings of a document. `time` is Unix seconds, None for now; `skipped`: slugs to count for values without a
    reading."""

    values: dict[str, Value]
    time: float | None
    skipped: list[str]


def document(body: bytes) -> Any:
    """Parse a document. Raises DecodeError `http-body` for content that is neither JSON nor a short text."""
    if len(body) > MAX_BODY:
        raise hub.DecodeError(
            "http-body",
            phrase(
                "http_json.answer-too-long",
                "{count} bytes: at most {most} are read",
                count=len(body),
                most=MAX_BODY,
            ),
        )
    try:
        return msgspec.json.decode(shallow_json(body))
    except (msgspec.MsgspecError, UnicodeDecodeError):
        pass
    try:
        text = body.decode("utf-8").strip()
    except UnicodeDecodeError:
        raise hub.DecodeError("http-body", phrase("http_json.neither-json-nor-text", "neither JSON nor text")) from None
    if len(text) > MAX_TEXT or not text.isprintable():  # a web page, or an error in HTML
        raise hub.DecodeError(
            "http-body",
            phrase(
                "http_json.answer-is-no-json", "this is no JSON: look at the address, and at what it shows in a browser"
            ),
        )
    return text


def read(data: Any, entries: tuple[Entry, ...], time: JsonPath | None) -> Reading:
    """Return the readings of a document. A missing value is counted, because it is configured."""
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
    """Return a value, with texts cut to their relevant length. A list stands for an unsupported value."""
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
    """Return Unix seconds; None for an invalid date, or one without a zone, which would be ambiguous."""
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
