"""A queue and a gate of no event loop: they live through several `asyncio.run`."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Generic, TypeVar

from hub.sdk.testing.clock import rouse, waits

T = TypeVar("T")


class Inbox(Generic[T]):
    """A queue of no event loop. `waiting` is how many wait for the next item."""

    def __init__(self) -> None:
        self._items: deque[T] = deque()
        self._waiters: list[asyncio.Future[None]] = []

    def put(self, item: T) -> None:
        """Append an item and wake whoever waits."""
        self._items.append(item)
        for wake in self._waiters:
            rouse(wake)

    async def get(self) -> T:
        """Wait for the next item and take it."""
        while not self._items:
            wake: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._waiters.append(wake)
            try:
                await wake
            finally:
                self._waiters.remove(wake)
        return self._items.popleft()

    def empty(self) -> bool:
        """Whether nothing waits to be taken."""
        return not self._items

    @property
    def waiting(self) -> int:
        """How many wait for the next item."""
        return sum(map(waits, self._waiters))


class Gate:
    """An `asyncio.Event` of no event loop, open at first."""

    def __init__(self) -> None:
        self._open = True
        self._waiters: list[asyncio.Future[None]] = []

    def set(self) -> None:
        """Open it."""
        self._open = True
        for wake in self._waiters:
            rouse(wake)

    def clear(self) -> None:
        """Close it."""
        self._open = False

    def is_set(self) -> bool:
        """Whether it is open."""
        return self._open

    async def wait(self) -> None:
        """Return once it is open."""
        while not self._open:
            wake: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._waiters.append(wake)
            try:
                await wake
            finally:
                self._waiters.remove(wake)
