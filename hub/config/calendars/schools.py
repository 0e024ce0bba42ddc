"""School holidays by year and zone: what this distribution ships, and what the configuration adds or corrects.

One file a school year, `school/2026-2027.json`: the official order that it is of, and for each zone the periods
without school, from the first to the last such day. A zone of a year that stands in `school_years` replaces the
shipped one. Only orders that were read are shipped, and none of an académie that makes its own: the recteurs of Corsica
and overseas do (code de l'éducation, D521-6), New Caledonia and French Polynesia as countries. Pages of others that
repeat their dates contradict one another; a date that nobody answers for would let a rule sleep on a school day.
`ilot schedule import FILE --school ZONE` makes `school_years` of the calendar that such an académie publishes.

The end of summer is in no order: it is the eve of the next year's first day, and the one of 2027 was not read. 31
August is what vacances-scolaires-france 0.12.0 (PyPI, August 2026) has as well.
"""

from __future__ import annotations

from datetime import date
from functools import lru_cache
from pathlib import Path

import msgspec

from hub.config.parts.schedules import SchoolYears, dates_of
from hub.core.nesting import shallow_json

OWN = {
    "corse": "Corse", "guadeloupe": "Guadeloupe", "guyane": "Guyane", "martinique": "Martinique", "mayotte": "Mayotte",
    "reunion": "La Réunion", "saint-pierre-et-miquelon": "Saint-Pierre-et-Miquelon", "saint-martin": "Saint-Martin",
    "saint-barthelemy": "Saint-Barthélemy", "nouvelle-caledonie": "Nouvelle-Calédonie",
    "polynesie": "Polynésie française", "wallis-et-futuna": "Wallis-et-Futuna",
}  # fmt: skip
"""Whose school holidays are ordered on the spot."""


class _File(msgspec.Struct, frozen=True):
    school_year: str
    source: str
    zones: dict[str, dict[str, str]]


class Holidays(msgspec.Struct, frozen=True):
    """Of one zone: date → name; `until` is the last of these days, None when nothing is known: of what comes after it
    nobody knows; and the years in which the known school years begin."""

    days: dict[date, str]
    until: date | None
    years: frozenset[int] = frozenset()

    def knows(self, day: date) -> bool:
        """Is its school year, from 1 September to 31 August, one of those, and told so far? In the south a year ends in
        December: of the rest of what bears its name nothing is ordered yet."""
        return self.until is not None and day <= self.until and day.year - (day.month < 9) in self.years


@lru_cache(maxsize=1)
def shipped() -> dict[str, dict[str, dict[str, str]]]:
    """School year → zone → period → name."""
    files = sorted((Path(__file__).parent / "school").glob("*.json"))
    read = [msgspec.json.decode(shallow_json(one.read_bytes()), type=_File) for one in files]
    return {one.school_year: one.zones for one in read}


def zones(written: SchoolYears) -> list[str]:
    """All that some year has."""
    return sorted({zone for years in (shipped(), written) for year in years.values() for zone in year})


def lacking(zone: str, written: SchoolYears) -> str:
    """What to say, and to do, where no year has a zone."""
    import unicodedata  # late: a megabyte of tables, for a name that is wrong

    plain = "".join(c for c in unicodedata.normalize("NFD", zone.lower()) if c.isascii()).replace(" ", "-")
    plain = plain.removeprefix("la-").removeprefix("academie-de-").removeprefix("la-")
    plain = {"polynesie-francaise": "polynesie", "corsica": "corse"}.get(plain, plain)
    there = ", ".join(zones(written))
    if plain in OWN:
        return (
            f"{OWN[plain]} orders its own school holidays and none are shipped; there are {there}. Take its calendar "
            f"as an ICS file, `ilot schedule import FILE --school {plain}`, and put that in `school_years`"
        )
    return f"no school year has a zone {zone!r}; there are {there}. Add its dates to `school_years`"


def holidays(zone: str, written: SchoolYears) -> Holidays:
    """The holidays of a zone in all years that are known."""
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
