"""Parser of a site's position as people write it: WGS 84, degrees, a decimal point or a decimal comma. Pure."""

from __future__ import annotations

import re

DECIMALS = 5
"""Decimals of a degree: about a metre."""
_NUMBER = r"([-+]?\d+(?:[.,]\d+)?)°?"
_PAIR = re.compile(rf"\s*{_NUMBER}(?:\s*;\s*|,?\s+){_NUMBER}\s*|\s*(-?\d+\.\d+)\s*,\s*(-?\d+\.\d+)\s*")
"""A comma alone separates two numbers only where both have a decimal point: "48,85" is one number."""


def of_text(latitude: str, longitude: str) -> tuple[float, float] | None:
    """Return (latitude, longitude), or None where that is no place on Earth. A pair copied from a map ("48.8566,
    2.3522") may be in the first field alone. 0, 0 is rejected: it is the output of a receiver without a fix."""
    if not longitude.strip() and (pair := _PAIR.fullmatch(latitude)):
        latitude, longitude = pair[1] or pair[3], pair[2] or pair[4]
    try:
        north, east = (float(text.strip().removesuffix("°").replace(",", ".")) for text in (latitude, longitude))
    except ValueError:
        return None
    if not (-90 <= north <= 90 and -180 <= east <= 180) or (north == 0 and east == 0):
        return None
    return round(north, DECIMALS), round(east, DECIMALS)
