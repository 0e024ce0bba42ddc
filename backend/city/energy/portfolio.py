"""Meters of the register as `hub.energy` knows them: places with a meter, in zones of sites, run by operators.

A place of a portfolio is `<hub>/<place>`: hubs may call their places alike. What nobody declared is taken from the
register: a counter of energy is electricity in kWh; one of gas or water counts no energy until its `kwh` is declared;
who operates a site that nobody declared is its provider.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import NamedTuple

from backend.storage.city.energy import Building, CounterLine
from hub.core.model import Meter, Place
from hub.history.rollups.views import Key

CARRIERS = ("electricity", "gas", "heat", "cold", "wood", "fuel-oil", "water", "other")
_CARRIER = {"energy": "electricity", "gas": "gas", "water": "water"}
OUTDOOR = "outdoor"
"""Place of the outdoor temperature."""


class Portfolio(NamedTuple):
    """`places` have a meter each; `keys`: (place, metric) → id of the series; `zones`: id → (name, site, use);
    `operators`: id → (name, places, zones), for `hub.energy.reports`; `sites`: id → name."""

    places: list[Place]
    keys: dict[Key, str]
    zones: dict[str, tuple[str, str, str]]
    operators: dict[str, tuple[str, frozenset[str], frozenset[str]]]
    sites: dict[str, str]


def portfolio(
    counters: Iterable[CounterLine], buildings: Mapping[str, Building], names: Mapping[str, str]
) -> Portfolio:
    """Make the portfolio of some counters. `names`: site → its name."""
    known = list(counters)
    at = {one.series: _place_id(one, known) for one in known}
    places: list[Place] = []
    keys: dict[Key, str] = {}
    zones: dict[str, tuple[str, str, str]] = {}
    operated: dict[str, set[str]] = {}
    for one in known:
        place, zone = at[one.series], f"{one.site}/{one.zone}"
        zones[zone] = (f"{names.get(one.site) or one.site} · {one.zone}" if one.zone else names.get(one.site, one.site),
                       one.site, one.facts.purpose if one.facts else "")  # fmt: skip
        places.append(Place(id=place, site=one.site, zone=zone, name=_name(one), meter=_meter(one, at)))
        keys[place, one.metric] = one.series
        operated.setdefault(_operator(one, buildings), set()).add(place)
    operators = {
        name: (name, frozenset(some), frozenset[str]()) for name, some in sorted(operated.items()) if name
    }  # fmt: skip
    sites = {one.site: names.get(one.site) or one.site for one in known}
    return Portfolio(places, keys, zones, operators, sites)


def _operator(one: CounterLine, buildings: Mapping[str, Building]) -> str:
    declared = one.facts.operator if one.facts else ""
    building = buildings.get(one.site)
    return declared or (building.operator if building else "") or one.provider


def _place_id(one: CounterLine, known: list[CounterLine]) -> str:
    """Return the id of a counter's place: a device with two counters stands at two places."""
    first = next(other for other in known if (other.hub, other.place) == (one.hub, one.place))
    plain = f"{one.hub}/{one.place}"
    return plain if first.series == one.series else f"{plain}#{one.metric}"


def _name(one: CounterLine) -> str:
    return (one.facts.name if one.facts else "") or one.name or one.place


def _meter(one: CounterLine, at: Mapping[str, str]) -> Meter:
    facts = one.facts
    if facts is None:
        energy = one.device_class == "energy" and one.unit == "kW.h"
        return Meter(
            metric=one.metric, carrier=_CARRIER.get(one.device_class, "other"), kwh=Decimal(1) if energy else None
        )
    factor = facts.kwh if facts.kwh is not None else 1.0 if one.unit == "kW.h" else None
    return Meter(
        metric=one.metric,
        carrier=facts.carrier,
        use=facts.purpose,
        serial=facts.serial,
        accuracy=facts.accuracy,
        calibrated=facts.calibrated,
        kwh=None if factor is None else Decimal(str(factor)),
        wraps=None if facts.wraps is None else Decimal(str(facts.wraps)),
        reference=facts.reference,
        behind=at.get(facts.behind, ""),
    )
