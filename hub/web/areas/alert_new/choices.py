"""Choices for a new alert: places, zones and values by their names, and who would be told."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from hub.core.metric_catalogue import METRICS
from hub.core.model import Metric
from hub.i18n.metric_names import metric_name
from hub.i18n.typography import unit_text
from hub.web.areas.alert_new.form import SEVERITIES
from hub.web.site import Site

MOST_PLACES = 300
"""Places of one list; a larger building is asked for the zone first."""
DERIVED = ("availability", "battery_days")
"""Values that the hub reckons of every device itself."""


class Choice(NamedTuple):
    value: str
    text: str


Groups = list[tuple[str, list[Choice]]]
"""Name of each group, and what is in it."""


def subject(site: Site, query: Mapping[str, str]) -> str | None:
    """Return the field `where` that an address means by `device`, `place`, `zone` or `where`; "" for none of them, None
    for one that is not known."""
    device, where = query.get("device", ""), query.get("where", "")
    if device:
        known = site.parts.devices.get(device)
        return None if known is None else f"place:{known.place}"
    for kind, there in (("place", _places(site)), ("zone", site.parts.zones)):
        named = query.get(kind, "") or (where.removeprefix(f"{kind}:") if where.startswith(f"{kind}:") else "")
        if named:
            return f"{kind}:{named}" if named in there else None
    return where if where in ("", "all") else None


def _places(site: Site) -> dict[str, str]:
    return {place.id: place.zone for place in site.parts.places}


def zone_of(site: Site, where: str) -> str:
    """Return the zone of a chosen place or zone, "" for the whole building."""
    kind, _, one = where.partition(":")
    return one if kind == "zone" else _places(site).get(one, "")


def places(site: Site, where: str) -> tuple[list[Choice], Groups, bool]:
    """Return the zones; the places where devices stand, by zone; and whether some are left out because of their
    number: then there are those of the chosen zone."""
    named: dict[str, list[str]] = {}
    for device in site.parts.devices:
        named.setdefault(device.place, []).append(device.name)
    zones = {zone: title or zone for zone, (title, _) in site.parts.zones.items()}
    many, chosen = len(named) > MOST_PLACES, zone_of(site, where)
    groups: dict[str, list[Choice]] = {}
    for place in site.parts.places:
        if place.id in named and (not many or place.zone == chosen):
            title = place.name or place.id
            others = [name for name in named[place.id] if name and name != title]
            text = f"{title} ({', '.join(others)})" if others else title
            groups.setdefault(zones.get(place.zone, place.zone), []).append(Choice(f"place:{place.id}", text))
    found = [(zone, sorted(groups[zone], key=_by_text)) for zone in sorted(groups, key=str.casefold)]
    return sorted((Choice(f"zone:{zone}", title) for zone, title in zones.items()), key=_by_text), found, many


def metrics(site: Site, where: str, lang: str) -> tuple[list[Choice], list[Choice]]:
    """Return the values that are measured at the chosen place or zone, and all others of this hub, with their units."""
    here: dict[str, Metric] = {}
    others: dict[str, Metric] = {key: METRICS[key] for key in DERIVED}
    kind, _, one = where.partition(":")
    zones = _places(site)
    for device, metric in site.parts.live.metrics():
        known = site.parts.devices.get(device)
        place = known.place if known is not None else ""
        inside = where == "all" or one == (place if kind == "place" else zones.get(place, ""))
        (here if inside else others)[metric.key] = metric
    return _named(here.values(), lang), _named((m for key, m in others.items() if key not in here), lang)


def metric_of(site: Site, key: str) -> Metric | None:
    """Return the metric of a key that a device of this hub reports or the catalogue has, or None."""
    return METRICS.get(key) or next((one for _, one in site.parts.live.metrics() if one.key == key), None)


def _named(found: Iterable[Metric], lang: str) -> list[Choice]:
    return sorted((Choice(one.key, titled(one, lang)) for one in found), key=_by_text)


def titled(metric: Metric, lang: str) -> str:
    """Return the name of a metric with its unit."""
    unit = unit_text(metric.unit, lang)
    return f"{metric_name(metric, lang)} ({unit})" if unit else metric_name(metric, lang)


def _by_text(one: Choice) -> str:
    """Return the key that sorts É as E."""
    return unicodedata.normalize("NFKD", one.text).encode("ascii", "ignore").decode().casefold()


def told(notifiers: Iterable[Mapping[str, Any]], rule: Mapping[str, Any], severity: str, zones: set[str]) -> list[str]:
    """Return the names of those who are told of an alert of this severity in these zones; empty `zones`: anywhere."""
    return [
        one["name"]
        for one in notifiers
        if SEVERITIES.index(severity) >= SEVERITIES.index(one["least"])
        and (not one["zones"] or not zones or zones & set(one["zones"]))
        and (one["when"] == "raised" or "escalate" in rule)
    ]
