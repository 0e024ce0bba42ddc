"""Connection slots, shared fairly between devices and sources. No I/O.

An adapter or a proxy holds a few connections at a time. Devices are served in the order of asking, by the best source
that hears them and has a slot; one that no source hears, or whose sources are all taken, waits without holding up the
others.
"""

from __future__ import annotations

import asyncio
from collections import Counter, deque
from collections.abc import Callable, Sequence
from typing import NamedTuple

Sources = Callable[[], Sequence[str]]
"""The sources that could serve now, best first."""


class _SlotRequest(NamedTuple):
    sources: Sources
    granted: asyncio.Future[str]


class Slots:
    """The slots. `capacity(source)` may change at any time; `grant` tries the waiting devices again."""

    def __init__(self, capacity: Callable[[str], int]) -> None:
        self._capacity = capacity
        self._taken: Counter[str] = Counter()
        self._queue: deque[_SlotRequest] = deque()

    async def take(self, sources: Sources) -> str:
        """Wait for a slot; returns its source. Return it with `give`."""
        wish = _SlotRequest(sources, asyncio.get_running_loop().create_future())
        self._queue.append(wish)
        self.grant()
        try:
            return await wish.granted
        except asyncio.CancelledError:
            if wish in self._queue:
                self._queue.remove(wish)
            elif not wish.granted.cancelled():
                self.give(wish.granted.result())
            raise

    def give(self, source: str) -> None:
        self._taken[source] -= 1
        self.grant()

    def wanted(self, source: str) -> bool:
        """Return whether a waiting device could use a slot of this source."""
        return any(source in wish.sources() for wish in self._queue if not wish.granted.cancelled())

    def grant(self) -> None:
        """Serve the waiting devices that can be served, in the order of arrival."""
        for wish in list(self._queue):
            if wish.granted.cancelled():
                continue  # cancelled, about to leave
            for source in wish.sources():
                if self._taken[source] < self._capacity(source):
                    self._taken[source] += 1
                    self._queue.remove(wish)
                    wish.granted.set_result(source)
                    break
