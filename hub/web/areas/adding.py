"""Adding a device: by its label, from quarantine, or by hand."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from aiohttp import web

from hub.core.errors import HubError
from hub.page_kit import scanning
from hub.page_kit.menu import Entry
from hub.page_kit.request import responses as answers
from hub.page_kit.request.routes import Route
from hub.page_kit.request.visit import Visit
from hub.web.area import DRY, TRUTH, Area, error_text, post
from hub.web.presentation import views
from hub.web.roles import WORKS
from hub.web.site import Site

WISH = ("label", "device", "key", "integration", "place", "zone", "role", "pack", "name", "model")


class Adding:
    def __init__(self, site: Site) -> None:
        self._site = site

    async def add(self, visit: Visit) -> Any:
        wish = {name: visit.text(name) for name in WISH if visit.fields.get(name)}
        return await self._site.call(
            "device.add",
            wishes=[wish],
            dry_run=bool(visit.fields.get("dry_run")),
            update=bool(visit.fields.get("update")),
            by=visit.who,
        )

    async def label(self, visit: Visit) -> Any:
        return await self._site.call("device.label", label=visit.text("label"))

    async def page(self, visit: Visit, status: int = 200, row: Any = None) -> web.Response:
        strangers = views.summary(await self._site.cached_call("status"))["strangers"]
        told = ("label", "device", "place", "zone", "name", "pack", "integration")
        fields = {name: visit.fields.get(name) or visit.query.get(name, "") for name in told}
        places = [place.id for place in self._site.parts.places]
        return scanning.with_leave(
            self._site.page("add", visit, status, strangers=strangers, fields=fields, row=row, places=places)
        )

    async def form(self, visit: Visit) -> web.Response:
        try:
            row = (await self.add(visit))["rows"][0]
        except HubError as error:
            visit.error = error_text(error, visit.lang)
            visit.error_lang = "en" if visit.lang != "en" and visit.error == str(error) else ""
            return await self.page(visit, 422)
        if row["state"] == "wrong":
            visit.error = row[visit.lang]
            return await self.page(visit, 422)
        if visit.fields.get("dry_run") or row["state"] == "already":
            return await self.page(visit, row=row)
        return answers.redirect(f"/devices/{quote(row['device'], safe='')}?said=device-added")


def routes(site: Site) -> list[Route]:
    do = Adding(site)
    return [
        Route("GET", "/add", do.page, WORKS),
        Route("POST", "/add", do.form, WORKS),
        post("/devices", do.add, "Add a device", WORKS, *WISH, update=TRUTH, **DRY),
        post("/labels", do.label, "What a label says, and what is known of its device", WORKS, "label"),
    ]


AREA = Area(routes, (Entry("add", "/add", "group-field", WORKS),), frozenset({"device-added"}), order=80)
