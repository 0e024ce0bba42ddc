"""Enrolment from a phone, on a hub that waits for its owner: a token that is scanned or typed, or the files of a
request and its answer. A hub that is enrolled has none of it, and leads to its overview."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from aiohttp import web

from hub.page_kit import scanning
from hub.page_kit.request import responses as answers
from hub.page_kit.request.routes import Route
from hub.page_kit.request.visit import Visit
from hub.protocol.enrolment_files import MAX_ANSWER
from hub.web.area import TEXT, Area, get, post, run_form
from hub.web.refusals import Refused
from hub.web.roles import READS, RULES
from hub.web.site import Site

FILES = {"enrolment.js": "text/javascript"}


class Enrolment:
    def __init__(self, site: Site) -> None:
        self._site = site

    async def state(self, visit: Visit) -> Any:
        return {"in_service": False, **await self._site.call("enrolment")}

    async def token(self, visit: Visit) -> Any:
        return await self._site.call("enrolment.token", token=visit.text("token"), by=visit.who)

    async def request(self, visit: Visit) -> Any:
        return await self._site.call("enrolment.request")

    async def answer(self, visit: Visit) -> Any:
        file = visit.files.get("answer")
        if file is None and not visit.text("answer"):
            raise Refused("enrolment-no-file")
        text = file.data.decode("utf-8", "replace") if file is not None else visit.text("answer")
        return await self._site.call("enrolment.answer", answer=text, root=visit.text("root"), by=visit.who)

    async def page(self, visit: Visit, status: int = 200) -> web.Response:
        state, site = await self._site.call("enrolment"), self._site
        page = site.page(
            "enrolment",
            visit,
            status,
            state=state,
            token=visit.text("token"),
            root=visit.text("root"),
            by_file="root" in visit.fields,
            may=visit.person.role in RULES,
        )
        return scanning.with_leave(page)

    async def token_form(self, visit: Visit) -> web.Response:
        return await run_form(visit, self.token, self.page) or self._done(visit)

    async def answer_form(self, visit: Visit) -> web.Response:
        return await run_form(visit, self.answer, self.page) or self._done(visit)

    def _done(self, visit: Visit) -> web.Response:
        """Return the page at once: the hub answers no other until it is in service."""
        return self._site.page("enrolled", visit)

    async def request_file(self, visit: Visit) -> web.Response:
        made = await self.request(visit)
        said = {"Content-Disposition": f'attachment; filename="{made["name"]}"', "Cache-Control": "no-store"}
        return web.Response(text=made["file"], content_type="application/json", headers=said)


def routes(site: Site) -> list[Route]:
    do = Enrolment(site)
    if site.parts.enrolled:

        async def in_service(visit: Visit) -> Any:
            return {"in_service": True, "hub": site.place.hub, "enrolled": True}

        async def onwards(visit: Visit) -> web.Response:
            return answers.redirect("/")

        return [Route("GET", "/enrolment", onwards, READS), _asked(in_service)]
    return [
        *(Route("GET", path, do.page, READS) for path in ("/", "/enrolment", "/commissioning")),
        Route("POST", "/enrolment/token", do.token_form, RULES),
        Route("GET", "/enrolment/request", do.request_file, RULES),
        Route("POST", "/enrolment/answer", do.answer_form, RULES, upload=MAX_ANSWER),
        _asked(do.state),
        post("/enrolment/token", do.token, "Enrol this hub with a token", RULES, "token", people=True),
        get("/enrolment/request", do.request, "The request file of a hub that cannot reach its backend", RULES),
        replace(
            post("/enrolment/answer", do.answer, "Enrol this hub by its backend's answer file", RULES, people=True,
                 answer=TEXT, root=TEXT),
            upload=MAX_ANSWER,
        ),
    ]  # fmt: skip


def _asked(answer: Any) -> Route:
    return replace(
        get("/enrolment", answer, "Whether this hub is in service, and why it is not enrolled yet"), quiet=True
    )


AREA = Area(routes, files=FILES, order=12, unenrolled=True)
