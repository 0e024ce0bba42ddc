"""School holidays by year and zone: shipped ones, and additions or corrections of the configuration.

One file a school year, `school/2026-2027.json`: the official order, and for each zone the periods without school, from
the first to the last such day. A zone of a year in `school_years` replaces the shipped one. Only orders that were read
are shipped, and none of an académie that makes its own: the recteurs of Corsica and overseas do (code de l'éducation,
D521-6), New Caledonia and French Polynesia as countries. Unofficial pages with these dates contradict one another, and
a wrong date would let a rule sleep on a school day. `ilot schedule import FILE --school ZONE` makes `school_years` of
the calendar that such an académie publishes.

The end of summer is in no order: it is the eve of the next year's first day, and the one of 2027 was not read. 31
August is also the date of vacances-scolaires-france 0.12.0 (PyPI, August 2026).
"""

from __future__ import annotations

from datetime import date
from functools import lru_cache
from pathlib import Path

import msgspec

from hub.config.parts.schedules import SchoolYears, dates_of
from hub.core.nesting import shallow_json
from hub.core.text import Phrase, phrase

LOCAL_ACADEMIES = {
    "corse": "Corse", "guadeloupe": "Guadeloupe", "guyane": "Guyane", "martinique": "Martinique", "mayotte": "Mayotte",
    "reunion": "La Réunion", "saint-pierre-et-miquelon": "Saint-Pierre-et-Miquelon", "saint-martin": "Saint-Martin",
    "saint-barthelemy": "Saint-Barthélemy", "nouvelle-caledonie": "Nouvelle-Calédonie",
    "polynesie": "Polynésie française", "wallis-et-futuna": "Wallis-et-Futuna",
}  # fmt: skip
"""Zones whose school holidays are ordered locally."""


class _File(msgspec.Struct, frozen=True):
    school_year: str
    source: str
    zones: dict[str, dict[str, str]]


class Holidays(msgspec.Struct, frozen=True):
    """School holidays of one zone: date → name; `until` is the last known day, None when there is none: later days are
    unknown; and the years in which the known school years begin."""

    days: dict[date, str]
    until: date | None
    years: frozenset[int] = frozenset()

    def knows(self, day: date) -> bool:
        """Return whether the day's school year, from 1 September to 31 August, is known up to it. In the south a year
        ends in December: the rest of the same school year is not ordered yet."""
        return self.until is not None and day <= self.until and day.year - (day.month < 9) in self.years


@lru_cache(maxsize=1)
def shipped() -> dict[str, dict[str, dict[str, str]]]:
    """Return school year → zone → period → name."""
    files = sorted((Path(__file__).parent / "school").glob("*.json"))
    read = [msgspec.json.decode(shallow_json(one.read_bytes()), type=_File) for one in files]
    return {one.school_year: one.zones for one in read}


def zones(written: SchoolYears) -> list[str]:
    """Return all zones of any year."""
    return sorted({zone for years in (shipped(), written) for year in years.values() for zone in year})


def missing_zone(zone: str, written: SchoolYears) -> Phrase:
    """Return the message, with its remedy, for a zone that no year has."""
    import unicodedata  # imported late: a megabyte of tables, only for a wrong name

    plain = "".join(c for c in unicodedata.normalize("NFD", zone.lower()) if c.isascii()).replace(" ", "-")
    plain = plain.removeprefix("la-").removeprefix("academie-de-").removeprefix("la-")
    plain = {"polynesie-francaise": "polynesie", "corsica": "corse"}.get(plain, plain)
    known = zones(written)
    if plain in LOCAL_ACADEMIES:
        return phrase(
            "school-zone-orders-its-own",
            "{academy} orders its own school holidays and none are shipped; there are {zones}. Take "
            "its calendar as an ICS file, `ilot schedule import FILE --school {zone}`, and put that in `school_years`",
            academy=LOCAL_ACADEMIES[plain],
            zones=known,
            zone=plain,
        )
    return phrase(
        "school-zone-unknown",
        "no school year has a zone {zone!r}; there are {zones}. Add its dates to `school_years`",
        zone=zone,
        zones=known,
    )


def holidays(zone: str, written: SchoolYears) -> Holidays:
    """Return the holidays of a zone in all known years."""
    found: dict[date, str] = {}
    begun = set()
    for year in sorted({*shipped(), *written}):
        periods = written.get(year, {}).get(zone) or shipped().get(year, {}).get(zone)
        if periods is None:
            continue
        begun.add(int(year[:4]))
        for period, name in periods.items():
            found |= dict.fromkeys(dates_of(period), name)
    return Holidays(found, max(found, default=None), frozenset(begun))
