"""The pages of the overview and « À traiter », and the operations of the API about the hub as a whole."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

from aiohttp import web

from hub.core.errors import HubError
from hub.page_kit.menu import Entry
from hub.page_kit.people.sessions import COOKIE
from hub.page_kit.request.routes import STREAM, Route, document
from hub.page_kit.request.visit import Visit
from hub.web.area import TEXT, Area, get
from hub.web.areas.overview.building import Building
from hub.web.areas.overview.wall import WallPages
from hub.web.presentation import views
from hub.web.presentation.waiting_reasons import waiting_reason
from hub.web.roles import READS, RULES
from hub.web.site import Site

PLACES: dict[str, Any] = {
    "zone": TEXT,
    "page": {"type": "integer", "minimum": 1},
    "size": {"type": "integer", "minimum": 1, "maximum": 200},
}

LIVE: dict[str, Any] = {"device": TEXT, "only": {"type": "string", "enum": ["summary"]}}


class Overview:
    def __init__(self, site: Site) -> None:
        self._site = site
        self.building = Building(site)

    async def status(self, visit: Visit) -> Any:
        status = await self._site.kept("status with values", 1.0, lambda: self._site.call("status"))
        return {**status, "summary": views.summary(status), "web": self.server()}

    async def _status(self) -> dict[str, Any]:
        status = await self._site.cached_call("status")
        return {**status, "summary": views.summary(status)}

    def server(self) -> dict[str, Any]:
        """Return the status of the server itself."""
        site = self._site
        return {
            "connections": len(site.connections), "cut": site.connections.cut,
            "sessions": len(site.sessions), "streams": site.feed.listeners, "refused": dict(site.refused),
        }  # fmt: skip

    async def todo(self, visit: Visit) -> Any:
        status, listed = await self._site.cached_call("status"), await self._site.cached_call("devices")
        waiting = listed["quarantine"]
        return {
            "degraded": status["degraded"],
            "raised": (await self._site.call("alert.list"))["alerts"],
            "trouble": [one for one in listed["devices"] if one["state"] == "trouble"],
            "refused": [one for one in waiting if one["known"]],
            "candidates": sorted((one for one in waiting if not one["known"]), key=lambda one: -one["last"]),
        }

    async def openapi(self, visit: Visit) -> Any:
        return document(
            self._site.table,
            f"Îlot, hub {self._site.place.hub}",
            COOKIE,
            "made by an administrateur or `ilot token create`",
        )

    async def page(self, visit: Visit) -> web.Response:
        now = await self._now(visit)
        shown = now["building"]
        asked: dict[str, str] = {name: visit.query[name] for name in ("zone", "page") if name in visit.query}
        try:
            energy = (await self.building.energy(visit))["carriers"]
        except HubError:  # the disk refuses: the page says so elsewhere, and shows the rest
            energy = []
        return self._site.page(
            "overview",
            visit,
            **now,
            strangers=sum(not one["known"] for one in now["status"]["quarantine"]),
            part="/building?" + urlencode(asked),
            norms=sorted(
                {
                    value["metric"]
                    for group in shown["groups"]
                    for place in group["places"]
                    for value in place["values"]
                    if value["comfort"]
                }
            ),
            energy=energy,
        )

    async def part(self, visit: Visit) -> web.Response:
        """Answer the part of the page that an open page asks for again: tiles in their order, alerts, extremes."""
        return self._site.page("building", visit, **await self._now(visit))

    async def _now(self, visit: Visit) -> dict[str, Any]:
        status = await self._status()
        raised = await self.building.raised(status)
        shown = await self.building.shown(visit, status, raised)
        zone = {"zone": shown["zone"]} if shown["zone"] else {}
        return {
            "status": status, "summary": status["summary"], "raised": raised, "building": shown,
            "linked": lambda page: "/?" + urlencode({**zone, "page": page}),
        }  # fmt: skip

    async def todo_page(self, visit: Visit) -> web.Response:
        return self._site.page("todo", visit, **await self.todo(visit), why=waiting_reason(visit.lang))


def routes(site: Site) -> list[Route]:
    do = Overview(site)
    on_wall = WallPages(site, do.building)
    return [
        Route("GET", "/", do.page, READS),
        Route("GET", "/building", do.part, READS, quiet=True),
        Route("GET", "/wall", on_wall.page, READS, quiet=True, screen=True),
        Route("POST", "/wall/keep", on_wall.keep_form, RULES),
        Route("GET", "/todo", do.todo_page, READS),
        Route("GET", "/api/1/live", site.feed.stream, READS, STREAM, "Live values as events", query=LIVE, screen=True),
        get("/openapi.json", do.openapi, "This document"),
        get("/status", do.status, "All of `ilot status`"),
        get("/places", do.building.places, "Places with their main values, the most urgent first", READS, **PLACES),
        get("/energy/today", do.building.energy, "What each carrier used today, beside a usual day"),
        get("/todo", do.todo, "What somebody should look at, and what is heard and not admitted"),
    ]


AREA = Area(
    routes,
    (Entry("overview", "/", "group-now", menu=READS), Entry("todo", "/todo", "group-now", menu=READS, badge="todo")),
    files={
        "overview.js": "text/javascript",
        "part.js": "text/javascript",
        "wall.js": "text/javascript",
        "wall.css": "text/css",
    },
    order=20,
)
