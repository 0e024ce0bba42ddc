"""GPS time, which LoRaWAN devices and gateways are told. Pure."""

from __future__ import annotations

EPOCH = 315_964_800
"""6 January 1980 in Unix seconds."""
LEAP_SECONDS = 18
"""GPS time is ahead of UTC by this much since 2017; no other is announced."""


def seconds(unix_s: float) -> float:
    """Unix time → seconds since the GPS epoch."""
    return unix_s - EPOCH + LEAP_SECONDS
