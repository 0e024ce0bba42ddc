"""Is a device heard as often as it was told? Pure.

Two steps in a row between reports, both after it was told, within the period and a quarter of it (raised), or not
shorter than three quarters of it (on the way back). One step alone proves nothing: a lost frame doubles it.
"""

from __future__ import annotations

from collections import deque

QUARTER = 0.25
GRACE_S = 1.5
"""A look each second may see a report a second late."""
NEEDED = 2


class Noticing:
    """Of one device, since it was told. `seen` are Unix seconds."""

    def __init__(self, seen: float | None) -> None:
        self._last = seen
        self._steps: deque[float] = deque(maxlen=NEEDED)
        self._first = True

    def look(self, seen: float | None) -> None:
        """When it was heard last."""
        if seen is None or seen == self._last:
            return
        if self._last is not None and seen > self._last and not self._first:
            self._steps.append(seen - self._last)
        self._first = False  # the step that was under way when it was told says nothing
        self._last = seen

    @property
    def period(self) -> float | None:
        """The longer of the last steps, None before there are enough."""
        return max(self._steps) if len(self._steps) == NEEDED else None

    def faster(self, period: float) -> bool:
        return len(self._steps) == NEEDED and max(self._steps) <= period * (1 + QUARTER) + GRACE_S

    def slower(self, period: float) -> bool:
        return len(self._steps) == NEEDED and min(self._steps) >= period * (1 - QUARTER) - GRACE_S
