"""Floor plans with their devices, and a map of outdoor devices. No request leaves the hub for them.

Only places of the configuration are drawn, where people put them. A position that a device reports (`Report.position`)
is never shown, nor is that of a place in a dwelling.
"""

from __future__ import annotations

import asyncio
from typing import Any
from urllib.parse import urlencode

from aiohttp import web

from hub.web.area import TEXT, Area, get
from hub.web.areas.plan import floors
from hub.web.menu import Entry
from hub.web.pictures.sanitizer import sanitize
from hub.web.presentation import views as showing
from hub.web.request.routes import READS, Route
from hub.web.request.visit import Visit
from hub.web.site import Site

OUTDOORS = "map"
LAYERS = ("states", "alerts", "zones")
ROWS = "100"


class Floors:
    def __init__(self, site: Site) -> None:
        self._site = site
        self._sizes: dict[str, tuple[int, int]] = {}

    async def shown(self, visit: Visit) -> Any:
        """Return {views, view, width, height, marks, …}: one plan, or the map of outdoor devices (`view=map`)."""
        parts = self._site.parts
        names = await self._names()
        outdoors = {one.id: one.position for one in parts.places if one.position and one.zone not in parts.dwellings}
        hidden = sum(1 for one in parts.places if one.position and one.zone in parts.dwellings)
        views = [*names, *([OUTDOORS] if outdoors else [])]
        asked = visit.query.get("view", "")
        view = asked if asked in views else next(iter(views), "")
        zone = visit.query.get("zone", "")
        answer: dict[str, Any] = {
            "views": [{"id": one, "name": names.get(one, "")} for one in views], "view": view, "marks": [],
            "width": 0.0, "height": 0.0, "boxes": [], "bar": None, "hidden": hidden, "left": 0, "positions": {},
        }  # fmt: skip
        if not view:
            return answer
        pins = (await self._site.call("roster.show"))["pins"]
        width, height, spots = 0.0, 0.0, dict[str, tuple[float, float]]()
        zones = {one.id: one.zone for one in parts.places}
        if view == OUTDOORS:
            wanted = [place for place in outdoors if not zone or zones[place] == zone] or list(outdoors)
            drawn = floors.projected([(outdoors[one].latitude, outdoors[one].longitude) for one in wanted])
            width, height = drawn.width, drawn.height
            spots = dict(zip(wanted, drawn.points, strict=True)) if not zone or zones[wanted[0]] == zone else {}
            answer["bar"] = {"length": drawn.bar, "metres": drawn.bar_m}
            answer["positions"] = {one: [outdoors[one].latitude, outdoors[one].longitude] for one in spots}
        else:
            width, height = await self._size(view)
            spots = {
                place: (pin["x"] * width, pin["y"] * height)
                for place, pin in pins.items()
                if pin["plan"] == view and place in zones and (not zone or zones[place] == zone)
            }
        unit = max(width, height) / 100
        listed = (await self._site.cached_call("devices"))["devices"]
        alerts = (await self._site.call("alert.list"))["alerts"]
        marks = floors.marks(spots, zones, listed, alerts, 5 * unit)
        used = {one["place"] for one in listed}
        known = {place for place, pin in pins.items() if pin["plan"] in names} | set(outdoors)
        return {
            **answer, "width": width, "height": height, "marks": marks,
            "boxes": [one._asdict() for one in floors.boxes(marks, 4 * unit, width, height)],
            "left": len({place for place in used if place in zones} - known),
        }  # fmt: skip

    async def _names(self) -> dict[str, str]:
        pictures = (await self._site.call("picture.list"))["pictures"]
        return {one["id"]: one["name"] for one in pictures if not one["site"]}

    async def _size(self, plan: str) -> tuple[int, int]:
        """Return the size in pixels. A plan never changes: another picture is another plan."""
        if plan not in self._sizes:
            picture = await self._site.call("picture.show", id=plan)
            found = await asyncio.to_thread(sanitize, picture["data"])
            self._sizes[plan] = (found.width, found.height)
        return self._sizes[plan]

    async def page(self, visit: Visit) -> web.Response:
        shown = await self.shown(visit)
        chosen = {name for name in LAYERS if visit.query.get(name)} if visit.query.get("chosen") else {*LAYERS[:2]}
        asked = {name: visit.query[name] for name in ("view", "zone", "chosen", *LAYERS) if visit.query.get(name)}
        rows, number, size = showing.page_of(shown["marks"], {"size": ROWS, **visit.query})
        return self._site.page(
            "plan",
            visit,
            **shown,
            chosen=chosen,
            layers=LAYERS,
            rows=rows,
            zone=visit.query.get("zone", ""),
            number_of_page=number,
            pages=max(1, -(-len(shown["marks"]) // size)),
            unit_=max(1.0, max(shown["width"], shown["height"]) / 100),
            linked=lambda **more: "/plan?" + urlencode({**asked, **more}),
        )


def routes(site: Site) -> list[Route]:
    do = Floors(site)
    return [
        Route("GET", "/plan", do.page, READS),
        get("/plan", do.shown, "A floor plan or the outdoor map: what stands where, and how", view=TEXT, zone=TEXT),
    ]


AREA = Area(routes, (Entry("plan", "/plan", "group-now"),), order=50)
