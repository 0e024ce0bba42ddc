"""Expected period of each device while its sampling is raised, so that the change itself raises no alarm. Pure.

silence     the raised period once the device was heard at it; else the longer of the two: a device that was not told
            yet is not late, and one that is told to slow down is not silent
bursts      the shorter of the two, from the first possible order until the former period was observed
coverage    the former period throughout: an hour that was half slow has no gaps
"""

from __future__ import annotations

from collections.abc import Iterable

from hub.operations.crisis.sampling.model import HOUR_S
from hub.operations.crisis.sampling.state import OVER, RESTORING, TOLD, Raised, State

LINGER_S = 2 * HOUR_S
"""Hours that ended before the last change are still being aggregated."""


class ExpectedPeriods:
    """Expected periods of one hub; `follow` is called with every change."""

    def __init__(self) -> None:
        self._by: dict[str, Raised] = {}
        self._back = False
        self._former: dict[str, tuple[float, float]] = {}  # device → (former period in s, monotonic end)

    def follow(self, state: State, moment: float) -> None:
        """Update from a state; `moment` is monotonic seconds."""
        for device in self._by:
            self._former[device] = (self._by[device].was_s, moment + LINGER_S)
        entries: Iterable[Raised] = () if state.phase == OVER else state.entries
        self._by = {device: one for one in entries for device in one.devices}
        self._back = state.phase == RESTORING
        self._former = {name: one for name, one in self._former.items() if one[1] > moment}

    def silence(self, device: str, usual: float | None) -> float | None:
        """Return the maximum seconds between two reports. `usual`: without raised sampling, None where unknown."""
        one = self._by.get(device)
        if one is None or usual is None:
            return usual
        if not self._back and one.step == TOLD and one.confirmed:
            return one.to_s
        return max(usual, one.was_s)

    def burst(self, device: str) -> float | None:
        """Return the minimum seconds between two reports, None where it is as usual."""
        one = self._by.get(device)
        return None if one is None else one.to_s

    def coverage(self, device: str, usual: float | None) -> float | None:
        """Return the seconds for which one reading counts."""
        one, former = self._by.get(device), self._former.get(device)
        was = one.was_s if one is not None else former[0] if former is not None else None
        if was is None:
            return usual
        return was if usual is None else max(usual, was)

    def former(self, device: str) -> float | None:
        """Return the period to restore, None where it is not raised."""
        one = self._by.get(device)
        return None if one is None else one.was_s
