"""Maps a codec's answer to readings, by a pack's fields or by a proposal made from names. Pure.

A path is the keys to a leaf joined by dots, list elements by their index: `env.temp`, `channels.0.value`.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import msgspec

from hub.core.errors import DecodeError
from hub.core.model import Metric, Value
from hub.core.text import phrase

MAX_LEAVES, MAX_DEPTH, MAX_TEXT = 256, 8, 64
_WHOLE = 1 << 64
MAX_PATH = 256
"""Characters of a path. Every leaf has its own, so a long key would be copied once per leaf below it."""


class Field(msgspec.Struct, frozen=True, kw_only=True):
    """A leaf and the metric it is: value = raw × `scale` + `offset`.

    `values` maps raw values, as text, to readings; other raw values give none. `invalid` lists raw values that mean no
    reading.
    """

    path: str
    metric: str
    scale: float = 1.0
    offset: float = 0.0
    values: dict[str, Value] | None = None
    invalid: tuple[float | str, ...] = ()


class Mapped(NamedTuple):
    """The readings. `skipped`: why leaves gave none, as slugs to count; `unmapped`: paths without a field."""

    values: dict[str, Value]
    skipped: tuple[str, ...]
    unmapped: tuple[str, ...]


def leaves(data: Any) -> dict[str, Value]:
    """Return every leaf of a decoded object by its path, without nulls.

    Raises DecodeError `codec-shape` for data that is no object, too large or too deep.
    """
    if not isinstance(data, dict):
        raise DecodeError("codec-shape", phrase("codec-data-not-object", "`data` is not an object"))
    found: dict[str, Value] = {}
    for path, value in _walk(data, "", 0):
        if len(found) >= MAX_LEAVES:
            raise DecodeError(
                "codec-shape",
                phrase("codec-data-too-many-values", "`data` has more than {limit} values", limit=MAX_LEAVES),
            )
        found[path] = value
    return found


def _walk(node: Any, path: str, depth: int) -> Iterator[tuple[str, Value]]:
    if depth > MAX_DEPTH:
        raise DecodeError(
            "codec-shape",
            phrase("codec-data-too-deep", "`data` is nested more than {levels} levels deep", levels=MAX_DEPTH),
        )
    if isinstance(node, dict | list):
        items = node.items() if isinstance(node, dict) else enumerate(node)
        for key, value in items:
            step = f"{path}.{key}" if path else str(key)
            if len(step) > MAX_PATH:
                raise DecodeError(
                    "codec-shape",
                    phrase(
                        "codec-data-name-too-long", "`data` has a name of more than {limit} characters", limit=MAX_PATH
                    ),
                )
            yield from _walk(value, step, depth + 1)
    elif isinstance(node, bool | int | float | str):
        if isinstance(node, int) and abs(node) >= _WHOLE:
            raise DecodeError(
                "codec-shape",
                phrase(
                    "codec-integer-too-large",
                    "`data` has a whole number of more than 64 bits, which no JavaScript writes",
                ),
            )
        yield path, node


def apply(fields: Mapping[str, Field], found: Mapping[str, Value], metrics: Mapping[str, Metric]) -> Mapped:
    """Map the leaves `found` to readings by `fields`, keyed by path."""
    values: dict[str, Value] = {}
    skipped: list[str] = []
    for path, field in fields.items():
        if path not in found:
            continue
        raw = found[path]
        if raw in field.invalid:
            continue
        reading = _reading(raw, field, metrics[field.metric].kind)
        if reading is None:
            skipped.append("codec-value")
        else:
            values[field.metric] = reading
    return Mapped(values, tuple(skipped), tuple(path for path in found if path not in fields))


def _reading(raw: Value, field: Field, kind: str) -> Value | None:
    """Convert a raw value, or return None if it does not fit the metric's kind."""
    if field.values is not None:
        return field.values.get(str(raw))
    if kind == "text":
        return raw[:MAX_TEXT] if isinstance(raw, str) and raw.isprintable() else None
    if kind == "flag":
        return _flag(raw)
    if isinstance(raw, str):
        try:
            raw = float(raw)
        except ValueError:
            return None
    try:
        number = raw * field.scale + field.offset
    except OverflowError:  # a whole number beyond any float
        return None
    return number if math.isfinite(number) else None


_TRUE = {"true", "on", "open", "opened", "yes", "occupied", "leak", "leaking", "detected", "alarm", "wet", "1"}
_FALSE = {"false", "off", "close", "closed", "no", "vacant", "free", "normal", "none", "dry", "0"}


def _flag(raw: Value) -> bool | None:
    text = str(raw).strip().lower()
    return True if text in _TRUE else False if text in _FALSE else None


# -- a proposal from names ----------------------------------------------------------------------------------------

_NAMES: tuple[tuple[str, str], ...] = (
    # first match wins; all words of an entry must occur in the name, in any order
    ("battery voltage", "battery_voltage"),
    ("voltage battery", "battery_voltage"),
    ("bat v", "battery_voltage"),
    ("batt v", "battery_voltage"),
    ("battery mv", "battery_voltage"),
    ("bat mv", "battery_voltage"),
    ("battery v", "battery_voltage"),
    ("vbat", "battery_voltage"),
    ("vdd", "battery_voltage"),
    ("battery low", "battery_low"),
    ("low battery", "battery_low"),
    ("battery", "battery"),
    ("bat", "battery"),
    ("batt", "battery"),
    ("dew point", "dew_point"),
    ("soil moisture", "moisture"),
    ("moisture", "moisture"),
    ("flow temperature", "flow_temperature"),
    ("return temperature", "return_temperature"),
    ("temperature", "temperature"),
    ("temp", "temperature"),
    ("humidity", "humidity"),
    ("hum", "humidity"),
    ("rh", "humidity"),
    ("barometric pressure", "pressure"),
    ("pressure", "pressure"),
    ("co2", "co2"),
    ("tvoc", "tvoc"),
    ("pm2 5", "pm2_5"),
    ("pm25", "pm2_5"),
    ("pm10", "pm10"),
    ("illuminance", "illuminance"),
    ("illumination", "illuminance"),
    ("light", "illuminance"),
    ("lux", "illuminance"),
    ("fill level", "fill_level"),
    ("filling level", "fill_level"),
    ("distance", "distance"),
    ("water leak", "leak"),
    ("leak", "leak"),
    ("leakage", "leak"),
    ("occupancy", "occupancy"),
    ("occupied", "occupancy"),
    ("pir", "motion"),
    ("motion", "motion"),
    ("presence", "presence"),
    ("door", "door"),
    ("window", "window"),
    ("tamper", "tamper"),
    ("wind speed", "speed"),
    ("wind direction", "direction"),
    ("rain", "precipitation"),
    ("energy", "energy"),
    ("power factor", "power_factor"),
    ("power", "power"),
    ("frequency", "frequency"),
    ("voltage", "voltage"),
    ("current", "current"),
    ("water", "water"),
    ("volume", "volume"),
    ("counter", "count"),
    ("count", "count"),
    ("pulse", "count"),
    ("pulses", "count"),
)

_UNITS: dict[str, dict[str, tuple[float, float]]] = {
    # UCUM of the metric → word in a name → (scale, offset)
    "Cel": {"f": (5 / 9, -160 / 9), "fahrenheit": (5 / 9, -160 / 9), "k": (1, -273.15), "kelvin": (1, -273.15)},
    "V": {"mv": (0.001, 0)},
    "A": {"ma": (0.001, 0)},
    "hPa": {"pa": (0.01, 0), "kpa": (10, 0), "bar": (1000, 0), "mbar": (1, 0)},
    "mm": {"cm": (10, 0), "m": (1000, 0)},
    "W": {"kw": (1000, 0), "mw": (0.001, 0)},
    "kW.h": {"wh": (0.001, 0), "mwh": (1000, 0)},
    "L": {"m3": (1000, 0), "ml": (0.001, 0)},
    "m/s": {"kmh": (1 / 3.6, 0), "kph": (1 / 3.6, 0)},
    "Hz": {"mhz": (0.001, 0)},
}


def propose(found: Mapping[str, Value], metrics: Mapping[str, Metric]) -> list[Field]:
    """Propose a field for every leaf whose name suggests a metric, in the order of the leaves, one leaf per metric.

    A person has to confirm the result: names may mislead, units above all.
    """
    fields: list[Field] = []
    taken: set[str] = set()
    for path, value in found.items():
        words = _words(path)
        metric = next((m for name, m in _NAMES if _within(name.split(), words) and m in metrics), None)
        if metric is None or metric in taken:
            continue
        known = metrics[metric]
        scale, offset = next((found for word, found in _UNITS.get(known.unit, {}).items() if word in words), (1.0, 0.0))
        field = Field(path=path, metric=metric, scale=float(scale), offset=float(offset))
        if _reading(value, field, known.kind) is None:
            continue
        taken.add(metric)
        fields.append(field)
    return fields


def _words(path: str) -> list[str]:
    """Split a path into words: `env.TempC_SHT` → env, temp, c, sht."""
    parted = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", " ", path)
    return re.findall(r"[a-z]+[0-9]*|[0-9]+", parted.lower())


def _within(wanted: list[str], words: list[str]) -> bool:
    return all(word in words for word in wanted)
