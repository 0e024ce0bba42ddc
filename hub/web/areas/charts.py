"""One chart of one to eight series of different devices and places, under an address that can be kept and shared."""

from __future__ import annotations

import datetime
import re
import time
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

from aiohttp import web

from hub.core.errors import HubError
from hub.core.model import Metric
from hub.page_kit import tables
from hub.page_kit.renderer import same_page
from hub.page_kit.request.routes import API, Route
from hub.page_kit.request.visit import MOST_FIELDS, Visit
from hub.web import charting
from hub.web.area import TEXT, Area, get
from hub.web.charting import MOST_LINES, SPANS, Chart, Line
from hub.web.roles import READS
from hub.web.site import Site
from hub.web.words import word

CHOICES = 20
"""Series that are offered at once."""
KEPT_S = 30.0
"""Seconds for which the list of all series is kept."""
SAID = 3
"""Wrong series that are named at most."""
QUERY: dict[str, Mapping[str, Any]] = {"series": {"type": "array", "items": {"type": "string"}, "maxItems": MOST_LINES},
         "span": {"type": "string", "enum": list(SPANS)}}  # fmt: skip


class Asked(NamedTuple):
    """The series that an address asks for: those of the chart, and words about the others, "" without any."""

    lines: list[Line]
    wrong: str


class Charts:
    def __init__(self, site: Site) -> None:
        self._site = site

    def _asked(self, visit: Visit) -> Asked:
        texts = list(dict.fromkeys(visit.request.query.getall("series", [])))[:MOST_FIELDS]
        known = {text: charting.line_of(self._site, text) for text in texts}
        found = list(dict.fromkeys(line for line in known.values() if line is not None))
        unknown = [text[:80] for text, line in known.items() if line is None]
        wrong = []
        if unknown:
            more = "…" if len(unknown) > SAID else ""
            wrong.append(word("charts-unknown", visit.lang, series=", ".join(unknown[:SAID]) + more))
        if len(found) > MOST_LINES:
            wrong.append(word("charts-many", visit.lang, count=len(found), most=MOST_LINES))
        return Asked(found[:MOST_LINES], " ".join(wrong))

    def _span(self, visit: Visit) -> str:
        span = visit.query.get("span", "")
        return span if span in SPANS else "24h"

    async def _chart(self, visit: Visit, lines: list[Line]) -> Chart:
        end = time.time()
        return await charting.chart_of(self._site, lines, end - SPANS[self._span(visit)], end, visit.lang)

    async def _right(self, visit: Visit) -> tuple[list[Line], Chart]:
        """Return the chart that an address asks for. Raises HubError for one that is not right."""
        asked = self._asked(visit)
        if asked.wrong or not asked.lines:
            raise HubError(asked.wrong or word("charts-none", visit.lang))
        return asked.lines, await self._chart(visit, asked.lines)

    async def chart(self, visit: Visit) -> Any:
        """Return the table of the chart, with its limits."""
        lines, chart = await self._right(visit)
        series = [
            {"series": line.text, "label": one["label"], "unit": unit}
            for line, one, unit in zip(lines, chart.lines, chart.units, strict=True)
        ]
        rows = [[at, [None if value == "" else value for value in row]] for at, row in chart.rows]
        return {"from": chart.begin, "to": chart.end, "timezone": chart.timezone, "series": series, "rows": rows,
                "limits": chart.limits}  # fmt: skip

    async def table(self, visit: Visit) -> web.Response:
        """Return the table as CSV; `lang` as that language's spreadsheets want it."""
        _, chart = await self._right(visit)
        heads = [f"{one['label']} ({one['unit']})" if one["unit"] else one["label"] for one in chart.lines]
        zone = ZoneInfo(chart.timezone)
        lines = ((f"{datetime.datetime.fromtimestamp(at, zone):%Y-%m-%d %H:%M:%S}", at, *row) for at, row in chart.rows)
        head = (word("csv-time", visit.lang), word("csv-unix", visit.lang), *heads)
        rows = [tuple("" if cell is None else cell for cell in line) for line in (head, *lines)]
        headers = {"Content-Disposition": 'attachment; filename="series.csv"', "Cache-Control": "no-store"}
        body = tables.rows_of_csv(rows, visit.lang, first=True)
        return web.Response(body=body, content_type="text/csv", charset="utf-8", headers=headers)

    async def page(self, visit: Visit) -> web.Response:
        asked, span = self._asked(visit), self._span(visit)
        visit.error = asked.wrong
        chart = await self._chart(visit, asked.lines) if asked.lines else None
        choices, left = await self._choices(visit, asked.lines)
        texts = [line.text for line in asked.lines]

        def linked(*series: str, **more: str) -> str:
            return "?" + urlencode([*(("series", one) for one in series), *{"span": span, **more}.items()])

        return self._site.page(
            "compare",
            visit,
            400 if asked.wrong else 200,
            chart=chart,
            series=[
                (text, one["label"], linked(*(other for other in texts if other != text)))
                for text, one in zip(texts, chart.lines if chart else (), strict=True)
            ],
            metric=self._common(asked.lines, visit.lang),
            chosen=span,
            spans=tuple(SPANS),
            kept=linked(*texts).rpartition("span=")[0],
            table="/api/1/charts.csv" + linked(*texts, lang=visit.lang),
            choices=choices,
            left=left,
            query={name: visit.query.get(name, "")[:100] for name in ("q", "zone")},
            room=MOST_LINES - len(texts),
            languages=[(one, name, linked(*texts, lang=one)) for one, name, _ in same_page({}, visit.lang)],
        )

    def _common(self, lines: Iterable[Line], lang: str) -> str:
        """Return the name of the metric that all lines have in common, or ""."""
        names = {self._site.metric_name(line.device, line.metric, lang) for line in lines}
        return names.pop() if len(names) == 1 else ""

    async def _choices(self, visit: Visit, lines: list[Line]) -> tuple[list[dict[str, Any]], int]:
        """Return series of the same quantity as the first one, those of its zone first, and how many more there are."""
        if not lines or len(lines) >= MOST_LINES:
            return [], 0
        site, first, there = self._site, lines[0], {(line.place, line.metric) for line in lines}
        wanted, zone = charting.metric_of(site, first), self._zone(first.place)
        asked, text = visit.query.get("zone", ""), visit.query.get("q", "").casefold()[:100]
        alone, found = self._alone(), []
        for place, metric in await site.kept("charts.series", KEPT_S, self._series):
            line = Line(metric, place, alone.get(place, ""))
            here = self._zone(line.place)
            same = line.metric == first.metric or _alike(wanted, charting.metric_of(site, line))
            if not same or (line.place, line.metric) in there or (asked and here != asked):
                continue
            name = site.device_name(line.device) if line.device else site.place_name(line.place)
            named = site.parts.zones.get(here, ("", ""))[0] or here
            if text in f"{name} {site.place_name(line.place)} {named} {line.place} {line.device}".casefold():
                order = (here != zone, line.metric != first.metric, named.casefold(), _natural(name), line.text)
                found.append((order, line, name, named))
        found.sort(key=lambda one: one[0])
        return [
            {"series": line.text, "name": name, "zone": named,
             "metric": site.metric_name(line.device, line.metric, visit.lang) if line.metric != first.metric else ""}
            for _, line, name, named in found[:CHOICES]
        ], max(0, len(found) - CHOICES)  # fmt: skip

    async def _series(self) -> list[tuple[str, str]]:
        """Return place and metric of the series of which anything is stored."""
        try:
            found = (await self._site.call("history.list")).get("series", ())
        except HubError:  # a hub without history
            return []
        return [(one["place"], one["metric"]) for one in found]

    def _zone(self, place: str) -> str:
        known = self._site.parts.places.get(place)
        return known.zone if known is not None else ""

    def _alone(self) -> dict[str, str]:
        """Return the device of each place where only one stands."""
        found: dict[str, str] = {}
        for device in self._site.parts.devices:
            found[device.place] = "" if device.place in found else device.id
        return found


def _alike(one: Metric | None, other: Metric | None) -> bool:
    """Return whether two metrics are of one quantity: of one class and unit, and both counters or neither."""
    if one is None or other is None or not one.device_class:
        return False
    counters = [metric.state_class.startswith("total") for metric in (one, other)]
    return (one.device_class, one.unit) == (other.device_class, other.unit) and counters[0] == counters[1]


def _natural(name: str) -> str:
    """Return a key that sorts « Salle 2 » before « Salle 10 »."""
    return re.sub(r"[0-9]{1,9}", lambda digits: digits[0].zfill(9), name.casefold())


def routes(site: Site) -> list[Route]:
    do = Charts(site)
    return [
        Route("GET", "/charts", do.page, READS),
        Route("GET", "/api/1/charts.csv", do.table, READS, API,
              "One to eight series over one time as CSV; `lang` as that language's spreadsheets want it",
              query={**QUERY, "lang": TEXT}),
        get("/charts", do.chart, "One to eight series over one time, in rows, and the limits of rules", READS, **QUERY),
    ]  # fmt: skip


AREA = Area(routes, files={"chart.css": "text/css"})
