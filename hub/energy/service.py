"""The energy service: runs the drift watch and answers calls."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Any

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from hub.config.pydantic_findings import one_of
from hub.core.actor import asker
from hub.core.calls import number
from hub.core.clock import Clock
from hub.core.errors import HubError
from hub.core.model import Meter, Place
from hub.core.text import phrase, reason_of
from hub.energy.drift_watch import DriftWatch
from hub.energy.figures import Survey
from hub.energy.reports import KINDS, Reports
from hub.energy.submeters import without_submeters
from hub.energy.today import today
from hub.energy.zones import averaged, summed
from hub.history.rollups.cells import STEPS, Cell, fitting
from hub.history.rollups.views import Key

FIRST_S, EVERY_S = 300.0, 6 * 3600.0
"""Judged five minutes after the start and four times a day: a verdict changes with a day's end, or with late data."""
FORMATS = {"r175": ("html", "json"), "dossier": ("html", "json"), "operat": ("csv", "json")}


class Energy:
    """Energy in a running hub. `drain` flushes what waits for history; `key` is the hub's identity; `timezone` that of
    its site."""

    def __init__(
        self,
        survey: Survey,
        drift: DriftWatch,
        reports: Reports,
        *,
        clock: Clock,
        key: Ed25519PrivateKey,
        timezone: str,
        drain: Callable[[], None],
    ) -> None:
        self._survey, self._drift, self._reports = survey, drift, reports
        self._clock, self._key, self._timezone, self._drain = clock, key, timezone, drain

    def reconfigure(
        self, zones: Mapping[str, tuple[str, str, str]], timezone: str, title: str, titles: dict[str, str]
    ) -> None:
        """Apply a new configuration: zone id → (name, site, use), the time zone of the hub's site, the names of hub and
        sites."""
        self._survey.zones, self._timezone = zones, timezone
        self._reports.reconfigure(title, titles)

    async def run(self) -> None:
        wait = FIRST_S
        while True:
            await self._clock.sleep(wait)
            wait = EVERY_S
            if self._clock.sure():
                self._drain()
                await self._drift.judge_all()

    def status(self) -> dict[str, Any]:
        states: dict[str, int] = {}
        for state in self._drift.states.values():
            states[state["state"]] = states.get(state["state"], 0) + 1
        return {"meters": len(self._survey.meters()), "drift": states}

    def complaints(self) -> list[str]:
        """Return the problems to show in `ilot status`, one sentence each."""
        said: list[str] = []
        for place, meter in self._survey.meters():
            count = len(self._survey.facts(place, meter)["swaps_undeclared"])
            if count:
                said.append(
                    phrase(
                        "meter-swaps-undeclared",
                        "the meter at {place} was replaced {count} [time|times] and nobody said what its dials showed: "
                        "give `swaps` in `places: {place}: meter:`",
                        place=place.id,
                        count=count,
                    )
                )
        today = self._survey.rollups.views.calendar_of(("", "")).local(self._clock.now()).date()
        almanacs = [self._survey.almanac(meter) for _, meter in self._survey.meters() if meter.drift]
        ending = {(one.zone, until) for one in almanacs if (until := one.ending(today)) is not None}
        said += [
            phrase(
                "school-holidays-end-soon",
                "school holidays, zone {zone}: known until {until} only; renew it, meters need them too",
                zone=zone,
                until=until,
            )
            for zone, until in sorted(ending)
        ]
        return said

    def calls(self) -> dict[str, Any]:
        """Return the handlers of the control socket.

        energy.meters {} · energy.meter {place, from, to, step} · energy.zone {zone, from, to, step} · energy.judge {} ·
        energy.today {} → {carriers: [{carrier, unit, used, usual, whole, days, estimated, meters}]} ·
        energy.restart {place, by, dry_run} · energy.report {kind, format, lang, year, operator} → {name, document
        (text), signature (of a CSV)}.
        """
        return {
            "energy.meters": self._meters, "energy.meter": self._meter, "energy.zone": self._zone,
            "energy.today": self._today, "energy.judge": self._judge, "energy.restart": self._restart,
            "energy.report": self._report,
        }  # fmt: skip

    async def _meters(self, arguments: dict[str, Any]) -> dict[str, Any]:
        """Return each meter with this year's months, and each zone."""
        self._drain()
        year = self._year(arguments)
        found = []
        for place, meter in self._survey.meters():
            found.append(
                {
                    **self._survey.facts(place, meter),
                    **await self._survey.year(place, meter, year),
                    "drift": self._drift.states.get(place.id, {"state": "waiting"}),
                }
            )
        zones = [
            {"zone": zone, "name": name or zone, "site": site, "use": use}
            for zone, (name, site, use) in self._survey.zones.items()
        ]
        outdoor = "/".join(self._survey.outdoor) if self._survey.outdoor else ""
        return {
            "year": year, "this_year": self._year({}), "meters": found, "zones": zones, "outdoor": outdoor,
            "operators": self._reports.operators,
        }  # fmt: skip

    async def _meter(self, arguments: dict[str, Any]) -> dict[str, Any]:
        """Return one meter's consumption by hours, days or months."""
        self._drain()
        wanted = str(arguments.get("place", ""))
        place, meter = next(((p, m) for p, m in self._survey.meters() if p.id == wanted), (None, None))
        if place is None or meter is None:
            raise HubError(phrase("place-without-meter", "the place {place!r} has no meter", place=wanted))
        begin, end, step = self._span(arguments)
        cells = await self._cells((place.id, meter.metric), begin, end, step)
        return {
            **self._survey.facts(place, meter), "counter": True, "step": step, "from": begin, "to": end,
            "timezone": self._survey.calendar(place).timezone, "cells": [list(cell) for cell in cells],
            "drift": self._drift.states.get(place.id, {"state": "waiting"}),
        }  # fmt: skip

    async def _zone(self, arguments: dict[str, Any]) -> dict[str, Any]:
        """Return a zone's consumption by carrier, in kWh where all its meters have them, and its mean temperature."""
        self._drain()
        zone = str(arguments.get("zone", ""))
        if zone not in self._survey.zones:
            raise HubError(phrase("zone-unknown", "there is no zone {zone!r}", zone=zone))
        name, site, use = self._survey.zones[zone]
        begin, end, step = self._span(arguments)
        timezone = self._survey.rollups.views.calendar_of(("", "")).timezone
        shown = {"step": step, "from": begin, "to": end}
        by: dict[str, list[tuple[Place, Meter]]] = {}
        for place, meter in self._survey.meters():
            if place.zone == zone:
                timezone = self._survey.calendar(place).timezone
                by.setdefault(meter.carrier, []).append((place, meter))
        sums = []
        for carrier, every in sorted(by.items()):
            some = without_submeters(every, lambda one: one[0].id, self._survey.behind())
            facts = [self._survey.facts(place, meter) for place, meter in some]
            energy = all(meter.kwh is not None for _, meter in some)
            if not energy and len({one["unit"] for one in facts}) > 1:
                continue  # litres and cubic metres have no sum; each meter has a page of its own
            many = [await self._cells((place.id, meter.metric), begin, end, step) for place, meter in some]
            factors = [float(meter.kwh) if energy and meter.kwh is not None else 1.0 for _, meter in some]
            sums.append({
                **shown, "carrier": carrier, "unit": "kW.h" if energy else facts[0]["unit"], "counter": True,
                "timezone": timezone, "cells": [list(cell) for cell in summed(many, factors)],
                "meters": [{"place": one["place"], "name": one["name"]} for one in facts],
            })  # fmt: skip
        air = [key for key in self._survey.temperatures(zone) if key != self._survey.outdoor]
        many = [found for key in air if (found := await self._cells(key, begin, end, step))]
        temperature = (
            {
                **shown,
                "unit": "Cel",
                "counter": False,
                "timezone": timezone,
                "cells": [list(cell) for cell in averaged(many)],
            }
            if many
            else None
        )
        return {"zone": zone, "name": name or zone, "site": site, "use": use, "sums": sums, "temperature": temperature}

    def _span(self, arguments: dict[str, Any]) -> tuple[int, int, str]:
        """Read the period and step of a call. Raises HubError."""
        end = int(number(arguments, "to", self._clock.now()))
        begin = int(number(arguments, "from", end - 7 * 86_400))
        step = str(arguments.get("step") or "") or fitting(begin, end)
        if step not in STEPS or begin >= end:
            raise HubError(
                phrase("history-span-wrong", "step is one of {steps}, and from is before to", steps=list(STEPS))
            )
        return begin, end, step

    async def _cells(self, key: Key, begin: int, end: int, step: str) -> list[Cell]:
        try:
            return await self._survey.cells(key, begin, end, step)
        except ValueError as error:
            raise HubError(reason_of(error)) from error

    async def _today(self, arguments: dict[str, Any]) -> dict[str, Any]:
        """Return what each carrier used today, beside a usual day."""
        self._drain()
        return {"carriers": await today(self._survey, self._clock.now())}

    async def _judge(self, arguments: dict[str, Any]) -> dict[str, Any]:
        self._drain()
        await self._drift.judge_all()
        return {"drift": self._drift.states}

    async def _restart(self, arguments: dict[str, Any]) -> dict[str, Any]:
        place = str(arguments.get("place", ""))
        if not any(one.id == place for one, _ in self._survey.meters()):
            raise HubError(phrase("place-without-meter", "the place {place!r} has no meter", place=place))
        if arguments.get("dry_run"):
            return {"place": place}
        return await self._drift.restart(place, asker(arguments))

    async def _report(self, arguments: dict[str, Any]) -> dict[str, Any]:
        kind, lang = str(arguments.get("kind", "")), str(arguments.get("lang") or "fr")
        if kind not in KINDS:
            raise HubError(
                phrase(
                    "report-kind-unknown",
                    "there is no report {kind!r}; there are {kinds}",
                    kind=kind,
                    kinds=list(KINDS),
                )
            )
        shape = str(arguments.get("format") or FORMATS[kind][0])
        if shape not in FORMATS[kind]:
            raise HubError(
                phrase(
                    "report-format-unknown",
                    "the report {kind} is made as {formats}; not as {format!r}",
                    kind=kind,
                    formats=one_of(FORMATS[kind]),
                    format=shape,
                )
            )
        if lang not in ("fr", "en"):
            raise HubError(
                phrase("report-language-unknown", "reports are in fr or en; not in {language!r}", language=lang)
            )
        self._drain()
        year, operator = self._year(arguments), str(arguments.get("operator") or "")
        report = await self._reports.make(kind, year, operator)
        from hub.energy import evidence
        from hub.energy.html import as_html

        at, signature = self._clock.now(), ""
        if shape == "html":
            page = await asyncio.to_thread(as_html, report, lang, self._timezone)
            document = evidence.sealed_html(page, self._key, at)
        elif shape == "json":
            document = evidence.sealed_json(msgspec.json.encode(report, enc_hook=str), self._key, at)
        else:
            from hub.energy.operat import as_csv

            document = as_csv(report["rows"], lang)
            signature = evidence.signature_of(document, self._key, at).decode()
        name = f"{kind}-{year}{'-' + operator if operator else ''}.{shape}"
        return {"name": name, "document": document.decode(), "signature": signature}

    def _year(self, arguments: dict[str, Any]) -> int:
        this = self._survey.rollups.views.calendar_of(("", "")).month(self._clock.now()) // 12
        try:
            year = int(arguments.get("year") or this)
        except (TypeError, ValueError):
            year = 0
        if not 2000 <= year <= this:
            raise HubError(phrase("report-year-wrong", "the year is from 2000 to {last}", last=this))
        return year
