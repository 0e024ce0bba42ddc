"""Where a site is, as people write it: WGS 84, degrees, a decimal point or a decimal comma. Pure."""

from __future__ import annotations

import re

DECIMALS = 5
"""Of a degree: about a metre."""
_NUMBER = r"([-+]?\d+(?:[.,]\d+)?)°?"
_PAIR = re.compile(rf"\s*{_NUMBER}(?:\s*;\s*|,?\s+){_NUMBER}\s*|\s*(-?\d+\.\d+)\s*,\s*(-?\d+\.\d+)\s*")
"""A comma alone parts two numbers only where both have a decimal point: "48,85" is one."""


def of_text(latitude: str, longitude: str) -> tuple[float, float] | None:
    """(latitude, longitude), or None where that is no place on Earth. What a map copies as one text ("48.8566, 2.3522")
    may stand in the first field alone. 0, 0 is what a receiver says that knows nothing: no site is there."""
    if not longitude.strip() and (pair := _PAIR.fullmatch(latitude)):
        latitude, longitude = pair[1] or pair[3], pair[2] or pair[4]
    try:
        north, east = (float(text.strip().removesuffix("°").replace(",", ".")) for text in (latitude, longitude))
    except ValueError:
        return None
    if not (-90 <= north <= 90 and -180 <= east <= 180) or (north == 0 and east == 0):
        return None
    return round(north, DECIMALS), round(east, DECIMALS)
