"""Home Assistant entities of series, for MQTT discovery. Pure.

Home Assistant, MQTT integration, "MQTT Discovery": one retained configuration message an entity, below
`<prefix>/<component>/<object id>/config`; an empty one withdraws it.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from datetime import UTC, datetime
from typing import Any

from hub.sdk.exporter import LastValue, Series
from hub.sdk.metric_names import metric_name

UNITS = {
    "Cel": "°C", "[ppm]": "ppm", "ug/m3": "µg/m³", "m3": "m³", "m3/h": "m³/h", "kW.h": "kWh", "W.h": "Wh", "Ohm": "Ω",
    "uS/cm": "µS/cm", "m/s2": "m/s²", "deg": "°", "deg/s": "°/s", "MiBy": "MiB", "1": "", "V.A": "VA", "mV": "mV",
    "W/m2": "W/m²", "dB[SPL]": "dB",
}  # fmt: skip
"""UCUM → unit of Home Assistant's device classes, where the two differ."""

SILENT_DAYS = 30


def slug(text: str) -> str:
    """Return an object id: letters, digits, `_` and `-` only."""
    return re.sub(r"[^a-zA-Z0-9_-]", "_", text)


def object_id(hub_id: str, series: Series) -> str:
    """Return the object id of a place, which is stable over restarts and the replacement of hardware."""
    return slug(f"ilot_{hub_id}_{series.place or series.device}_{series.metric.key}")


def component(series: Series) -> str:
    return "binary_sensor" if series.metric.kind == "flag" else "sensor"


def state_topic(hub_id: str, series: Series) -> str:
    return f"ilot/{slug(hub_id)}/{slug(series.place or series.device)}/{series.metric.key}"


def status_topic(hub_id: str) -> str:
    return f"ilot/{slug(hub_id)}/status"


def gone(before: Mapping[str, int], now: Collection[str], today: int) -> list[str]:
    """Return the discovery topics to withdraw, of those announced `before` (topic → day): series without a value for a
    month, or entities that now have another component."""
    ids = {topic.split("/")[-2] for topic in now}
    return [
        topic
        for topic, day in before.items()
        if topic not in now and (today - day > SILENT_DAYS or topic.split("/")[-2] in ids)
    ]


def configuration(hub_id: str, series: Series) -> dict[str, Any]:
    """Return the discovery message of one series."""
    metric = series.metric
    said: dict[str, Any] = {
        "name": metric_name(metric, "fr"),
        "unique_id": object_id(hub_id, series),
        "object_id": object_id(hub_id, series),
        "state_topic": state_topic(hub_id, series),
        "value_template": "{{ value_json.value }}",
        "json_attributes_topic": state_topic(hub_id, series),
        "availability_topic": status_topic(hub_id),
        "device": {
            "identifiers": [slug(f"ilot_{hub_id}_{series.place or series.device}")],
            "name": series.name or series.place or series.device,
            "model": series.model or series.integration,
            "suggested_area": series.zone,
            "via_device": slug(f"ilot_{hub_id}"),
        },
        "origin": {"name": "Îlot"},
    }
    if metric.device_class:
        said["device_class"] = metric.device_class
    if metric.kind == "flag":
        said |= {"payload_on": "true", "payload_off": "false", "value_template": "{{ value_json.value | tojson }}"}
    elif metric.kind == "number":
        unit = UNITS.get(metric.unit, metric.unit)
        said |= {"unit_of_measurement": unit} if unit else {}
        said |= {"state_class": metric.state_class} if metric.state_class else {}
    return said


def state(value: LastValue) -> dict[str, Any]:
    """Return the message published for a value."""
    time = datetime.fromtimestamp(value.time, UTC).isoformat() if value.time is not None else None
    return {"value": value.value, "time": time, "quality": value.quality}
