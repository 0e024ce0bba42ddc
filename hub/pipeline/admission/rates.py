"""How often one device may speak. Pure."""

from __future__ import annotations

LEAST_PER_MINUTE = 30.0
"""No bound is lower: a door that is opened often, a leak, and a report of former values speak out of turn."""
BURST_MINUTES = 2.0


class Bucket:
    """A token bucket of `per_minute` reports, with room for two minutes of them."""

    __slots__ = ("_at", "_left", "per_minute")

    def __init__(self, per_minute: float, moment: float) -> None:
        self.per_minute = per_minute
        self._left = per_minute * BURST_MINUTES
        self._at = moment

    def take(self, moment: float) -> bool:
        """May one more pass at `moment` (seconds that never go back)?"""
        most = self.per_minute * BURST_MINUTES
        left = min(most, self._left + (moment - self._at) * self.per_minute / 60.0)
        self._at = moment
        if left < 1.0:
            self._left = left
            return False
        self._left = left - 1.0
        return True


def bound(period_s: float | None, factor: float, otherwise: int | None) -> float | None:
    """Reports a minute that a device may send: `factor` times what its pack expects; `otherwise` where nobody knows
    its period; None: as many as it likes."""
    if period_s:
        return max(LEAST_PER_MINUTE, factor * 60.0 / period_s)
    return float(otherwise) if otherwise is not None else None
