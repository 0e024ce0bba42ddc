"""The audit log: who did what, newest first, and whether the chain is whole."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import apsw
import msgspec
from aiohttp import web

from hub.web.area import TEXT, Area, Entry, get
from hub.web.routes import AUDITS, Route
from hub.web.visit import Visit

if TYPE_CHECKING:
    from hub.web.site import Site


class Audit:
    def __init__(self, site: Site) -> None:
        self._site = site

    async def audit(self, visit: Visit) -> Any:
        before = visit.query.get("before", "")
        most = int(before) if before.isascii() and before.isdigit() and len(before) < 16 else (1 << 62)

        def work(db: apsw.Connection) -> list[dict[str, Any]]:
            found = db.execute("SELECT n, at, who, what FROM audit WHERE n < ? ORDER BY n DESC LIMIT 100", (most,))
            return [
                {"n": n, "at": at, "who": who, "what": msgspec.msgpack.decode(what, type=dict[str, Any])}
                for n, at, who, what in found
            ]

        answer: dict[str, Any] = {"entries": await self._site.store.call(work)}
        if visit.query.get("verify"):
            answer["whole"] = len(await self._site.store.audited())
        return answer

    async def page(self, visit: Visit) -> web.Response:
        return self._site.page("audit", visit, **{"whole": None, **await self.audit(visit)})


def routes(site: Site) -> list[Route]:
    do = Audit(site)
    return [
        Route("GET", "/audit", do.page, AUDITS),
        get("/audit", do.audit, "The audit chain, newest first", AUDITS, before={"type": "integer"}, verify=TEXT),
    ]


AREA = Area(routes, (Entry("audit", "/audit", "group-people", AUDITS),))
