"""Integrations and other plugins: how they stand."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aiohttp import web

from hub.web.area import Area, Entry
from hub.web.areas.diagnostics import HELPS
from hub.web.routes import READS, Route
from hub.web.visit import Visit

if TYPE_CHECKING:
    from hub.web.site import Site


class Integrations:
    def __init__(self, site: Site) -> None:
        self._site = site

    async def page(self, visit: Visit) -> web.Response:
        status = await self._site.lately("status")
        return self._site.page("integrations", visit, plugins=status["plugins"], helps=visit.person.role in HELPS)


def routes(site: Site) -> list[Route]:
    do = Integrations(site)
    return [Route("GET", "/integrations", do.page, READS)]


AREA = Area(routes, (Entry("integrations", "/integrations", "group-hub"),))
