"""Guesses the metric of a variable by its unit, its type and the French, English or German words of its name. Pure.

A person confirms each guess. Without a unit only unambiguous names count; flags always need a name.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

import hub
from integrations.opcua import units
from integrations.opcua.messages import Resolved

Words = tuple[str, ...]

_BY_UNIT: dict[str, tuple[tuple[str, Words], ...]] = {
    # unit of the metric -> its metrics, each with words of which a name must contain one; () for any name
    "Cel": (
        ("setpoint", ("setpoint", "sp", "consigne", "csg", "sollwert", "target")),
        ("dew_point", ("dew", "rosee", "taupunkt")),
        ("return_temperature", ("return", "retour", "rucklauf", "ruecklauf", "ret")),
        ("flow_temperature", ("flow", "supply", "depart", "vorlauf")),
        ("temperature", ()),
    ),
    "%": (
        ("humidity", ("humidity", "humidite", "hygro", "hygrometrie", "rh", "hr", "feuchte")),
        ("valve_position", ("valve", "vanne", "v3v", "ventil", "damper", "registre", "clapet")),
        ("fill_level", ("level", "niveau", "fill", "remplissage", "fullstand")),
        ("battery", ("battery", "batterie")),
    ),
    "bar": (("water_pressure", ()),),
    "hPa": (("pressure", ("air", "atmospheric", "barometric", "atmospherique", "ambient")),),
    "W": (("power", ()),),
    "kW.h": (("energy", ()),),
    "V": (("voltage", ()),),
    "A": (("current", ()),),
    "Hz": (("frequency", ()),),
    "[ppm]": (("co2", ("co2",)),),
    "lx": (("illuminance", ()),),
    "m3/h": (("volume_flow", ()),),
    "m3": (("gas", ("gas", "gaz")),),
    "L": (("water", ("water", "eau", "wasser")), ("volume", ())),
    "ug/m3": (("pm2_5", ("pm25", "pm2")), ("pm10", ("pm10",)), ("tvoc", ("voc", "tvoc", "cov"))),
    "kg": (("mass", ()),),
    "m/s": (("speed", ()),),
    "s": (("duration", ()),),
    "mm": (("distance", ()),),
    "uS/cm": (("conductivity", ()),),
}  # fmt: skip
_BY_NAME: tuple[tuple[str, Words], ...] = (
    ("co2", ("co2",)),
    ("return_temperature", ("return temp", "return temperature", "temp retour", "temperature retour")),
    ("flow_temperature", ("flow temp", "flow temperature", "supply temperature", "temp depart", "temperature depart")),
    ("setpoint", ("setpoint", "consigne", "sollwert")),
    ("temperature", ("temperature", "temp")),
    ("humidity", ("humidity", "humidite", "hygrometrie")),
    ("valve_position", ("valve position", "position vanne")),
    ("power_factor", ("power factor", "cos phi", "facteur puissance")),
)
_FLAGS: tuple[tuple[str, Words], ...] = (
    ("fault", ("fault", "alarm", "alarme", "defaut", "error", "erreur", "storung", "stoerung", "trip")),
    ("running", ("running", "run", "marche", "betrieb", "active", "etat marche", "status")),
    ("leak", ("leak", "fuite")),
    ("smoke", ("smoke", "fumee")),
    ("window", ("window", "fenetre")),
    ("door", ("door", "porte")),
    ("presence", ("presence",)),
    ("occupancy", ("occupancy", "occupied", "occupation")),
)

_NO_READING = {
    "min", "max", "minimum", "maximum", "limit", "limite", "seuil", "threshold", "schwelle", "grenzwert",
    "high", "low", "alarm", "alarme", "hi", "lo", "lolo", "hihi", "average", "moyenne", "mittelwert",
    "previous", "precedent", "last", "delta", "ecart", "offset", "decalage", "deadband", "hysteresis",
}  # fmt: skip
"""Words of a number that is no present value."""

_PLAIN = str.maketrans("àâäçéèêëîïôöùûüß", "aaaceeeeiioouuus")


def metric(name: str, found: Resolved, parents: Iterable[str] = ()) -> str | None:
    """Return the key of the catalogue, None where nothing is likely. `parents` are the names above, the nearest
    last."""
    if found.array or not found.kind:
        return None
    words = said(name)
    around = words + [word for parent in parents for word in said(parent)]
    if found.kind == "Boolean":
        return _named(_FLAGS, words)
    if found.kind in ("String", "LocalizedText", "DateTime", "Guid"):
        return "firmware" if {"firmware", "softwareversion"} & {*words, "".join(words)} else None
    if _NO_READING & set(words):
        return None
    unit = units.ucum(found.unit_id, found.unit)
    if not unit:
        return _named(_BY_NAME, words) if unit is None else None
    for own, choices in _BY_UNIT.items():
        if units.conversion(unit, own) is not None and _same_kind(unit, own):
            for key, wanted in choices:
                if not wanted or _has(around if own == "L" else words, wanted):
                    return key
    return None


def _same_kind(unit: str, own: str) -> bool:
    """Reject units that can be converted but are used for different quantities: air in hPa, water in bar; a share in %,
    parts in ppm."""
    if own == "hPa":
        return unit in ("Pa", "hPa", "mbar", "kPa")
    if own == "bar":
        return unit in ("bar", "mbar", "kPa", "MPa", "Pa")
    if own in ("%", "[ppm]"):
        return unit == own
    return True


def said(name: str) -> list[str]:
    """Split a name into words: `T_Départ.Chauff1` -> t, depart, chauff, 1."""
    parted = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", " ", name.replace("V3V", "v3v "))
    plain = parted.lower().translate(_PLAIN)
    return re.findall(r"co2|pm\d+|v3v|[a-z]+|\d+", plain)


def _named(table: tuple[tuple[str, Words], ...], words: list[str]) -> str | None:
    return next((key for key, wanted in table if key in hub.METRICS and _has(words, wanted)), None)


def _has(words: list[str], wanted: Words) -> bool:
    return any(all(part in words for part in phrase.split()) for phrase in wanted)
