"""Accounts, and one's own password."""

from __future__ import annotations

from typing import Any

from aiohttp import web

from hub.automation.commands.policy import ROLES
from hub.core.errors import HubError
from hub.core.text import phrase
from hub.page_kit.menu import Entry
from hub.page_kit.request import responses as answers
from hub.page_kit.request.routes import Route
from hub.page_kit.request.visit import Rejected, Visit
from hub.web.area import Area, delete, get, post, run_form
from hub.web.roles import READS, RULES
from hub.web.site import Site
from hub.web.words import word


class Accounts:
    def __init__(self, site: Site) -> None:
        self._site = site

    async def accounts(self, visit: Visit) -> Any:
        return await self._site.call("web.account.list")

    async def put_account(self, visit: Visit) -> Any:
        return await self._site.call(
            "web.account.put",
            name=visit.text("name"),
            password=_password(visit),
            role=visit.text("role"),
            by=visit.who,
            keep=visit.token,
        )

    async def remove_account(self, visit: Visit) -> Any:
        name = visit.parts.get("name") or visit.text("name")
        return await self._site.call("web.account.remove", name=name, by=visit.who)

    async def own_password(self, visit: Visit) -> Any:
        """Change one's own password, {former, password}: a session alone does not suffice. Throttled like a sign-in."""
        account, site = visit.person, self._site
        if site.throttle.take(account.name, visit.address, known=True):
            raise Rejected(429, "throttled")
        former, password = _password(visit, "former"), _password(visit)
        return await site.guessed(
            visit,
            account.name,
            "password-wrong",
            "web.account.password",
            known=True,
            name=account.name,
            former=former,
            password=password,
            by=visit.who,
            keep=visit.token,
        )

    # pages

    async def page(self, visit: Visit, status: int = 200) -> web.Response:
        return self._site.page("accounts", visit, status, **await self.accounts(visit), roles=ROLES)

    async def own_page(self, visit: Visit, status: int = 200) -> web.Response:
        return self._site.page("account", visit, status)

    async def put_form(self, visit: Visit) -> web.Response:
        return await run_form(visit, self.put_account, self.page) or answers.redirect("/accounts?said=saved")

    async def remove_form(self, visit: Visit) -> web.Response:
        return await run_form(visit, self.remove_account, self.page) or answers.redirect("/accounts?said=saved")

    async def own_form(self, visit: Visit) -> web.Response:
        if visit.fields.get("password") != visit.fields.get("again"):
            visit.error = word("password-differs", visit.lang)
            return await self.own_page(visit, 422)
        return await run_form(visit, self.own_password, self.own_page) or answers.redirect("/account?said=saved")


def _password(visit: Visit, name: str = "password") -> str:
    value = visit.fields.get(name, "")
    if not isinstance(value, str):
        raise HubError(phrase("text-2", "{name} is text", name=name))
    return value


def routes(site: Site) -> list[Route]:
    do = Accounts(site)
    return [
        Route("GET", "/accounts", do.page, RULES),
        Route("POST", "/accounts", do.put_form, RULES),
        Route("POST", "/accounts/remove", do.remove_form, RULES),
        Route("GET", "/account", do.own_page, READS),
        Route("POST", "/account/password", do.own_form, READS),
        get("/accounts", do.accounts, "Who may sign in", RULES),
        post("/accounts", do.put_account, "Add an account, or give it another role and password", RULES, "name",
             "password", "role", people=True),
        delete("/accounts/{name}", do.remove_account, "Remove an account", RULES, people=True),
        post("/password", do.own_password, "Change one's own password", READS, "former", "password", people=True),
    ]  # fmt: skip


AREA = Area(
    routes,
    (Entry("accounts", "/accounts", "group-people", RULES),),
    frozenset({"saved"}),
    order=200,
    unenrolled=True,
)
