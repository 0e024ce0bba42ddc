"""Schedules GroupValueRead requests: few, spaced, one at a time, and fewer to addresses that do not answer."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from datetime import timedelta

import hub
from integrations.knx.book import Book, Entry, State

LONGEST_S = 86_400.0
"""The longest pause in seconds between two requests to an address that does not answer."""
TICK = timedelta(seconds=5)


def due(state: State, every: float, now: float) -> bool:
    """Return whether to send a request: after `every` seconds without a telegram; to an address that does not answer,
    at growing intervals."""
    # ignore times after now: they are from before the clock was set back
    last = max((t for t in (state.heard, state.asked) if t is not None and t <= now), default=None)
    if last is None:
        return True
    pause = min(every * 2.0 ** min(state.silent, 16), max(LONGEST_S, every))
    return now - last >= pause


class Asker:
    """Requests the values that the configuration asks for. `ask` sends one request; `unanswered` is called for each
    that had no answer within `timeout` seconds; `now` is the clock of the book's states."""

    def __init__(
        self,
        book: Book,
        ask: Callable[[int], Awaitable[None]],
        unanswered: Callable[[int], Awaitable[None]],
        refused: Callable[[int, hub.DecodeError], None],
        timeout: float,
        now: Callable[[], float],
    ) -> None:
        self._book = book
        self._ask = ask
        self._unanswered = unanswered
        self._refused = refused
        self._timeout = timeout
        self._now = now
        self.quick: dict[str, float] = {}
        """Device → seconds: ask so often, where the configuration says more seldom."""
        self.took: dict[int, float] = {}
        """Address → seconds that its last answer took."""
        self._waiting: dict[int, asyncio.Event] = {}

    def heard(self, address: int) -> None:
        """Wake the request that waits for this address."""
        if (event := self._waiting.get(address)) is not None:
            event.set()

    def first(self) -> list[int]:
        """Return the addresses to request once connected: those with `read` set, except where a value is more recent
        than one `every`, perhaps from an earlier process."""
        wanted = []
        for entry in self._book.metrics.values():
            every, state = entry.group.every, self._book.states[entry.main]
            fresh = every is not None and state.heard is not None and self._now() - state.heard < every.total_seconds()
            if entry.group.read and not fresh:
                wanted.append(entry.main)
        return list(dict.fromkeys(wanted))

    def next(self) -> list[int]:
        """Return the addresses that have been silent for too long, the longest first."""
        now = self._now()
        found = {
            entry.main
            for entry in self._book.metrics.values()
            if (every := self._every(entry)) is not None and due(self._book.states[entry.main], every, now)
        }
        return sorted(found, key=lambda a: (self._book.states[a].asked or 0.0, a))

    def _every(self, entry: Entry) -> float | None:
        if entry.group.every is None:
            return None
        every = entry.group.every.total_seconds()
        return min(every, self.quick.get(entry.device, every))

    async def ask(self, addresses: list[int]) -> None:
        """Send requests one after another: each waits until the one before is answered or times out. Raises
        NotReady."""
        waiting = deque(addresses)
        while waiting:
            address = waiting.popleft()
            state = self._book.states.get(address)
            if state is None:  # no longer configured
                continue
            event = self._waiting[address] = asyncio.Event()
            state.asked = self._now()
            loop = asyncio.get_running_loop()
            try:
                began = loop.time()
                await self._ask(address)
                async with asyncio.timeout(self._timeout):
                    await event.wait()
                self.took[address] = loop.time() - began
            except TimeoutError:
                await self._unanswered(address)
            except hub.DecodeError as error:
                state.silent += 1
                self._refused(address, error)
            finally:
                self._waiting.pop(address, None)
