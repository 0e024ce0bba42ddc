"""Timestamps of a meter: season, two digits each of year, month, day, hour, minute, second, in local legal time; and
the dates of meters above 36 kVA.

Enedis-NOI-CPT_54E §6.2.1: H or h is winter, E or e is summer; a small letter means that the meter's clock is degraded.
A space means that the season is not known.
"""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from typing import NamedTuple
from zoneinfo import ZoneInfo

import hub
from hub.sdk.phrases import phrase

_DATE = re.compile(r"(\d{2})/(\d{2})/(\d{2}) (\d{2}):(\d{2}):(\d{2})", re.ASCII)
_STAMP = re.compile(r"([HhEe ])(\d{2})(\d{2})(\d{2})(\d{2})(\d{2})(\d{2})", re.ASCII)


class Stamp(NamedTuple):
    """Unix seconds, and whether the meter's own clock is degraded (its battery is flat, it was not set)."""

    time: float
    degraded: bool


def read_stamp(text: str, zone: ZoneInfo) -> Stamp:
    """Parse a timestamp. Raises DecodeError `tic-stamp` when that local time does not exist."""
    found = _STAMP.fullmatch(text)
    if found is None:
        raise hub.DecodeError("tic-stamp", phrase("linky.not-a-timestamp", "not a timestamp"))
    season, *numbers = found.groups()
    year, month, day, hour, minute, second = map(int, numbers)
    try:
        naive = datetime(2000 + year, month, day, hour, minute, second)
    except ValueError as error:
        raise hub.DecodeError("tic-stamp", phrase("linky.not-a-date", "not a date")) from error
    offset = _offset(naive, season, zone)
    return Stamp((naive - offset - _EPOCH).total_seconds(), season.islower())


def read_date(text: str, zone: ZoneInfo, heard: float | None = None) -> Stamp:
    """Parse a date of a meter above 36 kVA: day/month/year hour:minute:second, without a season.

    In the hour that occurs twice, the second occurrence is assumed when it was over or under way when it was `heard`
    (Unix seconds), else the first. Raises DecodeError `tic-stamp`."""
    found = _DATE.fullmatch(text.strip())
    if found is None:
        raise hub.DecodeError("tic-stamp", phrase("linky.not-a-date", "not a date"))
    day, month, year, hour, minute, second = found.groups()
    first = read_stamp(f" {year}{month}{day}{hour}{minute}{second}", zone)
    local = datetime.fromtimestamp(first.time, zone)
    again = local.replace(fold=1).timestamp()
    return Stamp(again, first.degraded) if heard is not None and first.time < again <= heard else first


def _offset(naive: datetime, season: str, zone: ZoneInfo) -> timedelta:
    """Return the offset of local time to UTC. The season sent by the meter counts, also in the hour that occurs
    twice."""
    winter, summer = (zone.utcoffset(naive.replace(month=month, day=1)) or timedelta(0) for month in (1, 7))
    if season == " " or winter == summer:
        return zone.utcoffset(naive) or timedelta(0)
    return summer if season in "Ee" else winter


_EPOCH = datetime(1970, 1, 1)
