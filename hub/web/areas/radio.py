"""Radio: margins, losses, batteries, reception of gateways."""

from __future__ import annotations

from typing import Any

from aiohttp import web

from hub.web.area import Area, get
from hub.web.menu import Entry
from hub.web.presentation import views
from hub.web.request.routes import READS, Route
from hub.web.request.visit import Visit
from hub.web.site import Site

ORDER = {"move": 0, "": 1, "enough": 2}


class Radio:
    def __init__(self, site: Site) -> None:
        self._site = site

    async def radio(self, visit: Visit) -> Any:
        return await self._site.cached_call("radio")

    async def page(self, visit: Visit) -> web.Response:
        found = await self._site.cached_call("radio")
        devices = sorted(found["devices"], key=lambda one: (ORDER.get(one["margin"], 1), one["id"]))
        shown, number, size = views.page_of(devices, visit.query)
        words = {margin: sum(one["margin"] == margin for one in devices) for margin in ORDER}
        return self._site.page(
            "radio",
            visit,
            devices=shown,
            gateways=found["gateways"],
            total=len(devices),
            number_of_page=number,
            pages=max(1, -(-len(devices) // size)),
            words=words,
        )


def routes(site: Site) -> list[Route]:
    do = Radio(site)
    return [
        Route("GET", "/radio", do.page, READS),
        get("/radio", do.radio, "Margins, losses, data rates and batteries of devices, and the gateways"),
    ]


AREA = Area(routes, (Entry("radio", "/radio", "group-field"),), order=100)
