"""A rate with a burst. Pure."""

from __future__ import annotations


class Bucket:
    """Lets `rate` things pass in a second, and `burst` at once."""

    def __init__(self, rate: float, burst: float) -> None:
        self._rate, self._burst = rate, burst
        self._left = burst
        self._at: float | None = None

    def take(self, now: float) -> float:
        """Take one; returns the seconds until it is due, 0 for now. `now` is monotonic."""
        since = 0.0 if self._at is None else now - self._at
        self._at = now
        self._left = min(self._burst, self._left + since * self._rate) - 1.0
        return max(0.0, -self._left / self._rate)

    def passes(self, now: float) -> bool:
        """Take one unless there is none."""
        since = 0.0 if self._at is None else now - self._at
        self._at = now
        self._left = min(self._burst, self._left + since * self._rate)
        if self._left < 1.0:
            return False
        self._left -= 1.0
        return True
