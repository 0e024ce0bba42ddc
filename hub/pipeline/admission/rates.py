"""Rate limit of one device: a token bucket. Pure."""

from __future__ import annotations

LEAST_PER_MINUTE = 30.0
"""Lowest limit, reports per minute. A door that is opened often, a leak, and a batch of former values come out of
turn."""
BURST_MINUTES = 2.0


class Bucket:
    """A token bucket of `per_minute` reports, with room for two minutes of them."""

    __slots__ = ("_at", "_left", "per_minute")

    def __init__(self, per_minute: float, moment: float) -> None:
        self.per_minute = per_minute
        self._left = per_minute * BURST_MINUTES
        self._at = moment

    def take(self, moment: float) -> bool:
        """Take one token at `moment` (monotonic seconds). Returns False when there is none."""
        most = self.per_minute * BURST_MINUTES
        left = min(most, self._left + (moment - self._at) * self.per_minute / 60.0)
        self._at = moment
        if left < 1.0:
            self._left = left
            return False
        self._left = left - 1.0
        return True


def bound(period_s: float | None, factor: float, otherwise: int | None) -> float | None:
    """Return the limit in reports per minute: `factor` times what the pack expects; `otherwise` where the period is
    unknown; None for no limit."""
    if period_s:
        return max(LEAST_PER_MINUTE, factor * 60.0 / period_s)
    return float(otherwise) if otherwise is not None else None
