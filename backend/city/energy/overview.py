"""Sums of a portfolio by site, carrier and month, kWh per degree day, and the worst first. Pure.

Of meters behind another one of the same sum, only the main one counts (`hub.energy.submeters`). A sum has a value where
any of its meters has one, and its completeness is the mean of theirs: a missing meter shows, and is never filled.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from hub.energy.submeters import without_submeters

HEATING = frozenset({"gas", "heat", "wood", "fuel-oil"})
"""Carriers whose kWh are set beside degree days; electricity too where its use says heating."""
LEAST_DEGREE_DAYS = 100.0
"""Degree days below which a quotient says nothing."""


class Month(NamedTuple):
    """A month's kWh, None where nothing was read; completeness in percent."""

    month: str
    kwh: float | None
    completeness: float


class SiteSum(NamedTuple):
    """A site's year: kWh by carrier, kWh for heating, per degree day and per m² and degree day (Wh), completeness in
    percent, the drift of its worst meter (relative; None without), and how many meters it has."""

    site: str
    name: str
    kwh: float | None
    of_carrier: dict[str, float]
    heating: float | None
    per_degree_day: float | None
    per_area: float | None
    completeness: float
    drift: float | None
    drifting: str
    meters: int


def by_month(meters: Sequence[Mapping[str, Any]]) -> list[Month]:
    """Return the months of meters, as `hub.energy.figures` tells their years, added up."""
    counted = _counted(meters)
    names = sorted({row["month"] for one in counted for row in one["months"]})
    found = []
    for name in names:
        rows = [row for one in counted for row in one["months"] if row["month"] == name]
        known = [row["kwh"] for row in rows if row["kwh"] is not None]
        complete = sum(row["completeness"] for row in rows) / len(counted)
        found.append(Month(name, round(sum(known), 3) if known else None, round(complete, 1)))
    return found


def by_site(
    meters: Sequence[Mapping[str, Any]],
    names: Mapping[str, str],
    areas: Mapping[str, float | None],
    degree_days: float | None,
) -> list[SiteSum]:
    """Return a line for each site, by name."""
    of: dict[str, list[Mapping[str, Any]]] = {}
    for one in meters:
        of.setdefault(one["site"], []).append(one)
    lines = [_site(site, some, names.get(site) or site, areas.get(site), degree_days) for site, some in of.items()]
    return sorted(lines, key=lambda one: (one.name, one.site))


def worst(lines: Sequence[SiteSum], by: str, most: int) -> list[SiteSum]:
    """Return the sites with the greatest `drift`, `per_degree_day` or `per_area`; those without one are left out."""
    known = [one for one in lines if getattr(one, by) is not None]
    return sorted(known, key=lambda one: (-getattr(one, by), one.name))[:most]


def by_carrier(meters: Sequence[Mapping[str, Any]]) -> dict[str, float]:
    """Return kWh by carrier."""
    found: dict[str, float] = {}
    for one in _counted(meters):
        if one["kwh"] is not None and _read(one):
            found[one["carrier"]] = round(found.get(one["carrier"], 0.0) + one["kwh"], 3)
    return dict(sorted(found.items()))


def is_heating(meter: Mapping[str, Any]) -> bool:
    """Return whether a meter counts what heats: by its carrier, or by its declared use."""
    use = str(meter["use"]).casefold()
    return meter["carrier"] in HEATING or any(word in use for word in ("chauff", "heat"))


def _site(
    site: str, some: list[Mapping[str, Any]], name: str, area: float | None, degree_days: float | None
) -> SiteSum:
    counted = _counted(some)
    known = [one["kwh"] for one in counted if one["kwh"] is not None and _read(one)]
    warm = [
        one["kwh"]
        for one in _counted([one for one in some if is_heating(one)])
        if one["kwh"] is not None and _read(one)
    ]
    heating = round(sum(warm), 3) if warm else None
    per = None
    if heating is not None and degree_days is not None and degree_days >= LEAST_DEGREE_DAYS:
        per = round(heating / degree_days, 3)
    drifts = [(one["drift"]["size"], one["name"]) for one in some if one["drift"].get("state") == "drift"]
    drift, drifting = max(drifts, key=lambda one: (abs(one[0]), one[1]), default=(None, ""))
    return SiteSum(
        site,
        name,
        round(sum(known), 3) if known else None,
        by_carrier(some),
        heating,
        per,
        round(1000 * per / area, 3) if per is not None and area else None,
        round(sum(one["completeness"] for one in counted) / len(counted), 1),
        drift,
        drifting,
        len(some),
    )


def _counted(meters: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    behind = {str(one["place"]): str(one["behind"]) for one in meters if one["behind"]}
    return without_submeters(meters, lambda one: str(one["place"]), behind)


def _read(meter: Mapping[str, Any]) -> bool:
    return len(meter["missing"]) < len(meter["months"])
