"""Guides for technicians at /docs, in the language of the visit, for everybody: before the claim too, and without
network."""

from __future__ import annotations

from aiohttp import web

from hub.page_kit.menu import Entry
from hub.page_kit.request.routes import EVERYBODY, FILE, Route
from hub.page_kit.request.visit import Rejected, Visit
from hub.web.area import Area
from hub.web.presentation import guides as shelf
from hub.web.presentation.searching import LONGEST, found
from hub.web.site import Site

MOST = 12
"""Sections that a search shows."""


class Guides:
    def __init__(self, site: Site) -> None:
        self._site = site
        self._pictures = shelf.pictures()

    async def contents(self, visit: Visit) -> web.Response:
        """Show all guides in groups; those sections first that hold all words of ?q=."""
        asked = visit.query.get("q", "")[:LONGEST]
        some = found(shelf.items(visit.lang), asked) if asked.strip() else []
        whats = [one.what for one in some if isinstance(one.what, shelf.Found)]
        return self._site.page(
            "guides", visit, q=asked, groups=shelf.guides(visit.lang), total=len(some),
            shown=[shelf.shown(what, asked, visit.lang) for what in whats[:MOST]],
        )  # fmt: skip

    async def guide(self, visit: Visit) -> web.Response:
        name = visit.parts["name"]
        if name not in shelf.NAMES:
            raise Rejected(404, "no-page")
        return self._site.page("guide", visit, guide=shelf.guide(name, visit.lang))

    async def picture(self, visit: Visit) -> web.Response:
        path = self._pictures.get(visit.parts["name"])
        if path is None:
            raise Rejected(404, "no-page")
        return web.Response(
            body=path.read_bytes(), content_type="image/png", headers={"Cache-Control": "public, max-age=300"}
        )


def routes(site: Site) -> list[Route]:
    do = Guides(site)
    return [
        Route("GET", "/docs", do.contents, EVERYBODY),
        Route("GET", "/docs/{name}", do.guide, EVERYBODY),
        Route("GET", "/docs/img/{name}", do.picture, EVERYBODY, FILE),
    ]


AREA = Area(routes, (Entry("guides", "/docs", "group-hub"),), files={"guide.css": "text/css"}, order=930)
