"""Energy, as the hub runs it and answers for it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Any

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from hub.clock import Clock
from hub.energy import evidence
from hub.energy.printing import as_html
from hub.energy.reports import KINDS, Reports, as_csv
from hub.energy.survey import Survey
from hub.energy.watch import DriftWatch
from hub.errors import HubError
from hub.rollup.cells import STEPS, fitting

FIRST_S, EVERY_S = 300.0, 6 * 3600.0
"""Judged five minutes after the start, and four times a day: a verdict changes with a day's end, or with late data."""
FORMATS = {"r175": ("html", "json"), "dossier": ("html", "json"), "operat": ("csv", "json")}


class Energy:
    """One a hub. `drain` takes what waits for history; `key` is the hub's identity; `timezone` of its site."""

    def __init__(
        self, survey: Survey, drift: DriftWatch, reports: Reports, *, clock: Clock, key: Ed25519PrivateKey,
        timezone: str, drain: Callable[[], None],
    ) -> None:  # fmt: skip
        self._survey, self._drift, self._reports = survey, drift, reports
        self._clock, self._key, self._timezone, self._drain = clock, key, timezone, drain

    def reconfigure(self, zones: Mapping[str, tuple[str, str, str]], timezone: str) -> None:
        """What the configuration says by now: id → (name, site, use), and the time zone of the hub's site."""
        self._survey.zones, self._timezone = zones, timezone

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
        """Sentences for `ilot status`."""
        said = []
        for place, meter in self._survey.meters():
            count = len(self._survey.facts(place, meter)["swaps_undeclared"])
            if count:
                said.append(
                    f"the meter at {place.id} was replaced {count} time(s) and nobody said what its dials showed: give "
                    f"`swaps` in `places: {place.id}: meter:`"
                )
        return said

    def calls(self) -> dict[str, Any]:
        """energy.meters {} · energy.meter {place, from, to, step} · energy.judge {} · energy.restart {place, dry_run} ·
        energy.report {kind, format, lang, year, operator} → {name, document (text), signature (of a CSV)}."""
        return {
            "energy.meters": self._meters, "energy.meter": self._meter, "energy.judge": self._judge,
            "energy.restart": self._restart, "energy.report": self._report,
        }  # fmt: skip

    async def _meters(self, arguments: dict[str, Any]) -> dict[str, Any]:
        """Each meter with this year's months, and each zone with its meters."""
        self._drain()
        year = self._year(arguments)
        found = []
        for place, meter in self._survey.meters():
            found.append({
                **self._survey.facts(place, meter), **await self._survey.year(place, meter, year),
                "drift": self._drift.states.get(place.id, {"state": "waiting"}),
            })  # fmt: skip
        zones = [
            {"zone": zone, "name": name or zone, "site": site, "use": use}
            for zone, (name, site, use) in self._survey.zones.items()
        ]
        outdoor = "/".join(self._survey.outdoor) if self._survey.outdoor else ""
        return {"year": year, "meters": found, "zones": zones, "outdoor": outdoor}

    async def _meter(self, arguments: dict[str, Any]) -> dict[str, Any]:
        """One meter's consumption by hours, days or months."""
        self._drain()
        wanted = str(arguments.get("place", ""))
        place, meter = next(((p, m) for p, m in self._survey.meters() if p.id == wanted), (None, None))
        if place is None or meter is None:
            raise HubError(f"the place {wanted!r} has no meter")
        now = self._clock.now()
        end = int(float(arguments.get("to") or now))
        begin = int(float(arguments.get("from") or end - 7 * 86_400))
        step = str(arguments.get("step") or "") or fitting(begin, end)
        if step not in STEPS or begin >= end:
            raise HubError(f"step is one of {', '.join(STEPS)}, and from is before to")
        try:
            cells = await self._survey.cells((place.id, meter.metric), begin, end, step)
        except ValueError as error:
            raise HubError(str(error)) from error
        return {
            **self._survey.facts(place, meter), "step": step, "from": begin, "to": end,
            "timezone": self._survey.calendar(place).timezone, "cells": [list(cell) for cell in cells],
            "drift": self._drift.states.get(place.id, {"state": "waiting"}),
        }  # fmt: skip

    async def _judge(self, arguments: dict[str, Any]) -> dict[str, Any]:
        self._drain()
        await self._drift.judge_all()
        return {"drift": self._drift.states}

    async def _restart(self, arguments: dict[str, Any]) -> dict[str, Any]:
        place = str(arguments.get("place", ""))
        if not any(one.id == place for one, _ in self._survey.meters()):
            raise HubError(f"the place {place!r} has no meter")
        return {"place": place} if arguments.get("dry_run") else await self._drift.restart(place)

    async def _report(self, arguments: dict[str, Any]) -> dict[str, Any]:
        kind, lang = str(arguments.get("kind", "")), str(arguments.get("lang") or "fr")
        if kind not in KINDS:
            raise HubError(f"there is no report {kind!r}; there are {', '.join(KINDS)}")
        shape = str(arguments.get("format") or FORMATS[kind][0])
        if shape not in FORMATS[kind]:
            raise HubError(f"the report {kind} is made as {' or '.join(FORMATS[kind])}; not as {shape!r}")
        if lang not in ("fr", "en"):
            raise HubError(f"reports are in fr or en; not in {lang!r}")
        self._drain()
        year, operator = self._year(arguments), str(arguments.get("operator") or "")
        report = await self._reports.make(kind, year, operator)
        at, signature = self._clock.now(), ""
        if shape == "html":
            page = await asyncio.to_thread(as_html, report, lang, self._timezone)
            document = evidence.sealed_html(page, self._key, at)
        elif shape == "json":
            document = evidence.sealed_json(msgspec.json.encode(report), self._key, at)
        else:
            document = as_csv(report["rows"])
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
            raise HubError(f"the year is from 2000 to {this}")
        return year
