"""Rooms ranked by temperature. Pure."""

from __future__ import annotations

import heapq
import math
from bisect import bisect_left
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import NamedTuple

STALE_S = 3 * 3600.0
"""Age from which a temperature says nothing of the room any more."""


class Room(NamedTuple):
    """Name of a room, and of its site."""

    name: str
    site_name: str


class Reading(NamedTuple):
    """The newest temperature of a thing, `at` in Unix seconds; None of both where it has none."""

    thing: int
    value: float | None
    at: float | None


class Hot(NamedTuple):
    room: Room
    value: float
    at: float


class Ranking(NamedTuple):
    """`hottest` first; `over` rooms are at the threshold or above it, of `known` with a recent temperature and `rooms`
    in all; `median` of the known ones, None without."""

    hottest: list[Hot]
    over: int
    known: int
    rooms: int
    median: float | None


def rank(
    readings: Iterable[Reading],
    named: Callable[[Sequence[int]], Mapping[int, Room]],
    *,
    threshold: float,
    now: float,
    most: int,
) -> Ranking:
    """Rank rooms by their newest temperature, the hottest first; rooms of equal temperature by site and name. A reading
    that is older than STALE_S, ahead of the clock by as much, or no number counts as unknown.

    `named` returns the names of things; it is asked for those alone that may be among the hottest.
    """
    count = 0
    found: list[tuple[float, int, float]] = []
    for thing, value, at in readings:
        count += 1
        if value is not None and at is not None and abs(now - at) <= STALE_S and math.isfinite(value):
            found.append((value, thing, at))
    values = sorted(one[0] for one in found)
    least = values[-min(most, len(values))] if values and most > 0 else math.inf
    near = [one for one in found if one[0] >= least]
    rooms = named([thing for _, thing, _ in near]) if near else {}
    hottest = heapq.nsmallest(
        max(0, most),
        (Hot(rooms[thing], value, at) for value, thing, at in near if thing in rooms),
        key=lambda one: (-one.value, one.room.site_name, one.room.name),
    )
    middle = len(values) // 2
    median = None if not values else values[middle] if len(values) % 2 else (values[middle - 1] + values[middle]) / 2
    return Ranking(hottest, len(values) - bisect_left(values, threshold), len(values), count, median)
