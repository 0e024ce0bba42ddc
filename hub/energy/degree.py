"""Degree days of a day, from hourly means of the outdoor temperature. Pure.

Method: the mean T of the day's hourly means; degree days = max(0, base − T), base 18 °C unless configured otherwise, in
Kelvin days. This is the method of integrated temperatures, not that of (Tmin + Tmax) / 2 in older tables; the two
differ by a few percent in spring and autumn. A day with less than COMPLETE of its hours known has none: it is declared
as a gap, never filled.
"""

from __future__ import annotations

from collections.abc import Sequence

from hub.history.rollups.cells import Cell

BASE = 18.0
COMPLETE = 0.75


def day_mean(hours: Sequence[Cell]) -> float | None:
    """Return the mean of a day's hours; None where too few are known. A day of 23 or 25 hours has as many cells."""
    known = [cell.value for cell in hours if cell.value is not None]
    if not hours or len(known) < COMPLETE * len(hours):
        return None
    return sum(known) / len(known)


def degree_days(mean: float | None, base: float = BASE) -> float | None:
    return None if mean is None else max(0.0, base - mean)
