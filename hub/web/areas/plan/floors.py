"""Layout of marks on a floor plan or on a map without tiles. Pure.

The map is an equirectangular one (plate carrée about the middle of its places): within a district, some kilometres, its
metres are exact to a few in ten thousand. North is up.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

EARTH_M = 6_371_008.8
"""Mean radius of the Earth (WGS 84, IUGG R1)."""
SIDE, MARGIN = 1000.0, 130.0
LEAST_SPAN_M = 50.0
"""Minimum width of the map in metres, so that a single place has a scale too."""
OUTDOORS = "map"
"""View of what stands outside."""
NO_DEVICE = "none"
"""State of a place without a device."""
OLD_S = 3600.0
"""Age from which a mark says how old its value is."""
SIGNS = {
    "comfort-cool": "▼", "comfort-good": "✓", "comfort-warm": "▲", "air-good": "✓", "air-fair": "▲", "air-poor": "▲▲",
}  # fmt: skip
"""Sign beside a value, so that its colour is never alone."""
WORST = ("trouble", "alarmed", "waiting", "green", NO_DEVICE)
"""States of a zone, the worst first."""


class Map(NamedTuple):
    """A map: its size and its points in its own units; `bar` is the length of a bar that stands for `bar_m` metres."""

    width: float
    height: float
    points: tuple[tuple[float, float], ...]
    bar: float
    bar_m: float


class Box(NamedTuple):
    """A zone on the picture: the box around its marks, or around its outline where somebody drew one (`points`).
    `state`: the worst of its marks."""

    zone: str
    x: float
    y: float
    width: float
    height: float
    state: str = NO_DEVICE
    points: tuple[tuple[float, float], ...] = ()


def projected(degrees: Sequence[tuple[float, float]]) -> Map:
    """Return a map of (latitude, longitude), WGS 84, at least one. Also across the antimeridian."""
    first = degrees[0][1]
    turned = [(latitude, (longitude - first + 180.0) % 360.0 - 180.0) for latitude, longitude in degrees]
    middle = (min(one[0] for one in turned) + max(one[0] for one in turned)) / 2
    wide = math.cos(math.radians(middle))
    metres = [(math.radians(y) * EARTH_M, math.radians(x) * EARTH_M * wide) for y, x in turned]
    top, left = max(y for y, _ in metres), min(x for _, x in metres)
    high, across = top - min(y for y, _ in metres), max(x for _, x in metres) - left
    scale = (SIDE - 2 * MARGIN) / max(high, across, LEAST_SPAN_M)
    width = max(across * scale, SIDE / 2) + 2 * MARGIN
    height = max(high * scale, SIDE / 4) + 2 * MARGIN
    free_x, free_y = (width - across * scale) / 2, (height - high * scale) / 2
    points = tuple((round(free_x + (x - left) * scale, 1), round(free_y + (top - y) * scale, 1)) for y, x in metres)
    bar_m = round_length(width / 3 / scale)
    return Map(round(width, 1), round(height, 1), points, round(bar_m * scale, 1), bar_m)


def round_length(most_m: float) -> float:
    """Return the largest of 1, 2 or 5 times a power of ten up to `most_m`."""
    power = 10.0 ** math.floor(math.log10(most_m))
    return power * max(step for step in (1, 2, 5) if step * power <= most_m * (1 + 1e-9))


def marks(
    spots: Mapping[str, tuple[float, float]],
    zones: Mapping[str, str],
    devices: Iterable[Mapping[str, Any]],
    alerts: Iterable[Mapping[str, Any]],
    step: float,
) -> list[dict[str, Any]]:
    """Return a mark for each device of a place of `spots` (place → x, y), one for a place without any, numbered from 1;
    devices of one place are beside each other, `step` apart. `zones`: place → zone. `alerts`: the open ones."""
    there, raised = defaultdict[str, list[Mapping[str, Any]]](list), defaultdict[str, list[Any]](list)
    for device in devices:
        if device["place"] in spots:
            there[device["place"]].append(device)
    for alert in alerts:
        raised[f"device {alert['device']}" if alert["device"] else f"place {alert['place']}"].append(alert)
    found: list[dict[str, Any]] = []
    for place in sorted(spots):
        x, y = spots[place]
        here: list[Mapping[str, Any] | None] = [*sorted(there[place], key=lambda one: str(one["id"]))]
        for at, one in enumerate(here or [None]):
            own = [*raised[f"device {one['id']}"]] if one is not None else []
            own += raised[f"place {place}"] if at == 0 else []
            found.append({
                "number": len(found) + 1, "place": place, "zone": zones.get(place, ""), "x": round(x + at * step, 1),
                "y": round(y, 1), "device": one["id"] if one is not None else "",
                "name": one["name"] if one is not None else "", "state": one["state"] if one is not None else NO_DEVICE,
                "why": {"fr": one["fr"], "en": one["en"]} if one is not None else {"fr": "", "en": ""},
                "last_seen_s": one["last_seen_s"] if one is not None else None, "alerts": own,
            })  # fmt: skip
    return found


def boxes(
    drawn: Iterable[Mapping[str, Any]],
    around: float,
    width: float,
    height: float,
    outlines: Mapping[str, Sequence[tuple[float, float]]] = {},
) -> list[Box]:
    """Return a box for each zone with a mark or an outline; without an outline it is `around` wider than its marks,
    within the picture. `outlines`: zone → corners in units of the picture."""
    zones = defaultdict[str, list[Mapping[str, Any]]](list, {zone: [] for zone in outlines})
    for mark in drawn:
        zones[mark["zone"]].append(mark)
    found = []
    for zone, some in sorted(zones.items()):
        corners = tuple((round(x, 1), round(y, 1)) for x, y in outlines.get(zone, ()))
        points = corners or [(mark["x"], mark["y"]) for mark in some]
        wide = 0.0 if corners else around
        left, right = max(0.0, min(x for x, _ in points) - wide), min(width, max(x for x, _ in points) + wide)
        top, low = max(0.0, min(y for _, y in points) - wide), min(height, max(y for _, y in points) + wide)
        size = round(right - left, 1), round(low - top, 1)
        found.append(Box(zone, round(left, 1), round(top, 1), *size, worst(map(state_of, some)), corners))
    return found


def state_of(mark: Mapping[str, Any]) -> str:
    """Return the state of one mark for its zone: of its device, its alerts, and the comfort of its values."""
    if mark["state"] == "trouble":
        return "trouble"
    if mark["alerts"]:
        return "alarmed"
    judged = [one["comfort"]["state"] for one in mark.get("values", ()) if one["comfort"]]
    return "waiting" if any(one != "green" for one in judged) else str(mark["state"])


def worst(states: Iterable[str]) -> str:
    return min(states, key=WORST.index, default=NO_DEVICE)
