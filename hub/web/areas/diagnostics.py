"""Diagnostics: the last log lines, and one archive for support, with its preview."""

from __future__ import annotations

import base64
from typing import Any

from aiohttp import web

from hub.core.logs import LEVELS
from hub.web.area import TEXT, Area, get
from hub.web.menu import Entry
from hub.web.request.routes import API, HELPS, Route
from hub.web.request.visit import Visit
from hub.web.site import Site

MOST = 200


class Diagnostics:
    def __init__(self, site: Site) -> None:
        self._site = site

    async def logs(self, visit: Visit) -> Any:
        return await self._site.call(
            "logs", source=visit.query.get("source", "")[:100], level=visit.query.get("level", "info"), limit=MOST
        )

    async def preview(self, visit: Visit) -> Any:
        return await self._site.call("diagnostics", preview=True)

    async def archive(self, visit: Visit) -> web.Response:
        await self._site.note(visit.who, {"web": "diagnostics taken"})
        data = base64.b64decode((await self._site.call("diagnostics"))["archive"])
        headers = {"Content-Disposition": 'attachment; filename="ilot-diagnostics.zip"', "Cache-Control": "no-store"}
        return web.Response(body=data, content_type="application/zip", headers=headers)

    async def _counted(self) -> list[Any]:
        """Return the counters of subjects without a page of their own, neither devices nor integrations. `zone` is the
        zone's name."""
        counted = (await self._site.call("counted"))["counted"]
        elsewhere = {one["name"] for one in (await self._site.cached_call("status"))["plugins"]}
        known = self._site.parts.devices
        rows = [one for one in counted if one["subject"] not in elsewhere and known.get(one["subject"]) is None]
        return [{**one, "zone": self._zone(one["subject"])} for one in rows[:MOST]]

    def _zone(self, subject: str) -> str:
        """Return the name of a subject that is a whole zone (`zone:classes`), else ""."""
        whole, _, zone = subject.partition(":")
        return (self._site.parts.zones.get(zone, ("",))[0] or zone) if whole == "zone" else ""

    async def page(self, visit: Visit) -> web.Response:
        level = visit.query.get("level", "info")
        files = (await self.preview(visit))["files"] if visit.query.get("preview") else {}
        return self._site.page(
            "diagnostics",
            visit,
            lines=(await self.logs(visit))["lines"],
            files=files,
            levels=LEVELS[1:],
            level=level if level in LEVELS else "info",
            source=visit.query.get("source", ""),
            counted=await self._counted(),
        )


def routes(site: Site) -> list[Route]:
    do = Diagnostics(site)
    return [
        Route("GET", "/diagnostics", do.page, HELPS),
        Route("GET", "/api/1/diagnostics.zip", do.archive, HELPS, API, "The archive, redacted"),
        get("/diagnostics", do.preview, "What the archive holds", HELPS),
        get("/logs", do.logs, "The last log lines, the newest first", HELPS, source=TEXT,
            level={"type": "string", "enum": list(LEVELS)}),
    ]  # fmt: skip


AREA = Area(routes, (Entry("diagnostics", "/diagnostics", "group-hub", HELPS),), order=170)
