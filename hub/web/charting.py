"""Charts of one to eight series: what is asked of the hub for one, its table, and the limits and alerts drawn in it.

The picture is drawn by `static/chart.js`, which asks again for each stretch of time that is looked at; the macros of
`templates/charts.html` stand around it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple
from urllib.parse import quote

from hub.core.errors import HubError
from hub.core.metric_catalogue import METRICS
from hub.core.model import Metric
from hub.i18n.typography import unit_text
from hub.web.presentation import causes
from hub.web.presentation.causes import Cause
from hub.web.site import Site
from hub.web.words import word

MOST_LINES = 8
"""Series of one chart."""
LONGEST_KEY = 64
"""Characters of a metric's key."""
HOUR_S, DAY_S = 3600.0, 86_400.0
SPANS = {"1h": HOUR_S, "24h": DAY_S, "7d": 7 * DAY_S, "31d": 31 * DAY_S}
"""Time spans of a chart, in seconds."""
MINUTES_S, HOURS_S = 3 * HOUR_S, 8 * DAY_S
"""Longest time whose table is by minutes, and by hours; a longer one is by days."""
ALERTS = 200
"""Former alerts that are searched for those of the chart."""


class Line(NamedTuple):
    """One series: a metric of a device, as its present place has it, or of a place."""

    metric: str
    place: str
    device: str = ""

    @property
    def text(self) -> str:
        """Return how an address of the pages names it: `device/metric` or `place/metric`."""
        return f"{self.device or self.place}/{self.metric}"

    @property
    def asked(self) -> dict[str, str]:
        """Return the series for the call `history`."""
        if self.device:
            return {"device": self.device, "metric": self.metric}
        return {"series": self.text}


class Chart(NamedTuple):
    """A chart and its table. `lines`: as `static/chart.js` reads them; `rows`: (Unix second, for each line a value,
    None for a gap, "" where it has no such row); `limits` and `raised`: see `limits_of`, `raised_of`; `empty`: labels
    of lines of which nothing is stored."""

    lines: list[dict[str, Any]]
    units: list[str]
    rows: list[tuple[int, list[Any]]]
    begin: int
    end: int
    timezone: str
    limits: list[dict[str, Any]]
    raised: list[tuple[float, float | None, str, str]]
    empty: list[str]


def line_of(site: Site, text: str) -> Line | None:
    """Return the series that an address names; None where neither a device nor a place of that name is known."""
    name, _, metric = text.rpartition("/")
    if len(metric) > LONGEST_KEY:
        return None
    device = site.parts.devices.get(name) if metric else None
    if device is not None:
        return Line(metric, device.place, device.id)
    return Line(metric, name) if metric and site.parts.places.get(name) is not None else None


def metric_of(site: Site, line: Line) -> Metric | None:
    """Return the description of a line's metric."""
    return site.parts.metric(line.device, line.metric) or METRICS.get(line.metric)


async def chart_of(site: Site, lines: Sequence[Line], begin: float, end: float, lang: str) -> Chart:
    """Ask the hub for the series of one chart."""
    shown = [await _shown(site, line, begin, end) for line in lines]
    named = labels(site, lines, lang)
    at = {"from": int(begin), "to": int(end)}
    known = [one for one in shown if one is not None]
    units = [
        site.metric_unit(line.device, line.metric) if one is None else one["unit"]
        for line, one in zip(lines, shown, strict=True)
    ]
    return Chart(
        lines=[
            {"label": label, "unit": unit_text(unit, lang), "src": source(line, **at), **_words(site, line, lang)}
            for line, label, unit in zip(lines, named, units, strict=True)
        ],
        units=units,
        rows=rows_of(shown, end - begin),
        begin=at["from"],
        end=at["to"],
        timezone=known[0]["timezone"] if known else site.parts.timezone,
        limits=await limits_of(site, zip(lines, shown, strict=True), lang),
        raised=await raised_of(site, lines, begin, end, lang),
        empty=[label for label, one in zip(named, shown, strict=True) if one is None or not one["cells"]],
    )  # fmt: skip


async def _shown(site: Site, line: Line, begin: float, end: float) -> Any:
    """Return the answer of `history` at the step of the table, None where nothing is stored."""
    how: dict[str, Any] = {"points": 60} if end - begin <= MINUTES_S else {"step": step_of(end - begin)}
    try:
        return await site.call("history", **line.asked, **how, **{"from": begin, "to": end})
    except HubError:
        return None


def step_of(seconds: float) -> str:
    """Return the step of a table of so many seconds, above MINUTES_S."""
    return "hour" if seconds <= HOURS_S else "day"


def source(line: Line, **at: int) -> str:
    """Return the address of a series in the API."""
    given = {**line.asked, **at}
    return "/api/1/history?" + "&".join(f"{name}={quote(str(value), safe='')}" for name, value in given.items())


def rows_of(shown: Sequence[Mapping[str, Any] | None], seconds: float) -> list[tuple[int, list[Any]]]:
    """Return the table of several series: of a short time the last reading of each minute, else their hours or days."""
    found: dict[int, list[Any]] = {}
    for order, one in enumerate(shown):
        if one is None:
            continue
        minutes = seconds <= MINUTES_S and not one["counter"]
        points = [(at // 60 * 60, value) for at, value in one["line"]] if minutes else [c[:2] for c in one["cells"]]
        for at, value in points:
            row = found.setdefault(at, [""] * len(shown))
            if value is not None or not minutes:
                row[order] = value
    return [(at, row) for at, row in sorted(found.items()) if any(value != "" for value in row)]


def labels(site: Site, lines: Sequence[Line], lang: str) -> list[str]:
    """Return the names of the lines: their devices or places, their metrics, or both, as far as they differ."""
    names = [site.device_name(line.device) if line.device else site.place_name(line.place) for line in lines]
    metrics = [site.metric_name(line.device, line.metric, lang) for line in lines]
    if len(lines) > 1 and len(set(names)) == 1:
        found = metrics
    elif len(lines) > 1 and len(set(metrics)) == 1:
        found = names
    else:
        found = [f"{name} · {metric}" for name, metric in zip(names, metrics, strict=True)]
    return [
        f"{label} ({line.device or line.place})" if found.count(label) > 1 else label
        for label, line in zip(found, lines, strict=True)
    ]


def _words(site: Site, line: Line, lang: str) -> dict[str, Any]:
    metric = metric_of(site, line)
    if metric is None or metric.kind != "flag":
        return {}
    yes, no = site.flag_words(line.device, line.metric)
    return {"words": [word(no, lang), word(yes, lang)]}


async def limits_of(site: Site, shown: Iterable[tuple[Line, Any]], lang: str) -> list[dict[str, Any]]:
    """Return what rules compare these series with, each limit once: {name, at, clears, up, of, severity, timed, unit,
    ucum, lines: the numbers of the series, from 1}. Those of counters are left out: they are drawn by what was used in
    an hour."""
    found: dict[tuple[str, str], dict[str, Any]] = {}
    for number, (line, one) in enumerate(shown, 1):
        if one is None or one["counter"]:
            continue
        try:
            told = (await site.call("rule.limits", place=line.place, metric=line.metric)).get("limits", ())
        except HubError:
            continue
        for limit in told:
            if limit["unit"] in (None, one["unit"]):
                same = found.setdefault((limit["rule"], one["unit"]), {
                    "name": limit["rule"], "at": limit["limit"], "clears": limit["clears"], "up": limit["up"],
                    "of": limit["of"], "severity": limit["severity"], "timed": limit["timed"],
                    "unit": unit_text(one["unit"], lang), "ucum": one["unit"], "lines": [],
                })  # fmt: skip
                same["lines"].append(number)
    return list(found.values())


async def raised_of(
    site: Site, lines: Iterable[Line], begin: float, end: float, lang: str
) -> list[tuple[float, float | None, str, str]]:
    """Return the alerts about these devices and places in that time: from, to (None: still open), severity,
    sentence."""
    some = list(lines)
    devices, places = {line.device for line in some} - {""}, {line.place for line in some if not line.device}
    only = {"q": some[0].device or some[0].place} if len(some) == 1 else {}
    found = (await site.call("alert.list", all=True, limit=ALERTS, to=end, **only))["alerts"]
    return [
        strip
        for alert in found
        if alert["device"] in devices or alert["place"] in places
        if (strip := strip_of(alert, lang))[1] is None or strip[1] > begin
    ]


def strip_of(alert: Mapping[str, Any], lang: str) -> tuple[float, float | None, str, str]:
    """Return an alert as a chart shows it."""
    ended = alert["changed"] if alert["state"] == "cleared" else None
    return alert["raised"], ended, alert["severity"], (lang == "fr" and alert["text_fr"]) or alert["text"]


async def series_at(site: Site, places: Iterable[str]) -> list[dict[str, Any]]:
    """Return the series of these places of which anything is stored, as `history.list` tells them."""
    wanted = set(places)
    try:
        return [one for one in (await site.call("history.list")).get("series", ()) if one["place"] in wanted]
    except HubError:  # a hub without history
        return []


async def cause_of(site: Site, alert: Mapping[str, Any], lang: str) -> tuple[Cause, Chart | None, int]:
    """Return the cause of an alert, its chart where anything is stored of it, and how many series that has not."""
    cause = causes.cause_of(alert)
    series = list(cause.series)
    if cause.kind == causes.ZONE:
        there = [place.id for place in site.parts.places if place.zone == alert["zone"]]
        metric = alert["evidence"].get("metric", "")
        series = [(one["place"], metric) for one in await series_at(site, there) if one["metric"] == metric]
    if cause.kind == causes.SILENCE and not series:
        known = await series_at(site, [alert["place"]])
        metric = causes.main_metric((one["metric"], one["counter"]) for one in known)
        series = [(alert["place"], metric)] if metric else []
    lines = [Line(metric, place, _still_there(site, alert, place)) for place, metric in series[:MOST_LINES]]
    if not lines:
        return cause, None, 0
    begin, end = causes.window(alert, site.clock.now())
    chart = await chart_of(site, lines, begin, end, lang)
    if len(chart.empty) == len(lines):
        return cause, None, 0
    limits = [{**one, "always": True} for one in chart.limits if one["name"] == alert["rule"]]
    if cause.limit is not None and not any(abs(one["at"] - cause.limit) < 0.005 for one in limits):
        limits = [_former_limit(alert, chart, cause.limit)]  # the rule has another threshold by now, or is gone
    heard = [at for at, row in chart.rows if any(value not in (None, "") for value in row)]
    shown = chart._replace(
        begin=max(chart.begin, min([*heard[:1], int(alert["raised"])]) - 60),  # of a hub that knows no more
        limits=limits if cause.limit is not None else [],
        raised=[strip_of(alert, lang)],
    )
    return cause, shown, len(series) - len(lines)


def _still_there(site: Site, alert: Mapping[str, Any], place: str) -> str:
    """Return the device of an alert while it stands at this place, else ""."""
    device = site.parts.devices.get(alert["device"]) if alert["device"] else None
    return device.id if device is not None and device.place == place else ""


def _former_limit(alert: Mapping[str, Any], chart: Chart, limit: float) -> dict[str, Any]:
    return {"name": alert["rule"], "at": limit, "clears": limit, "up": None, "of": "", "severity": alert["severity"],
            "timed": False, "unit": chart.lines[0]["unit"], "ucum": chart.units[0], "lines": [],
            "always": True}  # fmt: skip
