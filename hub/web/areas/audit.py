"""Audit log: who did what, newest first, and whether the chain is intact."""

from __future__ import annotations

from typing import Any

from aiohttp import web

from hub.page_kit.menu import Entry
from hub.page_kit.request.routes import Route
from hub.page_kit.request.visit import Visit
from hub.web.area import TEXT, Area, get
from hub.web.presentation.audit_text import audit_sentence
from hub.web.roles import AUDITEUR, AUDITS
from hub.web.site import Site


class Audit:
    def __init__(self, site: Site) -> None:
        self._site = site

    async def audit(self, visit: Visit) -> Any:
        before = visit.query.get("before", "")
        known = before.isascii() and before.isdigit() and len(before) < 16
        answer: dict[str, Any] = await self._site.call("audit.list", limit=100, before=int(before) if known else 0)
        if visit.query.get("verify"):
            answer["whole"] = (await self._site.call("audit.verify"))["count"]
        return answer

    async def page(self, visit: Visit) -> web.Response:
        answer = await self.audit(visit)

        def name_of(kind: str, one: str, device: str) -> str:
            return self._site.name_of(kind, one, device, visit.lang)

        rows = [{**one, "deed": audit_sentence(one["what"], visit.lang, name_of)} for one in answer["entries"]]
        return self._site.page("audit", visit, entries=rows, whole=answer.get("whole"))


def routes(site: Site) -> list[Route]:
    do = Audit(site)
    return [
        Route("GET", "/audit", do.page, AUDITS),
        get("/audit", do.audit, "The audit chain, newest first", AUDITS, before={"type": "integer"}, verify=TEXT),
    ]


AREA = Area(routes, (Entry("audit", "/audit", "group-people", AUDITS, menu=frozenset({AUDITEUR})),), order=190)
