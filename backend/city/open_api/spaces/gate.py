"""Gate of the SFTP port: which connections are kept, and how often somebody may be wrong. Pure but for the clock.

Before its login a connection costs a key exchange, and anybody may begin one: few at a time from one network and few in
all, of which the oldest gives way to the next one. Keys are 256 random bits that nobody guesses; wrong ones are limited
for what it costs to look them up.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Protocol

MOST, MOST_OF_KEY = 256, 8
"""Connections after their login: in all, and with one key."""
PENDING, PENDING_EACH = 64, 8
"""Connections before their login: in all, and from one network."""
WRONG, WRONG_S = 20, 600.0
"""Wrong keys from one network in so many seconds."""
MOST_NETWORKS = 4096


class Caller(Protocol):
    """A connection."""

    network: str

    def end(self) -> None:
        """End it at once."""


class Gate:
    """Connections of one port. `now` is monotonic seconds."""

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._pending: dict[Caller, None] = {}
        self._inside: dict[Caller, str] = {}
        self._wrong: dict[str, deque[float]] = {}
        self.gave_way = 0

    @property
    def counts(self) -> tuple[int, int]:
        """How many connections there are before and after their login."""
        return len(self._pending), len(self._inside)

    def come(self, caller: Caller) -> bool:
        """Let a connection begin its login; return whether it may."""
        if sum(one.network == caller.network for one in self._pending) >= PENDING_EACH:
            return False
        if len(self._pending) >= PENDING:
            oldest = next(iter(self._pending))
            del self._pending[oldest]
            self.gave_way += 1
            oldest.end()
        self._pending[caller] = None
        return True

    def enter(self, caller: Caller, key: str) -> bool:
        """Let a connection in after its login with a key; return whether it may."""
        self._pending.pop(caller, None)
        if len(self._inside) >= MOST or list(self._inside.values()).count(key) >= MOST_OF_KEY:
            return False
        self._inside[caller] = key
        return True

    def leave(self, caller: Caller) -> None:
        self._pending.pop(caller, None)
        self._inside.pop(caller, None)

    def may_try(self, network: str) -> bool:
        """Return whether a network may show another key."""
        drawn = self._wrong.get(network)
        while drawn and self._now() - drawn[0] >= WRONG_S:
            drawn.popleft()
        return drawn is None or len(drawn) < WRONG

    def was_wrong(self, network: str) -> None:
        drawn = self._wrong.pop(network, None) or deque(maxlen=WRONG)
        drawn.append(self._now())
        self._wrong[network] = drawn
        if len(self._wrong) > MOST_NETWORKS:
            del self._wrong[next(iter(self._wrong))]
