"""How slowly a bundle may arrive: whoever trickles holds room and a connection for nothing. Pure."""

from __future__ import annotations

from hub.core.errors import NotReady
from hub.core.text import phrase

GRACE_S = 60.0
LEAST_RATE = 8 * 1024
"""Bytes a second on average, after the grace: a phone on a poor 3G line has five times as much."""
LONGEST_S = 3600.0


class TooSlow(NotReady):
    """A bundle came more slowly than anybody waits for."""


def expect_pace(taken: int, seconds: float) -> None:
    """Raise TooSlow where `taken` bytes in so many seconds are too few."""
    if seconds > LONGEST_S or (seconds > GRACE_S and taken < LEAST_RATE * (seconds - GRACE_S)):
        raise TooSlow(
            phrase(
                "release-too-slow",
                "the bundle came too slowly ({size} bytes in {seconds:.0f} s) and was dropped: nothing changed. "
                "Copy it "
                "to a USB stick, or try again nearer to the hub",
                size=taken,
                seconds=seconds,
            )
        )
