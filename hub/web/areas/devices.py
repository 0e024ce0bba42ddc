"""Devices: the list, one device, and writes to it."""

from __future__ import annotations

import datetime
import time
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote, urlencode
from zoneinfo import ZoneInfo

import msgspec
from aiohttp import web

from hub.automation.commands.policy import ROLES, WriteRefused, asks_reason
from hub.core.errors import HubError
from hub.core.metric_catalogue import METRICS
from hub.core.model import Writable
from hub.core.text import Phrase, reason_of
from hub.i18n.catalogues import translate
from hub.i18n.metric_names import metric_name
from hub.page_kit import tables
from hub.page_kit.menu import Entry
from hub.page_kit.phrasebook import LANGUAGES
from hub.page_kit.request import responses as answers
from hub.page_kit.request.routes import API, Route
from hub.page_kit.request.visit import Rejected, Visit
from hub.web import charting
from hub.web.amendments import last_amendment
from hub.web.area import TEXT, TRUTH, Area, get, post, run_form
from hub.web.charting import MOST_LINES, SPANS, Line
from hub.web.presentation import tiles, views
from hub.web.presentation.tiles import LAST
from hub.web.roles import READS, WORKS
from hub.web.site import Site
from hub.web.words import word

MOST_VALUES = 2
"""Values of a device in the list."""
ENTRIES = 1000
"""Entries of the audit log that are searched for a replacement."""
WAIT_S = 3.0
UNDONE = ("failed", "expired")
"""States of a command that came to nothing."""
CSV = ("id", "name", "state", "why", "place", "zone", "site", "model", "integration", "signal", "seen")
FILTER: dict[str, Mapping[str, Any]] = {
    "q": TEXT, "state": {"type": "string", "enum": list(views.STATES)}, "zone": TEXT, "integration": TEXT,
    "sort": {"type": "string", "enum": list(views.SORTS)}, "dir": {"type": "string", "enum": ["asc", "desc"]},
}  # fmt: skip
PAGE: dict[str, Mapping[str, Any]] = {
    "page": {"type": "integer", "minimum": 1},
    "size": {"type": "integer", "minimum": 1, "maximum": 200},
}
ROWS = ("12", "50", "200")
"""Rows of a page of the list: at first as many as three screens of a phone hold."""


class Devices:
    def __init__(self, site: Site) -> None:
        self._site = site

    async def devices(self, visit: Visit) -> Any:
        return await self._listed(visit.query)

    async def _listed(self, query: Mapping[str, str]) -> dict[str, Any]:
        found = views.rows((await self._site.cached_call("devices"))["devices"], query)
        shown, page, size = tables.page_of(found, query)
        live, now = self._site.parts.live, self._site.clock.now()
        shown = [
            {
                **one,
                "values": tiles.told(
                    tiles.main_values(live.of(one["id"]), MOST_VALUES), now, said=self._site.flag_words
                ),
            }
            for one in shown
        ]
        return {"total": len(found), "page": page, "size": size, "devices": shown}

    async def device(self, visit: Visit) -> Any:
        name = visit.parts["device"]
        known = self._site.parts.devices.get(name)
        one = next((one for one in (await self._site.call("devices"))["devices"] if one["id"] == name), None)
        if known is None or one is None:
            raise Rejected(404, "no-device")
        values = []
        for value in self._site.parts.live.of(name):
            metric = self._site.parts.metric(name, value.metric)
            named = {lang: metric_name(metric, lang) if metric else "" for lang in LANGUAGES}
            values.append({**msgspec.to_builtins(value), **named})
        writable = [self._writable(name, key, limits) for key, limits in known.writable.items()]
        return {**one, "signal": views.strongest(one["heard"]), "pack": known.pack,
                "untested": await self._untested(known.pack), "values": values, "writable": writable}  # fmt: skip

    def _writable(self, device: str, key: str, limits: Writable) -> dict[str, Any]:
        metric = self._site.parts.metric(device, key)
        return {
            "metric": key,
            "unit": metric.unit if metric else "",
            "kind": metric.kind if metric else "number",
            "device_class": metric.device_class if metric else "",
            **{lang: metric_name(metric, lang) if metric else "" for lang in LANGUAGES},
            **msgspec.to_builtins(limits),
            "asks_reason": asks_reason(limits, metric),
        }

    async def _untested(self, pack: str) -> bool:
        """Return whether the device's pack is one that nobody has tested."""
        listed = (await self._site.cached_call("pack.list"))["packs"] if pack else []
        return any(one["pack"] == pack and one.get("untested") for one in listed)

    async def command(self, visit: Visit) -> Any:
        release = bool(visit.fields.get("release"))
        try:
            ordered = await self._site.call(
                "command.set",
                device=visit.parts["device"],
                metric=visit.text("metric"),
                release=release,
                value=None if release else visit.text("value"),
                why=visit.text("why"),
                by=visit.who,
                role=visit.person.role,
            )
        except WriteRefused as error:
            raise self._with_metric_name(error, visit) from error
        return await self._outcome(ordered["id"], visit)

    def _with_metric_name(self, error: WriteRefused, visit: Visit) -> WriteRefused:
        """Return a refusal that calls the metric by its name instead of its key."""
        said = reason_of(error)
        if not isinstance(said, Phrase) or "metric" not in said.params:
            return error
        key = visit.text("metric")
        named = str(self._site.metric_name(visit.parts["device"], key, visit.lang))
        called = Phrase(str(said).replace(repr(key), repr(named)), said.code, {**said.params, "metric": named})
        return WriteRefused(error.reason, called, error.wait_s)

    async def outcome(self, visit: Visit) -> Any:
        found = await self._outcome(visit.parts["command"], visit)
        if found["device"] != visit.parts["device"]:
            raise Rejected(404, "no-page")
        return found

    async def _outcome(self, command: str, visit: Visit) -> dict[str, Any]:
        """Return a command when it has ended, or its state after a moment; `said`: that in the visitor's language."""
        found = await self._site.call("command.wait", id=command, seconds=WAIT_S)
        state, detail = word(f"write-{found['state']}", visit.lang), translate(found["detail"], visit.lang)
        return {**found, "said": word("write-said", visit.lang, state=state, detail=detail) if detail else state}

    async def table(self, visit: Visit) -> web.Response:
        """Return the devices as CSV; `lang` as that language's spreadsheets want it."""
        found = [
            {**one, "name": one["name"] or self._site.place_name(one["place"])}  # as on the page
            for one in views.rows((await self._site.cached_call("devices"))["devices"], visit.query)
        ]
        heads = [word(f"csv-{name}", visit.lang) for name in CSV]
        states = {state: word(f"state-{state}", visit.lang) for state in views.STATES}
        body = views.table(found, visit.lang, heads, states)
        headers = {"Content-Disposition": 'attachment; filename="appareils.csv"', "Cache-Control": "no-store"}
        return web.Response(body=body, content_type="text/csv", charset="utf-8", headers=headers)

    # pages

    async def list_page(self, visit: Visit) -> web.Response:
        query = {name: visit.query.get(name, "") for name in ("q", "state", "zone", "integration", "sort", "dir")}
        rows = visit.query.get("size", "")
        found = await self._listed({**visit.query, "size": rows if rows in ROWS else ROWS[0]})
        asked = {name: value for name, value in query.items() if value}
        return self._site.page(
            "devices",
            visit,
            devices=found["devices"],
            total=found["total"],
            number_of_page=found["page"],
            pages=max(1, -(-found["total"] // found["size"])),
            query=query,
            asked=asked,
            states=views.STATES,
            sizes=ROWS,
            size=str(found["size"]),
            linked=lambda **more: "/devices?" + urlencode({**asked, "size": found["size"], **more}),
            table=f"/api/1/devices.csv?{urlencode({**asked, 'lang': visit.lang})}",
        )

    async def page(self, visit: Visit, status: int = 200) -> web.Response:
        if now := self._site.parts.devices.successor(visit.parts["device"]):
            return answers.redirect(f"/devices/{quote(now, safe='')}?said=device-retired")
        one = await self.device(visit)
        former = self._site.parts.devices.succession(one["id"])[:-1]
        numbers = [value for value in one["values"] if not isinstance(value["value"], str)]
        if former and not one["values"]:  # nothing came of it yet: what its place has known
            numbers = await self._known_before(one)
        names = [value["metric"] for value in numbers]
        metric = visit.query.get("metric", "")
        told = [value["metric"] for value in numbers if not isinstance(value["value"], bool)]
        first = (
            [] if metric in names else [one for one in await self._moving(one["id"]) if one in told and one not in LAST]
        )
        first += sorted(told, key=lambda one: one in LAST)
        metric = metric if metric in names else next(iter([*first, *names]), "")
        span, shown = await self._history(visit, metric) if metric else ("24h", None)
        beside = [] if shown is None or shown["counter"] or metric not in told else self._beside(visit, told, metric)
        together = [name for name in beside if visit.query.get(f"with-{name}")][: MOST_LINES - 1]
        return self._site.page(
            "device",
            visit,
            status,
            one=one,
            former=former[-1] if former else "",
            swap=await self._swap(one["id"]) if former else None,
            chosen=span,
            spans=tuple(SPANS),
            charted=numbers,
            metric=metric,
            shown=shown,
            day=visit.query["day"] if self._day(visit) is not None else "",
            flag=metric in names and metric not in told,
            **await self._drawn(one, shown, [metric, *together], visit),
            beside=beside,
            current={value["metric"]: value for value in one["values"]},
            may_write=lambda role: ROLES.index(visit.person.role) >= ROLES.index(role),
            together=together,
            undo=await last_amendment(self._site, one["id"]) if one["adopted"] and visit.person.role in WORKS else None,
            undo_of=self._site.parts.devices.get(one["id"]),
            pictured=(await self._site.call("device.picture", device=one["id"], bare=True))["at"],
            counted=(await self._site.call("counted", subject=one["id"]))["counted"],
        )

    async def _known_before(self, one: Any) -> list[dict[str, Any]]:
        """Return the metrics that the history of a device's place has, as values without one."""
        listed = (await self._site.call("history.list"))["series"]
        keys = sorted(series["metric"] for series in listed if series["place"] == one["place"])
        return [
            {"metric": key, "value": None, **{lang: self._site.metric_name(one["id"], key, lang) for lang in LANGUAGES}}
            for key in keys
        ]

    async def _swap(self, device: str) -> dict[str, Any] | None:
        """Return the entry of the audit log of the replacement that brought a device, None where it is too old."""
        entries = (await self._site.call("audit.list", limit=ENTRIES))["entries"]
        swaps = (one for one in entries if one["what"].get("device") == "replace" and one["what"].get("new") == device)
        return next(swaps, None)

    async def _history(self, visit: Visit, metric: str) -> tuple[str, Any]:
        """Return (span, stored readings): of the last hour every reading, else hours, of a month days. While nothing
        older is known, the last hour is shown. A requested `day` is shown instead, hour by hour: the chart has every
        stored reading."""
        span, day = visit.query.get("span", ""), self._day(visit)
        wanted, device = span if span in SPANS else "24h", visit.parts["device"]
        now = time.time()
        try:
            if day is not None:
                begin, end = day
                shown = await self._site.call(
                    "history", device=device, metric=metric, step="hour", **{"from": begin, "to": min(end, now)}
                )
                return wanted, {**shown, "to": end}
            shown = await self._site.call(
                "history",
                device=device,
                metric=metric,
                step="day" if wanted == "31d" else "hour",
                **{"from": now - SPANS[wanted]},
            )
            known = [cell[0] for cell in shown["cells"] if cell[1] is not None]
            if span not in SPANS and known and now - known[0] < SPANS["1h"]:
                wanted = "1h"
            if wanted == "1h":
                shown = await self._site.call(
                    "history", device=device, metric=metric, points=60, **{"from": now - SPANS["1h"]}
                )
                shown["rows"] = shown["line"] or None
        except HubError:  # nothing is stored of it yet
            shown = None
        return wanted, shown

    async def _moving(self, device: str) -> list[str]:
        try:
            return list((await self._site.call("history.moving", device=device))["metrics"])
        except HubError:  # an empty hub, or one without history
            return []

    def _beside(self, visit: Visit, told: Sequence[str], metric: str) -> list[str]:
        """Return the metrics of a device that may be drawn with the chosen one: numbers that are no counters."""
        device, known = visit.parts["device"], self._site.parts.metric
        found = ((name, known(device, name) or METRICS.get(name)) for name in told if name != metric)
        return [name for name, one in found if one is not None and not one.state_class.startswith("total")]

    async def _drawn(self, one: Any, shown: Any, metrics: Sequence[str], visit: Visit) -> dict[str, Any]:
        """Return what the chart shows besides one series: the alerts and the limits, or the chart of several; and
        whether the visitor may make an alert of it."""
        lines = [Line(metric, one["place"], one["id"]) for metric in metrics]
        rule = self._site.table.find("GET", "/alerts/new")[0]
        drawn: dict[str, Any] = {
            "several": None, "raised": [], "limits": [], "series": lines[0].text,
            "may_alert": rule is not None and rule.path == "/alerts/new" and visit.person.role in rule.roles,
        }  # fmt: skip
        if shown is None:
            return drawn
        begin, end = shown["from"], shown["to"]
        if len(lines) > 1:
            return {**drawn, "several": await charting.chart_of(self._site, lines, begin, end, visit.lang)}
        raised = await charting.raised_of(self._site, lines, begin, end, visit.lang)
        limits = await charting.limits_of(self._site, [(lines[0], shown)], visit.lang)
        return {**drawn, "raised": raised, "limits": limits}

    def _day(self, visit: Visit) -> tuple[float, float] | None:
        """Return begin and end of the requested day in the site's time; None where none is requested, or it is in the
        future."""
        try:
            day = datetime.date.fromisoformat(visit.query.get("day", ""))
            begin, end = (
                datetime.datetime(one.year, one.month, one.day, tzinfo=ZoneInfo(self._site.parts.timezone)).timestamp()
                for one in (day, day + datetime.timedelta(days=1))
            )
        except (ValueError, OverflowError):
            return None
        return (begin, end) if 0 <= begin < time.time() else None

    async def command_form(self, visit: Visit) -> web.Response:
        given = list[Any]()

        async def command(visit: Visit) -> None:
            given.append(await self.command(visit))

        if (answer := await run_form(visit, command, self.page)) is not None:
            return answer
        if given[0]["state"] in UNDONE:
            visit.error = given[0]["said"]
            return await self.page(visit, 422)
        return answers.redirect(f"/devices/{quote(visit.parts['device'], safe='')}?said=write-{given[0]['state']}")


def routes(site: Site) -> list[Route]:
    do = Devices(site)
    return [
        Route("GET", "/devices", do.list_page, READS),
        Route("GET", "/devices/{device}", do.page, READS),
        Route("POST", "/devices/{device}/commands", do.command_form, WORKS),
        Route("GET", "/api/1/devices.csv", do.table, READS, API, "The devices as CSV", query=FILTER),
        get("/devices", do.devices, "Devices, filtered, sorted and paged", READS, **FILTER, **PAGE),
        get("/devices/{device}", do.device, "One device: how it stands, its values, what may be written"),
        post("/devices/{device}/commands", do.command, "Write a metric, or let go of it", WORKS, "metric", "value",
             "why", release=TRUTH),
        get("/devices/{device}/commands/{command}", do.outcome, "A command when it has ended, or how it stands", READS),
    ]  # fmt: skip


AREA = Area(
    routes,
    (Entry("devices", "/devices", "group-field", menu=READS),),
    frozenset({"device-retired", "write-accepted", "write-queued", "write-sent", "write-done"}),
    {"device.js": "text/javascript"},
    order=60,
)
