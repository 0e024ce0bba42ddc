"""Settings: every page that is not in the menu, in groups, with what it is for."""

from __future__ import annotations

from aiohttp import web

from hub.page_kit.menu import Entry
from hub.page_kit.request.routes import Route
from hub.page_kit.request.visit import Visit
from hub.web.area import Area
from hub.web.roles import READS
from hub.web.site import Site


def routes(site: Site) -> list[Route]:
    async def page(visit: Visit) -> web.Response:
        return site.page("settings", visit)

    return [Route("GET", "/settings", page, READS)]


AREA = Area(routes, (Entry("settings", "/settings", "group-hub", menu=READS),), order=900)
