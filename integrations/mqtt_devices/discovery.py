"""Home Assistant's discovery, by which Zigbee2MQTT and many firmwares announce devices. Pure.

    <prefix>/<component>/[<node id>/]<object id>/config      JSON; an empty payload withdraws it

Home Assistant, "MQTT discovery": keys may be abbreviated, `~` is a base topic. Only supported entities are used:
sensors and binary sensors whose class and unit map to a metric, with a value template that is a path.
"""

from __future__ import annotations

import re
from typing import Any, NamedTuple

import msgspec

import hub
from hub.sdk.jsonpath import JsonPath
from hub.sdk.nesting import shallow_json
from hub.sdk.phrases import phrase
from integrations.mqtt_devices.mapping import Entry

MAX_PAYLOAD = 1 << 16
LONGEST, LONGEST_WORD = 256, 64
"""Maximum characters of a topic, and of a flag's payload: 4,096 entities are remembered."""
_SHORT = {
    "stat_t": "state_topic", "unit_of_meas": "unit_of_measurement", "dev_cla": "device_class",
    "val_tpl": "value_template", "uniq_id": "unique_id", "dev": "device", "pl_on": "payload_on",
    "pl_off": "payload_off", "ent_cat": "entity_category",
}  # fmt: skip
_SHORT_DEVICE = {"ids": "identifiers", "mf": "manufacturer", "mdl": "model", "cns": "connections"}
_STEPS = r"""(?:\.[\w-]+|\[\d+\]|\['[^']+'\]|\["[^"]+"\])*"""
_CAST = r"(?:\|\s*(?:float|int|round\(\d\))(?:\(\d*\))?\s*)?"
_TEMPLATE = re.compile(r"\{\{\s*(value(?:_json(" + _STEPS + r"))?)\s*" + _CAST + r"\}\}", re.ASCII)

# (component, device class) → metric and its possible units, each with (scale, offset)
_SAME = (1.0, 0.0)
_SENSORS: dict[str, tuple[str, dict[str, tuple[float, float]]]] = {
    "temperature": ("temperature", {"°C": _SAME, "°F": (5 / 9, -160 / 9), "K": (1.0, -273.15)}),
    "humidity": ("humidity", {"%": _SAME}),
    "moisture": ("moisture", {"%": _SAME}),
    "atmospheric_pressure": ("pressure", {"hPa": _SAME, "mbar": _SAME, "kPa": (10.0, 0.0), "Pa": (0.01, 0.0)}),
    "pressure": ("pressure", {"hPa": _SAME, "mbar": _SAME}),  # any pressure: a pipe's is not in hPa
    "carbon_dioxide": ("co2", {"ppm": _SAME}),
    "pm25": ("pm2_5", {"µg/m³": _SAME}),
    "pm10": ("pm10", {"µg/m³": _SAME}),
    "volatile_organic_compounds": ("tvoc", {"µg/m³": _SAME, "mg/m³": (1000.0, 0.0)}),
    "illuminance": ("illuminance", {"lx": _SAME}),
    "battery": ("battery", {"%": _SAME}),
    "voltage": ("voltage", {"V": _SAME, "mV": (0.001, 0.0)}),
    "current": ("current", {"A": _SAME, "mA": (0.001, 0.0)}),
    "power": ("power", {"W": _SAME, "kW": (1000.0, 0.0)}),
    "power_factor": ("power_factor", {"": _SAME, "%": (0.01, 0.0)}),
    "frequency": ("frequency", {"Hz": _SAME}),
    "energy": ("energy", {"kWh": _SAME, "Wh": (0.001, 0.0), "MWh": (1000.0, 0.0)}),
    "gas": ("gas", {"m³": _SAME}),
    "water": ("water", {"L": _SAME, "m³": (1000.0, 0.0)}),
    "distance": ("distance", {"mm": _SAME, "cm": (10.0, 0.0), "m": (1000.0, 0.0)}),
}
_FLAGS = {
    "battery": "battery_low", "carbon_monoxide": "co_detected", "cold": "cold", "connectivity": "connectivity",
    "door": "door", "garage_door": "garage_door", "gas": "gas_detected", "heat": "heat", "light": "light",
    "lock": "lock",
    "moisture": "leak", "motion": "motion", "moving": "moving", "occupancy": "occupancy", "opening": "opening",
    "plug": "plugged", "power": "powered", "presence": "presence", "problem": "fault", "running": "running",
    "safety": "safe", "smoke": "smoke", "sound": "sound", "tamper": "tamper", "vibration": "vibration",
    "window": "window",
}  # fmt: skip
_FALSE_MEANS = {"safety"}  # on means unsafe


class Entity(NamedTuple):
    """A value that a device announces, and its topic."""

    key: str  # of the discovery topic
    device: str
    model: str
    topic: str
    entry: Entry


def read(prefix: str, topic: str, payload: bytes) -> Entity | None:
    """Parse one discovery message; None for an unsupported one (a light, a text, an update…). Raises DecodeError
    `mqtt-discovery` for an invalid one."""
    parts = topic.removeprefix(f"{prefix}/").split("/")
    if len(parts) not in (3, 4) or parts[-1] != "config" or parts[0] not in ("sensor", "binary_sensor"):
        return None
    if len(payload) > MAX_PAYLOAD or len(topic) > LONGEST:
        raise hub.DecodeError(
            "mqtt-discovery",
            phrase(
                "mqtt_devices.announcement-too-long",
                "{count} bytes on a topic of {characters} characters",
                count=len(payload),
                characters=len(topic),
            ),
        )
    try:
        given = msgspec.json.decode(shallow_json(payload), type=dict[str, Any])
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise hub.DecodeError(
            "mqtt-discovery", phrase("mqtt_devices.announcement-no-json-object", "not a JSON object")
        ) from error
    config = {_SHORT.get(key, key): value for key, value in given.items()}
    about = config.get("device")
    about = {_SHORT_DEVICE.get(key, key): value for key, value in about.items()} if isinstance(about, dict) else {}
    device = _device(about, config)
    entry = _entry(parts[0], config)
    state = config.get("state_topic")
    if device is None or entry is None or not isinstance(state, str) or not state or len(state) > LONGEST:
        return None
    base = config.get("~")
    if isinstance(base, str):
        state = re.sub(r"^~|~$", lambda _: base, state)
    if "+" in state or "#" in state or len(state) > LONGEST:
        return None
    model = " ".join(str(about[key])[:40] for key in ("manufacturer", "model") if isinstance(about.get(key), str))
    return Entity("/".join(parts[:-1]), device, model, state, entry)


def _device(about: dict[str, Any], config: dict[str, Any]) -> str | None:
    ids = about.get("identifiers")
    first = ids[0] if isinstance(ids, list) and ids else ids
    if not isinstance(first, str) or not first:
        first = config.get("unique_id")
    if not isinstance(first, str):
        return None
    name = re.sub(r"[^\x21-\x7e]", "_", first)[:120]
    return f"mqtt:{name}" if name else None


def _entry(component: str, config: dict[str, Any]) -> Entry | None:
    path = _path(config.get("value_template"))
    kind = config.get("device_class")
    if path is None or not isinstance(kind, str) or _is_own(kind, config.get("entity_category")):
        return None
    if component == "binary_sensor":
        metric = _FLAGS.get(kind)
        on, off = (_word(config.get(key), word) for key, word in (("payload_on", "ON"), ("payload_off", "OFF")))
        if metric is None or max(len(on), len(off)) > LONGEST_WORD:
            return None
        return (
            Entry(metric, path, true=off, false=on) if kind in _FALSE_MEANS else Entry(metric, path, true=on, false=off)
        )
    found = _SENSORS.get(kind)
    unit = config.get("unit_of_measurement", "")
    if found is None or not isinstance(unit, str) or unit not in found[1]:
        return None
    scale, offset = found[1][unit]
    return Entry(found[0], path, scale, offset)


def _is_own(kind: str, category: Any) -> bool:
    """Tell whether an entity is a setting of its device, or the temperature of its chip."""
    return category == "config" or (category == "diagnostic" and kind == "temperature")


def _word(value: Any, missing: str) -> str:
    return missing if value is None else str(value)


def _path(template: Any) -> JsonPath | None:
    """Return the path in a value template; None for one that computes."""
    if template is None:
        return JsonPath()
    found = _TEMPLATE.fullmatch(template.strip()) if isinstance(template, str) and len(template) <= 256 else None
    if found is None:
        return None
    try:
        return JsonPath.parse(found[2] or "")
    except ValueError:
        return None
