"""History of any series: charts of one to eight, the table beside them, and CSV of what the range queries tell."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from functools import partial
from itertools import pairwise
from statistics import median
from typing import Any, NamedTuple
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

import msgspec
from aiohttp import web

from backend.city.city import City
from backend.city.feed_history import FeedSeries
from backend.city.pages import kit, latest
from backend.city.pages.live import live_of
from backend.city.pages.map_page import MAY
from backend.city.pages.things import MOST_LINES
from backend.city.people.viewer import Viewer, needs, viewer_of
from backend.city.zone import zone_of
from backend.queries.intervals import STEPS, Intervals, Step
from backend.queries.range_queries import Place, RangeQuery, RangeRow, Ranges
from backend.queries.range_rollups import Told
from backend.queries.views import NotFound
from backend.readings.chunks.rollups import COUNTER
from backend.storage.city import map as tables
from backend.storage.city.map import SeriesRow
from hub.i18n.typography import unit_text
from hub.page_kit.formatting import YES_NO
from hub.page_kit.tables import rows_of_csv

HOUR_S, DAY_S = 3600, 86_400
SPANS = {"1h": HOUR_S, "24h": DAY_S, "7d": 7 * DAY_S, "31d": 31 * DAY_S, "1y": 366 * DAY_S}
LEAST_S, LONGEST_S = 60, 10 * 366 * DAY_S
RAW_S, MINUTES_S, HOURS_S = 3 * HOUR_S, 2 * DAY_S, 62 * DAY_S
"""Longest time that is drawn by single readings, by minutes, by hours; a longer one is drawn by days."""
MOST_POINTS, MOST_TABLE, MOST_CSV, CSV_PAGE = 4000, 400, 1_000_000, 5000
GAP = 3.0
"""A gap is this many times the usual distance between two values."""


class Drawn(NamedTuple):
    """A series as a chart draws it: points (Unix s, value; None where nothing came), lowest and highest of intervals,
    whether its values are increases of a counter, and the seconds of an interval, 0 of single readings."""

    points: list[tuple[int, float | None]]
    spread: list[tuple[int, float, float]]
    counter: bool
    step: str


class Window(NamedTuple):
    """Time that is shown, in Unix s; `name` is one of SPANS or ""."""

    begin: int
    end: int
    name: str


class HistoryPages:
    """The routes of histories."""

    def __init__(self, city: City) -> None:
        self._city, self._live = city, live_of(city)
        self._feeds = FeedSeries(city.store.database.snapshot)

    def route(self, router: web.UrlDispatcher) -> None:
        router.add_get("/history", needs(*MAY)(self.page))
        router.add_get("/history/data", needs(*MAY)(self.data))
        router.add_get("/history.csv", needs(*MAY)(self.csv))

    async def page(self, request: web.Request) -> web.StreamResponse:
        viewer = viewer_of(request)
        lang = kit.lang_of(request, viewer)
        series = await self._series(request, viewer)
        window = window_of(request, self._city.clock())
        drawn = [await self._city.store.run(partial(self._drawn, one, window)) for one in series]
        names = labels(series, lang)
        q = request.query.get("q", "")[:100]
        alike = (
            await self._city.store.read(
                lambda r: tables.series_alike(r, viewer.scope, series[0].metric, series[0].unit, q, 25)
            )
            if series
            else []
        )
        kept = [("series", one.id) for one in series]
        yes_no = [kit.word(key, lang) for key in YES_NO[::-1]]
        chart = {
            "lines": [
                {
                    "label": name, "unit": unit_text(one.unit, lang),
                    "src": f"/history/data?{urlencode({'series': one.id})}",
                    **({"words": yes_no} if one.kind == "flag" else {}),
                }
                for one, name in zip(series, names, strict=True)
            ],
            "units": [one.unit for one in series],
            "rows": table_of(drawn), "begin": window.begin, "end": window.end, "timezone": zone_of(self._city).key,
            "limits": [], "raised": await self._raised(viewer, series, lang),
            "empty": [name for one, name in zip(drawn, names, strict=True) if not one.points],
        }  # fmt: skip
        single = drawn[0] if len(drawn) == 1 else None
        return kit.render(
            request, viewer, "history",
            chart=chart, spans=list(SPANS), chosen=window.name, link=f"/history?{urlencode(kept)}&",
            series=[
                (one, name, f"/history?{urlencode([pair for pair in kept if pair[1] != one.id] + _span(window))}")
                for one, name in zip(series, names, strict=True)
            ],
            csv=f"/history.csv?{urlencode([*kept, *_exact(window)])}", address=latest.address,
            alike=[one for one in alike if one.id not in {row.id for row in series}][:20],
            room=MOST_LINES - len(series), most=MOST_LINES, q=q, unknown="series" in request.query and not series,
            bars=single if single is not None and single.counter else None,
            window=window, label=latest.label,
        )  # fmt: skip

    async def data(self, request: web.Request) -> web.StreamResponse:
        """One series for the chart's script, of the time that it looks at."""
        viewer = viewer_of(request)
        series = await self._series(request, viewer)
        if not series:
            raise web.HTTPNotFound
        window = window_of(request, self._city.clock())
        one = await self._city.store.run(lambda: self._drawn(series[0], window))
        answer = web.Response(
            body=msgspec.json.encode(
                {
                    "line": one.points, "spread": one.spread, "gaps": None, "counter": one.counter,
                    "cells": one.points if one.counter else [],
                }
            ),
            content_type="application/json",
            headers={"Cache-Control": "no-store"},
        )  # fmt: skip
        answer.enable_compression()
        return answer

    async def csv(self, request: web.Request) -> web.StreamResponse:
        """All readings of the series in the time shown, or what is told of its intervals with `step`; sent as it is
        read, and cut after MOST_CSV rows, which its last line then says."""
        viewer = viewer_of(request)
        lang = kit.lang_of(request, viewer)
        series = await self._series(request, viewer)
        if not series:
            raise web.HTTPNotFound
        window = window_of(request, self._city.clock())
        zone = zone_of(self._city)
        step = next((one for one in STEPS if one == request.query.get("step")), None)
        intervals = None if step is None else Intervals(step, zone.key)
        query = RangeQuery(tuple(one.id for one in series), window.begin * 1000, window.end * 1000, intervals, CSV_PAGE)
        days = f"{_day(window.begin, zone)}-{_day(window.end, zone)}"
        answer = web.StreamResponse(
            headers={
                "Content-Type": "text/csv; charset=utf-8", "Cache-Control": "no-store",
                "Content-Disposition": f'attachment; filename="ilot-{days}.csv"',
            }
        )  # fmt: skip
        names, ranges, told = labels(series, lang), self._ranges(), 0
        page = await self._city.store.run(lambda: ranges.page(query, Place()))
        await answer.prepare(request)
        keys = ["csv-series", "csv-time", *(["value"] if intervals is None else _INTERVAL), "csv-unit"]
        await answer.write(rows_of_csv([[kit.word(key, lang) for key in keys]], lang, first=True))
        while True:
            lines = [_line(series[row.series], names[row.series], row, zone) for row in page.rows]
            await answer.write(rows_of_csv(lines, lang))
            told += len(lines)
            if page.next is None or told >= MOST_CSV:
                break
            page = await self._city.store.run(partial(ranges.page, query, page.next))
        if page.next is not None:
            await answer.write(rows_of_csv([[kit.word("csv-cut", lang, count=told)]], lang))
        await answer.write_eof()
        return answer

    def _ranges(self) -> Ranges:
        return Ranges(self._city.queries, elsewhere=self._feeds)

    async def _series(self, request: web.Request, viewer: Viewer) -> list[SeriesRow]:
        """Return the series that the address names and the viewer may see, each once."""
        asked = list(dict.fromkeys(one[:400] for one in request.query.getall("series", []) if one))[:MOST_LINES]
        return await self._city.store.read(lambda r: tables.series_named(r, viewer.scope, asked))

    async def _raised(
        self, viewer: Viewer, series: Sequence[SeriesRow], lang: str
    ) -> list[tuple[float, None, str, str]]:
        """Return the open alerts about the things of these series, as strips of a chart."""
        board, seen = await self._live.board(), await self._live.seen(viewer.scope)
        mine = {one.thing for one in series} & seen
        return [
            (one["at"], None, one["severity"], one["text"])
            for one in (latest.sentence(alert, lang) for alert in board.alerts_of(mine))
        ]

    def _drawn(self, one: SeriesRow, window: Window) -> Drawn:
        """Read a series for its picture. Blocking."""
        if one.kind not in ("number", "flag"):
            return Drawn([], [], False, "raw")
        counter = one.state_class == COUNTER
        step = _step(window.end - window.begin, counter=counter)
        intervals = None if step is None else Intervals(step, zone_of(self._city).key)
        query = RangeQuery((one.id,), window.begin * 1000, window.end * 1000, intervals, MOST_POINTS)
        try:
            rows = self._ranges().page(query, Place()).rows
        except NotFound:  # nothing of it is stored any more
            return Drawn([], [], counter, "raw")
        points, spread = list[tuple[int, float | None]](), list[tuple[int, float, float]]()
        for row in rows:
            told = row.told
            if not isinstance(told, Told):
                if told.quality < 2 and isinstance(told.value, int | float):
                    points.append((told.time_ms // 1000, float(told.value)))
                continue
            rollup = told.rollup
            begin = rollup.begin_ms // 1000
            if counter:
                if told.increase is not None:
                    points.append((begin, told.increase))
            elif rollup.count:
                mean, low, high = _three(told)
                if mean is not None:
                    points.append((begin, mean))
                if low is not None and high is not None and low < high:
                    spread.append((begin, low, high))
        return Drawn(with_gaps(points), spread, counter, step or "raw")


_INTERVAL = ("csv-mean", "csv-least", "csv-greatest", "csv-increase")


def window_of(request: web.Request, now: float) -> Window:
    """Return the time that an address asks for: from and to in Unix s, or one of SPANS up to now; a day without."""
    begin, end = (_whole(request.query.get(name, "")) for name in ("from", "to"))
    if begin is not None and end is not None and begin < end:
        end = min(end, int(now) + DAY_S)
        return Window(max(0, min(end - LEAST_S, max(begin, end - LONGEST_S))), end, "")
    name = request.query.get("span", "24h")
    name = name if name in SPANS else "24h"
    return Window(int(now) - SPANS[name], int(now) + 1, name)


def labels(series: Sequence[SeriesRow], lang: str) -> list[str]:
    """Return the names of series: of things, of quantities, or both, as far as they differ."""
    things = [one.thing_name for one in series]
    metrics = [latest.label(one.metric, lang) for one in series]
    if len(series) > 1 and len(set(things)) == 1:
        found = metrics
    elif len(series) > 1 and len(set(metrics)) == 1:
        found = things
    else:
        found = [f"{thing} · {metric}" for thing, metric in zip(things, metrics, strict=True)]
    return [
        f"{name} ({one.site_name})" if found.count(name) > 1 else name for name, one in zip(found, series, strict=True)
    ]


def with_gaps(points: Sequence[tuple[int, float | None]]) -> list[tuple[int, float | None]]:
    """Return points with an empty one in each silence: where values are GAP times as far apart as they usually are."""
    apart = [two[0] - one[0] for one, two in pairwise(points)]
    most = GAP * median(apart) if apart else 0.0
    found = list(points[:1])
    for one, two in pairwise(points):
        if two[0] - one[0] > most:
            found.append((one[0] + (two[0] - one[0]) // 2, None))
        found.append(two)
    return found


def table_of(drawn: Sequence[Drawn]) -> list[tuple[int, list[Any]]]:
    """Return the table of a chart, the newest rows of it: a moment, and for each series its value, None in a silence,
    "" where it has none at that moment."""
    found: dict[int, list[Any]] = {}
    for order, one in enumerate(drawn):
        for at, value in one.points:
            found.setdefault(at // 60 * 60, [""] * len(drawn))[order] = value
    rows = [(at, row) for at, row in sorted(found.items()) if any(value != "" for value in row)]
    return rows[-MOST_TABLE:]


def _step(seconds: int, *, counter: bool) -> Step | None:
    if counter:
        return "hour" if seconds <= 8 * DAY_S else "day" if seconds <= 400 * DAY_S else "month"
    if seconds <= RAW_S:
        return None
    return "minute" if seconds <= MINUTES_S else "hour" if seconds <= HOURS_S else "day"


def _three(told: Told) -> tuple[float | None, float | None, float | None]:
    rollup = told.rollup
    low, high = (None if item is None else rollup.value(item) for item in (rollup.low, rollup.high))
    mean = rollup.mean
    return mean, _number(low), _number(high)


def _number(value: Any) -> float | None:
    return float(value) if isinstance(value, int | float) else None


def _line(one: SeriesRow, name: str, row: RangeRow, zone: ZoneInfo) -> list[Any]:
    told = row.told
    if not isinstance(told, Told):
        return [name, _moment(told.time_ms, zone), told.value, one.unit]
    mean, low, high = _three(told)
    cells = ["" if cell is None else cell for cell in (mean, low, high, told.increase)]
    return [name, _moment(told.rollup.begin_ms, zone), *cells, one.unit]


def _moment(time_ms: int, zone: ZoneInfo) -> str:
    return datetime.fromtimestamp(time_ms / 1000, UTC).astimezone(zone).isoformat(timespec="seconds")


def _day(at: int, zone: ZoneInfo) -> str:
    return datetime.fromtimestamp(at, UTC).astimezone(zone).date().isoformat()


def _whole(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdigit() and len(text) <= 12 else None


def _span(window: Window) -> list[tuple[str, str]]:
    return [("span", window.name)] if window.name else _exact(window)


def _exact(window: Window) -> list[tuple[str, str]]:
    return [("from", str(window.begin)), ("to", str(window.end))]
