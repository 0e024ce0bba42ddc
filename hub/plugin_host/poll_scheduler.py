"""How often devices are asked, and how often somebody wants them asked for a while.

An integration that asks devices in turns does so in `Session.rounds`; each such loop is a pace here: whom it asks, how
often its configuration says, how long its turns take. A pace may be quickened from outside, never slowed, and goes back
by itself once that is withdrawn. Nothing of it is written down: who quickens remembers.

One that has a timetable of its own says how often it asks whom (`Session.asks`), and goes by what it is answered.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping

from hub.core.clock import Clock

TURNS = 20
"""Turns whose length is remembered."""

Asked = Callable[[], Iterable[str]]


class Pace:
    """One loop of one integration instance. `usual_s`: what its configuration says; `asked` gives the ids of the
    devices that a turn asks."""

    def __init__(self, integration: str, usual_s: float, asked: Asked) -> None:
        self.integration, self.usual_s, self.asked = integration, usual_s, asked
        self.least_s = 0.0  # it never asks more often
        self.turns = 0
        self._took: deque[float] = deque(maxlen=TURNS)
        self._changed = asyncio.Event()

    def took(self, seconds: float) -> None:
        """A turn is over."""
        self.turns += 1
        self._took.append(seconds)

    @property
    def turn_s(self) -> float | None:
        """Seconds that three of four turns take at most, waiting for others on the same line included; None before the
        first."""
        took = sorted(self._took)
        return took[3 * len(took) // 4] if took else None

    def changed(self) -> None:
        """Whoever waits for the next turn looks again at how long."""
        self._changed.set()
        self._changed = asyncio.Event()

    async def sleep(self, clock: Clock, seconds: float) -> bool:
        """Sleep for so long; False when the pace changed before."""
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


class Paces:
    """Of one hub."""

    def __init__(self) -> None:
        self._paces: list[Pace] = []
        self._timetables: dict[str, dict[str, Pace]] = {}
        self._wanted: dict[str, float] = {}

    def __iter__(self) -> Iterator[Pace]:
        return iter([*self._paces, *(pace for own in self._timetables.values() for pace in own.values())])

    def of(self, device: str) -> Pace | None:
        """The loop that asks this device; of several the quickest."""
        found = [pace for pace in self if device in set(pace.asked())]
        return min(found, key=lambda pace: pace.usual_s, default=None)

    def quicken(self, wanted: Mapping[str, float]) -> None:
        """Ask these devices every so many seconds from now on, and all others as their configuration says. A loop
        that asks several goes by the quickest."""
        self._wanted = dict(wanted)
        for pace in self._paces:
            pace.changed()

    def step(self, pace: Pace) -> float:
        """Seconds between two turns, now."""
        if not self._wanted:
            return pace.usual_s
        wanted = [self._wanted[device] for device in pace.asked() if device in self._wanted]
        return min([pace.usual_s, *wanted])

    def asks(self, integration: str, usual: Mapping[str, float], least_s: float) -> dict[str, float]:
        """Device → seconds as configured, of all that an integration asks by its own timetable, never more often than
        `least_s`; gives the seconds of now. Each call replaces the one before."""
        known = self._timetables.get(integration, {})
        own = self._timetables[integration] = {
            device: known.get(device) or Pace(integration, seconds, lambda device=device: (device,))  # type: ignore[misc]
            for device, seconds in usual.items()
        }
        for device, pace in own.items():
            pace.usual_s, pace.least_s = usual[device], least_s
        return {device: max(self.step(pace), min(least_s, pace.usual_s)) for device, pace in own.items()}

    async def rounds(
        self, integration: str, usual_s: float, asked: Asked, clock: Clock, early: float
    ) -> AsyncIterator[float]:
        """The turns of one loop: the wall time now, and again and again, never piling up. `early`: seconds by which
        the second turn comes sooner, so that loops spread."""
        pace = Pace(integration, usual_s, asked)
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
