"""Plugins of vendors: a signed file handed over, what it may do, its installation, and its removal."""

from __future__ import annotations

from pathlib import Path
from typing import Any, BinaryIO

from aiohttp import web

from hub.core.errors import HubError
from hub.core.text import phrase
from hub.page_kit.menu import Entry
from hub.page_kit.request import responses as answers
from hub.page_kit.request.routes import API, Route
from hub.page_kit.request.visit import Visit
from hub.web.area import TRUTH, Area, delete, get, post, run_form
from hub.web.roles import READS, RULES
from hub.web.site import Site

MOST = 256 << 20
"""Bytes of a file that is handed over: those of all its wheels, unpacked."""
FILE = {"file": {"type": "string", "contentMediaType": "application/octet-stream"}}


class Plugins:
    def __init__(self, site: Site) -> None:
        self._site = site

    async def shown(self, visit: Visit) -> Any:
        return await self._site.call("plugin.list")

    async def begin(self) -> BinaryIO:
        """Open the file that an upload is written to."""
        return Path((await self._site.call("plugin.begin"))["path"]).open("wb")  # noqa: ASYNC230 - one call, local

    async def offer(self, visit: Visit) -> Any:
        """Return what the plugin says that was just handed over; one that may not be installed is dropped."""
        self._expect_file(visit)
        try:
            return await self._site.call("plugin.offered")
        except HubError:
            await self._site.call("plugin.discard")
            raise

    async def index(self, visit: Visit) -> Any:
        self._expect_file(visit)
        try:
            return await self._site.call("plugin.index", by=visit.who)
        except HubError:
            await self._site.call("plugin.discard")
            raise

    @staticmethod
    def _expect_file(visit: Visit) -> None:
        visit.expect_stored()
        file = visit.files.get("file")
        if file is None or not file.name:
            raise HubError(phrase("choose-plugin-file", "choose a file first"))

    async def install(self, visit: Visit) -> Any:
        return await self._site.call("plugin.install", accept=visit.text("accept"), by=visit.who)

    async def discard(self, visit: Visit) -> Any:
        return await self._site.call("plugin.discard")

    async def remove(self, visit: Visit) -> Any:
        with_state = bool(visit.fields.get("with_state"))
        return await self._site.call("plugin.remove", id=visit.parts["id"], with_state=with_state, by=visit.who)

    async def page(self, visit: Visit, status: int = 200, offered: Any = None) -> web.Response:
        rules = visit.person.role in RULES
        return self._site.page("plugins", visit, status, offered=offered, rules=rules, **await self.shown(visit))

    async def offer_form(self, visit: Visit) -> web.Response:
        found: dict[str, Any] = {}

        async def work(visit: Visit) -> None:
            found.update(await self.offer(visit))

        return await run_form(visit, work, self.page) or await self.page(visit, offered=found)

    async def index_form(self, visit: Visit) -> web.Response:
        return await run_form(visit, self.index, self.page) or answers.redirect("/plugins?said=plugin-index-taken")

    async def install_form(self, visit: Visit) -> web.Response:
        return await run_form(visit, self.install, self.page) or answers.redirect("/plugins?said=plugin-installed")

    async def discard_form(self, visit: Visit) -> web.Response:
        return await run_form(visit, self.discard, self.page) or answers.redirect("/plugins")

    async def remove_form(self, visit: Visit) -> web.Response:
        return await run_form(visit, self.remove, self.page) or answers.redirect("/plugins?said=plugin-removed")


def routes(site: Site) -> list[Route]:
    do = Plugins(site)

    async def offer(visit: Visit) -> web.Response:
        return answers.json(await do.offer(visit))

    async def index(visit: Visit) -> web.Response:
        return answers.json(await do.index(visit))

    return [
        Route("GET", "/plugins", do.page, READS),
        Route("POST", "/plugins", do.offer_form, RULES, upload=MOST, into=do.begin),
        Route("POST", "/plugins/index", do.index_form, RULES, upload=MOST, into=do.begin),
        Route("POST", "/plugins/install", do.install_form, RULES),
        Route("POST", "/plugins/discard", do.discard_form, RULES),
        Route("POST", "/plugins/{id}/remove", do.remove_form, RULES),
        get("/plugins", do.shown, "Plugins of vendors that are installed, and the index of the district"),
        Route("POST", "/api/1/plugins", offer, RULES, API, "Hand over a signed plugin; returns what it says and may do",
              body=FILE, upload=MOST, into=do.begin),
        Route("POST", "/api/1/plugins/index", index, RULES, API, "Hand over a signed index, which is honoured at once",
              body=FILE, upload=MOST, into=do.begin),
        post("/plugins/install", do.install, "Install the plugin that was handed over; `accept` is the word of its "
             "offer", RULES, "accept"),
        delete("/plugins/offer", do.discard, "Forget the plugin that was handed over", RULES),
        post("/plugins/{id}/remove", do.remove, "Remove a plugin; `with_state`: with its small state", RULES,
             with_state=TRUTH),
    ]  # fmt: skip


SAID = frozenset({"plugin-installed", "plugin-removed", "plugin-index-taken"})
AREA = Area(routes, (Entry("plugins", "/plugins", "group-hub"),), SAID, order=145)
