"""Pages of devices on a line: choose the line, search, look at a device, add it; and a table of registers."""

from __future__ import annotations

from collections import defaultdict
from typing import Any
from urllib.parse import quote, urlencode

from aiohttp import web

from hub.core.errors import HubError
from hub.core.metric_catalogue import METRICS
from hub.i18n.catalogues import translate
from hub.i18n.metric_names import metric_name
from hub.i18n.typography import unit_text
from hub.page_kit import formatting
from hub.page_kit.request import responses as answers
from hub.page_kit.request.routes import Route
from hub.page_kit.request.visit import Rejected, Visit
from hub.web import placing
from hub.web.area import TEXT, Area, error_text, get, post, run_form
from hub.web.areas.bus_devices import table
from hub.web.areas.bus_devices.adding import BusAdding
from hub.web.areas.bus_devices.searching import Searching, Way
from hub.web.presentation.flags import flag_words
from hub.web.roles import WORKS
from hub.web.site import Site
from hub.web.words import WORDS, word

BAUD = (1200, 2400, 4800, 9600, 19200, 38400, 57600, 115200)
FILES = {"finding.js": "text/javascript", "finding.css": "text/css"}
NAMED = ("at", "as", "pack")
"""Fields that name a device of a search, and how it is read."""


class BusDevices:
    def __init__(self, site: Site) -> None:
        self._site = site
        self.searching = Searching(site)
        self._adding = BusAdding(site, self.searching)

    async def lines(self, visit: Visit, status: int = 200) -> web.Response:
        """Show the lines, and, with ?new, the forms of a new one."""
        new = bool(visit.query.get("new") or visit.fields.get("type"))
        managed = (await self._site.cached_call("status")).get("config", {}).get("mode") == "managed"
        visit.query["new"] = "1" if new and not managed else ""
        return self._site.page(
            "bus_lines", visit, status, listed=await self.searching.lines(visit), new=new, baud=BAUD,
            filled=_filled(visit), has_word=WORDS.__contains__, managed=managed,
        )  # fmt: skip

    async def start(self, visit: Visit) -> web.Response:
        try:
            started = await self.searching.start(visit)
        except HubError as error:
            visit.error = error_text(error, visit.lang)
            return await self.lines(visit, 422)
        return answers.redirect(f"/add/line/{started['id']}")

    async def found(self, visit: Visit, status: int = 200) -> web.Response:
        state = await self._state(visit)
        return self._site.page("bus_found", visit, status, state=state, linked=_linked(visit))

    async def stop(self, visit: Visit) -> web.Response:
        return await run_form(visit, self.searching.stop, self.found) or answers.redirect(
            f"/add/line/{quote(visit.parts['id'])}"
        )

    async def device(self, visit: Visit, status: int = 200) -> web.Response:
        """Show what a device says now, before it is saved."""
        state = await self._state(visit)
        way = self.searching.way(state, self._asked(visit))
        if not way.pack and not _has_map(way, state):
            return answers.redirect(
                f"/add/line/{quote(visit.parts['id'])}/table?{urlencode({'at': way.one['address']})}"
            )
        told, failed = await self._now(visit, way)
        now = [self._said(one, visit.lang) for one in told["values"]]
        wrong = [
            (self._said({"metric": key, "value": 0, "unit": "", "en": ""}, visit.lang)["name"], why)
            for key, why in told["wrong"].items()
        ]
        return self._site.page(
            "bus_device", visit, status, state=state, way=way, now=now, wrong=wrong, failed=failed,
            added="" if state["line"] or visit.query.get("quiet") else await self._adding.line_text(visit, state),
            linked=_linked(visit), asked=self._asked(visit), filled=_filled(visit), **placing.form(self._site, visit),
        )  # fmt: skip

    async def add(self, visit: Visit) -> web.Response:
        state = await self._state(visit)
        return await self._added(visit, state, self.searching.way(state, visit.fields), self.device)

    async def table(self, visit: Visit, status: int = 200, read: dict[int, Any] | None = None) -> web.Response:
        """Show the table of registers of a device; `read`: row → what it says now."""
        state = await self._state(visit)
        way = self.searching.way(state, {"at": self._asked(visit)["at"], "as": "99"})
        if not state["columns"]:
            raise Rejected(404, "no-page")
        typed = table.rows(visit.fields, state["columns"])
        fresh = max(1, table.FRESH - len(typed)) if len(typed) < table.MOST_ROWS else 0
        numbers = (metric for metric in METRICS.values() if metric.kind != "text")
        metrics = [(one.key, metric_name(one, visit.lang), one.unit) for one in numbers]
        return self._site.page(
            "bus_table", visit, status, state=state, way=way, asked=self._asked(visit), filled=_filled(visit),
            rows=[*typed, *(table.empty(state["columns"]) for _ in range(fresh))], typed=len(typed), read=read or {},
            metrics=sorted(metrics, key=lambda one: one[1].casefold()), linked=_linked(visit),
            has_word=WORDS.__contains__, **placing.form(self._site, visit),
        )  # fmt: skip

    async def table_form(self, visit: Visit) -> web.Response:
        """Read the rows that were typed, or add the device with them."""
        state = await self._state(visit)
        columns, typed = state["columns"], table.rows(visit.fields, state["columns"])
        if visit.text("do") != "add":
            read = {number: await self._row(visit, state, row) for number, row in enumerate(typed)}
            return await self.table(visit, read=read)
        try:
            made = [table.settings(row, columns, visit.lang) for row in typed]
        except HubError as error:
            visit.error = error_text(error, visit.lang)
            return await self.table(visit, 422)
        way = self.searching.way(state, {"at": visit.text("at"), "as": "99"})
        return await self._added(
            visit, state, way._replace(settings={**way.settings, state["setting"]: made}), self.table
        )

    async def read_row(self, visit: Visit) -> Any:
        """Return what one row of the table, {at, r0.…}, says now: {said} or {wrong}."""
        state = await self._state(visit)
        rows = table.rows(visit.fields, state["columns"])
        return await self._row(visit, state, rows[0]) if rows else {"said": "", "wrong": ""}

    async def _row(self, visit: Visit, state: Any, row: dict[str, str]) -> dict[str, str]:
        way = self.searching.way(state, {"at": visit.text("at"), "as": "99"})
        try:
            made = table.settings(row, state["columns"], visit.lang)
            told = await self.searching.read_by(visit, {**way.settings, state["setting"]: [made]})
        except HubError as error:
            return {"said": "", "wrong": error_text(error, visit.lang)}
        wrong = next(iter(told["wrong"].values()), "")
        said = self._said(told["values"][0], visit.lang)["said"] if told["values"] else ""
        return {"said": said, "wrong": translate(wrong, visit.lang) if wrong else ""}

    def _said(self, one: dict[str, Any], lang: str) -> dict[str, str]:
        """Return the name and the text of one value of a device that is not saved yet."""
        metric = METRICS.get(one["metric"])
        words = flag_words(metric.device_class if metric is not None else "")
        text = formatting.value_text(one["value"], lang, (word(words[1], lang), word(words[0], lang)), one["unit"])
        name = metric_name(metric, lang) if metric is not None else one["en"] or one["metric"].replace("_", " ")
        return {"name": name, "said": formatting.with_unit(text, unit_text(one["unit"], lang))}

    async def _added(self, visit: Visit, state: Any, way: Way, again: Any) -> web.Response:
        try:
            row = await self._adding.add(visit, state, way)
        except HubError as error:
            visit.error = error_text(error, visit.lang)
            return await again(visit, 422)  # type: ignore[no-any-return]
        if row["state"] == "wrong":
            visit.error = row[visit.lang] if visit.lang in row else row["en"]
            return await again(visit, 422)  # type: ignore[no-any-return]
        return answers.redirect(f"/devices/{quote(row['device'], safe='')}?said=device-added")

    async def _now(self, visit: Visit, way: Way) -> tuple[dict[str, Any], str]:
        try:
            return await self.searching.read_by(visit, way.settings, way.pack), ""
        except HubError as error:
            return {"values": [], "wrong": {}}, error_text(error, visit.lang)

    async def _state(self, visit: Visit) -> Any:
        try:
            return await self.searching.state(visit)
        except HubError:
            raise Rejected(404, "find-gone") from None

    def _asked(self, visit: Visit) -> dict[str, str]:
        return {name: str(visit.fields.get(name) or visit.query.get(name, "")) for name in NAMED}


def _filled(visit: Visit) -> dict[str, Any]:
    """Return the fields of a form that was sent; "" for any other."""
    return defaultdict(str, visit.fields)


def _has_map(way: Way, state: Any) -> bool:
    """Return whether a device is read without a pack: by a map of its own, or because it has no table at all."""
    return bool(way.one["matches"]) or not state["setting"]


def _linked(visit: Visit) -> Any:
    """Return a function: a page of this search, with what names a device."""
    base = f"/add/line/{quote(visit.parts['id'])}"
    return lambda page="", **named: base + (f"/{page}" if page else "") + (f"?{urlencode(named)}" if named else "")


def routes(site: Site) -> list[Route]:
    do = BusDevices(site)
    find, fields = do.searching, 64 + 10 * table.MOST_ROWS
    return [
        Route("GET", "/add/line", do.lines, WORKS),
        Route("POST", "/add/line", do.start, WORKS),
        Route("GET", "/add/line/{id}", do.found, WORKS),
        Route("POST", "/add/line/{id}/stop", do.stop, WORKS),
        Route("GET", "/add/line/{id}/device", do.device, WORKS),
        Route("POST", "/add/line/{id}/device", do.add, WORKS),
        Route("GET", "/add/line/{id}/table", do.table, WORKS),
        Route("POST", "/add/line/{id}/table", do.table_form, WORKS, fields=fields),
        get("/lines", find.lines, "Lines whose devices can be searched; with `new`, what a new one may be", WORKS,
            new=TEXT),
        post("/searches", find.start, "Search a line: `line`, or `type` with `o.NAME` of a new one", WORKS, "line",
             "type", "addresses", "port", "baudrate", "parity", "name"),
        get("/searches/{id}", find.state, "What a search found", WORKS),
        post("/searches/{id}/stop", find.stop, "Stop a search", WORKS),
        post("/searches/{id}/read", find.read, "What a device says now: `at` an address `as` a match, or by a `pack`, "
             "or by `settings`", WORKS, "at", "as", "pack", settings={"type": "object"}),
        post("/searches/{id}/row", do.read_row, "What a row of the table says now", WORKS, "at"),
    ]  # fmt: skip


AREA = Area(routes, files=FILES, order=82)
