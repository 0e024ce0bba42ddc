"""The worker's answer → readings of the catalogue. Pure; every byte is untrusted.

    class and unit (sensor-state-data follows Home Assistant) → metric, factor and offset to its unit (SENSORS, FLAGS)
    key `temperature` → temperature · key `temperature_probe_2`, `temperature_2` or `…_port_2` → temperature_2

A value whose class, unit or key has no place here gives no reading; its parser is named in `Decoded.skipped`
(`unmapped-thermopro-ble`). Nothing is guessed: two thermometers of one device must not change places from one
advertisement to the next.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from itertools import chain

import msgspec

import hub
from hub.sdk.metric_names import numbered, of_plugin
from hub.sdk.phrases import phrase
from integrations.bluetooth import ruuvi, sig
from integrations.bluetooth.strangers.messages import UNREADABLE, Answer, Said
from integrations.bluetooth.text import printable

SECTION = "others"
"""The section of a frame that holds the worker's answer; it cannot come by radio."""

SAME = 8

Values = dict[str, float | int | bool | str]
Place = tuple[str, float, float]  # metric, factor, offset: value = said × factor + offset


def _fahrenheit(metric: str) -> Place:
    return metric, 5 / 9, -160 / 9


SENSORS: dict[tuple[str, str], Place] = {
    ("temperature", "°C"): ("temperature", 1, 0),
    ("temperature", "°F"): _fahrenheit("temperature"),
    ("humidity", "%"): ("humidity", 1, 0),
    ("dew_point", "°C"): ("dew_point", 1, 0),
    ("dew_point", "°F"): _fahrenheit("dew_point"),
    ("pressure", "mbar"): ("pressure", 1, 0),
    ("pressure", "hPa"): ("pressure", 1, 0),
    ("pressure", "Pa"): ("pressure", 0.01, 0),
    ("carbon_dioxide", "ppm"): ("co2", 1, 0),
    ("volatile_organic_compounds", "µg/m³"): ("tvoc", 1, 0),
    ("pm1", "µg/m³"): ("pm1", 1, 0),
    ("pm25", "µg/m³"): ("pm2_5", 1, 0),
    ("pm4", "µg/m³"): ("pm4", 1, 0),
    ("pm10", "µg/m³"): ("pm10", 1, 0),
    ("formaldehyde", "mg/m³"): ("formaldehyde", 1000, 0),
    ("nitrogen_dioxide", "µg/m³"): ("no2", 1, 0),
    ("ozone", "µg/m³"): ("o3", 1, 0),
    ("sulphur_dioxide", "µg/m³"): ("so2", 1, 0),
    ("illuminance", "lx"): ("illuminance", 1, 0),
    ("sound_pressure", "dB"): ("sound_level", 1, 0),
    ("voc_index", ""): ("voc_index", 1, 0),
    ("uv_index", ""): ("uv_index", 1, 0),
    ("moisture", "%"): ("moisture", 1, 0),
    ("conductivity", "µS/cm"): ("conductivity", 1, 0),
    ("battery", "%"): ("battery", 1, 0),
    ("voltage", "V"): ("battery_voltage", 1, 0),  # the sensor's own battery, except for parsers in MEASURED
    ("voltage", "mV"): ("battery_voltage", 0.001, 0),
    ("current", "A"): ("current", 1, 0),
    ("power", "W"): ("power", 1, 0),
    ("energy", "kWh"): ("energy", 1, 0),
    ("energy", "Wh"): ("energy", 0.001, 0),
    ("mass", "kg"): ("mass", 1, 0),
    ("mass", "lb"): ("mass", 0.45359237, 0),
    ("mass", "g"): ("mass", 0.001, 0),
    ("distance", "mm"): ("distance", 1, 0),
    ("distance", "cm"): ("distance", 10, 0),
    ("distance", "m"): ("distance", 1000, 0),
}

FLAGS: dict[str, str] = {
    "battery": "battery_low",
    "battery_charging": "charging",
    "carbon_monoxide": "co_detected",
    "cold": "cold",
    "connectivity": "connectivity",
    "door": "door",
    "garage_door": "garage_door",
    "gas": "gas_detected",
    "heat": "heat",
    "light": "light",
    "lock": "lock",
    "moisture": "leak",
    "motion": "motion",
    "moving": "moving",
    "occupancy": "occupancy",
    "opening": "opening",
    "plug": "plugged",
    "power": "powered",
    "presence": "presence",
    "problem": "fault",
    "running": "running",
    "safety": "safe",
    "smoke": "smoke",
    "sound": "sound",
    "tamper": "tamper",
    "vibration": "vibration",
    "window": "window",
}

MEASURED = frozenset(("victron-ble-ha-parser",))
"""Parsers whose voltage is a measurement, not that of the sensor's own battery."""

BUTTONS = frozenset(
    (("thermobeacon-ble", "occupancy"), ("sensorpro-ble", "occupancy"), ("mopeka-iot-ble", "button_pressed"))
)
"""Buttons that their parsers call occupancy: (distribution, key). A pressed button on a thermometer shows no presence,
so they give no reading."""

_ALIASES = {"light": "illuminance", "battery_voltage": "voltage", "tank_level": "distance"}
"""Keys that stand for a class under another name."""

_NUMBERED = re.compile(r"(?P<plain>[a-z0-9_]+?)(?:_probe|_port)?_(?P<number>[1-8])")
_SLUG = re.compile(r"[^a-z0-9_.-]+")

_OWN = of_plugin(
    "bluetooth",
    hub.Metric(
        key="formaldehyde", unit="ug/m3", resolution="1", low=0, high=1e6, state_class="measurement",
        privacy="environment", en="Formaldehyde",
    ),
)  # fmt: skip


def _numbered() -> tuple[hub.Metric, ...]:
    known = {**hub.METRICS, **{metric.key: metric for metric in (*_OWN, *ruuvi.METRICS, *sig.METRICS)}}
    keys = dict.fromkeys(chain((place[0] for place in SENSORS.values()), FLAGS.values(), ("voltage",)))
    return tuple(numbered(known[key], f"{key}_{n}", n) for key in keys for n in range(2, SAME + 1))


METRICS: tuple[hub.Metric, ...] = (*_OWN, *_numbered())
"""Metrics that these sensors add to the catalogue."""


def decode(frame: hub.Frame, keys: Callable[[str], bytes | None]) -> hub.Decoded | hub.NeedKey | None:
    """Convert the worker's answer in a frame to readings. None for any other frame, and when no parser recognised it.

    Raises DecodeError: `bad-answer` (the worker's answer is invalid), `ambiguous` (two parsers claim the frame),
    `bad-key` (the hub's key does not decrypt it), `clear-but-keyed`."""
    data = frame.data.get(SECTION)
    if data is None:
        return None
    try:
        answer = _DECODER.decode(data)
    except UNREADABLE:
        raise hub.DecodeError(
            "bad-answer",
            phrase("bluetooth.worker-answer-unreadable", "the worker of the others' parsers talks nonsense"),
        ) from None
    if not answer.parser:
        return None
    device = f"ble:{frame.address.upper()}"
    model = printable(answer.model)[:64]
    if answer.others:
        raise hub.DecodeError(
            "ambiguous",
            phrase(
                "bluetooth.claimed-twice",
                "claimed by {first} and {second}",
                first=slug(answer.parser),
                second=slug(answer.others[0]),
            ),
        )
    keyed = keys(device) is not None
    if answer.sealed:
        if keyed:
            raise hub.DecodeError(
                "bad-key",
                phrase(
                    "bluetooth.key-does-not-open",
                    "{parser} cannot open it with the key of this device",
                    parser=slug(answer.parser),
                ),
            )
        return hub.NeedKey(device, model)
    if keyed and not answer.opened:
        raise hub.DecodeError(
            "clear-but-keyed",
            phrase("bluetooth.clear-but-keyed", "the device has a key but this frame is not encrypted"),
        )
    values: Values = {}
    skipped: list[str] = []
    for said in answer.said:
        if said.value is None or said.cls == "signal_strength" or said.key == "signal_strength":
            continue
        metric, value = place(answer.parser, said)
        if value is None or metric in values:
            skipped.append(f"unmapped-{slug(answer.parser)}")
        else:
            values[metric] = value
    proof = hub.Proof("others", None, answer.opened)
    return hub.Decoded(device=device, values=values, proof=proof, model=model, skipped=tuple(dict.fromkeys(skipped)))


_DECODER = msgspec.msgpack.Decoder(Answer)


def place(parser: str, said: Said) -> tuple[str, float | int | bool | None]:
    """Return (metric, value) of one value of a parser; value None when it has no place in the catalogue."""
    if said.device or said.kind == "event" or (parser, said.key) in BUTTONS:
        return "", None
    cls = said.cls or said.key
    suffix = _suffix(said.key, cls)
    if suffix is None:
        return "", None
    if said.kind == "flag":
        flag = FLAGS.get(cls)
        return (flag + suffix, said.value) if flag and isinstance(said.value, bool) else ("", None)
    found = SENSORS.get((cls, said.unit))
    if found is None or isinstance(said.value, bool | str | None):
        return "", None
    metric, factor, offset = found
    value = said.value * factor + offset if factor != 1 or offset else said.value
    if not math.isfinite(value):
        return "", None
    if metric == "battery_voltage" and parser in MEASURED:
        metric = "voltage"
    return metric + suffix, round(value, 6) if isinstance(value, float) else value


def _suffix(key: str, cls: str) -> str | None:
    """Return "" for the only value of its class, "_2" to "_8" for a numbered one, None for any other key."""
    for plain in (key, _ALIASES.get(key, "")):
        if plain == cls:
            return ""
    numbered = _NUMBERED.fullmatch(key)
    if numbered is None or _ALIASES.get(numbered["plain"], numbered["plain"]) != cls:
        return None
    return "" if numbered["number"] == "1" else f"_{numbered['number']}"


def slug(text: str) -> str:
    """Convert untrusted text to the name of a counter."""
    return _SLUG.sub("-", text.lower())[:48].strip("-") or "unnamed"
