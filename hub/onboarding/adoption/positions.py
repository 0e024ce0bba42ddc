"""Positions in calls: a place and the outline of a zone on a plan, a site on Earth. Pure."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import msgspec

from hub.core.errors import HubError
from hub.core.text import phrase

FARTHEST_M = 1e6
CORNERS = range(3, 41)
"""How many corners an outline may have."""

Point = tuple[float, float]


class Pin(msgspec.Struct, frozen=True):
    """Position of a place on a plan: `x` from the left, `y` from the top, from 0 to 1."""

    plan: str
    x: float
    y: float


class Spot(msgspec.Struct, frozen=True, omit_defaults=True):
    """Position of a site: WGS 84, degrees; `accuracy` in metres. `at` and `by`: when and by whom it was set."""

    latitude: float
    longitude: float
    accuracy: float | None = None
    at: float = 0.0
    by: str = ""


def pin(arguments: Mapping[str, Any]) -> Pin | None:
    """Parse {plan, x, y}; None where x or y is out of range."""
    x, y = (_number(arguments.get(name)) for name in ("x", "y"))
    if not (0 <= x <= 1 and 0 <= y <= 1):
        return None
    return Pin(str(arguments.get("plan", ""))[:32], round(x, 4), round(y, 4))


def outline(arguments: Mapping[str, Any]) -> tuple[Point, ...] | None:
    """Parse {points: [[x, y], …]}; None where these are too few or too many, or out of range."""
    points = arguments.get("points")
    if not isinstance(points, list | tuple) or len(points) not in CORNERS:
        return None
    found = []
    for point in points:
        if not isinstance(point, list | tuple) or len(point) != 2:
            return None
        x, y = (_number(one) for one in point)
        if not (0 <= x <= 1 and 0 <= y <= 1):
            return None
        found.append((round(x, 4), round(y, 4)))
    return tuple(found)


def spot(arguments: Mapping[str, Any], at: float, by: str) -> Spot:
    """Parse {latitude, longitude, accuracy?}. Raises HubError."""
    north, east = (_number(arguments.get(name)) for name in ("latitude", "longitude"))
    accuracy = arguments.get("accuracy")
    metres = _number(accuracy) if accuracy is not None else None
    if not (-90 <= north <= 90 and -180 <= east <= 180) or not 0 <= (metres or 0.0) <= FARTHEST_M:
        raise HubError(
            phrase(
                "position-wrong",
                "a position has a latitude from -90 to 90 and a longitude from -180 to 180, in degrees",
            )
        )
    return Spot(north, east, metres, at, by)


def _number(value: Any) -> float:
    """Convert to float; nan, which is within no bounds, where that fails."""
    try:
        return float(value)
    except (TypeError, ValueError):
        return math.nan
