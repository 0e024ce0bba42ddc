"""Figures of meters and zones, for pages and reports."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable, Iterable, Mapping
from datetime import date
from typing import Any

from hub.core.metric_catalogue import METRICS
from hub.core.model import Meter, MeterSwap, Place
from hub.energy.baseline import Day
from hub.energy.day_types import Almanac
from hub.energy.degree import day_mean, degree_days
from hub.history.rollups.calendar import HOUR, Calendar
from hub.history.rollups.cells import Cell, cells, edges
from hub.history.rollups.recorder import Rollups
from hub.history.rollups.views import Key

JUDGED = 75.0
"""Completeness in percent from which a day counts for baseline and drift."""


class Survey:
    """Reads the figures. `zones`: id → (name, site, use); `trust` returns the trust class of a device's last report, ""
    without one; `almanac` returns the days of a schedule."""

    def __init__(
        self,
        rollups: Rollups,
        *,
        places: Callable[[], Iterable[Place]],
        zones: Mapping[str, tuple[str, str, str]],
        outdoor: Key | None,
        base: float,
        trust: Callable[[str], str],
        now: Callable[[], float],
        almanac: Callable[[str], Almanac] = lambda schedule: Almanac(),
    ) -> None:
        self.rollups, self.outdoor, self.base, self.zones = rollups, outdoor, base, zones
        self._places, self._trust, self.now, self._almanac = places, trust, now, almanac

    def meters(self) -> list[tuple[Place, Meter]]:
        return [(place, place.meter) for place in self._places() if place.meter is not None]

    def behind(self) -> dict[str, str]:
        """Return place of a meter → place of the main meter that it is behind."""
        return {place.id: meter.behind for place, meter in self.meters() if meter.behind}

    def place_names(self) -> dict[str, str]:
        """Return id → display name, "" for places without one."""
        return {place.id: place.name for place in self._places()}

    def facts(self, place: Place, meter: Meter) -> dict[str, Any]:
        """Return the facts of a meter, without figures."""
        series = self.rollups.views.series((place.id, meter.metric))
        device_changes = series.device_changes if series is not None else ()
        device = device_changes[-1][1] if device_changes else ""
        name, _, use = self.zones.get(place.zone, ("", "", ""))
        # Class and calibration belong to a meter, not to its place: they do not carry over to its successor.
        there: Meter | MeterSwap = next((swap for swap in reversed(meter.swaps) if swap.serial), meter)
        known = METRICS.get(meter.metric)
        unit = series.unit if series is not None else known.unit if known is not None else ""
        declared = [swap.at for swap in meter.swaps]
        unknown = [at for at, _ in device_changes[1:] if not any(abs(at - one) <= 36 * HOUR for one in declared)]
        stood: list[Meter | MeterSwap] = [meter, *meter.swaps]
        return {
            "place": place.id, "name": place.name or place.id, "zone": place.zone, "zone_name": name or place.zone,
            "zone_use": use, "site": place.site, "metric": meter.metric, "unit": unit,
            "carrier": meter.carrier, "use": meter.use, "serial": there.serial, "accuracy": there.accuracy,
            "calibrated": there.calibrated, "kwh": None if meter.kwh is None else float(meter.kwh),
            "behind": meter.behind,
            "wraps": None if meter.wraps is None else float(meter.wraps), "reference": meter.reference,
            "device": device, "trust": self._trust(device) if device else "",
            "since": device_changes[0][0] if device_changes else None,
            "swaps": [
                {
                    "at": swap.at, "final": _number(swap.final), "initial": _number(swap.initial),
                    "serial": swap.serial, "before": before.serial, "accuracy": before.accuracy,
                    "calibrated": before.calibrated,
                }
                for before, swap in zip(stood, meter.swaps, strict=False)
            ],
            "swaps_undeclared": unknown if place.pulse is None else [],
        }  # fmt: skip

    async def cells(self, key: Key, begin: int, end: int, step: str) -> list[Cell]:
        return await cells(self.rollups.views, key, begin, end, step, self.now())

    async def year(self, place: Place, meter: Meter, year: int) -> dict[str, Any]:
        """Return the months of a year, with kWh where it is energy, sums and missing months."""
        calendar = self.calendar(place)
        begin, end = calendar.month_start(year * 12), calendar.month_start(year * 12 + 12)
        months = await self.cells((place.id, meter.metric), begin, min(end, int(self.now())), "month")
        if not months:  # never read: each month is a gap
            months = [Cell(start, None) for start in calendar.months(begin, min(end, int(self.now())))]
        kwh = None if meter.kwh is None else float(meter.kwh)
        rows: list[dict[str, Any]] = [
            {
                "month": f"{calendar.local(cell.begin):%Y-%m}",
                "used": cell.value,
                "estimated": cell.estimated,
                "kwh": None if kwh is None or cell.value is None else round(cell.value * kwh, 3),
                "completeness": cell.completeness,
            }
            for cell in months
        ]
        used = round(sum(row["used"] or 0.0 for row in rows), 6)
        return {
            "months": rows, "used": used, "estimated": round(sum(row["estimated"] for row in rows), 6),
            "kwh": None if kwh is None else round(used * kwh, 3),
            "completeness": round(sum(row["completeness"] for row in rows) / len(rows), 1) if rows else 0.0,
            "missing": [row["month"] for row in rows if row["used"] is None],
        }  # fmt: skip

    async def stretches(self, place: Place, meter: Meter, year: int) -> dict[str, list[dict[str, Any]]]:
        """Return periods of a year, up to an hour ago: `gaps`, where nothing is known, and `estimates`, where only the
        total is."""
        calendar, key = self.calendar(place), (place.id, meter.metric)
        begin = calendar.month_start(year * 12)
        end = min(calendar.month_start(year * 12 + 12), calendar.hour(self.now()) - HOUR)
        found: dict[str, list[dict[str, Any]]] = {"gaps": [], "estimates": []}
        days = edges(calendar, begin, end, "day") if begin < end else []
        for at in range(0, len(days) - 1, 31):
            some = days[at : at + 32]
            hours = await self.cells(key, some[0], min(some[-1], end), "hour")
            for cell in hours or [Cell(hour, None) for hour in calendar.hours(some[0], min(some[-1], end))]:
                if cell.begin >= end:
                    break
                kind = "gaps" if cell.value is None else "estimates" if cell.estimated else ""
                if not kind:
                    continue
                last = found[kind][-1] if found[kind] else None
                if last is None or last["to"] != cell.begin:
                    found[kind].append(last := {"from": cell.begin, "to": cell.begin, "hours": 0, "used": 0.0})
                last["to"] = cell.begin + HOUR
                last["hours"] += 1
                last["used"] = round(last["used"] + cell.estimated, 6)
            await asyncio.sleep(0)
        return found

    def temperatures(self, zone: str) -> list[Key]:
        """Return the series of air temperature in a zone."""
        here = {place.id for place in self._places() if place.zone == zone}
        return [key for key in self.rollups.series if key[0] in here and key[1] == "temperature"]

    def calendar(self, place: Place) -> Calendar:
        return self.rollups.views.calendar_of((place.id, ""))

    def almanac(self, meter: Meter) -> Almanac:
        """Return the holidays and exceptional days at a meter, by the present configuration."""
        return self._almanac(meter.schedule)

    async def degree_days(self, begin: int, end: int) -> list[tuple[int, float | None, float | None]]:
        """Return (day, mean, degree days) for each day of a period, None where too little is known."""
        if self.outdoor is None:
            return []
        means = await self.means(begin, end)
        return [(day, mean, degree_days(mean, self.base)) for day, mean in means]

    async def means(self, begin: int, end: int) -> list[tuple[int, float | None]]:
        """Return the mean outdoor temperature of each day."""
        if self.outdoor is None:
            return []
        calendar = self.rollups.views.calendar_of(self.outdoor)
        days = edges(calendar, begin, end, "day")
        found: list[tuple[int, float | None]] = []
        for at in range(0, len(days) - 1, 31):
            some = days[at : at + 32]
            hours = {cell.begin: cell for cell in await self.cells(self.outdoor, some[0], some[-1], "hour")}
            for start, stop in itertools.pairwise(some):
                found.append(
                    (start, day_mean([hours.get(hour, Cell(hour, None)) for hour in calendar.hours(start, stop)]))
                )
            await asyncio.sleep(0)
        return found

    async def days(self, place: Place, meter: Meter, begin: int) -> list[Day]:
        """Return the whole days since `begin` known well enough to be judged; never today."""
        key, calendar, now = (place.id, meter.metric), self.calendar(place), self.now()
        end = calendar.day(now)
        if begin >= end:
            return []
        means = await self.means(begin - 86_400, end)
        by_date = {self._date(calendar, day): mean for day, mean in means}
        found, almanac = [], self.almanac(meter)
        for cell in await self.cells(key, begin, end, "day"):
            number = self._date(calendar, cell.begin)
            mean, before = by_date.get(number), by_date.get(number - 1)
            if cell.value is None or cell.completeness < JUDGED or mean is None or cell.begin >= end:
                continue
            on = date.fromordinal(number)
            found.append(
                Day(
                    number,
                    cell.value,
                    mean,
                    mean if before is None else before,
                    almanac.public(on),
                    almanac.away(on),
                    on in almanac.exceptions,
                )
            )
        return found

    @staticmethod
    def _date(calendar: Calendar, day: float) -> int:
        return calendar.local(day + 6 * HOUR).toordinal()


def day_name(number: int | None) -> str:
    """Format a day's number: `2026-03-02`."""
    return "" if number is None else date.fromordinal(number).isoformat()


def _number(value: Any) -> float | None:
    return None if value is None else float(value)
