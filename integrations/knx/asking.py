"""Questions to the bus (GroupValueRead): few, spaced, one at a time, and fewer of those that nobody answers."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from datetime import timedelta

import hub
from integrations.knx.book import Book, Entry, State

LONGEST_S = 86_400.0
"""The longest pause between two questions at an address that nobody answers."""
TICK = timedelta(seconds=5)


def due(state: State, every: float, now: float) -> bool:
    """Is it time to ask? After `every` seconds of silence; of who does not answer, at ever longer intervals."""
    # what is ahead of now is of before the clock was set back, and says nothing
    last = max((t for t in (state.heard, state.asked) if t is not None and t <= now), default=None)
    if last is None:
        return True
    pause = min(every * 2.0 ** min(state.silent, 16), max(LONGEST_S, every))
    return now - last >= pause


class Asker:
    """Asks for what the configuration wants asked. `ask` sends one question; `unanswered` is told of each that nobody
    answered within `timeout` seconds; `now` is the clock of the book's states."""

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
        """A value was said there: whoever waits for it has it."""
        if (event := self._waiting.get(address)) is not None:
            event.set()

    def first(self) -> list[int]:
        """What is asked when the connection is there: what the configuration says, unless it was said since one `every`
        ago, by an earlier life of the hub perhaps."""
        wanted = []
        for entry in self._book.metrics.values():
            every, state = entry.group.every, self._book.states[entry.main]
            fresh = every is not None and state.heard is not None and self._now() - state.heard < every.total_seconds()
            if entry.group.read and not fresh:
                wanted.append(entry.main)
        return list(dict.fromkeys(wanted))

    def next(self) -> list[int]:
        """What has been silent for too long, the longest first."""
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
        """One after the other: the next waits until this one is answered or its time is over. Raises NotReady."""
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
