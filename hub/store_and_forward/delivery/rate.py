"""Estimates the rate of the link from the answers. Pure."""

from __future__ import annotations

FIRST = 8 << 10
"""Bytes/s assumed before anything was measured: 64 kbit/s, so that the first message fits the slowest link."""
LEAST = 1 << 10
_SLOW_S = 2.0


class Rate:
    """Bytes the link delivered while a message was on its way, over that time: right with several in flight.

    Follows a faster sample by half. A slower one counts only when the message was large enough to be slowed by
    the link and not by the round trip (an eighth of a second's worth), or took two seconds.
    """

    def __init__(self) -> None:
        self.bytes_per_s = float(FIRST)
        self.delivered = 0

    def sample(self, size: int, delivered_before: int, seconds: float) -> None:
        """Add a sample: a message of `size` bytes was answered `seconds` after it left, when `delivered_before` was the
        total."""
        self.delivered += size
        rate = (self.delivered - delivered_before) / max(seconds, 1e-3)
        if rate > self.bytes_per_s:
            self.bytes_per_s += (rate - self.bytes_per_s) / 2
        elif size * 8 >= self.bytes_per_s or seconds >= _SLOW_S:
            self.bytes_per_s = max(LEAST, self.bytes_per_s + (rate - self.bytes_per_s) / 4)

    def lost(self) -> None:
        """Halve the rate: a message had no answer at all."""
        self.bytes_per_s = max(LEAST, self.bytes_per_s / 2)
