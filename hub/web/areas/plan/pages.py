"""Floor plans with their devices, and a map of outdoor devices. No request leaves the hub for them.

Only places of the configuration are drawn, where people put them. A position that a device reports (`Report.position`)
is never shown, nor is that of a place in a dwelling.
"""

from __future__ import annotations

import asyncio
from typing import Any
from urllib.parse import urlencode

from aiohttp import web

from hub.page_kit import tables
from hub.page_kit.menu import Entry
from hub.page_kit.picture_sanitizer import sanitize
from hub.page_kit.request.routes import Route
from hub.page_kit.request.visit import Visit
from hub.web.area import TEXT, Area, get, post
from hub.web.areas.plan import floors
from hub.web.areas.plan.edits import Edits
from hub.web.areas.plan.sheet import Sheet
from hub.web.areas.plan.wall import WallPlan
from hub.web.presentation import tiles
from hub.web.roles import READS, WORKS
from hub.web.site import Site

SHARE: dict[str, Any] = {"type": "number", "minimum": 0, "maximum": 1}
CORNER: dict[str, Any] = {"type": "array", "items": SHARE, "minItems": 2, "maxItems": 2}
LAYERS = ("values", "states", "alerts", "zones")
ROWS = "8"
MOST_VALUES = 3
"""Values of a mark; the first is shown on the picture."""
MOST_UNPLACED = 500


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
        views = [*names, *([floors.OUTDOORS] if outdoors else [])]
        asked = visit.query.get("view", "")
        view = asked if asked in views else next(iter(views), "")
        zone = visit.query.get("zone", "")
        answer: dict[str, Any] = {
            "views": [{"id": one, "name": names.get(one, "")} for one in views], "view": view, "marks": [],
            "width": 0.0, "height": 0.0, "boxes": [], "bar": None, "hidden": hidden, "left": 0, "positions": {},
            "unplaced": [],
        }  # fmt: skip
        if not view:
            return answer
        listing = await self._site.call("roster.show")
        pins, outlines = listing["pins"], listing.get("outlines", {}).get(view, {})
        width, height, spots = 0.0, 0.0, dict[str, tuple[float, float]]()
        zones = {one.id: one.zone for one in parts.places}
        if view == floors.OUTDOORS:
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
        marks = [{**one, **self._values(one)} for one in floors.marks(spots, zones, listed, alerts, 5 * unit)]
        drawn_zones = {
            name: [(x * width, y * height) for x, y in points]
            for name, points in outlines.items()
            if name in parts.zones and (not zone or name == zone)
        }
        used = {one["place"] for one in listed}
        known = {place for place, pin in pins.items() if pin["plan"] in names} | set(outdoors)
        left = sorted({place for place in used if place in zones} - known)
        return {
            **answer, "width": width, "height": height, "marks": marks,
            "boxes": [one._asdict() for one in floors.boxes(marks, 4 * unit, width, height, drawn_zones)],
            "left": len(left), "unplaced": left[:MOST_UNPLACED],
        }  # fmt: skip

    def _values(self, mark: dict[str, Any]) -> dict[str, Any]:
        """Return the main values of a mark's device, judged as on the overview."""
        parts = self._site.parts
        values = parts.live.of(mark["device"]) if mark["device"] else []
        room = mark["zone"] in parts.rooms or any(one.metric == "co2" for one in values)
        some = tiles.main_values(values, MOST_VALUES)
        return {"values": tiles.told(some, self._site.clock.now(), room=room, said=self._site.flag_words)}

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
        chosen = {name for name in LAYERS if visit.query.get(name)} if visit.query.get("chosen") else {*LAYERS}
        asked = {name: visit.query[name] for name in ("view", "zone", "chosen", *LAYERS) if visit.query.get(name)}
        rows, number, size = tables.page_of(shown["marks"], {"size": ROWS, **visit.query})
        return self._site.page(
            "plan",
            visit,
            **shown,
            floor_of=shown,
            named_unplaced={place: self._site.place_name(place) for place in shown["unplaced"]},
            chosen=chosen,
            layers=LAYERS,
            rows=rows,
            zone=visit.query.get("zone", ""),
            number_of_page=number,
            pages=max(1, -(-len(shown["marks"]) // size)),
            signs=floors.SIGNS,
            old_s=floors.OLD_S,
            unit_=max(1.0, max(shown["width"], shown["height"]) / 100),
            linked=lambda **more: "/plan?" + urlencode({**asked, **more}),
        )


def routes(site: Site) -> list[Route]:
    do, edits, sheet = Floors(site), Edits(site), Sheet(site)
    on_wall = WallPlan(site, do.shown)
    return [
        Route("GET", "/plan", do.page, READS),
        Route("GET", "/plan/places/{place}", sheet.page, READS),
        Route("GET", "/plan/wall", on_wall.page, READS, quiet=True, screen=True),
        get("/plan", do.shown, "A floor plan or the outdoor map: what stands where, and how", view=TEXT, zone=TEXT),
        post("/plan/pins", edits.pin, "Where a place is on a plan: shares of its width and height, from the left and "
             "from the top", WORKS, "place", "plan", x=SHARE, y=SHARE),
        post("/plan/outlines", edits.outline, "The outline of a zone on a plan: its corners, as for a pin; without "
             "`points` it is removed", WORKS, "zone", "plan", points={"type": "array", "items": CORNER}),
    ]  # fmt: skip


AREA = Area(
    routes,
    (Entry("plan", "/plan", "group-now", menu=READS),),
    files={"plan.js": "text/javascript", "plan.css": "text/css"},
    order=50,
)
