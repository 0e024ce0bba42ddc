"""Polygons on a map: which of them a position lies in. Pure.

Positions are (longitude, latitude) in degrees, as GeoJSON has them. A sector is small: degrees are taken for a plane.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from typing import Any, NamedTuple

from hub.core.errors import DecodeError
from hub.core.text import phrase

MOST_POINTS = 100_000
"""Points of one area."""
Ring = Sequence[tuple[float, float]]


class Area(NamedTuple):
    """Polygons, each its outer ring and its holes, and the box around them."""

    polygons: tuple[tuple[Ring, ...], ...]
    west: float
    south: float
    east: float
    north: float

    def holds(self, longitude: float, latitude: float) -> bool:
        """Return whether a position lies inside. A position on a border lies in one of the two areas that share it,
        but for the outer ends."""
        if not (self.west <= longitude <= self.east and self.south <= latitude <= self.north):
            return False
        return any(
            _within(outer, longitude, latitude) and not any(_within(hole, longitude, latitude) for hole in holes)
            for outer, *holes in self.polygons
        )


class Areas:
    """Named areas."""

    def __init__(self, areas: Mapping[str, Area]) -> None:
        self._areas = dict(areas)

    def all(self) -> list[Area]:
        """Return the areas."""
        return list(self._areas.values())

    def of(self, longitude: float | None, latitude: float | None) -> list[str]:
        """Return the names of the areas that a position lies in, in order; none without a position."""
        if longitude is None or latitude is None:
            return []
        return sorted(name for name, area in self._areas.items() if area.holds(longitude, latitude))


def read_area(geometry: Any) -> Area:
    """Return the area of a GeoJSON geometry, a Polygon or MultiPolygon. Raises DecodeError."""
    kind = geometry.get("type") if isinstance(geometry, dict) else None
    coordinates = geometry.get("coordinates") if isinstance(geometry, dict) else None
    if kind == "Polygon":
        coordinates = [coordinates]
    elif kind != "MultiPolygon":
        raise _wrong(phrase("register-no-polygon", "a sector is a Polygon or a MultiPolygon"))
    if not isinstance(coordinates, list) or not coordinates:
        raise _wrong(phrase("register-no-rings", "a polygon has rings of positions"))
    polygons = tuple(tuple(_rings(polygon)) for polygon in coordinates)
    points = [point for polygon in polygons for ring in polygon for point in ring]
    if len(points) > MOST_POINTS:
        raise _wrong(phrase("register-many-points", "a sector has at most {count} points", count=MOST_POINTS))
    east, north = (max(one[axis] for one in points) for axis in (0, 1))
    west, south = (min(one[axis] for one in points) for axis in (0, 1))
    return Area(polygons, west, south, east, north)


def read_position(coordinates: Any) -> tuple[float, float]:
    """Return (longitude, latitude) of a GeoJSON position. Raises DecodeError."""
    if not isinstance(coordinates, list) or not 2 <= len(coordinates) <= 3:
        raise _wrong(phrase("register-no-position", "a position is [longitude, latitude] in degrees"))
    longitude, latitude = (_degrees(one) for one in coordinates[:2])
    if not (abs(longitude) <= 180 and abs(latitude) <= 90):
        raise _wrong(
            phrase(
                "register-off-the-earth",
                "longitude {longitude} and latitude {latitude} are no place on earth",
                longitude=longitude,
                latitude=latitude,
            )
        )
    return longitude, latitude


def _rings(polygon: Any) -> Iterable[Ring]:
    if not isinstance(polygon, list) or not polygon:
        raise _wrong(phrase("register-no-rings", "a polygon has rings of positions"))
    for ring in polygon:
        if not isinstance(ring, list) or len(ring) < 4:
            raise _wrong(phrase("register-short-ring", "a ring has four positions or more, the last is the first"))
        points = [read_position(one) for one in ring]
        if points[0] != points[-1]:
            raise _wrong(phrase("register-open-ring", "a ring ends where it begins"))
        yield points


def _within(ring: Ring, x: float, y: float) -> bool:
    """Return whether a ray from a point to the east crosses a ring an odd number of times."""
    inside = False
    for (x1, y1), (x2, y2) in pairwise(ring):
        if (y1 > y) != (y2 > y) and x < (x2 - x1) * (y - y1) / (y2 - y1) + x1:
            inside = not inside
    return inside


def _degrees(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise _wrong(phrase("register-no-position", "a position is [longitude, latitude] in degrees"))
    return float(value)


def _wrong(said: str) -> DecodeError:
    return DecodeError("bad-geometry", said)
