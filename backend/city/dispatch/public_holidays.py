"""French public holidays (Code du travail, article L3133-1), with the two of Alsace-Moselle. Pure."""

from __future__ import annotations

from datetime import date, timedelta
from functools import lru_cache

NONE, FRANCE, ALSACE_MOSELLE = "none", "france", "alsace-moselle"
CALENDARS = (FRANCE, ALSACE_MOSELLE, NONE)
_FIXED = ((1, 1), (5, 1), (5, 8), (7, 14), (8, 15), (11, 1), (11, 11), (12, 25))


@lru_cache(maxsize=256)
def holidays(calendar: str, year: int) -> frozenset[date]:
    """Return the public holidays of a year."""
    if calendar == NONE:
        return frozenset()
    easter = easter_sunday(year)
    found = {date(year, month, day) for month, day in _FIXED}
    found |= {easter + timedelta(days) for days in (1, 39, 50)}  # Easter Monday, Ascension, Whit Monday
    if calendar == ALSACE_MOSELLE:
        found |= {easter - timedelta(2), date(year, 12, 26)}
    return frozenset(found)


def easter_sunday(year: int) -> date:
    """Return Easter Sunday of the Gregorian calendar, by the anonymous algorithm of Meeus, Jones and Butcher."""
    a, (b, c) = year % 19, divmod(year, 100)
    d, e = divmod(b, 4)
    g = (8 * b + 13) // 25
    h = (19 * a + b - d - g + 15) % 30
    i, k = divmod(c, 4)
    leap = (32 + 2 * e + 2 * i - h - k) % 7
    m = (a + 11 * h + 22 * leap) // 451
    month, day = divmod(h + leap - 7 * m + 114, 31)
    return date(year, month, day + 1)
