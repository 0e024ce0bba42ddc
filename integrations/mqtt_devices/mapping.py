"""Converts payloads to readings. Pure."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import hub
from hub.sdk.jsonpath import JsonPath
from integrations.mqtt_devices import paths
from integrations.mqtt_devices.paths import Value


class Entry(NamedTuple):
    """A value of a payload: metric value = raw × `scale` + `offset`. `true` and `false` are a flag's payloads, empty
    for the usual words."""

    metric: str
    path: JsonPath
    scale: float = 1.0
    offset: float = 0.0
    true: str = ""
    false: str = ""


def values(
    payload: bytes, entries: tuple[Entry, ...], metrics: dict[str, hub.Metric]
) -> tuple[dict[str, Value], list[str]]:
    """Return the readings of one payload, and the reasons why an entry gave none. A missing value is no error: devices
    send only changes. Raises DecodeError `mqtt-payload`."""
    data = paths.read(payload)
    found: dict[str, Value] = {}
    skipped = []
    for entry in entries:
        raw = entry.path.of(data)
        if raw is None or (isinstance(raw, str) and raw in ("", "unknown", "unavailable", "None", "null")):
            continue
        value = _value(raw, entry, metrics[entry.metric].kind)
        if value is None:
            skipped.append("mqtt-value")
        else:
            found[entry.metric] = value
    return found, skipped


def _value(raw: Any, entry: Entry, kind: str) -> Value | None:
    if kind == "text":
        return paths.text(raw)
    if kind == "flag":
        said = paths.word(raw)
        if entry.true and said == entry.true:
            return True
        if entry.false and said == entry.false:
            return False
        return None if entry.true or entry.false else paths.flag(raw)
    number = paths.number(raw)
    value = None if number is None else number * entry.scale + entry.offset
    return value if value is not None and math.isfinite(value) else None
