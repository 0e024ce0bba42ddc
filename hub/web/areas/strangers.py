"""Strangers: senders that are heard but not admitted, decisions about them, and Mode recette.

The one list of them: other pages say how many there are and lead here. In the API and for commands they are the
quarantine.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import urlencode

from aiohttp import web

from hub.core.errors import HubError
from hub.core.text import phrase
from hub.page_kit import tables
from hub.page_kit.menu import Entry
from hub.page_kit.request import responses as answers
from hub.page_kit.request.routes import Route
from hub.page_kit.request.visit import Rejected, Visit
from hub.web import placing
from hub.web.area import DRY, Area, Operation, get, post, run_form
from hub.web.presentation.evidence import evidence_rows
from hub.web.presentation.waiting_reasons import waiting_reason
from hub.web.roles import READS, WORKS
from hub.web.site import Site

WISH = ("device", "place", "zone", "name", "pack", "key")
FILTER = ("id", "integration", "model")
CHOICES = ("integration", "reason")
BULK = (*FILTER, "place", "zone", "name", "pack")
HOURS = (1, 2, 4, 8)
CARDS = "12"
"""Cards of a page."""


class Strangers:
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
        query = {name: visit.query[name][:100] for name in ("q", *CHOICES) if visit.query.get(name)}
        fitting = _fitting(strangers, query)
        shown, number, size = tables.page_of(fitting, {"size": CARDS, **visit.query})
        fields = {name: visit.fields.get(name, "") for name in (*BULK, "start", "device")}
        return self._site.page(
            "strangers",
            visit,
            status,
            waiting=shown,
            total=len(strangers),
            fitting=len(fitting),
            query=query,
            choices={name: sorted({one[name] for one in strangers}) for name in CHOICES},
            number_of_page=number,
            pages=max(1, -(-len(fitting) // size)),
            linked=lambda page: "/strangers?" + urlencode({**query, "page": page}),
            refused=[one for one in found["waiting"] if one["known"]],
            retired=found["retired"],
            suspects=found["suspects"],
            decisions=found["decisions"],
            paths=found["paths"],
            evicted=found["evicted"],
            recette=found["recette"],
            why=waiting_reason(visit.lang),
            fields=fields,
            rows=rows,
            hours=HOURS,
        )

    async def one_page(self, visit: Visit, status: int = 200) -> web.Response:
        """Show one stranger, with its evidence and the form that adopts it."""
        wanted = visit.parts.get("device") or visit.text("device")
        found = (await self._site.call("quarantine.list"))["waiting"]
        one = next((each for each in found if each["id"] == wanted and not each["known"]), None)
        if one is None:
            return await self.page(visit, status) if visit.error else answers.redirect("/strangers")
        return self._site.page(
            "stranger",
            visit,
            status,
            one=one,
            why=waiting_reason(visit.lang),
            clues=lambda evidence: evidence_rows(evidence, visit.lang),
            fields={name: visit.fields.get(name, "") for name in ("name", "key", "pack")},
            **placing.form(self._site, visit),
        )

    async def form(self, visit: Visit) -> web.Response:
        acts: Mapping[str, Operation] = {
            "adopt": self.adopt_there, "ignore": self.decide("ignore"), "block": self.decide("block"),
            "unblock": self.decide("unblock"), "clear": self.clear,
        }  # fmt: skip
        act = visit.text("act")
        if act not in acts:
            raise Rejected(400, "bad-body")
        again = self.one_page if act == "adopt" else self.page
        return await run_form(visit, acts[act], again) or answers.redirect(f"/strangers?said=quarantine-{act}")

    async def adopt_there(self, visit: Visit) -> Any:
        """Adopt a stranger at the place that its form chose."""
        choice = await placing.with_zone(self._site, visit, placing.chosen(self._site, visit))
        visit.fields.update(place=choice.place, zone=choice.zone)
        return await self.adopt(visit)

    async def moved(self, visit: Visit) -> web.Response:
        """Lead from the former address of this page to where it is now."""
        return answers.redirect("/strangers" + (f"?{urlencode(visit.query)}" if visit.query else ""))

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
        return await run_form(visit, acts[act], self.page) or answers.redirect(f"/strangers?said=recette-{act}")

    def _by(self, visit: Visit) -> dict[str, Any]:
        return {"by": visit.who, "dry_run": bool(visit.fields.get("dry_run"))}


def _fitting(strangers: Iterable[Mapping[str, Any]], query: Mapping[str, str]) -> list[Mapping[str, Any]]:
    """Return the strangers that fit the filters, the last heard first."""
    text = query.get("q", "").casefold()
    found = [
        one
        for one in strangers
        if all(one[name] == query[name] for name in CHOICES if name in query)
        and text in f"{one['id']} {one['model']} {one['integration']}".casefold()
    ]
    return sorted(found, key=lambda one: -one["last"])


def routes(site: Site) -> list[Route]:
    do = Strangers(site)
    return [
        Route("GET", "/strangers", do.page, READS),
        Route("GET", "/strangers/{device}", do.one_page, WORKS),
        Route("POST", "/strangers", do.form, WORKS),
        Route("GET", "/quarantine", do.moved, READS),
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
    (Entry("strangers", "/strangers", "group-field"),),
    frozenset({*(f"quarantine-{act}" for act in SAID), "recette-start", "recette-end"}),
    order=120,
)
