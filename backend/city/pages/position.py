"""Precision with which a viewer sees where a moving thing is. Pure.

Where a municipal vehicle is says where its driver is. Whoever may not see personal data sees the neighbourhood of a
moving thing, unless what it tells is public; of a thing that is personal itself the scope shows nothing at all.
"""

from __future__ import annotations

import math
from collections.abc import Collection

CELL = 0.01
"""Degrees of a side of a neighbourhood: about 1.1 km from south to north, 0.75 km from west to east in France."""


def is_coarse(privacy: str, mobile: int, classes: Collection[str]) -> bool:
    """Return whether a viewer of these privacy classes sees only the neighbourhood of a thing."""
    return bool(mobile) and privacy != "public" and "personal" not in classes


def shown(lat: float, lon: float, *, coarse: bool) -> tuple[float, float]:
    """Return the position as it is shown: the middle of its neighbourhood, which is the same for all that is in it."""
    if not coarse:
        return lat, lon
    return (math.floor(lat / CELL) + 0.5) * CELL, (math.floor(lon / CELL) + 0.5) * CELL
