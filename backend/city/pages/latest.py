"""Newest values of series, and sentences of alerts, as people read them. Blocking; any thread."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple
from urllib.parse import quote

import msgspec

from backend.city.pages import kit
from backend.storage.city import map as tables
from backend.storage.city.database import Reader
from backend.storage.city.map import SeriesRow
from hub.core.metric_catalogue import METRICS
from hub.i18n.metric_names import metric_name
from hub.i18n.typography import unit_text
from hub.page_kit.formatting import YES_NO, value_text

MAIN = (
    "fill_level", "fill", "level", "water_level", "occupied", "occupancy", "pm2_5", "pm25", "no2", "co2", "temperature",
    "power", "energy", "volume", "humidity", "battery",
)  # fmt: skip
"""Metrics that say most of a thing, the first one that it has; else its first."""


class Value(NamedTuple):
    """A series and its newest reading: `text` "" and `time_s` None where there is none."""

    series: str
    metric: str
    label: str
    text: str
    unit: str
    time_s: float | None
    raw: Any
    ucum: str


def label(metric: str, lang: str) -> str:
    """Return the name of a quantity; of one that no catalogue has, its key in plain words."""
    known = METRICS.get(metric)
    return metric.replace("_", " ").capitalize() if known is None else metric_name(known, lang)


def values(r: Reader, series: Sequence[SeriesRow], lang: str) -> list[Value]:
    """Return the newest value of each series, the main ones of each thing first. Raises StorageError."""
    newest = tables.newest(r, [row.number for row in series])
    yes_no = kit.word(YES_NO[1], lang), kit.word(YES_NO[0], lang)
    found = []
    for row in sorted(series, key=_rank):
        time_ms, raw = read_value(newest.get(row.number), row.kind)
        text = "" if time_ms is None else value_text(raw, lang, yes_no, row.unit)
        unit = "" if isinstance(raw, bool) else unit_text(row.unit, lang)
        at = None if time_ms is None else time_ms / 1000
        found.append(Value(row.id, row.metric, label(row.metric, lang), text, unit, at, raw, row.unit))
    return found


def read_value(newest: tuple[int, str] | None, kind: str) -> tuple[int | None, Any]:
    """Return (Unix ms, value) of a newest reading as the register has it, (None, None) where there is none."""
    if newest is None:
        return None, None
    raw = msgspec.json.decode(newest[1])
    return newest[0], bool(raw) if kind == "flag" and raw in (0, 1) else raw


def main_of(series: Sequence[SeriesRow]) -> dict[int, SeriesRow]:
    """Return the series that says most of each thing, by the number of the thing."""
    found: dict[int, SeriesRow] = {}
    for row in sorted(series, key=_rank):
        found.setdefault(row.thing, row)
    return found


def sentence(alert: Mapping[str, Any], lang: str) -> dict[str, Any]:
    """Return what a page shows of an alert."""
    text = (lang == "fr" and alert["text_fr"]) or alert["text"]
    return {
        "severity": alert["severity"], "text": text, "at": alert["raised_at"], "state": alert["state"],
        "hub": alert["hub"], "id": alert["alert"], "device": alert["device"], "place": alert["place"],
    }  # fmt: skip


def address(hub: str, device: str) -> str:
    """Return the address of the page of a thing."""
    return f"/things/{quote(hub, safe='')}/{quote(device, safe='')}"


def _rank(row: SeriesRow) -> tuple[int, int, str]:
    return row.thing, MAIN.index(row.metric) if row.metric in MAIN else len(MAIN), row.metric
