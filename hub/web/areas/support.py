"""The file about one device for support, and the hour of its raised log."""

from __future__ import annotations

import base64
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

from aiohttp import web

from hub.core.errors import HubError
from hub.page_kit.request import responses as answers
from hub.page_kit.request.routes import Route
from hub.page_kit.request.visit import Rejected, Visit
from hub.web.area import Area, error_text, run_form
from hub.web.roles import ADMINISTRATEUR, HELPS, WORKS
from hub.web.site import Site

PATH = "/devices/{device}/support"


class Support:
    def __init__(self, site: Site) -> None:
        self._site = site

    def _device(self, visit: Visit) -> str:
        name = visit.parts["device"]
        if self._site.parts.devices.get(name) is None:
            raise Rejected(404, "no-device")
        return name

    async def page(self, visit: Visit, status: int = 200) -> web.Response:
        name = self._device(visit)
        raised = (await self._site.call("support.lines", device=name, after=self._site.clock.now())).get("raised_s")
        return self._site.page("support", visit, status, one=name, raised_s=raised or 0.0)

    async def file(self, visit: Visit) -> web.Response:
        """Return the file. Bytes that may tell of people: for an administrateur who says why."""
        name, personal = self._device(visit), bool(visit.fields.get("personal"))
        if personal and visit.person.role != ADMINISTRATEUR:
            raise Rejected(403, "role")
        try:
            answer = await self._site.call(
                "support", device=name, personal=personal, why=visit.text("why"), by=visit.who
            )
        except HubError as error:
            visit.error = error_text(error, visit.lang)
            return await self.page(visit, 422)
        day = datetime.fromtimestamp(self._site.clock.now(), UTC).strftime("%Y%m%d-%H%M%S")
        headers = {
            "Content-Disposition": f'attachment; filename="ilot-support-{day}.jsonl"',
            "Cache-Control": "no-store",
        }
        data = base64.b64decode(answer["document"])
        return web.Response(body=data, content_type="application/x-ndjson", headers=headers)

    async def raise_log(self, visit: Visit) -> Any:
        end = bool(visit.fields.get("end"))
        return await self._site.call("support.raise", device=self._device(visit), end=end, by=visit.who)

    async def log_form(self, visit: Visit) -> web.Response:
        back = f"/devices/{quote(visit.parts['device'], safe='')}/support"
        return await run_form(visit, self.raise_log, self.page) or answers.redirect(back)


def routes(site: Site) -> list[Route]:
    do = Support(site)
    return [
        Route("GET", PATH, do.page, HELPS),
        Route("POST", PATH, do.file, HELPS),
        Route("POST", f"{PATH}/log", do.log_form, WORKS),
    ]


AREA = Area(routes, order=171)
