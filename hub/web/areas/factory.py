"""Factory reset: an administrateur who types the password once more, and this hub's id."""

from __future__ import annotations

from typing import Any

from aiohttp import web

from hub.page_kit.request.routes import Route
from hub.page_kit.request.visit import Rejected, Visit
from hub.web.area import Area, run_form
from hub.web.roles import RULES
from hub.web.site import Site


class Factory:
    def __init__(self, site: Site) -> None:
        self._site = site

    async def page(self, visit: Visit, status: int = 200) -> web.Response:
        return self._site.page("factory", visit, status, code="")

    async def reset(self, visit: Visit) -> Any:
        """Throttled like a sign-in: a session alone does not suffice."""
        account, site = visit.person, self._site
        if site.throttle.take(account.name, visit.address, known=True):
            raise Rejected(429, "throttled")
        return await site.guessed(
            visit,
            account.name,
            "password-wrong",
            "factory.reset.page",
            known=True,
            name=account.name,
            password=visit.fields.get("password", ""),
            hub=visit.text("hub"),
            why=visit.text("why"),
            by=visit.who,
        )

    async def form(self, visit: Visit) -> web.Response:
        begun: dict[str, Any] = {}

        async def reset(visit: Visit) -> None:
            begun.update(await self.reset(visit))

        return await run_form(visit, reset, self.page) or self._site.page("factory", visit, code=begun.get("code", ""))


def routes(site: Site) -> list[Route]:
    do = Factory(site)
    return [Route("GET", "/factory-reset", do.page, RULES), Route("POST", "/factory-reset", do.form, RULES)]


AREA = Area(routes, order=172)
