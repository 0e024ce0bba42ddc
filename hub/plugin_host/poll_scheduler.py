"""Polling intervals of devices, and their temporary shortening.

An integration that polls devices in cycles does so in `Polling.poll_cycles`; each such loop is registered here: which
devices it polls, its configured interval, how long its cycles take. An interval can be shortened from outside, never
lengthened, and is restored when the request is withdrawn. Nothing is stored: whoever shortens it keeps the request.

An integration with a timetable of its own declares its intervals (`Polling.set_poll_intervals`), and follows the ones
returned.

How the last poll of each device ended is kept here too, where it gave nothing (`Polling.polled`).
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping

from hub.core.clock import Clock

TURNS = 20
"""Number of cycles whose duration is remembered."""

PolledDevices = Callable[[], Iterable[str]]


class PollLoop:
    """A polling loop of one integration instance.

    `configured_s`: its configured interval; `polled_devices` returns the ids of the devices polled in a cycle.
    """

    def __init__(self, integration: str, configured_s: float, polled_devices: PolledDevices) -> None:
        self.integration, self.configured_s, self.polled_devices = integration, configured_s, polled_devices
        self.least_s = 0.0  # lower bound of the interval
        self.turns = 0
        self._durations: deque[float] = deque(maxlen=TURNS)
        self._changed = asyncio.Event()

    def record_duration(self, seconds: float) -> None:
        """Record the duration of a cycle."""
        self.turns += 1
        self._durations.append(seconds)

    @property
    def turn_s(self) -> float | None:
        """Third quartile of cycle durations in seconds, including waits for a shared line; None before the first."""
        record_duration = sorted(self._durations)
        return record_duration[3 * len(record_duration) // 4] if record_duration else None

    def changed(self) -> None:
        """Wake the loop, so that it computes its interval again."""
        self._changed.set()
        self._changed = asyncio.Event()

    async def sleep(self, clock: Clock, seconds: float) -> bool:
        """Sleep; returns False when the interval changed before."""
        changed = asyncio.ensure_future(self._changed.wait())
        slept = asyncio.ensure_future(clock.sleep(seconds))
        try:
            await asyncio.wait((changed, slept), return_when=asyncio.FIRST_COMPLETED)
            if slept.done():
                slept.result()
                return True
            return False
        finally:
            changed.cancel()
            slept.cancel()
            await asyncio.gather(changed, slept, return_exceptions=True)


class PollScheduler:
    """The polling loops of one hub."""

    def __init__(self) -> None:
        self._loops: list[PollLoop] = []
        self._timetables: dict[str, dict[str, PollLoop]] = {}
        self._shortened: dict[str, float] = {}
        self.failed: dict[str, str] = {}
        """Device → "silent" or "unread", until it answers or reports."""

    def polled(self, device: str, outcome: str) -> None:
        """Note how a poll of a device ended."""
        if outcome == "answered":
            self.failed.pop(device, None)
        else:
            self.failed[device] = outcome

    def __iter__(self) -> Iterator[PollLoop]:
        return iter([*self._loops, *(loop for own in self._timetables.values() for loop in own.values())])

    def of(self, device: str) -> PollLoop | None:
        """Return the loop that polls this device; the fastest of several, or None."""
        found = [loop for loop in self if device in set(loop.polled_devices())]
        return min(found, key=lambda loop: loop.configured_s, default=None)

    def shorten(self, wanted: Mapping[str, float]) -> None:
        """Poll these devices at these intervals (seconds), all others as configured. A loop uses the shortest of its
        devices."""
        self._shortened = dict(wanted)
        for loop in self._loops:
            loop.changed()

    def interval_s(self, loop: PollLoop) -> float:
        """Return the present interval in seconds."""
        if not self._shortened:
            return loop.configured_s
        wanted = [self._shortened[device] for device in loop.polled_devices() if device in self._shortened]
        return min([loop.configured_s, *wanted])

    def asks(self, integration: str, intervals: Mapping[str, float], least_s: float) -> dict[str, float]:
        """Register the intervals of an integration with its own timetable: device → configured seconds, `least_s` at
        least.

        Returns the present intervals. Each call replaces the former.
        """
        known = self._timetables.get(integration, {})
        own = self._timetables[integration] = {
            device: known.get(device) or PollLoop(integration, seconds, lambda device=device: (device,))  # type: ignore[misc]
            for device, seconds in intervals.items()
        }
        for device, loop in own.items():
            loop.configured_s, loop.least_s = intervals[device], least_s
        return {device: max(self.interval_s(loop), min(least_s, loop.configured_s)) for device, loop in own.items()}

    async def rounds(
        self, integration: str, configured_s: float, polled_devices: PolledDevices, clock: Clock, early: float
    ) -> AsyncIterator[float]:
        """Yield the wall-clock time of each cycle; missed cycles are skipped. `early`: seconds by which the second
        cycle comes sooner, so that loops spread."""
        loop = PollLoop(integration, configured_s, polled_devices)
        self._loops.append(loop)
        try:
            last = clock.monotonic() - early
            while True:
                began = clock.monotonic()
                yield clock.now()
                now = clock.monotonic()
                loop.record_duration(now - began)
                while True:
                    interval_s = self.interval_s(loop)
                    due = max(last + interval_s, now - interval_s)
                    if due <= clock.monotonic():
                        await clock.sleep(0)
                        break
                    if await loop.sleep(clock, due - clock.monotonic()):
                        break
                last = due
        finally:
            self._loops.remove(loop)
