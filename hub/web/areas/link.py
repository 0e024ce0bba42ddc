"""Buffer and link, backup and clock."""

from __future__ import annotations

from typing import Any

from aiohttp import web

from hub.page_kit.menu import Entry
from hub.page_kit.request import responses as answers
from hub.page_kit.request.routes import Route
from hub.page_kit.request.visit import Visit
from hub.web.area import Area, get, post, run_form
from hub.web.presentation import views
from hub.web.roles import READS, RULES
from hub.web.site import Site


class Link:
    def __init__(self, site: Site) -> None:
        self._site = site

    async def link(self, visit: Visit) -> Any:
        status = await self._site.cached_call("status")
        return {name: status[name] for name in ("buffer", "link", "backup", "mirror", "clock", "certificate")}

    async def backup(self, visit: Visit) -> Any:
        await self._site.note(visit.who, {"web": "backup asked for"})
        return await self._site.call("backup")

    async def page(self, visit: Visit, status: int = 200) -> web.Response:
        summary = views.summary(await self._site.cached_call("status"))
        return self._site.page("link", visit, status, **await self.link(visit), summary=summary)

    async def backup_form(self, visit: Visit) -> web.Response:
        return await run_form(visit, self.backup, self.page) or answers.redirect("/link?said=backup-done")


def routes(site: Site) -> list[Route]:
    do = Link(site)
    return [
        Route("GET", "/link", do.page, READS),
        Route("POST", "/link/backup", do.backup_form, RULES),
        get("/link", do.link, "Buffer, link, backup and clock"),
        post("/backup", do.backup, "Back up this hub's state now", RULES),
    ]


AREA = Area(routes, (Entry("link", "/link", "group-hub"),), frozenset({"backup-done"}), order=130)
