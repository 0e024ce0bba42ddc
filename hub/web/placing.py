"""Choice of a place in forms (`templates/placing.html`): a known one, or a new one in a zone, which may be new too."""

from __future__ import annotations

from typing import Any, NamedTuple

from hub.devices.place_names import folded, in_order, place_id
from hub.page_kit.request.visit import Visit
from hub.web.refusals import Refused
from hub.web.site import Site

FIELDS = ("place", "new_place", "zone", "new_zone", "site")
Group = tuple[str, list[tuple[str, str]]]


class Choice(NamedTuple):
    """A chosen place: its id, or its name where it is `new`; `zone` by id, or by name where it is `new_zone`, of
    `site`. Without a place nothing was chosen."""

    place: str
    zone: str = ""
    new: bool = False
    new_zone: bool = False
    site: str = ""


def groups(site: Site) -> list[Group]:
    """Return (name of a zone, its places as (id, name)), both in the order of their names."""
    zones: dict[str, list[tuple[str, str]]] = {}
    for place in site.parts.places:
        title = site.parts.zones.get(place.zone, ("",))[0] or place.zone
        zones.setdefault(title, []).append((place.id, place.name or place.id))
    return [(zone, sorted(zones[zone], key=lambda one: in_order(one[1]))) for zone in sorted(zones, key=in_order)]


def sites(site: Site) -> dict[str, str]:
    """Return the sites that a new zone may be of: id → name."""
    known = {*site.parts.sites, *(one for _, one in site.parts.zones.values())}
    return {one: site.parts.sites.get(one) or one for one in sorted(known)}


def form(site: Site, visit: Visit) -> dict[str, Any]:
    """Return the variables of the template's macro."""
    return {
        "groups": groups(site),
        "sites": sites(site),
        "placed": {name: str(visit.fields.get(name, "")) for name in FIELDS},
    }


def chosen(site: Site, visit: Visit) -> Choice:
    """Return the place of a form. A new place or zone that is called as a known one is that one. Raises Refused."""
    name, zone_name = visit.text("new_place"), visit.text("new_zone")
    if not name:
        return Choice(visit.text("place"), visit.text("zone"))
    known = site.parts.places.alike(name)
    if len(known) == 1:
        return Choice(known[0].id)
    if not zone_name:
        if not visit.text("zone"):
            raise Refused("zone-choose")
        return Choice(name, visit.text("zone"), new=True)
    for zone, (title, _) in site.parts.zones.items():
        if folded(zone_name) in (folded(zone), folded(title)):
            return Choice(name, zone, new=True)
    if not place_id(zone_name):
        raise Refused("zone-bad")
    return Choice(name, zone_name, new=True, new_zone=True, site=visit.text("site") or next(iter(sites(site)), ""))


async def with_zone(site: Site, visit: Visit, choice: Choice) -> Choice:
    """Make the new zone of a choice, if it has one; return the choice with that zone's id. Raises HubError."""
    if not choice.new_zone:
        return choice
    zone = place_id(choice.zone)
    await site.call(
        "zone.add",
        id=zone,
        site=choice.site,
        name=choice.zone,
        origin=visit.address,
        by=visit.who,
        reason=f"zone {choice.zone}",
    )
    return choice._replace(zone=zone, new_zone=False)
