"""Edits of a plan in place: where a place is, and the outline of a zone. The rules are the hub's."""

from __future__ import annotations

from typing import Any

from hub.page_kit.request.visit import Visit
from hub.web.site import Site


class Edits:
    def __init__(self, site: Site) -> None:
        self._site = site

    async def pin(self, visit: Visit) -> Any:
        """Set where {place, plan, x, y} a place is."""
        return await self._site.call(
            "roster.pin",
            place=visit.text("place"),
            plan=visit.text("plan"),
            x=visit.fields.get("x"),
            y=visit.fields.get("y"),
            by=visit.who,
        )

    async def outline(self, visit: Visit) -> Any:
        """Set the outline {zone, plan, points} of a zone; without points, delete it."""
        return await self._site.call(
            "roster.outline",
            zone=visit.text("zone"),
            plan=visit.text("plan"),
            points=visit.fields.get("points"),
            by=visit.who,
        )
