"""School holidays by year and zone: what this distribution ships, and what the configuration adds or corrects.

One file a school year, `school/2026-2027.json`: the official order that it is of, and for each zone the periods
without school, from the first to the last such day. A zone of a year that stands in `school_years` replaces the
shipped one. Only orders that were read are shipped: the académies of Corsica and overseas publish their own.
"""

from __future__ import annotations

from datetime import date
from functools import lru_cache
from importlib import resources

import msgspec

from hub.config.schedules import SchoolYears, dates_of


class _File(msgspec.Struct, frozen=True):
    school_year: str
    source: str
    zones: dict[str, dict[str, str]]


class Holidays(msgspec.Struct, frozen=True):
    """Of one zone: date → name, and the last day that is known, None when nothing is."""

    days: dict[date, str]
    until: date | None


@lru_cache(maxsize=1)
def shipped() -> dict[str, dict[str, dict[str, str]]]:
    """School year → zone → period → name."""
    files = sorted(
        (one for one in (resources.files("hub.config") / "school").iterdir() if one.name.endswith(".json")),
        key=lambda one: one.name,
    )
    read = [msgspec.json.decode(one.read_bytes(), type=_File) for one in files]
    return {one.school_year: one.zones for one in read}


def zones(written: SchoolYears) -> list[str]:
    """All that some year has."""
    return sorted({zone for years in (shipped(), written) for year in years.values() for zone in year})


def holidays(zone: str, written: SchoolYears) -> Holidays:
    """The holidays of a zone in all years that are known. The last known day is 31 August of the last year."""
    found: dict[date, str] = {}
    last: int | None = None
    for year in sorted({*shipped(), *written}):
        periods = written.get(year, {}).get(zone) or shipped().get(year, {}).get(zone)
        if periods is None:
            continue
        last = int(year[5:])
        for period, name in periods.items():
            found |= dict.fromkeys(dates_of(period), name)
    return Holidays(found, None if last is None else date(last, 8, 31))
