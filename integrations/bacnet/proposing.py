"""The objects of a device → the `objects:` of a proposed configuration. Pure.

A guess from a name is only a suggestion: every line shows the object's own name and value to the person who confirms
it. An own metric whose name does not clearly belong to the plant is proposed as personal, to be safe.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

import hub
from integrations.bacnet import names
from integrations.bacnet.names import ObjectId
from integrations.bacnet.tags import Value
from integrations.bacnet.units import UCUM, conversion
from integrations.bacnet.values import NO_UNITS


class Seen(NamedTuple):
    """The properties read from one object."""

    object: ObjectId
    name: str = ""
    description: str = ""
    units: int | None = None
    texts: tuple[str, ...] = ()
    value: Value = None


_NUMBERS = (
    # (convertible unit, words in the name, metric); the first that fits and is free is proposed
    ("Cel", r"set.?point|consigne|\bsp\b", "setpoint"),
    ("Cel", r"supply|depart|flow|soufflage|aller", "flow_temperature"),
    ("Cel", r"return|retour|reprise", "return_temperature"),
    ("Cel", r"dew|rosee", "dew_point"),
    ("Cel", r"", "temperature"),
    ("%", r"humid|hygro|\brh\b|\bhr\b", "humidity"),
    ("%", r"valve|vanne", "valve_position"),
    ("[ppm]", r"co2", "co2"),
    ("lx", r"", "illuminance"),
    ("hPa", r"baro|atmos", "pressure"),
    ("bar", r"water|eau|hydraul|circuit", "water_pressure"),
    ("kW.h", r"", "energy"),
    ("W", r"", "power"),
    ("V", r"", "voltage"),
    ("A", r"", "current"),
    ("Hz", r"", "frequency"),
    ("m3/h", r"", "volume_flow"),
)
_NO_READING = re.compile(
    r"\b(min|max|minimum|maximum|limits?|limite|seuil|threshold|high|low|haut|bas|alarm|alarme|average|avg|moyenne|previous|"
    r"precedente?|last|delta|ecart|offset|decalage|deadband|hysteresis)\b"
)
"""Words of a number that is no present value."""
_FLAGS = (
    (r"fault|alarm|defaut|alarme|panne|trip", "fault"),
    (r"smoke|fumee", "smoke"), (r"leak|fuite", "leak"), (r"occup", "occupancy"), (r"presence", "presence"),
    (r"motion|mouvement", "motion"), (r"window|fenetre", "window"), (r"door|porte", "door"),
    (r"fan|pump|pompe|ventil|burner|bruleur|run|marche|compress", "running"),
)  # fmt: skip
_PLANT = re.compile(
    r"fan|pump|pompe|ventil|burner|bruleur|boiler|chaudiere|valve|vanne|damper|volet|filter|filtre|compress|fault|alarm|"
    r"defaut|ahu|cta|chiller|groupe|supply|return|depart|retour|coil|batterie|pressure|pression|meter|compteur|tank|ballon"
)
_SHORT = {
    0: "ai", 1: "ao", 2: "av", 3: "bi", 4: "bo", 5: "bv", 13: "mi", 14: "mo", 19: "mv", 23: "acc", 24: "pc", 40: "csv",
    45: "iv", 46: "lav", 48: "piv",
}  # fmt: skip
_TECHNICAL_UNITS = {"W.h", "kW.h", "MW.h", "W", "kW", "V", "A", "Hz", "Pa", "kPa", "bar", "m3/h", "L/h", "L/s", "m3"}


def objects(seen: Iterable[Seen], known: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """Return the proposed `objects:`, without those already in the file (`known`) and their metrics."""
    used = {str(point.get("metric")) for point in known.values()}
    proposed: dict[str, Any] = {}
    for one in seen:
        name = str(one.object)
        if one.object.type not in names.READABLE or name in known:
            continue
        point = _point(one, used)
        used.add(point["metric"])
        proposed[name] = {**point, "#": _about(one)}
    return proposed


def _point(one: Seen, used: set[str]) -> dict[str, Any]:
    folded = _fold(f"{one.name} {one.description}")
    kind = names.KINDS[one.object.type]
    unit = UCUM.get(one.units or NO_UNITS, "1")
    metric = _number(folded, unit, used) if kind == "number" else _flag(folded, used) if kind == "flag" else ""
    if metric:
        return {"metric": metric}
    return {"metric": _own(one, used), "privacy": _privacy(folded, unit)}


def _number(folded: str, unit: str, used: set[str]) -> str:
    if unit == "1" or _NO_READING.search(folded.replace("_", " ")):
        return ""
    for wanted, words, metric in _NUMBERS:
        fits = unit == wanted or (wanted != "%" and conversion(unit, wanted) is not None)
        if fits and metric not in used and re.search(words, folded):
            return metric
    return ""


def _flag(folded: str, used: set[str]) -> str:
    return next((metric for words, metric in _FLAGS if metric not in used and re.search(words, folded)), "")


def _own(one: Seen, used: set[str]) -> str:
    """Return an own metric named after the object."""
    tail = f"{_SHORT[one.object.type]}{one.object.instance}"
    slug = re.sub(r"[^a-z0-9]+", "_", _fold(one.name)).strip("_")[:48].strip("_")
    if not slug or not slug[0].isalpha():
        return f"{slug}_{tail}".lstrip("_0123456789") or tail
    return f"{slug}_{tail}" if slug in used or slug in hub.METRICS else slug


def _privacy(folded: str, unit: str) -> str:
    if unit in ("Cel", "K", "[degF]"):
        return "technical" if _PLANT.search(folded) else "environment"
    return "technical" if unit in _TECHNICAL_UNITS or _PLANT.search(folded) else "personal"


def _fold(text: str) -> str:
    """Convert to lower case without accents."""
    plain = unicodedata.normalize("NFKD", text.lower())
    return "".join(c for c in plain if not unicodedata.combining(c))


def _about(one: Seen) -> str:
    unit = "" if one.units in (None, NO_UNITS) else f" {UCUM.get(one.units, f'(BACnet unit {one.units})')}"
    value = one.value
    if one.texts and isinstance(value, int):
        state = int(value) - (0 if one.object.type in names.BINARY else 1)
        value = one.texts[state] if 0 <= state < len(one.texts) else value
    elif one.object.type in names.BINARY and value in (0, 1):
        value = ("inactive", "active")[int(value)]
    text = f"{value:.6g}" if isinstance(value, float) else "" if value is None else str(value)
    said = "; ".join(part for part in (one.name, one.description if one.description != one.name else "") if part)
    return f"{said}: {text}{unit}" if text else said
