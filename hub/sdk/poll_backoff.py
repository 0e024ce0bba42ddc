"""When to ask again what did not answer. Pure: time is counted in polls."""

from __future__ import annotations


class PollBackoff:
    """Doubling back-off in polls: after a failure skip 1 poll, then 3, 7 … at most `limit`. Ask `due()` once a poll,
    and say `failed()` or `succeeded()` after each attempt."""

    __slots__ = ("_limit", "_skip", "failures")

    def __init__(self, limit: int) -> None:
        self.failures = 0
        self._limit = limit
        self._skip = 0

    def due(self) -> bool:
        """Called once a poll: is it time to ask?"""
        if self._skip:
            self._skip -= 1
            return False
        return True

    def failed(self) -> None:
        """Skip more polls after this attempt."""
        self.failures += 1
        self._skip = min(self._limit, 2 ** min(self.failures, 16) - 1)

    def succeeded(self) -> None:
        """Poll at the full rate again."""
        self.failures = self._skip = 0
