"""Conversion to GPS time, which LoRaWAN devices and gateways use. Pure."""

from __future__ import annotations

EPOCH = 315_964_800
"""6 January 1980 in Unix seconds."""
LEAP_SECONDS = 18
"""Seconds by which GPS time is ahead of UTC since 2017; no further leap second is announced."""


def seconds(unix_s: float) -> float:
    """Convert Unix time to seconds since the GPS epoch."""
    return unix_s - EPOCH + LEAP_SECONDS
