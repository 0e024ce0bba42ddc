"""Geometries of filters: well-known text, and whether they meet a point. Pure.

Things stand at points (WGS 84, longitude then latitude). A polygon contains its border; a line meets points within
one metre of it, since no measured position lies on one exactly.
"""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Callable, Sequence
from typing import NamedTuple, TypeVar

from hub.core.errors import DecodeError
from hub.core.text import phrase

MOST_POINTS = 2000
_NEAR_M = 1.0
_METRES = 111_195.0  # of one degree of latitude
_NUMBER = re.compile(r"\s*([+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d{1,3})?)")

Point = tuple[float, float]
T = TypeVar("T")


class Geometry(NamedTuple):
    """A geometry: points, lines, or polygons of rings, the first of which is the outer one."""

    points: tuple[Point, ...] = ()
    lines: tuple[tuple[Point, ...], ...] = ()
    polygons: tuple[tuple[tuple[Point, ...], ...], ...] = ()

    def meets(self, point: Point) -> bool:
        """Return whether a point lies in, on or at this geometry."""
        if any(_near(point, other, other) for other in self.points):
            return True
        if any(_near(point, one, two) for line in self.lines for one, two in itertools.pairwise(line)):
            return True
        return any(_inside(point, rings) for rings in self.polygons)


def parse_wkt(text: str) -> Geometry:
    """Parse POINT, LINESTRING, POLYGON and their MULTI forms. Raises DecodeError."""
    return _Wkt(text).geometry()


def on_earth(longitude: float, latitude: float) -> bool:
    return -180 <= longitude <= 180 and -90 <= latitude <= 90


class _Wkt:
    def __init__(self, text: str) -> None:
        self._text, self._at, self._count = text.strip(), 0, 0

    def geometry(self) -> Geometry:
        if found := re.match(r"SRID=(\d{1,9});", self._text, re.IGNORECASE):
            if found[1] != "4326":
                raise self._wrong()
            self._at = found.end()
        name = re.compile(r"\s*([A-Za-z]+)\s*(?=\()").match(self._text, self._at)
        if name is None:
            raise self._wrong()
        self._at = name.end()
        kind = name[1].upper()
        if kind == "POINT":
            found_one = Geometry(points=tuple(self._ring()))
            if len(found_one.points) != 1:
                raise self._wrong()
        elif kind == "MULTIPOINT":
            found_one = Geometry(points=tuple(self._multipoint()))
        elif kind == "LINESTRING":
            found_one = Geometry(lines=(self._line(),))
        elif kind == "MULTILINESTRING":
            found_one = Geometry(lines=tuple(self._list(self._line)))
        elif kind == "POLYGON":
            found_one = Geometry(polygons=(self._polygon(),))
        elif kind == "MULTIPOLYGON":
            found_one = Geometry(polygons=tuple(self._list(self._polygon)))
        else:
            raise self._wrong()
        if self._text[self._at :].strip():
            raise self._wrong()
        return found_one

    def _multipoint(self) -> list[Point]:
        if re.compile(r"\(\s*\(").match(self._text, self._at):
            return [point for one in self._list(self._ring) for point in one]
        return list(self._ring())

    def _polygon(self) -> tuple[tuple[Point, ...], ...]:
        rings = tuple(self._list(self._ring))
        for ring in rings:
            if len(ring) < 4 or ring[0] != ring[-1]:
                raise self._wrong()
        return rings

    def _line(self) -> tuple[Point, ...]:
        line = self._ring()
        if len(line) < 2:
            raise self._wrong()
        return line

    def _list(self, part: Callable[[], T]) -> list[T]:
        self._take("(")
        found = [part()]
        while self._next() == ",":
            self._take(",")
            found.append(part())
        self._take(")")
        return found

    def _ring(self) -> tuple[Point, ...]:
        self._take("(")
        found = [self._point()]
        while self._next() == ",":
            self._take(",")
            found.append(self._point())
        self._take(")")
        return tuple(found)

    def _point(self) -> Point:
        self._count += 1
        numbers: list[float] = []
        while one := _NUMBER.match(self._text, self._at):
            numbers.append(float(one[1]))
            self._at = one.end()
        if len(numbers) not in (2, 3) or not on_earth(*numbers[:2]) or self._count > MOST_POINTS:
            raise self._wrong()
        return numbers[0], numbers[1]

    def _next(self) -> str:
        while self._text[self._at : self._at + 1].isspace():
            self._at += 1
        return self._text[self._at : self._at + 1]

    def _take(self, sign: str) -> None:
        if self._next() != sign:
            raise self._wrong()
        self._at += 1

    def _wrong(self) -> DecodeError:
        return DecodeError(
            "bad-query",
            phrase(
                "open-geometry-wrong",
                "this is no geometry at character {at}: write geography'POLYGON((2.29 48.85,2.30 48.85,2.30 48.86,2.29"
                " 48.85))' with longitude before latitude, rings closed, at most {count} points",
                at=self._at + 1,
                count=MOST_POINTS,
            ),
        )


def _inside(point: Point, rings: Sequence[Sequence[Point]]) -> bool:
    if any(_on(point, one, two) for ring in rings for one, two in itertools.pairwise(ring)):
        return True
    return sum(_crossings(point, ring) for ring in rings) % 2 == 1


def _crossings(point: Point, ring: Sequence[Point]) -> int:
    x, y = point
    found = 0
    for (x1, y1), (x2, y2) in itertools.pairwise(ring):
        if (y1 > y) != (y2 > y) and x < (x2 - x1) * (y - y1) / (y2 - y1) + x1:
            found += 1
    return found


def _on(point: Point, one: Point, two: Point) -> bool:
    (x, y), (x1, y1), (x2, y2) = point, one, two
    cross = (x2 - x1) * (y - y1) - (y2 - y1) * (x - x1)
    return cross == 0 and min(x1, x2) <= x <= max(x1, x2) and min(y1, y2) <= y <= max(y1, y2)


def _near(point: Point, one: Point, two: Point) -> bool:
    """Return whether a point lies within a metre of a segment, on the plane that touches the earth there."""
    narrow = math.cos(math.radians(point[1]))
    (x1, y1), (x2, y2) = (((x - point[0]) * _METRES * narrow, (y - point[1]) * _METRES) for x, y in (one, two))
    dx, dy = x2 - x1, y2 - y1
    along = 0.0 if dx == dy == 0 else max(0.0, min(1.0, -(x1 * dx + y1 * dy) / (dx * dx + dy * dy)))
    return math.hypot(x1 + along * dx, y1 + along * dy) <= _NEAR_M
