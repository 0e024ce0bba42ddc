"""Device packs: installed ones, upload of another version, and payloads that wait for one."""

from __future__ import annotations

import base64
from typing import Any

from aiohttp import web

from hub.core.errors import HubError
from hub.core.text import phrase
from hub.devices.packs.archive import MAX_ARCHIVE_BYTES
from hub.web.area import DRY, Area, get, post, run_form
from hub.web.menu import Entry
from hub.web.request import responses as answers
from hub.web.request.routes import API, READS, WORKS, Route
from hub.web.request.visit import Visit
from hub.web.site import Site

FILE = {"archive": {"type": "string", "contentMediaType": "application/zip"}}


class Packs:
    def __init__(self, site: Site) -> None:
        self._site = site

    async def packs(self, visit: Visit) -> Any:
        status = await self._site.cached_call("status")
        return {**await self._site.cached_call("pack.list"), "kept": status["kept"]}

    async def install(self, visit: Visit) -> Any:
        file = visit.files.get("archive")
        if file is None or not file.data:
            raise HubError(phrase("choose-zip-file", "choose the ZIP file of a pack first"))
        return await self._site.call(
            "pack.install",
            archive=base64.b64encode(file.data).decode(),
            by=visit.who,
            dry_run=bool(visit.fields.get("dry_run")),
        )

    async def redecode(self, visit: Visit) -> Any:
        answer = await self._site.call("redecode")
        await self._site.note(visit.who, {"web": "kept payloads read again"})
        return answer

    async def page(self, visit: Visit, status: int = 200) -> web.Response:
        return self._site.page("packs", visit, status, **await self.packs(visit), most=MAX_ARCHIVE_BYTES)

    async def install_form(self, visit: Visit) -> web.Response:
        return await run_form(visit, self.install, self.page) or answers.redirect("/packs?said=pack-installed")

    async def redecode_form(self, visit: Visit) -> web.Response:
        return await run_form(visit, self.redecode, self.page) or answers.redirect("/packs?said=redecoded")


def routes(site: Site) -> list[Route]:
    do = Packs(site)

    async def install(visit: Visit) -> web.Response:
        return answers.json(await do.install(visit))

    return [
        Route("GET", "/packs", do.page, READS),
        Route("POST", "/packs", do.install_form, WORKS, upload=MAX_ARCHIVE_BYTES),
        Route("POST", "/packs/redecode", do.redecode_form, WORKS),
        get("/packs", do.packs, "Device packs, and how many payloads wait for one"),
        Route("POST", "/api/1/packs", install, WORKS, API, "Test and install a pack out of a ZIP file",
              body={**FILE, **DRY}, upload=MAX_ARCHIVE_BYTES),
        post("/redecode", do.redecode, "Read again what no codec could read", WORKS),
    ]  # fmt: skip


AREA = Area(routes, (Entry("packs", "/packs", "group-hub"),), frozenset({"pack-installed", "redecoded"}), order=150)
