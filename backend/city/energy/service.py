"""The energy room in one process: the portfolio of a scope, its reports, and what is computed beside."""

from __future__ import annotations

import asyncio
import json
import logging
from functools import partial
from typing import Any, NamedTuple, cast

from backend.city.city import City
from backend.city.energy import collect, drifting, overview
from backend.city.energy.hours import StoredAggregates
from backend.city.energy.portfolio import OUTDOOR, Portfolio, portfolio
from backend.city.people.viewer import Role, Scope, Viewer
from backend.city.zone import zone_of
from backend.queries.views import NotFound
from backend.storage.city import energy as tables
from backend.storage.city.database import Reader
from backend.storage.city.energy import Building, Followed
from hub.core.errors import StorageError
from hub.core.text import phrase, reason_of
from hub.energy.degree import BASE
from hub.energy.drift_watch import DriftWatch
from hub.energy.figures import Survey
from hub.energy.html import as_html
from hub.energy.operat import as_csv
from hub.energy.reports import Reports
from hub.history.rollups.calendar import Calendar
from hub.history.rollups.recorder import Rollups
from hub.history.rollups.views import Key

log = logging.getLogger(__name__)

SEES = frozenset({Role.OPERATOR, Role.HEAD, Role.ADMIN})
EVERY_S = 3600.0
FIRST_S = 20.0
"""How long until the next look while there is no meter, as before the first hub."""
"""Seconds between two readings of the meters."""
KEPT_S = 300.0
"""Seconds for which the figures of a scope are kept in memory."""
MOST_KEPT = 50
WHOLE = Scope(classes=frozenset({"public", "internal", "personal"}))
"""What is computed beside: every meter. What of it is shown, a viewer's scope says."""
KINDS = {"r175": ("html", "json"), "operat": ("csv", "json")}


class Found(NamedTuple):
    """A portfolio over its stored hours. `drift`: place → state."""

    portfolio: Portfolio
    aggregates: StoredAggregates
    survey: Survey
    known: dict[Key, Followed]
    buildings: dict[str, Building]
    drift: dict[str, dict[str, Any]]


class Figures(NamedTuple):
    """Figures of a portfolio in a year: `meters` as `hub.energy.figures` tells them, with their drift; `degree_days`
    None where no outdoor temperature is known; `computed` when its readings were read last (Unix seconds)."""

    year: int
    this_year: int
    meters: list[dict[str, Any]]
    months: list[overview.Month]
    before: list[overview.Month]
    carriers: dict[str, float]
    sites: list[overview.SiteSum]
    degree_days: float | None
    degree_months: dict[str, float]
    operators: list[str]
    computed: float


class _States(NamedTuple):
    """What `hub.energy.reports` asks of the drift."""

    states: dict[str, dict[str, Any]]


class EnergyRoom:
    """Energy of a city. Raises StorageError."""

    def __init__(self, city: City) -> None:
        self.city = city
        self._calendar = Calendar(zone_of(city).key)
        self._kept: dict[tuple[Scope, int], tuple[float, Figures]] = {}

    @property
    def calendar(self) -> Calendar:
        """The calendar of the zone that is set now."""
        name = zone_of(self.city).key
        if name != self._calendar.timezone:
            self._calendar = Calendar(name)
        return self._calendar

    def this_year(self) -> int:
        return self.calendar.month(self.city.clock()) // 12

    async def figures(self, viewer: Viewer, year: int) -> Figures:
        """Return the figures of what a viewer may see."""
        key, now = (viewer.scope, year), self.city.clock()
        kept = self._kept.get(key)
        if kept is not None and 0 <= now - kept[0] < KEPT_S:
            return kept[1]
        found = await self.city.store.run(lambda: asyncio.run(self._figures(viewer.scope, year)))
        while len(self._kept) >= MOST_KEPT:
            self._kept.pop(next(iter(self._kept)))
        self._kept[key] = now, found
        return found

    async def report(self, viewer: Viewer, kind: str, year: int, operator: str, shape: str, lang: str) -> bytes:
        """Return a report over what a viewer may see, of one operator or of all. Raises HubError for an operator that
        there is not in it."""
        return await self.city.store.run(
            lambda: asyncio.run(self._report(viewer.scope, kind, year, operator, shape, lang))
        )

    # blocking: in a thread, with a loop of its own

    def _find(self, scope: Scope) -> Found:
        database, now = self.city.store.database, self.city.clock()
        condition, values = scope.things("t")
        with database.snapshot() as r:
            counters = tables.counters(r, condition, values)
            buildings, names, followed = tables.buildings(r), tables.site_names(r), tables.followed(r)
            drift = {series: json.loads(state) for series, (_, state) in tables.drift(r).items()}
            outdoor = outdoor_of(r, buildings)
        made = portfolio(counters, buildings, names)
        known = {key: followed[series] for key, series in made.keys.items() if series in followed}
        outdoor_key: Key | None = None
        if outdoor in followed:
            outdoor_key = (OUTDOOR, "temperature")
            known[outdoor_key] = followed[outdoor]
        places = {place.id: place for place in made.places}
        aggregates = StoredAggregates(database, self.calendar, known, places.get)
        survey = Survey(
            cast(Rollups, aggregates),
            places=lambda: made.places,
            zones=made.zones,
            outdoor=outdoor_key,
            base=BASE,
            trust=lambda device: "",
            now=lambda: now,
        )
        states = {
            place: drift[series] for (place, _), series in made.keys.items() if series in drift
        }  # fmt: skip
        return Found(made, aggregates, survey, known, buildings, states)

    async def _figures(self, scope: Scope, year: int) -> Figures:
        found = self._find(scope)
        meters, before = [], []
        for place, meter in found.survey.meters():
            facts = found.survey.facts(place, meter)
            state = found.drift.get(place.id, {"state": "waiting"})
            meters.append({**facts, **await found.survey.year(place, meter, year), "drift": state})
            before.append({**facts, **await found.survey.year(place, meter, year - 1), "drift": state})
        months = await _degree_months(found.survey, year)
        total = round(sum(months.values()), 1) if months else None
        areas = {site: one.area for site, one in found.buildings.items()}
        return Figures(
            year,
            self.this_year(),
            meters,
            overview.by_month(meters) if meters else [],
            overview.by_month(before) if before else [],
            overview.by_carrier(meters),
            overview.by_site(meters, found.portfolio.sites, areas, total),
            total,
            months,
            sorted(found.portfolio.operators),
            max((one.through_ms / 1000 for one in found.known.values()), default=0.0),
        )

    async def _report(self, scope: Scope, kind: str, year: int, operator: str, shape: str, lang: str) -> bytes:
        found = self._find(scope)
        reports = Reports(
            found.survey,
            cast(DriftWatch, _States(found.drift)),
            hub=self.city.owner.settings.owner,
            title=self.city.owner.settings.owner,
            titles=found.portfolio.sites,
            operators=found.portfolio.operators,
            call=_nothing,
            writable=list,
        )
        report = {**await reports.make(kind, year, operator), "source": "district"}
        if shape == "html":
            return as_html(report, lang, self.calendar.timezone)
        if shape == "csv":
            return as_csv(report["rows"], lang)
        return json.dumps(report, ensure_ascii=False, default=str).encode()

    # beside

    async def keep(self) -> None:
        """Bring hours, months and drift up to date every hour, until cancelled."""
        while True:
            meters = 0
            try:
                meters = await self.update()
            except StorageError as error:
                log.warning(phrase("energy-update-failed", "meters are read later: {reason}", reason=reason_of(error)))
            await asyncio.sleep(EVERY_S if meters else FIRST_S)

    async def update(self) -> int:
        """Read what came of every meter, compute the months that are over, judge what is due; return how many series
        were read. One series at a time, so that a server that ends waits for one and not for all."""
        database, now, run = self.city.store.database, self.city.clock(), self.city.store.run

        def asked(r: Reader) -> set[str]:
            outdoor = outdoor_of(r, tables.buildings(r))
            return {one.series for one in tables.counters(r, *WHOLE.things("t"))} | ({outdoor} if outdoor else set())

        changed: dict[str, list[int]] = {}
        for series in sorted(await self.city.store.read(asked)):
            try:
                changed[series] = (await run(partial(self._read_series, series, now))).months
            except NotFound:  # its last readings were erased
                continue
        found = await run(partial(self._find, WHOLE))
        for key, one in found.known.items():
            months = changed.get(one.series, ())
            freeze = partial(collect.freeze_months, database, found.aggregates, key, one, months, self.calendar, now)
            if months:
                await run(freeze)
        meters = [
            (found.portfolio.keys[place.id, meter.metric], place, meter) for place, meter in found.survey.meters()
        ]
        for series, place, meter in await run(partial(drifting.due, database, meters, now)):
            await run(partial(drifting.judge, database, found.survey, series, place, meter, now))
        self._kept.clear()
        return len(changed)

    def _read_series(self, series: str, now: float) -> collect.Read:
        return collect.read_series(self.city.queries, self.city.store.database, series, self.calendar, now)


async def _degree_months(survey: Survey, year: int) -> dict[str, float]:
    """Return degree days by month, of the days that are known."""
    if survey.outdoor is None:
        return {}
    calendar = survey.rollups.views.calendar_of(survey.outdoor)
    begin = calendar.month_start(year * 12)
    end = min(calendar.month_start(year * 12 + 12), calendar.day(survey.now()))
    if begin >= end:
        return {}
    found: dict[str, float] = {}
    for day, _, value in await survey.degree_days(begin, end):
        if value is not None:
            month = f"{calendar.local(day + 6 * 3600):%Y-%m}"
            found[month] = round(found.get(month, 0.0) + value, 3)
    return found


def outdoor_of(r: Reader, buildings: dict[str, Building]) -> str:
    """Return the series of the outdoor temperature: the one that most buildings name, else that of a weather station;
    "" without any."""
    named = [one.outdoor for one in buildings.values() if one.outdoor]
    if named:
        return max(sorted(set(named)), key=named.count)
    return next(iter(tables.outdoor_series(r)), "")


async def _nothing(name: str, arguments: dict[str, Any]) -> Any:
    """Answer the calls of a hub that a report makes: a district knows of none of these."""
    return {"status": {"plugins": []}, "devices": {"devices": []}, "command.list": {"commands": []}}[name]


def room_of(city: City) -> EnergyRoom:
    """Return the energy room of this process."""
    found = city.parts.get("energy")
    if not isinstance(found, EnergyRoom):
        found = city.parts["energy"] = EnergyRoom(city)
    return found
