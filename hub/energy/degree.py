"""Degree days of a day, from hourly means of the outdoor temperature. Pure.

Method: the mean of the day's hourly means, T, weighted by the time that each covers; degree days = max(0, base − T),
base 18 °C unless the configuration says otherwise (Kelvin days). It is the method of integrated temperatures, not the
one of (Tmin + Tmax) / 2 that older tables use; the two differ by a few percent in spring and autumn. A day of which
less than COMPLETE of its hours are known has none: it is declared as a gap, never filled.
"""

from __future__ import annotations

from collections.abc import Sequence

from hub.history.rollups.cells import Cell

BASE = 18.0
COMPLETE = 0.75


def day_mean(hours: Sequence[Cell]) -> float | None:
    """The mean of a day's hours; None where too few of them are known. A day of 23 or 25 hours has as many cells."""
    known = [cell.value for cell in hours if cell.value is not None]
    if not hours or len(known) < COMPLETE * len(hours):
        return None
    return sum(known) / len(known)


def degree_days(mean: float | None, base: float = BASE) -> float | None:
    return None if mean is None else max(0.0, base - mean)
