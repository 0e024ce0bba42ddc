"""Kinds of things and layers of the map, and how they are guessed from what a device measures. Pure.

Kinds follow the Smart Data Models where they have one. A guess is only a beginning: the operator's import says better,
and what it said is never guessed again.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from typing import NamedTuple

LAYERS = (
    "waste", "air", "water", "energy", "lighting", "parking", "traffic", "weather", "gtb", "networks",
)  # fmt: skip
LAYER_OF = {
    "waste-container": "waste", "air": "air", "water": "water", "water-level": "water", "energy-meter": "energy",
    "street-light": "lighting", "parking-spot": "parking", "traffic": "traffic", "weather": "weather", "room": "gtb",
    "plant": "gtb", "gateway": "networks", "other": "networks",
}  # fmt: skip
"""Kinds of things, each with the layer that shows it."""
KINDS = tuple(LAYER_OF)
CLASS_OF = {"personal": "personal", "environment": "public", "technical": "internal"}
"""Class of what a thing tells, by the privacy class of a series."""
_WORST = ("personal", "internal", "public")

_WORDS: tuple[tuple[str, frozenset[str]], ...] = (
    ("waste-container", frozenset({"bin", "bins", "waste", "poubelle", "corbeille", "benne", "conteneur", "pav"})),
    ("parking-spot", frozenset({"parking", "stationnement", "carpark"})),
    ("street-light", frozenset({"lamp", "luminaire", "lampadaire", "eclairage", "streetlight"})),
    ("weather", frozenset({"weather", "meteo"})),
    ("traffic", frozenset({"traffic", "trafic", "comptage"})),
)  # fmt: skip
_SPLIT = re.compile(r"[^a-zà-ÿ]+")
_MACHINE = frozenset({"cpu_load", "memory_used", "disk_used", "uptime", "clock_error"})
_DUST = frozenset({"pm1", "pm2_5", "pm10", "no2", "o3", "ozone", "so2"})
_SKY = frozenset({"precipitation", "irradiance", "uv_index", "direction"})
_WATER = frozenset({"water", "volume", "volume_flow", "water_pressure", "leak"})
_POWER = frozenset({"energy", "power", "gas", "voltage", "current", "apparent_power", "reactive_power"})
_PLANT = frozenset({"flow_temperature", "return_temperature", "running"})
_ROOM = frozenset(
    {
        "co2", "temperature", "humidity", "occupancy", "motion", "presence", "window", "door", "setpoint", "radon",
        "tvoc", "valve_position", "sound_level", "illuminance", "people", "heat_cost_units",
    }
)  # fmt: skip
_WATER_CLASSES, _POWER_CLASSES = frozenset({"water"}), frozenset({"energy", "power", "gas"})


class Guess(NamedTuple):
    """A kind and its layer."""

    kind: str
    layer: str


def guess(metrics: Collection[str], classes: Collection[str], names: Iterable[str]) -> Guess:
    """Return kind and layer of a device, from the keys and device classes of what it measures and from its names: of
    the device, its place, its zone, its model."""
    found = _kind(frozenset(metrics), frozenset(classes), names)
    return Guess(found, LAYER_OF[found])


def worst(privacy: Iterable[str]) -> str:
    """Return the class of a thing from the privacy classes of its series; one that is unknown counts as personal."""
    found = {CLASS_OF.get(one, "personal") for one in privacy}
    return next((one for one in _WORST if one in found), "internal")


def _kind(metrics: frozenset[str], classes: frozenset[str], names: Iterable[str]) -> str:
    plain = {one.rstrip("0123456789").rstrip("_") if one.rstrip("0123456789").endswith("_") else one for one in metrics}
    said = {word for name in names for word in _SPLIT.split(name.lower())}
    if plain & _MACHINE:
        return "gateway"
    if plain & _DUST and "co2" not in plain:
        return "air"  # wherever it rides
    for kind, words in _WORDS:
        if said & words:
            return kind
    rules = (
        ("waste-container", bool(plain & {"fill_level"})),
        ("weather", bool(plain & _SKY)),
        ("water-level", "water_level" in plain),
        ("plant", bool(plain & _PLANT)),
        ("street-light", "light" in plain and bool(plain & {"dimmer", "power", "energy"})),
        ("water", bool(plain & _WATER) or bool(classes & _WATER_CLASSES)),
        ("energy-meter", bool(plain & _POWER) or bool(classes & _POWER_CLASSES)),
        ("room", bool(plain & _ROOM)),
        ("gateway", bool(plain) and plain <= {"connectivity", "rssi", "availability"}),
    )
    return next((kind for kind, holds in rules if holds), "other")
