"""Contents of each step of the wizard, besides the rows that all of them show."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hub.config.editing.yaml_writer import block
from hub.devices.place_names import in_order
from hub.onboarding import qr_photos
from hub.page_kit.request.visit import Visit
from hub.web.areas.commissioning.pictures import Pictures
from hub.web.areas.commissioning.rows import Rows
from hub.web.site import Site

STEPS = ("site", "zones", "plan", "cards", "inventory", "scan", "report")
MOST_PLACES = 500
"""Places proposed while one is typed."""
SCANNED = ("zone", "place", "name", "label")
EXAMPLE = block(
    {"sites": {"ecole": {"name": "École"}}, "zones": {"classes": {"site": "ecole", "name": "Salles de classe"}}}
)
"""Example for a hub whose configuration has no site: none can be added here."""


class Steps:
    def __init__(self, site: Site, rows: Rows, pictures: Pictures) -> None:
        self._site, self._rows, self._pictures = site, rows, pictures

    async def of(self, step: str, visit: Visit) -> dict[str, Any]:
        """Return the variables of that step's template."""
        if step == "site":
            shown, every = self._sites(), await self._pictures.photos()
            orphans = [photo for photo in every if photo["site"] not in shown["sites"]]
            return {**shown, "photos": every, "orphans": orphans}
        if step == "zones":
            return self._sites()
        if step == "plan":
            spots = sorted(place.id for place in self._site.parts.places)
            return {"plans": await self._pictures.plans(), "spots": spots}
        if step == "cards":
            return {"cards": await self._cards()}
        if step == "scan":
            fields = {name: visit.fields.get(name) or visit.query.get(name, "") for name in SCANNED}
            places = sorted({one.name or one.id for one in self._site.parts.places}, key=in_order)[:MOST_PLACES]
            return {"camera_photo": qr_photos.available(), "fields": fields, "known_places": places}
        if step == "report":
            answer = await self._rows.report(visit)
            return {**self._sites(), "answer": answer, "photos": await self._pictures.photos()}
        return {}

    def _sites(self) -> dict[str, Any]:
        names: Mapping[str, str] = self._site.parts.sites
        sites = sorted({*names, *(site for _, site in self._site.parts.zones.values())})
        return {"sites": sites, "site_names": {site: names.get(site) or site for site in sites}, "example": EXAMPLE}

    async def _cards(self) -> list[dict[str, Any]]:
        """Return the integrations, each with its number of devices, and of senders that are not admitted."""
        listed, state = await self._site.cached_call("devices"), await self._site.cached_call("status")
        return [
            {
                **one,
                "devices": sum(1 for d in listed["devices"] if d["integration"] == one["name"]),
                "heard": sum(1 for w in listed["quarantine"] if w["integration"] == one["name"] and not w["known"]),
            }
            for one in state["plugins"]
        ]
