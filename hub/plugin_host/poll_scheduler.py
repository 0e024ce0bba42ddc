"""Polling intervals of devices, and their temporary shortening.

An integration that polls devices in cycles does so in `Polling.poll_cycles`; each such loop is registered here: which
devices it polls, its configured interval, how long its cycles take. An interval can be shortened from outside, never
lengthened, and is restored when the request is withdrawn. Nothing is stored: whoever shortens it keeps the request.

An integration with a timetable of its own declares its intervals (`Polling.set_poll_intervals`), and follows the ones
returned.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping

from hub.core.clock import Clock

TURNS = 20
"""Number of cycles whose duration is remembered."""

Asked = Callable[[], Iterable[str]]


class PollLoop:
    """A polling loop of one integration instance. `usual_s`: its configured interval; `asked` returns the ids of the
    devices polled in a cycle."""

    def __init__(self, integration: str, usual_s: float, asked: Asked) -> None:
        self.integration, self.usual_s, self.asked = integration, usual_s, asked
        self.least_s = 0.0  # lower bound of the interval
        self.turns = 0
        self._took: deque[float] = deque(maxlen=TURNS)
        self._changed = asyncio.Event()

    def took(self, seconds: float) -> None:
        """Record the duration of a cycle."""
        self.turns += 1
        self._took.append(seconds)

    @property
    def turn_s(self) -> float | None:
        """Third quartile of cycle durations in seconds, including waits for a shared line; None before the first."""
        took = sorted(self._took)
        return took[3 * len(took) // 4] if took else None

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
        self._paces: list[PollLoop] = []
        self._timetables: dict[str, dict[str, PollLoop]] = {}
        self._wanted: dict[str, float] = {}

    def __iter__(self) -> Iterator[PollLoop]:
        return iter([*self._paces, *(pace for own in self._timetables.values() for pace in own.values())])

    def of(self, device: str) -> PollLoop | None:
        """Return the loop that polls this device; the fastest of several, or None."""
        found = [pace for pace in self if device in set(pace.asked())]
        return min(found, key=lambda pace: pace.usual_s, default=None)

    def quicken(self, wanted: Mapping[str, float]) -> None:
        """Poll these devices at these intervals (seconds), all others as configured. A loop uses the shortest of its
        devices."""
        self._wanted = dict(wanted)
        for pace in self._paces:
            pace.changed()

    def step(self, pace: PollLoop) -> float:
        """Return the present interval in seconds."""
        if not self._wanted:
            return pace.usual_s
        wanted = [self._wanted[device] for device in pace.asked() if device in self._wanted]
        return min([pace.usual_s, *wanted])

    def asks(self, integration: str, usual: Mapping[str, float], least_s: float) -> dict[str, float]:
        """Register the intervals of an integration with its own timetable: device → configured seconds, `least_s` at
        least.

        Returns the present intervals. Each call replaces the former.
        """
        known = self._timetables.get(integration, {})
        own = self._timetables[integration] = {
            device: known.get(device) or PollLoop(integration, seconds, lambda device=device: (device,))  # type: ignore[misc]
            for device, seconds in usual.items()
        }
        for device, pace in own.items():
            pace.usual_s, pace.least_s = usual[device], least_s
        return {device: max(self.step(pace), min(least_s, pace.usual_s)) for device, pace in own.items()}

    async def rounds(
        self, integration: str, usual_s: float, asked: Asked, clock: Clock, early: float
    ) -> AsyncIterator[float]:
        """Yield the wall-clock time of each cycle; missed cycles are skipped. `early`: seconds by which the second
        cycle comes sooner, so that loops spread."""
        pace = PollLoop(integration, usual_s, asked)
        self._paces.append(pace)
        try:
            last = clock.monotonic() - early
            while True:
                began = clock.monotonic()
                yield clock.now()
                now = clock.monotonic()
                pace.took(now - began)
                while True:
                    step = self.step(pace)
                    due = max(last + step, now - step)
                    if due <= clock.monotonic():
                        await clock.sleep(0)
                        break
                    if await pace.sleep(clock, due - clock.monotonic()):
                        break
                last = due
        finally:
            self._paces.remove(pace)
