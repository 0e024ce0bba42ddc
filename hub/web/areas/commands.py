"""Commands: the last ones, and the stop of all writes (code de la construction, R175-3 4°)."""

from __future__ import annotations

from typing import Any

from aiohttp import web

from hub.page_kit.menu import Entry
from hub.page_kit.request import responses as answers
from hub.page_kit.request.routes import Route
from hub.page_kit.request.visit import Visit
from hub.web.area import Area, get, post, run_form
from hub.web.roles import READS, RULES, WORKS
from hub.web.site import Site


class Commands:
    def __init__(self, site: Site) -> None:
        self._site = site

    async def commands(self, visit: Visit) -> Any:
        return await self._site.call("command.list", limit=100)

    async def stop(self, visit: Visit) -> Any:
        return await self._site.call("command.stop", by=visit.who, why=visit.text("why"))

    async def resume(self, visit: Visit) -> Any:
        return await self._site.call("command.resume", by=visit.who, why=visit.text("why"))

    async def page(self, visit: Visit, status: int = 200) -> web.Response:
        return self._site.page("commands", visit, status, **await self.commands(visit))

    async def stop_form(self, visit: Visit) -> web.Response:
        return await run_form(visit, self.stop, self.page) or answers.redirect("/commands?said=saved")

    async def resume_form(self, visit: Visit) -> web.Response:
        return await run_form(visit, self.resume, self.page) or answers.redirect("/commands?said=saved")


def routes(site: Site) -> list[Route]:
    do = Commands(site)
    return [
        Route("GET", "/commands", do.page, READS),
        Route("POST", "/commands/stop", do.stop_form, WORKS),
        Route("POST", "/commands/resume", do.resume_form, RULES),
        get("/commands", do.commands, "The last commands"),
        post("/commands/stop", do.stop, "Stop all writes, and let go of what was written", WORKS, "why"),
        post("/commands/resume", do.resume, "Allow writes again", RULES, "why"),
    ]


AREA = Area(routes, (Entry("commands", "/commands", "group-field"),), frozenset({"saved"}), order=110)
