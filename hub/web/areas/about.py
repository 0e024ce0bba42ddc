"""Pages about the pages: accessibility, how to report a vulnerability (RFC 9116), versions."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from aiohttp import web

from hub.page_kit.request.routes import EVERYBODY, FILE, Route
from hub.page_kit.request.visit import Rejected, Visit
from hub.rpc.diagnostics import about
from hub.web.area import Area
from hub.web.roles import READS
from hub.web.site import Site

VALID = timedelta(days=180)


class About:
    def __init__(self, site: Site) -> None:
        self._site = site

    async def accessibility(self, visit: Visit) -> web.Response:
        return self._site.page(
            "accessibility",
            visit,
            contact=self._site.parts.contact,
            versions=about()["versions"] if visit.account else {},
        )

    async def site_map(self, visit: Visit) -> web.Response:
        """Every page that this role may open, besides the menu (RGAA 4.1, 12.1)."""
        return self._site.page("sitemap", visit)

    async def security(self, visit: Visit) -> web.Response:
        """/.well-known/security.txt (RFC 9116), generated for each request, since it expires. 404 without a configured
        contact, which the file must have."""
        contact = self._site.parts.contact
        if not contact:
            raise Rejected(404, "no-page")
        until = datetime.fromtimestamp(self._site.clock.now(), UTC) + VALID
        text = f"Contact: {contact}\nExpires: {until:%Y-%m-%dT%H:%M:%SZ}\nPreferred-Languages: fr, en\n"
        return web.Response(text=text, content_type="text/plain", headers={"Cache-Control": "no-store"})


def routes(site: Site) -> list[Route]:
    do = About(site)
    return [
        Route("GET", "/accessibility", do.accessibility, EVERYBODY),
        Route("GET", "/sitemap", do.site_map, READS),
        Route("GET", "/.well-known/security.txt", do.security, EVERYBODY, FILE),
    ]


AREA = Area(routes, order=220, unenrolled=True)
