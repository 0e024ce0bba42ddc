"""Exponential back-off with full jitter, so that five hundred hubs do not return in the same second."""

from __future__ import annotations

import random


class Backoff:
    """Delays in seconds: `first`, doubling up to `limit`, each drawn between half and whole of its step."""

    def __init__(self, first: float = 1.0, limit: float = 300.0, rng: random.Random | None = None) -> None:
        self.first = first
        self.limit = limit
        self.failures = 0
        self._rng = rng or random.Random()  # noqa: S311 - jitter, not a secret

    def next(self) -> float:
        """The delay to wait now; each call counts one more failure."""
        step = min(self.limit, self.first * 2.0 ** min(self.failures, 32))
        self.failures += 1
        return step * self._rng.uniform(0.5, 1.0)

    def reset(self) -> None:
        self.failures = 0
