"""Polls that nobody wants more often."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from datetime import timedelta

from hub.sdk.session import Polled
from hub.sdk.session_rules import interval_s
from hub.sdk.testing.devices import FakeDevices


class FakePolling:
    """Implements `hub.sdk.session.Polling`: nobody wants devices polled more often. `outcomes`: device → how its last
    poll ended, of devices that have neither answered nor reported since."""

    def __init__(self, every: Callable[[timedelta], AsyncIterator[float]], devices: FakeDevices) -> None:
        self.outcomes: dict[str, Polled] = {}
        self._every, self._devices = every, devices

    def poll_cycles(self, interval: timedelta, asked: Callable[[], Iterable[str]]) -> AsyncIterator[float]:
        interval_s(f"poll_cycles({interval})", interval.total_seconds())
        return self._every(interval)

    def set_poll_intervals(self, intervals: Mapping[str, timedelta], least: timedelta) -> dict[str, timedelta]:
        return dict(intervals)

    def polled(self, device: str, outcome: Polled) -> None:
        if not self._devices.has(device):  # it may have been removed during its poll
            return
        if outcome == "answered":
            self.outcomes.pop(device, None)
        else:
            self.outcomes[device] = outcome
