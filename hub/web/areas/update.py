"""Another release of the hub: what runs, a bundle handed over, what it says before it is installed, and the way back.

The hub installs nothing itself: root verifies again whatever is wished for here (`hub.operations.releases`).
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, BinaryIO

from aiohttp import web

from hub.core.errors import HubError
from hub.core.text import phrase
from hub.operations.releases.inbox import MAX_BUNDLE
from hub.operations.releases.pace import expect_pace
from hub.page_kit.menu import Entry
from hub.page_kit.request import responses as answers
from hub.page_kit.request.routes import API, Route
from hub.page_kit.request.visit import Visit
from hub.web.area import TRUTH, Area, delete, get, post, run_form
from hub.web.roles import READS, RULES
from hub.web.site import Site

FILE = {"bundle": {"type": "string", "contentMediaType": "application/octet-stream"}}


class Update:
    def __init__(self, site: Site) -> None:
        self._site = site

    async def shown(self, visit: Visit) -> Any:
        return await self._site.call("release.list")

    async def begin(self) -> BinaryIO:
        """Open the file that an upload is written to."""
        return Path((await self._site.call("release.begin"))["path"]).open("wb")  # noqa: ASYNC230 - one call, local

    async def offer(self, visit: Visit) -> Any:
        """Return what the bundle says that was just handed over; one that says nothing to believe is dropped."""
        visit.expect_stored()
        file = visit.files.get("bundle")
        if file is None or not file.name:
            raise HubError(phrase("choose-bundle", "choose the file of a release first"))
        return await self.offered(visit)

    async def offered(self, visit: Visit) -> Any:
        try:
            return await self._site.call("release.offered")
        except HubError:
            await self._site.call("release.discard", by=visit.who)
            raise

    async def install(self, visit: Visit) -> Any:
        return await self._site.call("release.install", by=visit.who, again=bool(visit.fields.get("again")))

    async def go_back(self, visit: Visit) -> Any:
        return await self._site.call("release.return", by=visit.who)

    async def discard(self, visit: Visit) -> Any:
        return await self._site.call("release.discard", by=visit.who)

    async def page(self, visit: Visit, status: int = 200, offered: Any = None) -> web.Response:
        rules = visit.person.role in RULES
        shown = await self.shown(visit)
        return self._site.page("update", visit, status, most=MAX_BUNDLE, offered=offered, rules=rules, **shown)

    async def offer_form(self, visit: Visit) -> web.Response:
        found: dict[str, Any] = {}

        async def work(visit: Visit) -> None:
            found.update(await self.offer(visit))

        return await run_form(visit, work, self.page) or await self.page(visit, offered=found)

    async def install_form(self, visit: Visit) -> web.Response:
        return await run_form(visit, self.install, self.page) or answers.redirect("/update?said=release-asked")

    async def discard_form(self, visit: Visit) -> web.Response:
        return await run_form(visit, self.discard, self.page) or answers.redirect("/update?said=release-dropped")

    async def back_form(self, visit: Visit) -> web.Response:
        return await run_form(visit, self.go_back, self.page) or answers.redirect("/update?said=release-asked")


def routes(site: Site) -> list[Route]:
    do = Update(site)

    async def offer(visit: Visit) -> web.Response:
        return answers.json(await do.offer(visit))

    return [
        Route("GET", "/update", do.page, READS),
        Route("POST", "/update", do.offer_form, RULES, upload=MAX_BUNDLE, into=do.begin, pace=expect_pace),
        Route("POST", "/update/install", do.install_form, RULES),
        Route("POST", "/update/discard", do.discard_form, RULES),
        Route("POST", "/update/return", do.back_form, RULES),
        get("/release", do.shown, "What release runs, what lies here, and how the last update ended"),
        Route("POST", "/api/1/release", offer, RULES, API, "Hand over a bundle; returns what it says", body=FILE,
              upload=MAX_BUNDLE, into=do.begin, pace=expect_pace),
        post("/release/install", do.install, "Install the bundle that was handed over", RULES, again=TRUTH),
        post("/release/return", do.go_back, "Go back to the release before", RULES),
        delete("/release", do.discard, "Forget the bundle that was handed over", RULES),
    ]  # fmt: skip


SAID = frozenset({"release-asked", "release-dropped"})
FILES = {"update.js": "text/javascript"}
AREA = Area(routes, (Entry("update", "/update", "group-hub"),), SAID, FILES, order=165)
