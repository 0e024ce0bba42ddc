"""Tokens for scripts, made and revoked by an administrateur."""

from __future__ import annotations

from typing import Any

from aiohttp import web

from hub.automation.commands.policy import ROLES
from hub.page_kit.menu import Entry
from hub.page_kit.request import responses as answers
from hub.page_kit.request.routes import Route
from hub.page_kit.request.visit import Visit
from hub.web.area import Area, delete, get, post, run_form
from hub.web.roles import RULES
from hub.web.site import Site


class Tokens:
    def __init__(self, site: Site) -> None:
        self._site = site

    async def tokens(self, visit: Visit) -> Any:
        return await self._site.call("web.token.list")

    async def make(self, visit: Visit) -> Any:
        days = visit.fields.get("days") or "0"
        return await self._site.call(
            "web.token.make", title=visit.text("name"), role=visit.text("role"), days=days, by=visit.who
        )

    async def revoke(self, visit: Visit) -> Any:
        number = visit.parts.get("id") or visit.text("id")
        return await self._site.call("web.token.revoke", id=number, by=visit.who)

    # pages

    async def page(self, visit: Visit, status: int = 200, made: Any = None) -> web.Response:
        return self._site.page("tokens", visit, status, **await self.tokens(visit), roles=ROLES, made=made)

    async def make_form(self, visit: Visit) -> web.Response:
        """Make a token. It is shown on this answer alone: no redirection, no cache."""
        made = list[Any]()

        async def make(visit: Visit) -> None:
            made.append(await self.make(visit))

        return await run_form(visit, make, self.page) or await self.page(visit, made=made[0])

    async def revoke_form(self, visit: Visit) -> web.Response:
        return await run_form(visit, self.revoke, self.page) or answers.redirect("/tokens?said=token-revoked")


def routes(site: Site) -> list[Route]:
    do = Tokens(site)
    return [
        Route("GET", "/tokens", do.page, RULES),
        Route("POST", "/tokens", do.make_form, RULES),
        Route("POST", "/tokens/revoke", do.revoke_form, RULES),
        get("/tokens", do.tokens, "Tokens for scripts, without their secrets", RULES),
        post("/tokens", do.make, "Make a token; its text is in this answer and nowhere else", RULES, "name", "role",
             people=True, days={"type": "number", "exclusiveMinimum": 0, "maximum": 366}),
        delete("/tokens/{id}", do.revoke, "Revoke a token", RULES, people=True),
    ]  # fmt: skip


AREA = Area(routes, (Entry("tokens", "/tokens", "group-people", RULES),), frozenset({"token-revoked"}), order=210)
