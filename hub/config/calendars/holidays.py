"""French public holidays of any year, computed: no network, no table that runs out. Pure.

Those of all France: code du travail, article L3133-1. Alsace-Moselle: ordonnance of 16 August 1892 (Good Friday and 26
December). The abolition of slavery overseas: code du travail L3422-2 and décret 83-1003. Days off by custom alone
(Carnival, Mi-carême, Good Friday in the Antilles) are not included: they are `exceptions`. French Polynesia moves its
own days by its own laws: it is left to `exceptions` as well.
"""

from __future__ import annotations

from datetime import date, timedelta
from functools import lru_cache

EVERYWHERE = {
    (1, 1): "Jour de l'an", (5, 1): "Fête du travail", (5, 8): "Victoire de 1945", (7, 14): "Fête nationale",
    (8, 15): "Assomption", (11, 1): "Toussaint", (11, 11): "Armistice de 1918", (12, 25): "Noël",
}  # fmt: skip
MOVING = {1: "Lundi de Pâques", 39: "Ascension", 50: "Lundi de Pentecôte"}
"""Days after Easter Sunday → name."""

_ABOLITION = "Abolition de l'esclavage"
_SCHOELCHER = "Victor Schœlcher"
FIXED: dict[str, dict[tuple[int, int], str]] = {
    "metropole": {},
    "alsace-moselle": {(12, 26): "Saint-Étienne"},
    "guadeloupe": {(5, 27): _ABOLITION, (7, 21): _SCHOELCHER},
    "martinique": {(5, 22): _ABOLITION, (7, 21): _SCHOELCHER},
    "guyane": {(6, 10): _ABOLITION},
    "reunion": {(12, 20): _ABOLITION},
    "mayotte": {(4, 27): _ABOLITION},
    "saint-barthelemy": {(10, 9): _ABOLITION},
    "saint-martin": {(5, 28): _ABOLITION},
    "saint-pierre-et-miquelon": {},
    "nouvelle-caledonie": {(9, 24): "Fête de la citoyenneté"},
    "wallis-et-futuna": {(4, 28): "Saint Pierre Chanel", (7, 29): "Fête du territoire"},
}
"""Region → (month, day) → name, beside EVERYWHERE and MOVING."""
OWN_MOVING: dict[str, dict[int, str]] = {"alsace-moselle": {-2: "Vendredi saint"}}
REGIONS = tuple(FIXED)


def easter(year: int) -> date:
    """Return Easter Sunday of the Gregorian calendar (Meeus, Astronomical Algorithms, chapter 8)."""
    century, of_century = divmod(year, 100)
    leap, rest = divmod(century, 4)
    moon = (19 * (year % 19) + century - leap - (century - (century + 8) // 25 + 1) // 3 + 15) % 30
    fours, ones = divmod(of_century, 4)
    weekday = (32 + 2 * rest + 2 * fours - moon - ones) % 7
    late = (year % 19 + 11 * moon + 22 * weekday) // 451
    month, day = divmod(moon + weekday - 7 * late + 114, 31)
    return date(year, month, day + 1)


@lru_cache(maxsize=64)
def public_holidays(year: int, region: str = "metropole") -> dict[date, str]:
    """Return date → name for one of REGIONS. The caller must not change the result."""
    sunday = easter(year)
    found = {date(year, month, day): name for (month, day), name in {**EVERYWHERE, **FIXED[region]}.items()}
    for days, name in {**MOVING, **OWN_MOVING.get(region, {})}.items():
        found.setdefault(sunday + timedelta(days=days), name)
    return dict(sorted(found.items()))
