"""Diagnostics: the check of `ilot doctor`, the last log lines, and one archive for support, with its preview."""

from __future__ import annotations

import base64
from typing import Any

from aiohttp import web

from hub.core.logs import LEVELS
from hub.page_kit.menu import Entry
from hub.page_kit.request import responses as answers
from hub.page_kit.request.routes import API, Route
from hub.page_kit.request.visit import Visit
from hub.web.area import TEXT, Area, get, post, run_form
from hub.web.roles import HELPS, WORKS
from hub.web.site import Site

MOST = 200
GRADES = ("wrong", "note", "ok")
"""States of a finding, the worst first."""


class Diagnostics:
    def __init__(self, site: Site) -> None:
        self._site = site

    async def logs(self, visit: Visit) -> Any:
        return await self._site.call(
            "logs", source=visit.query.get("source", "")[:100], level=visit.query.get("level", "info"), limit=MOST
        )

    async def preview(self, visit: Visit) -> Any:
        return await self._site.call("diagnostics", preview=True)

    async def examined(self, visit: Visit) -> Any:
        return await self._site.call("doctor.state")

    async def examine(self, visit: Visit) -> Any:
        return await self._site.call("doctor.start", by=visit.who)

    async def examine_form(self, visit: Visit) -> web.Response:
        return await run_form(visit, self.examine, self.page) or answers.redirect("/diagnostics")

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

    async def page(self, visit: Visit, status: int = 200) -> web.Response:
        level = visit.query.get("level", "info")
        files = (await self.preview(visit))["files"] if visit.query.get("preview") else {}
        check = await self.examined(visit)
        return self._site.page(
            "diagnostics",
            visit,
            status,
            check=check,
            graded={grade: [one for one in check["found"] if one["state"] == grade] for grade in GRADES},
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
        Route("POST", "/diagnostics/check", do.examine_form, WORKS),
        Route("GET", "/api/1/diagnostics.zip", do.archive, HELPS, API, "The archive, redacted"),
        get("/diagnostics", do.preview, "What the archive holds", HELPS),
        get("/doctor", do.examined, "What the last check of this machine and its service found, or finds now", HELPS),
        post("/doctor", do.examine, "Check this machine and its service, as `ilot doctor` does", WORKS),
        get("/logs", do.logs, "The last log lines, the newest first", HELPS, source=TEXT,
            level={"type": "string", "enum": list(LEVELS)}),
    ]  # fmt: skip


AREA = Area(routes, (Entry("diagnostics", "/diagnostics", "group-hub", HELPS),), order=170)
