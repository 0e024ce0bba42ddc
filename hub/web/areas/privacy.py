"""Privacy: stored personal data and its purpose, consents, withheld data, and the documents to be edited."""

from __future__ import annotations

from typing import Any

from aiohttp import web

from hub.page_kit.menu import Entry
from hub.page_kit.request import responses as answers
from hub.page_kit.request.routes import API, Route
from hub.page_kit.request.visit import Rejected, Visit
from hub.web.area import DRY, Area, get, post, run_form
from hub.web.roles import AUDITS, RULES
from hub.web.site import Site

DOCUMENTS = {"register.md": "register", "register.csv": "register.csv", "dpia.md": "dpia"}
COUNTED = (
    "withheld-personal", "withheld-by-rule", "withheld-no-consent", "gathered", "too-few-to-publish", "late-for-window",
    "undated-for-window", "window-missing",
)  # fmt: skip
TYPES = {"csv": "text/csv", "md": "text/markdown"}


class Privacy:
    def __init__(self, site: Site) -> None:
        self._site = site

    async def view(self, visit: Visit) -> Any:
        return await self._site.call("privacy.view", lang=visit.lang)

    async def consents(self, visit: Visit) -> Any:
        return await self._site.call("consent.list")

    async def withdraw(self, visit: Visit) -> Any:
        return await self._site.call(
            "consent.withdraw",
            person=visit.text("person"),
            purpose=visit.text("purpose"),
            by=visit.who,
            dry_run=bool(visit.fields.get("dry_run")),
        )

    async def document(self, visit: Visit) -> web.Response:
        name = visit.parts["name"]
        if name not in DOCUMENTS:
            raise Rejected(404, "no-page")
        answer = await self._site.call("privacy.document", what=DOCUMENTS[name])
        headers = {"Content-Disposition": f'attachment; filename="{answer["name"]}"', "Cache-Control": "no-store"}
        return web.Response(
            text=answer["text"], content_type=TYPES[name.partition(".")[2]], charset="utf-8", headers=headers
        )

    # pages

    async def page(self, visit: Visit, status: int = 200) -> web.Response:
        shown = await self.view(visit)
        rules = {rule["name"]: rule for rule in shown.pop("rules")}
        shown["withheld"] = {event: n for event, n in shown["withheld"].items() if event in COUNTED}
        zones = shown.pop("zones")
        listed = await self.consents(visit)
        asks = visit.query.get("withdraw", "")
        holds = any(one["person"] == asks and one["ended"] is None for one in listed["consents"])
        return self._site.page(
            "privacy",
            visit,
            status,
            **shown,
            consents=listed["consents"],
            erasures=listed["erasures"],
            asked=listed["asked"],
            asks=asks if holds else "",
            asks_purpose=visit.query.get("purpose", ""),
            zones_named={zone["zone"]: zone["name"] for zone in zones},
            zone_rules=[{**zone, "rules": [rules[name] for name in zone["rules"]]} for zone in zones],
            rules_here=visit.account is not None and visit.account.role in RULES,
        )

    async def withdraw_form(self, visit: Visit) -> web.Response:
        return await run_form(visit, self.withdraw, self.page) or answers.redirect("/privacy?said=consent-withdrawn")


def routes(site: Site) -> list[Route]:
    do = Privacy(site)
    return [
        Route("GET", "/privacy", do.page, AUDITS),
        Route("POST", "/privacy/withdraw", do.withdraw_form, RULES),
        Route("GET", "/privacy/documents/{name}", do.document, AUDITS),
        Route("GET", "/api/1/privacy/documents/{name}", do.document, AUDITS, API, "The register, or the draft of the "
              "impact assessment: register.md, register.csv, dpia.md"),
        get("/privacy", do.view, "What is kept of people and why, and what is withheld", AUDITS),
        get("/consents", do.consents, "Consents and erasures", AUDITS),
        post("/consents/withdraw", do.withdraw, "Take a consent back", RULES, "person", "purpose", people=True, **DRY),
    ]  # fmt: skip


AREA = Area(
    routes, (Entry("privacy", "/privacy", "group-people", AUDITS),), frozenset({"consent-withdrawn"}), order=180
)
