"""Quarantine: senders that are heard but not admitted, decisions about them, and Mode recette."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from aiohttp import web

from hub.core.errors import HubError
from hub.core.text import phrase
from hub.web.area import DRY, Area, Operation, get, post, run_form
from hub.web.menu import Entry
from hub.web.presentation import views
from hub.web.presentation.evidence import evidence_rows
from hub.web.presentation.waiting_reasons import waiting_reason
from hub.web.request import responses as answers
from hub.web.request.routes import READS, WORKS, Route
from hub.web.request.visit import Rejected, Visit
from hub.web.site import Site

WISH = ("device", "place", "zone", "name", "pack", "key")
FILTER = ("id", "integration", "model")
BULK = (*FILTER, "place", "zone", "name", "pack")
HOURS = (1, 2, 4, 8)


class Quarantine:
    def __init__(self, site: Site) -> None:
        self._site = site

    async def list(self, visit: Visit) -> Any:
        return {**await self._site.call("quarantine.list"), "recette": await self._site.call("recette.status")}

    async def adopt(self, visit: Visit) -> Any:
        wish = {name: visit.text(name) for name in WISH if visit.fields.get(name)}
        answer = await self._site.call("quarantine.adopt", **wish, **self._by(visit))
        if answer["row"]["state"] == "wrong":
            raise HubError(answer["row"][visit.lang])
        return answer

    def decide(self, kind: str) -> Operation:
        async def decided(visit: Visit) -> Any:
            chosen = {name: visit.text(name) for name in FILTER}
            return await self._site.call(f"quarantine.{kind}", **chosen, why=visit.text("why"), **self._by(visit))

        return decided

    async def clear(self, visit: Visit) -> Any:
        device, why = visit.text("device") or visit.text("id"), visit.text("why")
        return await self._site.call("quarantine.clear", device=device, why=why, **self._by(visit))

    async def start(self, visit: Visit) -> Any:
        try:
            seconds = float(visit.fields.get("seconds") or 3600 * float(visit.fields.get("hours") or 4))
        except (TypeError, ValueError):
            raise HubError(phrase("seconds-number", "seconds is a number")) from None
        return await self._site.call("recette.start", seconds=seconds, why=visit.text("why"), by=visit.who)

    async def end(self, visit: Visit) -> Any:
        return await self._site.call("recette.end", by=visit.who)

    async def bulk(self, visit: Visit) -> Any:
        asked: dict[str, Any] = {name: visit.text(name) for name in BULK}
        if visit.fields.get("wishes") is not None:
            asked["wishes"] = visit.fields["wishes"]
        try:
            asked["start"] = int(visit.fields.get("start") or 1)
        except (TypeError, ValueError):
            raise HubError(phrase("start-whole-number", "start is a whole number")) from None
        return await self._site.call("recette.adopt", **asked, **self._by(visit))

    # pages

    async def page(self, visit: Visit, status: int = 200, rows: Any = None) -> web.Response:
        found = await self.list(visit)
        strangers = [one for one in found["waiting"] if not one["known"]]
        sought = visit.query.get("q", "").lower()
        if sought:
            strangers = [
                one for one in strangers if sought in f"{one['id']} {one['model']} {one['integration']}".lower()
            ]
        strangers.sort(key=lambda one: -one["last"])
        fields = {name: visit.fields.get(name, "") for name in (*BULK, "start", "device")}
        return self._site.page(
            "quarantine",
            visit,
            status,
            waiting=strangers[: views.MOST_ROWS],
            total=len(strangers),
            sought=sought,
            refused=[one for one in found["waiting"] if one["known"]],
            suspects=found["suspects"],
            decisions=found["decisions"],
            paths=found["paths"],
            evicted=found["evicted"],
            recette=found["recette"],
            why=waiting_reason(visit.lang),
            clues=lambda evidence: evidence_rows(evidence, visit.lang),
            fields=fields,
            rows=rows,
            hours=HOURS,
            places=[place.id for place in self._site.parts.places],
        )

    async def form(self, visit: Visit) -> web.Response:
        acts: Mapping[str, Operation] = {
            "adopt": self.adopt, "ignore": self.decide("ignore"), "block": self.decide("block"),
            "unblock": self.decide("unblock"), "clear": self.clear,
        }  # fmt: skip
        act = visit.text("act")
        if act not in acts:
            raise Rejected(400, "bad-body")
        return await run_form(visit, acts[act], self.page) or answers.redirect(f"/quarantine?said=quarantine-{act}")

    async def recette_form(self, visit: Visit) -> web.Response:
        act = visit.text("act")
        if act in ("preview", "adopt"):
            visit.fields["dry_run"] = act == "preview"
            try:
                answer = await self.bulk(visit)
            except HubError as error:
                visit.error = str(error)
                return await self.page(visit, 422)
            return await self.page(visit, rows=answer["rows"])
        acts: Mapping[str, Operation] = {"start": self.start, "end": self.end}
        if act not in acts:
            raise Rejected(400, "bad-body")
        return await run_form(visit, acts[act], self.page) or answers.redirect(f"/quarantine?said=recette-{act}")

    def _by(self, visit: Visit) -> dict[str, Any]:
        return {"by": visit.who, "dry_run": bool(visit.fields.get("dry_run"))}


def routes(site: Site) -> list[Route]:
    do = Quarantine(site)
    return [
        Route("GET", "/quarantine", do.page, READS),
        Route("POST", "/quarantine", do.form, WORKS),
        Route("POST", "/recette", do.recette_form, WORKS),
        get("/quarantine", do.list, "Who waits with evidence, what was decided, and how Mode recette stands"),
        post("/quarantine/adopt", do.adopt, "Adopt one that waits; what it said before goes on", WORKS, *WISH, **DRY),
        post("/quarantine/ignore", do.decide("ignore"), "List it, or all that fit, no more", WORKS, *FILTER, "why",
             **DRY),
        post("/quarantine/block", do.decide("block"), "Never admit it, or all that fit", WORKS, *FILTER, "why", **DRY),
        post("/quarantine/unblock", do.decide("unblock"), "Take such a decision back", WORKS, *FILTER, **DRY),
        post("/quarantine/clear", do.clear, "The evidence about a device was looked at", WORKS, "device", "why", **DRY),
        post("/recette/start", do.start, "Open Mode recette, for 8 hours at the most", WORKS, "why",
             seconds={"type": "number"}),
        post("/recette/end", do.end, "End Mode recette", WORKS),
        post("/recette/adopt", do.bulk, "Adopt all that wait and fit, in Mode recette; a dry run shows how",
             WORKS, *BULK, start={"type": "integer"}, wishes={"type": "array"}, **DRY),
    ]  # fmt: skip


SAID = ("adopt", "ignore", "block", "unblock", "clear")
AREA = Area(
    routes,
    (Entry("quarantine", "/quarantine", "group-field"),),
    frozenset({*(f"quarantine-{act}" for act in SAID), "recette-start", "recette-end"}),
    order=120,
)
