"""Reports that building law requires, as data: R175-3, the yearly OPERAT file, the inspection dossier.

    r175      code de la construction et de l'habitation, R175-3: one section for each numbered requirement
    dossier   the same code, article R175-5-1: what an inspector asks to see of a system
    operat    arrêté du 10 avril 2020 (tertiary buildings): a year's consumption by carrier; see `hub.energy.operat`

Estimated figures are marked, gaps are declared and never filled, missing meters are in no sum. These are engineering
readings of the texts, not legal advice.
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Any

from hub.core.errors import HubError
from hub.core.metric_catalogue import METRICS
from hub.core.model import Meter, Place
from hub.core.text import phrase
from hub.energy.drift_watch import DriftWatch
from hub.energy.figures import Survey
from hub.energy.submeters import without_submeters
from hub.history.rollups.calendar import month_name
from hub.i18n.metric_names import metric_name
from hub.i18n.typography import unit_text

Call = Callable[[str, dict[str, Any]], Awaitable[Any]]
KINDS = ("r175", "operat", "dossier")
YEARS = 5
MOST_ALERTS = 1000
"""Maximum alerts per month: the limit of one call."""
MOST_COMMANDS = 50
MOST_KEPT = 1000
"""Maximum commands of one call."""


class Reports:
    """Builds reports. `operators`: id → (name, places, zones); `call` calls other parts of the hub; `titles`: site id →
    name; `writable`: the writable metrics by device."""

    def __init__(
        self,
        survey: Survey,
        drift: DriftWatch,
        *,
        hub: str,
        title: str,
        titles: dict[str, str],
        operators: dict[str, tuple[str, frozenset[str], frozenset[str]]],
        call: Call,
        writable: Callable[[], list[dict[str, Any]]],
    ) -> None:
        self._survey, self._drift, self._hub, self._title = survey, drift, hub, title
        self._titles, self._operators, self._call, self._writable = titles, operators, call, writable

    def reconfigure(self, title: str, titles: dict[str, str]) -> None:
        """Set the names of the hub and its sites after a change of configuration."""
        self._title, self._titles = title, titles

    @property
    def operators(self) -> dict[str, str]:
        """Id → name."""
        return {name: title for name, (title, _, _) in self._operators.items()}

    def meters(self, operator: str = "") -> list[tuple[Place, Meter]]:
        """Return the meters an operator may see, all without one. Raises HubError for an unknown operator."""
        found = self._survey.meters()
        if not operator:
            return found
        if operator not in self._operators:
            raise HubError(
                phrase(
                    "operator-unknown",
                    "there is no operator {operator!r} in `energy: operators`: {operators}",
                    operator=operator,
                    operators=list(self._operators) or phrase("no-operator-declared", "none is declared"),
                )
            )
        return [(place, meter) for place, meter in found if self._may_see(operator, place.id, place.zone)]

    def _may_see(self, operator: str, place: str, zone: str) -> bool:
        """Return whether an operator may see this place or zone; without an operator, everything."""
        if not operator:
            return True
        _, places, zones = self._operators[operator]
        return place in places or zone in zones

    async def make(self, kind: str, year: int, operator: str = "") -> dict[str, Any]:
        """Return the data of a report; `hub.energy.report_texts` names its sections."""
        common = {
            "kind": kind, "hub": self._hub, "title": self._title, "year": year, "made": int(self._survey.now()),
            "operator": operator, "operator_name": self._operators[operator][0] if operator in self._operators else "",
        }  # fmt: skip
        meters = await self._figures(year, operator)
        if kind == "operat":
            from hub.energy.operat import lines  # late: it brings the writer of tables

            return {**common, "rows": lines(year, meters, self._titles)}
        zones = self._zones(meters, operator)
        degree = await self._degree_months(year)
        if kind == "r175":
            return {
                **common, "meters": meters, "zones": zones, "degree_days": degree,
                "archive": await self._archive(operator), "interoperability": await self._interoperability(operator),
                "control": await self._control(operator), "method": self._method(),
            }  # fmt: skip
        return {
            **common, "meters": meters, "zones": zones, "degree_days": degree,
            "interoperability": await self._interoperability(operator), "control": await self._control(operator),
            "alerts": await self._alerts(year, operator), "devices": await self._devices(operator),
            "method": self._method(),
        }  # fmt: skip

    async def _figures(self, year: int, operator: str) -> list[dict[str, Any]]:
        found = []
        for place, meter in self.meters(operator):
            figures = await self._survey.year(place, meter, year)
            compared = None
            if meter.reference and figures["months"]:
                used = figures["kwh"] if figures["kwh"] is not None else figures["used"]
                due = meter.reference * self._months_read(place, figures["months"], year) / 12
                unit = self._survey.facts(place, meter)["unit"]
                compared = {
                    "used": used, "due": round(due, 3), "ratio": round(used / due, 4) if due else None,
                    "unit": "kWh" if figures["kwh"] is not None else unit_text(unit),
                }  # fmt: skip
            state = self._drift.states.get(place.id, {"state": "waiting"})
            found.append({
                **self._survey.facts(place, meter), **figures, "compared": compared, "drift": state,
                **await self._survey.stretches(place, meter, year),
            })  # fmt: skip
        return found

    def _months_read(self, place: Place, rows: list[dict[str, Any]], year: int) -> float:
        """Return the number of months read, the current one counted in part."""
        calendar, now = self._survey.calendar(place), self._survey.now()
        passed = 0.0
        for month, row in enumerate(rows, year * 12):
            begin, end = calendar.month_start(month), calendar.month_start(month + 1)
            passed += (min(end, now) - begin) / (end - begin) if row["used"] is not None else 0.0
        return passed

    def _zones(self, meters: list[dict[str, Any]], operator: str) -> list[dict[str, Any]]:
        """Return every zone, including those without a meter: that is a gap of the building, and is reported."""
        by: dict[str, list[dict[str, Any]]] = {}
        for meter in meters:
            by.setdefault(meter["zone"], []).append(meter)
        return [
            {
                "zone": zone,
                "name": name or zone,
                "site": site,
                "use": use,
                "meters": [meter["place"] for meter in by.get(zone, ())],
                "meter_names": [meter["name"] for meter in by.get(zone, ())],
                "kwh": self._sum(by.get(zone, [])),
                "hourly": all(meter["completeness"] > 0 for meter in by.get(zone, ())) if zone in by else False,
            }
            for zone, (name, site, use) in self._survey.zones.items()
            if not operator or zone in by
        ]

    def _sum(self, meters: list[dict[str, Any]]) -> float | None:
        """Return the sum in kWh of the meters that have any, each counted once; None if none has."""
        read = [one for one in meters if one["kwh"] is not None and len(one["missing"]) < len(one["months"])]
        known = [one["kwh"] for one in without_submeters(read, lambda one: str(one["place"]), self._survey.behind())]
        return round(sum(known), 3) if known else None

    async def _degree_months(self, year: int) -> dict[str, Any]:
        outdoor = self._survey.outdoor
        if outdoor is None:
            return {"series": "", "base": self._survey.base, "months": []}
        calendar = self._survey.rollups.views.calendar_of(outdoor)
        begin, today = calendar.month_start(year * 12), calendar.day(self._survey.now())  # today is incomplete
        end = min(calendar.month_start(year * 12 + 12), today)
        months: dict[str, list[float | None]] = {}
        for day, _, value in await self._survey.degree_days(begin, end):
            months.setdefault(f"{calendar.local(day + 3600 * 6):%Y-%m}", []).append(value)
        return {
            "series": "/".join(outdoor), "base": self._survey.base,
            "months": [
                {
                    "month": month, "degree_days": round(sum(v for v in values if v is not None), 1),
                    "days": len(values), "missing": sum(1 for v in values if v is None),
                }
                for month, values in months.items()
            ],
        }  # fmt: skip

    async def _archive(self, operator: str) -> list[dict[str, Any]]:
        """Return each meter's months of the last five years, and which are missing."""
        found = []
        views, now = self._survey.rollups.views, self._survey.now()
        for place, meter in self.meters(operator):
            key = (place.id, meter.metric)
            series, calendar = views.series(key), self._survey.calendar(place)
            this = calendar.month(now)
            first = (
                calendar.month(series.device_changes[0][0]) if series is not None and series.device_changes else this
            )
            frozen = await views.months([key])
            wanted = range(max(first, this - 12 * YEARS), this)
            known = {month for month in wanted if await views.month(key, month, frozen) is not None}
            found.append({
                "place": place.id, "name": place.name or place.id, "months": len(known),
                "first": month_name(first) if series is not None and series.device_changes else "",
                "missing": [month_name(month) for month in wanted if month not in known],
            })  # fmt: skip
        return found

    async def _interoperability(self, operator: str) -> list[dict[str, Any]]:
        status, devices = await self._call("status", {}), await self._visible_devices(operator)
        of = Counter(one["integration"] for one in devices)
        return [{"name": one["name"], "state": one["state"], "devices": of[one["name"]]} for one in status["plugins"]]

    async def _control(self, operator: str) -> dict[str, Any]:
        """Return what can be written and by whom (manual stop), and the latest commands (autonomous operation)."""
        devices, places = await self._visible_devices(operator), self._survey.place_names()
        names = {one["id"]: _display_name(one, places) for one in devices}
        # An operator's newest commands may be older than many others given since.
        asked = MOST_COMMANDS if not operator else MOST_KEPT
        commands = (await self._call("command.list", {"limit": asked}))["commands"]
        shown = ("at", "device", "metric", "value", "values", "by", "state")
        return {
            "devices": len(devices),
            "writable": [
                {**one, **_display_names(one, names)} for one in self._writable() if _within(one, names, operator)
            ],
            "commands": [
                {**{name: one.get(name) for name in shown}, **_display_names(one, names)}
                for one in commands
                if _within(one, names, operator)
            ][:MOST_COMMANDS],
        }

    async def _alerts(self, year: int, operator: str) -> dict[str, Any]:
        """Return the alerts raised in the year, newest first, and how many are open today; `cut` where a month exceeds
        the limit."""
        calendar, now = self._survey.rollups.views.calendar_of(("", "")), self._survey.now()
        starts = [calendar.month_start(year * 12 + month) for month in range(13)]
        found: list[dict[str, Any]] = []
        cut = False
        for begin, end in itertools.pairwise(starts):  # by month: a call has a limit
            if begin > now:
                break
            asked = {"all": True, "limit": MOST_ALERTS, "from": begin, "to": end}
            some = (await self._call("alert.list", asked))["alerts"]
            found, cut = [*some, *found], cut or len(some) >= MOST_ALERTS
        found = self._visible(operator, found)
        today = self._visible(operator, (await self._call("alert.list", {}))["alerts"])
        shown = ("rule", "severity", "state", "raised", "text", "text_fr", "place", "device")
        return {
            "by_rule": dict(Counter(one["rule"] for one in found)),
            "open": len(today), "cut": cut,
            "raised": [{name: one.get(name, "") for name in shown} for one in found],
        }  # fmt: skip

    async def _visible_devices(self, operator: str) -> list[dict[str, Any]]:
        """Return the devices an operator may see."""
        return self._visible(operator, (await self._call("devices", {}))["devices"])

    def _visible(self, operator: str, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """Return the devices or alerts that an operator may see."""
        return [one for one in rows if self._may_see(operator, one.get("place") or "", one.get("zone") or "")]

    async def _devices(self, operator: str) -> list[dict[str, Any]]:
        found, places = await self._visible_devices(operator), self._survey.place_names()
        return [
            {
                **{
                    name: one.get(name) for name in ("id", "place", "zone", "integration", "model", "firmware", "state")
                },
                "name": _display_name(one, places),
                "zone_name": self._survey.zones.get(one["zone"], ("",))[0] or one["zone"],
            }
            for one in found
        ]

    def _method(self) -> dict[str, Any]:
        return {"step": "hour", "gap_minutes": 90, "degree_base": self._survey.base, "target": 0.10}


def _within(one: dict[str, Any], names: dict[str, str], operator: str) -> bool:
    """Return whether it concerns one of these devices; for the owner always, even if the device is gone."""
    return not operator or one["device"] in names


def _display_name(device: dict[str, Any], places: dict[str, str]) -> str:
    """Return a device's name, else its place's, else its id."""
    return device.get("name") or places.get(device.get("place") or "") or str(device["id"])


def _display_names(one: dict[str, Any], names: dict[str, str]) -> dict[str, Any]:
    """Return display names of the device and metric of a command, and its unit (UCUM)."""
    known = METRICS.get(one["metric"])
    return {
        "name": names.get(one["device"], one["device"]), "unit": known.unit if known is not None else "",
        "metric_fr": metric_name(known, "fr") if known is not None else one["metric"],
        "metric_en": metric_name(known, "en") if known is not None else one["metric"],
    }  # fmt: skip
