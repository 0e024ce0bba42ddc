"""Pages of the energy room: the portfolio, its reports, and one page a month for elected people."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from aiohttp import web

from backend.city.energy import overview
from backend.city.energy.service import KINDS, SEES, EnergyRoom, Figures
from backend.city.energy.words import PHRASES
from backend.city.pages import kit as pages
from backend.city.pages.kit import Area, Entry, word
from backend.city.people.viewer import Role, Viewer, viewer_of
from backend.city.zone import zone_of
from backend.storage.city import energy as tables
from hub.core.errors import DecodeError
from hub.core.text import phrase
from hub.page_kit import formatting
from hub.page_kit.tables import rows_of_csv

HERE = Path(__file__).parent
YEARS = 6
WORST = 10
WHOLE = 95.0
"""Completeness in percent from which a month is compared."""
DAY_S = 86_400.0
ELECTED = SEES | {Role.ELECTED}
TYPES = {"html": "text/html", "json": "application/json", "csv": "text/csv"}


def area() -> Area:
    see = frozenset(str(role) for role in SEES)
    elected = frozenset(str(role) for role in ELECTED)
    return Area(
        "energy",
        menu=(
            Entry("energy", "/energy", "group-city", see, menu=see),
            Entry("elected", "/elected", "group-city", elected, menu=frozenset({str(Role.ELECTED)})),
        ),
        words=(PHRASES,),
        templates=HERE / "templates",
        static=HERE / "static",
        files={"energy.css": "text/css"},
        order=40,
    )


class EnergyPages:
    def __init__(self, room: EnergyRoom) -> None:
        self._room = room

    async def portfolio(self, request: web.Request) -> web.Response:
        viewer = viewer_of(request)
        one = await self._room.figures(viewer, self._year(request))
        lang = pages.lang_of(request, viewer)
        return pages.render(
            request,
            viewer,
            "energy_portfolio",
            one=one,
            years=[one.this_year - n for n in range(YEARS)],
            rows=_compared(one),
            chart=_chart(one),
            most=_most(one),
            total=_total(one.months),
            total_before=_total(one.before),
            drifts=sorted(
                (site for site in one.sites if site.drift is not None), key=lambda site: -abs(site.drift or 0.0)
            )[:WORST],
            per_degree=overview.worst(one.sites, "per_degree_day", WORST),
            per_area=overview.worst(one.sites, "per_area", WORST),
            kwh=lambda value: _grouped(value, lang),
            percent=lambda share: _percent(share, lang),
            month_name=lambda name: _month_name(name, lang),
            moment=lambda at: formatting.minute_text(at, lang, zone_of(self._room.city)),
        )

    async def table(self, request: web.Request) -> web.Response:
        """Answer the buildings of a year as CSV."""
        viewer = viewer_of(request)
        one = await self._room.figures(viewer, self._year(request))
        lang = pages.lang_of(request, viewer)
        head = [
            word(f"energy-{key}", lang) for key in ("building", "kwh", "complete", "drift", "per-degree", "per-area")
        ]
        carriers = sorted({name for site in one.sites for name in site.of_carrier})
        rows: list[Sequence[Any]] = [
            ["id", *head, *(f"kWh, {word(f'carrier-{name}', lang)}" for name in carriers)],
            *(
                [
                    site.site, site.name, _cell(site.kwh), site.completeness, _cell(site.drift),
                    _cell(site.per_degree_day), _cell(site.per_area),
                    *(_cell(site.of_carrier.get(name)) for name in carriers),
                ]
                for site in one.sites
            ),
        ]  # fmt: skip
        return _file(rows_of_csv(rows, lang, first=True), "text/csv", f"energie-{one.year}.csv")

    async def report(self, request: web.Request) -> web.Response:
        """Answer a report as a file."""
        viewer = viewer_of(request)
        kind = request.match_info["kind"]
        shape = request.query.get("format") or KINDS.get(kind, ("",))[0]
        if shape not in KINDS.get(kind, ()):
            raise DecodeError(
                "bad-query", phrase("energy-report-unknown", "there is no such report, or not in this format")
            )
        operator = request.query.get("operator", "")[:200]
        year, lang = self._year(request), pages.lang_of(request, viewer)
        made = await self._room.report(viewer, kind, year, operator, shape, lang)
        return _file(made, TYPES[shape], f"{kind}-{year}.{shape}")

    async def elected(self, request: web.Request) -> web.Response:
        """Show one month in aggregates."""
        viewer = viewer_of(request)
        lang = pages.lang_of(request, viewer)
        calendar, now = self._room.calendar, self._room.city.clock()
        this = calendar.month(now)
        asked = request.query.get("month", "")
        month = _month_of(asked) if asked else await self._first_shown(viewer, this)
        if not this - 60 <= month <= this:
            raise DecodeError("bad-query", phrase("energy-month-wrong", "a month of the last five years: 2026-03"))
        one = await self._room.figures(viewer, month // 12)
        name, former = _name_of(month), _name_of(month - 12)
        before = one.before
        begin, end = calendar.month_start(month), calendar.month_start(month + 1)
        condition, values = viewer.scope.things("t")
        counts = await self._room.city.store.read(lambda r: tables.counts(r, condition, values, begin, end))
        heard = await self._room.city.store.read(lambda r: tables.heard_hubs(r, condition, values, now - DAY_S))
        used, was = _of_month(one.months, name), _of_month(before, former)
        complete = [row.completeness for row in (*one.months, *before) if row.month in (name, former)]
        comparable = len(complete) == 2 and min(complete) >= WHOLE
        degree_before = (await self._room.figures(viewer, month // 12 - 1)).degree_months.get(former)
        return pages.render(
            request,
            viewer,
            "energy_elected",
            month=_month_name(name, lang),
            chosen=name,
            goes_on=month == this,
            months=[(_name_of(this - n), _month_name(_name_of(this - n), lang)) for n in range(25)],
            used=used,
            was=was,
            change=used / was - 1 if comparable and used is not None and was else None,
            degree=one.degree_months.get(name),
            degree_before=degree_before,
            complete=next((row.completeness for row in one.months if row.month == name), None),
            drifting=sum(site.drift is not None for site in one.sites),
            sites=len(one.sites),
            counts=counts,
            heard=heard,
            kwh=lambda value: _grouped(value, lang),
            percent=lambda share: _percent(share, lang),
        )

    async def _first_shown(self, viewer: Viewer, this: int) -> int:
        """Return the last month that is over; the one that goes on where there was nothing yet in that one."""
        last = this - 1
        months = (await self._room.figures(viewer, last // 12)).months
        begin, end = self._room.calendar.month_start(last), self._room.calendar.month_start(this)
        condition, values = viewer.scope.things("t")
        found = await self._room.city.store.read(lambda r: tables.counts(r, condition, values, begin, end))
        return last if found.raised or _of_month(months, _name_of(last)) is not None else this

    def _year(self, request: web.Request) -> int:
        this = self._room.this_year()
        text = request.query.get("year", "")
        year = int(text) if text.isascii() and text.isdigit() and len(text) == 4 else this if not text else 0
        if not this - YEARS < year <= this:
            raise DecodeError(
                "bad-query", phrase("energy-year-wrong", "the year is one of the last {most}", most=YEARS)
            )
        return year


def _compared(one: Figures) -> list[tuple[str, float | None, float | None, float | None, float]]:
    """Return (month, kWh, kWh a year before, change, completeness). The change is of whole months only: a month that
    has just begun is no saving."""
    former = {row.month[5:]: row for row in one.before}
    found = []
    for row in one.months:
        then = former.get(row.month[5:])
        was, whole = (None, False) if then is None else (then.kwh, min(row.completeness, then.completeness) >= WHOLE)
        change = row.kwh / was - 1 if whole and was and row.kwh is not None else None
        found.append((row.month, row.kwh, was, change, row.completeness))
    return found


def _most(one: Figures) -> float:
    """Return the greatest month of both years in kWh, 0 where none is known."""
    return max((row.kwh for row in (*one.months, *one.before) if row.kwh is not None), default=0.0)


def _chart(one: Figures) -> list[dict[str, Any]]:
    """Return the bars of both years: heights in percent of the greatest."""
    now = {row.month[5:]: row.kwh for row in one.months}
    then = {row.month[5:]: row.kwh for row in one.before}
    most = _most(one)
    return [
        {
            "month": number,
            "now": 0.0 if not most else 100 * (now.get(f"{number:02d}") or 0.0) / most,
            "then": 0.0 if not most else 100 * (then.get(f"{number:02d}") or 0.0) / most,
        }
        for number in range(1, 13)
    ]


def _total(months: Iterable[overview.Month]) -> float | None:
    known = [row.kwh for row in months if row.kwh is not None]
    return sum(known) if known else None


def _of_month(months: Iterable[overview.Month], name: str) -> float | None:
    return next((row.kwh for row in months if row.month == name), None)


def _name_of(month: int) -> str:
    return f"{month // 12:04d}-{month % 12 + 1:02d}"


def _month_of(name: str) -> int:
    year, _, month = name.partition("-")
    if not (year.isascii() and year.isdigit() and month.isascii() and month.isdigit() and 1 <= int(month[:2]) <= 12):
        return 0
    return int(year[:4]) * 12 + int(month[:2]) - 1


def _month_name(name: str, lang: str) -> str:
    year, _, month = name.partition("-")
    return f"{word(f'month-{int(month)}', lang)} {year}"


def _grouped(value: float | None, lang: str) -> str:
    if value is None:
        return "–"
    digits = 0 if abs(value) >= 100 else 1
    plain = f"{value:,.{digits}f}"
    return plain.replace(",", "\u202f").replace(".", ",") if lang == "fr" else plain


def _percent(share: float | None, lang: str) -> str:
    if share is None:
        return "–"
    plain = f"{round(100 * share, 1) + 0.0:+.1f}"
    return f"{plain.replace('.', ',') if lang == 'fr' else plain}\u202f%"


def _cell(value: float | None) -> Any:
    return "" if value is None else value


def _file(data: bytes, kind: str, name: str) -> web.Response:
    headers = {"Content-Disposition": f'attachment; filename="{name}"', "Cache-Control": "no-store"}
    return web.Response(body=data, content_type=kind, charset="utf-8", headers=headers)
