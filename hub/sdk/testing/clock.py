"""A clock that moves only when a test says so."""

from __future__ import annotations

import asyncio
import heapq

from hub.core.clock import BUILD_FLOOR


class ManualClock:
    """A clock that moves only when told. `advance` wakes the sleepers that are due, in order."""

    def __init__(self, now: float = BUILD_FLOOR + 86400.0, *, sure: bool = True) -> None:
        self.boot = b"manual-clock-boo"
        self.floor = BUILD_FLOOR
        self._now = now
        self._monotonic = 1000.0
        self._sure = sure
        self._sleepers: list[tuple[float, int, asyncio.Future[None]]] = []
        self._n = 0

    def now(self) -> float:
        """Unix seconds."""
        return self._now

    def monotonic(self) -> float:
        """Seconds that only rise."""
        return self._monotonic

    def sure(self) -> bool:
        """Whether the wall clock can be believed."""
        return self._sure

    def date(self) -> float | None:
        """Unix seconds, None when the wall clock cannot be believed."""
        return self._now if self._sure else None

    def exact(self) -> bool:
        """Whether the wall clock is synchronised."""
        return True

    def set(self, now: float, *, sure: bool = True) -> None:
        """Step the wall clock, as NTP would; monotonic time goes on."""
        self._now, self._sure = now, sure

    async def sleep(self, seconds: float) -> None:
        """Sleep until `advance` has passed this moment."""
        if seconds <= 0:
            await asyncio.sleep(0)
            return
        self._n += 1
        wake: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        heapq.heappush(self._sleepers, (self._monotonic + seconds, self._n, wake))
        await wake

    async def advance(self, seconds: float) -> None:
        """Let `seconds` pass: each sleeper wakes at its own moment and runs until it waits again."""
        end = self._monotonic + seconds
        await settle()
        while self._sleepers and self._sleepers[0][0] <= end:
            due, _, wake = heapq.heappop(self._sleepers)
            self._now += max(0.0, due - self._monotonic)
            self._monotonic = max(due, self._monotonic)
            rouse(wake)
            await settle()
        self._now += end - self._monotonic
        self._monotonic = end

    async def advance_to_next(self) -> bool:
        """Let time pass until the next sleeper wakes. Returns False when nobody sleeps."""
        while self._sleepers and not waits(self._sleepers[0][2]):
            heapq.heappop(self._sleepers)
        if not self._sleepers:
            return False
        await self.advance(max(0.0, self._sleepers[0][0] - self._monotonic))
        return True


def waits(wake: asyncio.Future[None]) -> bool:
    """Whether somebody waits for it still: its loop may be one of an earlier `asyncio.run`."""
    return not wake.done() and not wake.get_loop().is_closed()


def rouse(wake: asyncio.Future[None]) -> None:
    if waits(wake):
        wake.set_result(None)


async def settle(turns: int = 20) -> None:
    """Let every task that can run do so."""
    for _ in range(turns):
        await asyncio.sleep(0)
