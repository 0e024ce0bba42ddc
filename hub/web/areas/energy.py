"""Zones and energy: meters and zones by hours, days and months; reports; and the history of any series."""

from __future__ import annotations

import asyncio
import datetime
import time
from typing import Any
from zoneinfo import ZoneInfo

from aiohttp import web

from hub.core.errors import HubError
from hub.core.text import phrase
from hub.page_kit import tables
from hub.page_kit.menu import Entry
from hub.page_kit.request import responses as answers
from hub.page_kit.request.routes import API, Route
from hub.page_kit.request.visit import Rejected, Visit
from hub.web.area import TEXT, Area, get, post, run_form
from hub.web.roles import READS, RULES
from hub.web.site import Site
from hub.web.words import word

DAY = 86_400
SPANS: dict[str, tuple[int, str]] = {
    "24h": (DAY, "hour"), "7d": (7 * DAY, "hour"), "31d": (31 * DAY, "day"), "12m": (365 * DAY, "month")
}  # fmt: skip
KINDS = ("r175", "operat", "dossier")
TYPES = {"html": "text/html", "json": "application/json", "csv": "text/csv"}
NUMBER = {"type": "number"}
YEARS = 6
PAGE, WRITE_S = 2000, 30.0
"""Readings sent at once, and the maximum seconds for that."""


def span_of(visit: Visit, otherwise: str) -> str:
    span = visit.query.get("span", otherwise)
    return span if span in SPANS else otherwise


class Energy:
    def __init__(self, site: Site) -> None:
        self._site = site

    async def meters(self, visit: Visit) -> Any:
        return await self._site.call("energy.meters", year=visit.query.get("year") or None)

    async def meter(self, visit: Visit) -> Any:
        return await self._found("energy.meter", visit, place=visit.parts["place"])

    async def zone(self, visit: Visit) -> Any:
        return await self._found("energy.zone", visit, zone=visit.parts["zone"])

    async def _found(self, call: str, visit: Visit, **what: str) -> Any:
        given = {name: visit.query[name] for name in ("from", "to", "step") if visit.query.get(name)}
        try:
            return await self._site.call(call, **what, **given)
        except HubError as error:
            raise Rejected(404, "energy-unknown") from error

    async def history(self, visit: Visit) -> Any:
        names = ("series", "device", "metric", "from", "to", "points", "step")
        return await self._site.call("history", **{name: visit.query[name] for name in names if visit.query.get(name)})

    async def readings(self, visit: Visit) -> Any:
        names = ("series", "device", "metric", "from", "to", "limit")
        return await self._site.call("history.raw", **{n: visit.query[n] for n in names if visit.query.get(n)})

    async def readings_table(self, visit: Visit) -> web.StreamResponse:
        """Send the readings as CSV, page by page, without holding them in memory."""
        asked: dict[str, Any] = {
            name: visit.query[name] for name in ("series", "device", "metric", "from", "to") if visit.query.get(name)
        }
        asked = {"to": time.time(), **asked, "limit": PAGE}
        page = await self._site.call("history.raw", **asked)  # a refusal must come before anything is sent
        zone, head = ZoneInfo(page["timezone"]), (word("csv-time", visit.lang), word("csv-unix", visit.lang))
        answer = web.StreamResponse(
            headers={
                "Content-Type": "text/csv; charset=utf-8",
                "Cache-Control": "no-store",
                "Content-Disposition": 'attachment; filename="releves.csv"',
            }
        )
        await answer.prepare(visit.request)
        try:
            await _sent(answer, tables.rows_of_csv([(*head, page["unit"] or page["metric"])], visit.lang, first=True))
            while True:
                rows = (
                    (f"{datetime.datetime.fromtimestamp(at, zone):%Y-%m-%d %H:%M:%S}", at, value)
                    for at, value in page["readings"]
                )
                await _sent(answer, tables.rows_of_csv(rows, visit.lang))
                if page["next"] is None:
                    break
                account = self._site.account_of(
                    visit, touch=False
                )  # it may take long, and the session may be over by now
                if account is None or account.role not in visit.route.roles:
                    raise HubError(phrase("session-over", "the session is over"))
                page = await self._site.call("history.raw", **{**asked, "from": page["next"]})
            await answer.write_eof()
        except (ConnectionError, TimeoutError):
            pass  # the client is gone, or does not read
        except HubError:
            if visit.request.transport is not None:  # a truncated table must not look complete
                visit.request.transport.abort()
        return answer

    async def series(self, visit: Visit) -> Any:
        return await self._site.call("history.list")

    async def restart(self, visit: Visit) -> Any:
        return await self._site.call("energy.restart", place=visit.parts["place"], by=visit.who)

    async def report(self, visit: Visit) -> web.Response:
        """Send a report as a file."""
        made = await self._site.call(
            "energy.report",
            kind=visit.query.get("kind", ""),
            year=visit.query.get("year") or None,
            lang=visit.lang,
            format=visit.query.get("format") or None,
            operator=visit.query.get("operator", ""),
        )
        name = made["name"]
        headers = {"Content-Disposition": f'attachment; filename="{name}"', "Cache-Control": "no-store"}
        kind = TYPES[name.rpartition(".")[2]]
        return web.Response(body=made["document"].encode(), content_type=kind, charset="utf-8", headers=headers)

    # pages

    async def page(self, visit: Visit) -> web.Response:
        found = await self.meters(visit)
        years = [found["this_year"] - n for n in range(YEARS)]
        known = found.pop("zones")
        return self._site.page("energy", visit, kinds=KINDS, years=years, known=known, **found)

    async def meter_page(self, visit: Visit, status: int = 200) -> web.Response:
        span = span_of(visit, "7d")
        one = await self._shown("energy.meter", span, place=visit.parts["place"])
        return self._site.page("meter", visit, status, one=one, chosen=span, names=tuple(SPANS))

    async def zone_page(self, visit: Visit) -> web.Response:
        span = span_of(visit, "7d")
        zone = await self._shown("energy.zone", span, zone=visit.parts["zone"])
        return self._site.page("zone", visit, zone=zone, chosen=span, names=tuple(SPANS))

    async def _shown(self, call: str, span: str, **what: str) -> Any:
        seconds, step = SPANS[span]
        try:
            return await self._site.call(call, **what, step=step, **{"from": time.time() - seconds})
        except HubError as error:
            raise Rejected(404, "energy-unknown") from error

    async def restart_form(self, visit: Visit) -> web.Response:
        again = await run_form(visit, self.restart, self.meter_page)
        return again or answers.redirect(f"/energy/meters/{visit.parts['place']}?said=drift-restarted")


async def _sent(answer: web.StreamResponse, data: bytes) -> None:
    async with asyncio.timeout(WRITE_S):
        await answer.write(data)


def routes(site: Site) -> list[Route]:
    do = Energy(site)
    when: dict[str, Any] = {"from": NUMBER, "to": NUMBER, "step": TEXT}
    raw: dict[str, Any] = {"series": TEXT, "device": TEXT, "metric": TEXT, "from": NUMBER, "to": NUMBER}
    asked: dict[str, Any] = {"kind": TEXT, "year": NUMBER, "format": TEXT, "operator": TEXT}
    return [
        Route("GET", "/energy", do.page, READS),
        Route("GET", "/energy/report", do.report, READS),
        Route("GET", "/energy/meters/{place}", do.meter_page, READS),
        Route("GET", "/energy/zones/{zone}", do.zone_page, READS),
        Route("POST", "/energy/meters/{place}/restart", do.restart_form, RULES),
        Route("GET", "/api/1/energy/report", do.report, READS, API, "A signed report as a file", query=asked),
        get("/energy/meters", do.meters, "The meters with a year's months", READS, year=NUMBER),
        get("/energy/meters/{place}", do.meter, "One meter by hours, days or months", READS, **when),
        get("/energy/zones/{zone}", do.zone, "One zone by hours, days or months", READS, **when),
        post("/energy/meters/{place}/restart", do.restart, "Begin a new reference period of a meter", RULES),
        get("/history", do.history, "A series: raw readings where they are, hours, days or months", READS, series=TEXT,
            device=TEXT, metric=TEXT, points=NUMBER, **when),
        get("/history/raw", do.readings, "Every raw reading of a series, a page at a time", READS, **raw, limit=NUMBER),
        Route("GET", "/api/1/history/raw.csv", do.readings_table, READS, API,
              "Every raw reading of a series as CSV; `lang` as that language's spreadsheets want it",
              query={**raw, "lang": TEXT}, long=True),
        get("/history/series", do.series, "The series of which anything is remembered", READS),
    ]  # fmt: skip


AREA = Area(
    routes,
    (Entry("energy", "/energy", "group-field", menu=READS),),
    frozenset({"drift-restarted"}),
    {"chart.js": "text/javascript"},
    order=90,
)
