"""Today's use beside a usual day: the mean of the same day of the week, of the last four weeks.

A past day counts from `JUDGED` percent of completeness. What is usual *by now* is what those days had used at the time
of today's last reading, within an hour by its share. A carrier has a usual day once each of its meters has one, so that
like is compared with like.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from hub.core.model import Meter, Place
from hub.energy.figures import JUDGED, Survey
from hub.energy.submeters import without_submeters
from hub.history.rollups.calendar import HOUR, Calendar
from hub.history.rollups.cells import Cell

WEEKS = 4


class Use(NamedTuple):
    """The use of one meter. `used`: today, so far; `usual` by this time and `whole` of the whole day, both means of
    `days` past days. None: not known."""

    used: float | None
    usual: float | None
    whole: float | None
    days: int
    estimated: float = 0.0


def use(today: Sequence[Cell], past: Sequence[Sequence[Cell]], elapsed: float) -> Use:
    """Return the use of a meter from the hours of today and those of past days, `elapsed` seconds after midnight."""
    known = [cell for cell in today if cell.value is not None]
    used = sum(cell.value or 0.0 for cell in known) if known else None
    judged = [day for day in past if day and sum(cell.completeness for cell in day) / len(day) >= JUDGED]
    estimated = sum(cell.estimated for cell in known)
    if not judged:
        return Use(used, None, None, 0, estimated)
    wholes = [sum(cell.value or 0.0 for cell in day) for day in judged]
    by_now = [sum((cell.value or 0.0) * _share(cell.begin - day[0].begin, elapsed) for cell in day) for day in judged]
    count = len(judged)
    return Use(used, sum(by_now) / count, sum(wholes) / count, count, estimated)


def _share(after: float, elapsed: float) -> float:
    """Return how much of the hour that begins `after` seconds is over."""
    return min(1.0, max(0.0, (elapsed - after) / HOUR))


def together(uses: Sequence[Use], factors: Sequence[float]) -> Use:
    """Add up meters, each times its factor. `days`: the fewest of one of them."""

    def total(values: Sequence[float | None]) -> float | None:
        known = [value * factor for value, factor in zip(values, factors, strict=True) if value is not None]
        return round(sum(known), 6) if len(known) == len(values) else None

    used = [(one.used, factor) for one, factor in zip(uses, factors, strict=True) if one.used is not None]
    return Use(
        round(sum((value or 0.0) * factor for value, factor in used), 6) if used else None,
        total([one.usual for one in uses]),
        total([one.whole for one in uses]),
        min(one.days for one in uses),
        round(sum(one.estimated * factor for one, factor in zip(uses, factors, strict=True)), 6),
    )


async def today(survey: Survey, now: float) -> list[dict[str, Any]]:
    """Return the use of each carrier, in kWh where its meters count energy, otherwise apart for each of their units;
    a meter behind another is left out."""
    groups: dict[tuple[str, str], list[tuple[Place, Meter]]] = {}
    for place, meter in survey.meters():
        unit = "kW.h" if meter.kwh is not None else survey.facts(place, meter)["unit"]
        groups.setdefault((meter.carrier, unit), []).append((place, meter))
    found = []
    for (carrier, unit), every in sorted(groups.items()):
        some = without_submeters(every, lambda one: one[0].id, survey.behind())
        uses = [await _of_meter(survey, place, meter, now) for place, meter in some]
        factors = [1.0 if meter.kwh is None else float(meter.kwh) for _, meter in some]
        meters = [{"place": place.id, "name": place.name or place.id} for place, _ in some]
        found.append({"carrier": carrier, "unit": unit, "meters": meters, **together(uses, factors)._asdict()})
    return found


async def _of_meter(survey: Survey, place: Place, meter: Meter, now: float) -> Use:
    key, calendar = (place.id, meter.metric), survey.calendar(place)
    begin = calendar.day(now)
    hours = await survey.cells(key, begin, int(now) + 1, "hour")
    past = [await survey.cells(key, *_week_before(calendar, begin, weeks), "hour") for weeks in range(1, WEEKS + 1)]
    known = await survey.rollups.views.known_span(key, begin, int(now) + 1)
    return use(hours, past, (min(now, known[1]) if known is not None else now) - begin)


def _week_before(calendar: Calendar, begin: int, weeks: int) -> tuple[int, int]:
    """Return begin and end of the same day of the week before: clocks may have changed since."""
    day = calendar.day(begin + 12 * HOUR - weeks * 7 * 24 * HOUR)
    return day, calendar.next_day(day)
