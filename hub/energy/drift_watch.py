"""Judges the drift of each meter once a day, and raises alerts."""

from __future__ import annotations

import asyncio
import logging
from datetime import date
from typing import Any

import msgspec

from hub.automation.alerts import Alert, AlertService
from hub.automation.alerts.lifecycle import RAISED
from hub.core.errors import DecodeError, HubError
from hub.core.model import Meter, Place
from hub.core.store import Store
from hub.core.text import phrase, reason_of
from hub.energy.baseline import FULL_DAYS, Baseline, Day
from hub.energy.day_types import Almanac
from hub.energy.drift import Limit, evaluate
from hub.energy.drift_state import learn, state_json
from hub.energy.figures import Survey

RULE = "energy_drift"
RECENT = 21
"""Days that an unfinished reference period leaves out, so that a drift does not become its own reference."""

_log = logging.getLogger("hub.energy")


class Reference(msgspec.Struct, kw_only=True):
    """Stored state of one meter: the first day of its reference period, and the baseline with its threshold once it is
    complete; `sorted`: the fingerprint of its almanac; a different one means a new fit."""

    origin: int = 0
    baseline: Baseline | None = None
    limit: Limit | None = None
    sorted: str = ""


class _Older(msgspec.Struct):
    """The fields that all versions have; a baseline of an older version is fitted again from the hours."""

    origin: int = 0


class DriftWatch:
    """Judges all meters of the hub and keeps their states."""

    def __init__(self, survey: Survey, store: Store, book: AlertService) -> None:
        self._survey, self._store, self._book = survey, store, book
        book.owners.add(RULE)
        self.states: dict[str, dict[str, Any]] = {}
        self._learned: dict[str, tuple[tuple[int, int, str], Baseline, Limit]] = {}

    async def judge_all(self) -> None:
        for place, meter in self._survey.meters():
            if not meter.drift:
                self.states[place.id] = {"state": "off"}
                continue
            try:
                self.states[place.id] = await self._judge(place, meter)
            except HubError as error:
                reason = error.detail if isinstance(error, DecodeError) else reason_of(error)
                _log.error(
                    phrase("drift-not-judged", "the drift of a meter could not be judged: {reason}", reason=reason)
                )
                self.states[place.id] = {"state": "error", "why": reason}
            await self._alert(place, self.states[place.id])

    async def restart(self, place: str, by: str) -> dict[str, Any]:
        """Start a new reference period today: the building was changed, or the drift is accepted. Audited as an act of
        `by`."""
        found = next(((one, meter) for one, meter in self._survey.meters() if one.id == place), None)
        if found is None:
            raise HubError(
                phrase(
                    "place-of-drift-without-meter",
                    "the place {place!r} has no meter; `ilot energy` lists those that have",
                    place=place,
                )
            )
        calendar, now = self._survey.calendar(found[0]), self._survey.now()
        await self._remember(place, Reference(origin=calendar.local(now).toordinal()))
        await self._store.audit(now, by, {"energy": "new reference period", "place": place})
        self.states[place] = await self._judge(*found)
        await self._alert(found[0], self.states[place])
        return self.states[place]

    async def _judge(self, place: Place, meter: Meter) -> dict[str, Any]:
        if self._survey.outdoor is None:
            return {"state": "no-outdoor"}
        from hub.energy.baseline_fit import LEAST_DAYS  # late: a hub without outdoor temperature never fits anything

        known = await self._recall(place.id)
        series = self._survey.rollups.views.series((place.id, meter.metric))
        first = series.device_changes[0][0] if series is not None and series.device_changes else int(self._survey.now())
        days = [day for day in await self._survey.days(place, meter, first) if day.number >= known.origin]
        baseline, limit, almanac = known.baseline, known.limit, self._survey.almanac(meter)
        if baseline is not None and known.sorted != almanac.known(baseline.first, baseline.last):
            baseline = None
        if baseline is None or limit is None:
            whole = bool(days) and days[-1].number - days[0].number >= FULL_DAYS + RECENT
            last = days[0].number + FULL_DAYS if whole else days[-1].number - RECENT if days else 0
            reference = [day for day in days if day.number < last]
            if len(reference) < LEAST_DAYS:
                return {"state": "learning", "days": len(reference), "needed": LEAST_DAYS}
            by = almanac.known(reference[0].number, reference[-1].number)
            found = await self._learn(place.id, reference, by)
            if found is None:
                return {"state": "idle", "days": len(reference)}
            baseline, limit = found
            if whole:
                origin = known.origin or days[0].number
                by = almanac.known(baseline.first, baseline.last)
                await self._remember(place.id, Reference(origin=origin, baseline=baseline, limit=limit, sorted=by))
                self._learned.pop(place.id, None)
        after = [day for day in days if day.number > baseline.last]
        verdict = await asyncio.to_thread(evaluate, baseline, after, limit)
        told = state_json(verdict, baseline, limit, known.baseline is not None, after)
        return {**told, "schedule": almanac.name, "school_zone": almanac.zone, "school": _school(almanac, baseline)}

    async def _learn(self, place: str, reference: list[Day], by: str) -> tuple[Baseline, Limit] | None:
        """Return the preliminary baseline, fitted again once a week because it takes the hub's processor a second or
        two."""
        key = reference[0].number, reference[-1].number // 7, by
        kept = self._learned.get(place)
        if kept is not None and kept[0] == key:
            return kept[1:]
        found = await asyncio.to_thread(learn, reference)
        if found is not None:
            self._learned[place] = (key, *found)
        return found

    async def _alert(self, place: Place, state: dict[str, Any]) -> None:
        if state["state"] == "drift":
            percent, since = state["size"] * 100, state["since"]
            more = percent > 0
            name, about = place.name or place.id, f"{abs(percent):.0f} %"
            await self._book.raise_(
                Alert(
                    id="",
                    rule=RULE,
                    key=place.id,
                    severity="warning",
                    state=RAISED,
                    raised=0.0,
                    changed=0.0,
                    by=f"rule:{RULE}",
                    place=place.id,
                    site=place.site,
                    zone=place.zone,
                    value=f"{percent:+.0f} %",
                    text=f"{name}: {about} {'more' if more else 'less'} than weather and weekday explain, "
                    f"since about {since}",
                    text_fr=f"{name} : {about} de {'plus' if more else 'moins'} que ce que la météo et le "
                    f"jour expliquent, depuis le {since} environ",
                )
            )
        else:
            await self._book.clear(RULE, place.id, f"rule:{RULE}")

    async def _recall(self, place: str) -> Reference:
        body = await self._store.get(f"energy/{place}")
        if body is None:
            return Reference()
        try:
            return msgspec.msgpack.decode(body, type=Reference)
        except msgspec.ValidationError:
            origin = msgspec.msgpack.decode(body, type=_Older).origin
            _log.info(
                phrase(
                    "drift-reference-fitted-anew",
                    "the reference period of {place} is fitted anew, by the model of this version",
                    place=place,
                )
            )
            return Reference(origin=origin)
        except msgspec.MsgspecError as error:
            raise DecodeError(
                "bad-reference",
                phrase(
                    "drift-reference-not-readable",
                    "the reference of {place} cannot be read; `ilot energy --restart {place}` begins a new one",
                    place=place,
                ),
            ) from error

    async def _remember(self, place: str, reference: Reference) -> None:
        await self._store.put(f"energy/{place}", msgspec.msgpack.encode(reference))


def _school(almanac: Almanac, baseline: Baseline) -> str:
    """Return the treatment of school holidays: "" where the meter has none, "unknown" where a school year of the
    reference period is not known, "alike" or "apart"."""
    if not almanac.zone:
        return ""
    whole = range(baseline.first, baseline.last + 1)
    if any(almanac.away(date.fromordinal(day)) is None for day in whole):
        return "unknown"
    return "alike" if baseline.school is None else "apart"
