"""Crisis mode: isolate, make read-only, raise sampling for a while, leave; the runbook to print; the board for a
room."""

from __future__ import annotations

from typing import Any

from aiohttp import web

from hub.core.errors import HubError
from hub.core.text import reason_of
from hub.page_kit.menu import Entry
from hub.page_kit.messages import message
from hub.page_kit.request import responses as answers
from hub.page_kit.request.guard import policy_with_style
from hub.page_kit.request.routes import Route
from hub.page_kit.request.visit import Visit
from hub.web.area import TEXT, TRUTH, Area, Operation, get, post
from hub.web.areas.crisis.sampling import Sampling
from hub.web.live_feed import crisis_summary
from hub.web.presentation import views
from hub.web.roles import READS, RULES
from hub.web.site import Site

MOST = 60


class Crisis:
    def __init__(self, site: Site) -> None:
        self._site = site
        self.sampling = Sampling(site)

    async def status(self, visit: Visit) -> Any:
        return await self._site.call("crisis.status")

    async def isolate(self, visit: Visit) -> Any:
        return await self._enter("crisis.isolate", visit)

    async def read_only(self, visit: Visit) -> Any:
        return await self._enter("crisis.readonly", visit)

    async def _enter(self, call: str, visit: Visit) -> Any:
        return await self._site.call(
            call, by=visit.who, why=visit.text("why"), dry_run=bool(visit.fields.get("dry_run"))
        )

    async def end(self, visit: Visit) -> Any:
        return await self._site.call("crisis.end", by=visit.who, why=visit.text("why"))

    async def board(self, visit: Visit) -> Any:
        """Return the summary for a board on the wall."""
        status, alerts = await self._site.cached_call("status"), await self._site.cached_call("alert.list")
        return {
            "crisis": await self._site.cached_call("crisis.status"), "summary": views.summary(status),
            "alerts": alerts["alerts"][:MOST], "more": max(0, len(alerts["alerts"]) - MOST),
            "degraded": status["degraded"], "now": self._site.clock.now(),
        }  # fmt: skip

    async def page(self, visit: Visit, status: int = 200) -> web.Response:
        crisis, plan = await self.status(visit), None
        if visit.query.get("period") and crisis["sampling"] is None:
            try:
                plan = await self.sampling.plan(visit)
            except HubError as error:
                status = max(status, 422)
                _say(visit, error)
        return self._site.page(
            "crisis",
            visit,
            status,
            crisis=crisis,
            plan=plan,
            live_key=crisis_summary(crisis)["key"],
            now=self._now(),
            **self.sampling.shown(visit),
        )

    async def board_page(self, visit: Visit) -> web.Response:
        board = await self.board(visit)
        return self._site.page("board", visit, live_key=crisis_summary(board["crisis"])["key"], **board)

    def _now(self) -> float:
        return self._site.clock.now()

    async def runbook(self, visit: Visit) -> web.Response:
        """Show a self-contained page to print and keep: its style is inline, and allowed by its digest."""
        html = (await self._site.call("crisis.runbook"))["html"]
        answer = answers.html(html)
        answer.headers["Content-Security-Policy"] = policy_with_style(html)
        return answer

    async def isolate_form(self, visit: Visit) -> web.Response:
        return await self._done(visit, self.isolate, "crisis-entered")

    async def read_only_form(self, visit: Visit) -> web.Response:
        return await self._done(visit, self.read_only, "crisis-entered")

    async def end_form(self, visit: Visit) -> web.Response:
        return await self._done(visit, self.end, "crisis-left")

    async def raise_form(self, visit: Visit) -> web.Response:
        return await self._done(visit, self.sampling.raise_, "sampling-raised")

    async def restore_form(self, visit: Visit) -> web.Response:
        return await self._done(visit, self.sampling.restore, "sampling-restored")

    async def _done(self, visit: Visit, work: Operation, said: str) -> web.Response:
        try:
            await work(visit)
        except HubError as error:
            _say(visit, error)
            return await self.page(visit, 422)
        return answers.redirect(f"/crisis?said={said}")


def _say(visit: Visit, error: HubError) -> None:
    """Put the hub's refusal on the page, in its language."""
    said = message(reason_of(error), visit.lang)
    visit.error, visit.error_lang = (said.text, "") if said.text else (said.quoted, "en")


def routes(site: Site) -> list[Route]:
    do = Crisis(site)
    return [
        Route("GET", "/crisis", do.page, READS),
        Route("GET", "/crisis/runbook", do.runbook, READS),
        Route("GET", "/board", do.board_page, READS),
        Route("POST", "/crisis/isolate", do.isolate_form, RULES),
        Route("POST", "/crisis/readonly", do.read_only_form, RULES),
        Route("POST", "/crisis/end", do.end_form, RULES),
        Route("POST", "/crisis/sampling/raise", do.raise_form, RULES),
        Route("POST", "/crisis/sampling/restore", do.restore_form, RULES),
        get("/crisis/sampling", do.sampling.status, "How far sampling is raised, or given back"),
        get("/crisis/sampling/plan", do.sampling.plan, "What raising the sampling would cost", READS,
            period=TEXT, zone=TEXT, device=TEXT, **{"for": TEXT}),
        post("/crisis/sampling/raise", do.sampling.raise_, "Do exactly what a plan showed", RULES, "plan", "why"),
        post("/crisis/sampling/restore", do.sampling.restore, "Give the former periods back", RULES, "why"),
        get("/crisis", do.status, "Whether a crisis holds, and who would be cut off"),
        get("/board", do.board, "What a room wants to see at a glance"),
        post("/crisis/isolate", do.isolate, "Cut the hub off from every network that is not its own", RULES, "why",
             dry_run=TRUTH),
        post("/crisis/readonly", do.read_only, "Refuse every write and every change", RULES, "why", dry_run=TRUTH),
        post("/crisis/end", do.end, "Leave the crisis", RULES, "why"),
    ]  # fmt: skip


AREA = Area(
    routes,
    (Entry("crisis", "/crisis", "group-now", menu=READS), Entry("board", "/board", "group-now")),
    frozenset({"crisis-entered", "crisis-left", "sampling-raised", "sampling-restored"}),
    {"crisis.js": "text/javascript"},
    order=910,
)
