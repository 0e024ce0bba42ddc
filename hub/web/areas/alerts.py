"""Alerts: open and past ones, and one alert with its history; people answer here."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from aiohttp import web

from hub.automation.alerts.lifecycle import SEVERITIES, STATES
from hub.core.errors import HubError
from hub.core.text import phrase
from hub.i18n.catalogues import translate
from hub.i18n.typography import quantity
from hub.operations.incidents.correlation import event_words
from hub.page_kit import tables
from hub.page_kit.menu import Entry
from hub.page_kit.request import responses as answers
from hub.page_kit.request.routes import Route
from hub.page_kit.request.visit import Rejected, Visit
from hub.web import charting
from hub.web.area import TEXT, Area, get, post, run_form
from hub.web.roles import READS, WORKS
from hub.web.site import Site
from hub.web.words import WORDS, word

MUTES = {"1h": 3600.0, "8h": 28_800.0, "1d": 86_400.0, "7d": 7 * 86_400.0, "31d": 31 * 86_400.0}
"""Times that the form offers; the API takes any number of seconds."""
ROWS = "9"
"""Rows of a page: as many as three screens of a phone hold."""
FILTERS = ("severity", "state", "zone", "rule", "q")
PAST = 1000


class Alerts:
    def __init__(self, site: Site) -> None:
        self._site = site

    async def listed(self, visit: Visit) -> Any:
        """Return {alerts: newest first}; `all`: cleared ones too, the newest PAST of them."""
        asked = {name: visit.query[name][:100] for name in FILTERS if visit.query.get(name)}
        everything = visit.query.get("all", "") not in ("", "0", "false")
        return await self._site.call("alert.list", all=everything, limit=PAST, **asked)

    async def one(self, visit: Visit) -> Any:
        return await self._site.call("alert.show", id=visit.parts["alert"])

    async def ack(self, visit: Visit) -> Any:
        return await self._act(visit, "alert.ack")

    async def clear(self, visit: Visit) -> Any:
        return await self._act(visit, "alert.clear")

    async def mute(self, visit: Visit) -> Any:
        given = visit.text("for") or "1h"
        try:
            seconds = MUTES[given] if given in MUTES else float(given)
        except ValueError:
            raise HubError(
                phrase(
                    "alert-muted-one", "an alert is muted for one of {mutes}, or a number of seconds", mutes=list(MUTES)
                )
            ) from None
        return await self._act(visit, "alert.mute", seconds=seconds)

    async def _act(self, visit: Visit, name: str, **more: Any) -> Any:
        why = visit.text("why")[:200]
        return await self._site.call(name, id=visit.parts["alert"], by=visit.who, why=why, **more)

    async def page(self, visit: Visit) -> web.Response:
        found = (await self.listed(visit))["alerts"]
        rows, page, size = tables.page_of(found, {"size": ROWS, **visit.query})
        return self._site.page(
            "raised-alerts",
            visit,
            alerts=rows,
            total=len(found),
            number_of_page=page,
            pages=-(-len(found) // size) or 1,
            severities=SEVERITIES,
            states=STATES,
            changes=await self._changes(),
            asked={name: visit.query.get(name, "") for name in (*FILTERS, "all")},
        )

    async def _changes(self) -> int:
        """Return the number of changes: the page is reloaded when the stream reports another one."""
        known = (await self._site.cached_call("status")).get("alerts", {})
        return int(known.get("changes", 0))

    async def alert_page(self, visit: Visit, status: int = 200) -> web.Response:
        try:
            one = await self.one(visit)
        except HubError:
            raise Rejected(404, "no-page") from None
        cause, chart, left = await charting.cause_of(self._site, one, visit.lang)
        return self._site.page(
            "alert",
            visit,
            status,
            one=one,
            cause=cause,
            chart=chart,
            left=left,
            limit=quantity(one["evidence"].get("limit", ""), visit.lang),
            mutes=list(MUTES),
            changes=await self._changes(),
            escalates=one["raised"] + one["escalate_s"] if one["escalate_s"] and one["state"] == "raised" else None,
            lasted=max(0.0, self._site.clock.now() - one["raised"]),
            why=self._why(one, visit.lang),
        )

    def _why(self, one: Mapping[str, Any], lang: str) -> list[tuple[str, str]]:
        """Return (label, text) pairs about why it was raised."""
        return [
            (_label(name, lang), self._evidence_text(one["device"], name, said, lang))
            for name, said in one["evidence"].items()
        ]

    def _evidence_text(self, device: str, name: str, said: str, lang: str) -> str:
        if name == "metric":
            return self._site.metric_name(device, said, lang)
        if name == "of" and f"alert-of-{said}" in WORDS:
            return word(f"alert-of-{said}", lang)
        return quantity(said, lang)

    async def form(self, visit: Visit) -> web.Response:
        """A form with three buttons."""
        works = {"ack": self.ack, "mute": self.mute, "clear": self.clear}
        act = visit.text("act")
        if act not in works:
            raise Rejected(400, "bad-body")
        answer = await run_form(visit, works[act], self.alert_page)
        return answer or answers.redirect(f"/alerts/{visit.parts['alert']}?said=alert-{act}-done")


def _label(name: str, lang: str) -> str:
    """Return the label of a piece of evidence: a field of an alert, or a kind of security event with its subject."""
    if f"alert-ev-{name}" in WORDS:
        return word(f"alert-ev-{name}", lang)
    kind, _, subject = name.partition(" ")
    words = translate(event_words(kind), lang)
    return f"{words.capitalize()} {subject}".strip() if words else name


def routes(site: Site) -> list[Route]:
    do = Alerts(site)
    return [
        Route("GET", "/alerts", do.page, READS),
        Route("GET", "/alerts/{alert}", do.alert_page, READS),
        Route("POST", "/alerts/{alert}", do.form, WORKS),
        get(
            "/alerts",
            do.listed,
            "Alerts: the open ones, or all",
            all=TEXT,
            severity=TEXT,
            state=TEXT,
            zone=TEXT,
            rule=TEXT,
            q=TEXT,
        ),
        get("/alerts/{alert}", do.one, "One alert, with its story and evidence"),
        post("/alerts/{alert}/ack", do.ack, "Acknowledge an alert", WORKS, "why"),
        post("/alerts/{alert}/mute", do.mute, "Mute an alert for a while, 1 h to 31 d", WORKS, "why", "for"),
        post("/alerts/{alert}/clear", do.clear, "Close an alert", WORKS, "why"),
    ]


AREA = Area(
    routes,
    (Entry("raised-alerts", "/alerts", "group-now", menu=READS, badge="raised"),),
    frozenset({"alert-ack-done", "alert-mute-done", "alert-clear-done"}),
    {"alerts.js": "text/javascript"},
    order=30,
)
