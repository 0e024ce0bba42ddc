"""Hours, days or months of a series in its own unit, for charts, tables and reports.

A cell is (begin, value, low, high, estimated, completeness): for a gauge the time-weighted mean, minimum and maximum;
for a counter the consumption, None, None, and how much of it is known in sum but not in its distribution. `begin` is
Unix seconds, `completeness` 0 … 100 the percentage of the cell in which readings came when due. A cell without a
reading has the value None and is a gap; a counter's cell of which something is known has a value.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import NamedTuple

from hub.core.text import phrase
from hub.history.memory.scale import Scale
from hub.history.rollups.calendar import HOUR, Calendar
from hub.history.rollups.counter import Part
from hub.history.rollups.gauge import Stats
from hub.history.rollups.row_format import Month
from hub.history.rollups.views import Key, Views

SHORTEST = {"hour": HOUR, "day": 23 * HOUR, "month": 28 * 24 * HOUR}
"""Seconds of the shortest cell of each step: the day on which clocks go forward, a February."""
STEPS = tuple(SHORTEST)
MOST = 20_000


class Cell(NamedTuple):
    begin: int
    value: float | None
    low: float | None = None
    high: float | None = None
    estimated: float = 0.0
    completeness: float = 0.0


def fitting(begin: int, end: int) -> str:
    """Return the step for a table of readable length."""
    days = (end - begin) / 86_400
    return "hour" if days <= 8 else "day" if days <= 124 else "month"


def edges(calendar: Calendar, begin: int, end: int, step: str) -> list[int]:
    """Return the beginnings of the cells that have a second in [begin, end), and the end of the last."""
    if step == "hour":
        found = calendar.hours(begin, end)
        return [*found, found[-1] + HOUR] if found else []
    if step == "day":
        found = calendar.days(begin, end)
        return [*found, calendar.next_day(found[-1])] if found else []
    found = calendar.months(begin, end)
    return [*found, calendar.month_start(calendar.month(found[-1]) + 1)] if found else []


async def cells(views: Views, key: Key, begin: int, end: int, step: str, now: float) -> list[Cell]:
    """Compute the cells of a series. Raises DiskRefuses, StorageError, and ValueError where there would be too many."""
    series = views.series(key)
    calendar, end = views.calendar_of(key), min(end, int(now) + 1)
    if (
        most := (end - begin) // SHORTEST[step]
    ) > MOST:  # checked before building the list, which could fill the memory
        raise ValueError(
            phrase(
                "too-many-steps",
                "{count} of them are too many; ask for a shorter time or longer steps",
                count=most,
            )
        )
    cut = edges(calendar, begin, end, step) if series is not None else []
    if series is None or len(cut) < 2:
        return []
    scale = Scale(series.step)
    if step == "month":
        frozen = await views.months([key])
        months = [await views.month(key, calendar.month(start), frozen) for start in cut[:-1]]
        return [
            _month(scale, start, min(stop, now) - start, month)
            for start, stop, month in zip(cut, cut[1:], months, strict=False)
        ]
    spans = [min(stop, now) - start for start, stop in itertools.pairwise(cut)]
    if series.counter:
        parts = await views.counter(key, cut)
        known = await views.known_span(key, cut[0], cut[-1])
        return [_counted(scale, start, span, part, known) for start, span, part in zip(cut, spans, parts, strict=False)]
    stats = await views.gauge(key, cut)
    return [_shown(scale, start, span, one) for start, span, one in zip(cut, spans, stats, strict=False)]


def _percent(covered: int, span: float) -> float:
    return round(min(100.0, 100 * covered / span), 1) if span > 0 else 0.0


def _counted(scale: Scale, begin: int, span: float, part: Part, known: tuple[int, int] | None) -> Cell:
    if known is None or begin + span <= known[0] or begin >= known[1]:
        return Cell(begin, None)
    return Cell(begin, scale(part.amount), None, None, scale(part.estimated), _percent(part.covered, span))


def _shown(scale: Scale, begin: int, span: float, stats: Stats) -> Cell:
    if stats.mean is None:
        return Cell(begin, None)
    low, high = (stats.low, stats.high) if stats.readings else (stats.mean, stats.mean)
    return Cell(begin, scale(stats.mean, 1), scale(low), scale(high), 0.0, _percent(stats.covered, span))


def _month(scale: Scale, begin: int, span: float, month: Month | None) -> Cell:
    if month is None:
        return Cell(begin, None)
    if month.stats is not None:
        return _shown(scale, begin, span, month.stats)
    return Cell(begin, scale(month.amount), None, None, scale(month.estimated), _percent(month.covered, span))


def total(found: Sequence[Cell]) -> tuple[float, float]:
    """Return the sum of a counter's cells, and how much of it is estimated."""
    return sum(c.value or 0.0 for c in found), sum(c.estimated for c in found)
