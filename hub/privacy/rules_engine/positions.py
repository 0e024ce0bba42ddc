"""Snaps positions to a grid. Pure."""

from __future__ import annotations

from math import cos, radians

from hub.core.model import Position

METRES_PER_DEGREE = 111_320.0
"""Metres per degree of latitude, and of longitude at the equator (WGS 84, within 0.6 %)."""


def snapped(position: Position, grid_m: float) -> Position:
    """Return the centre of the position's cell, without altitude, with the cell's size as accuracy.

    Cells are `grid_m` metres high and about as wide at any latitude. A grid of 0 changes nothing.
    """
    if grid_m <= 0:
        return position
    step = grid_m / METRES_PER_DEGREE
    latitude = _middle(position.latitude, step, 90.0)
    wide = step / max(0.01, cos(radians(latitude)))
    return Position(round(latitude, 7), round(_middle(position.longitude, wide, 180.0), 7), accuracy=float(grid_m))


def _middle(angle: float, step: float, most: float) -> float:
    return max(-most, min(most, (angle // step + 0.5) * step))
