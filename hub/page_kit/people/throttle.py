"""Throttle of password guesses. Pure except for the clock it is given.

An account's guesses of one hour come from two budgets. A browser that signed in to the account before brings proof of
it (a cookie, see `sessions`) and uses KNOWN; all others together use STRANGERS, at most ADDRESS of them from one
address. An attacker exhausts the strangers' budget and not the owner's: at most KNOWN + STRANGERS guesses an hour are
evaluated, and the owner still gets in. A successful guess is given back. A throttled one is not evaluated.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from ipaddress import IPv6Address, ip_address

HOUR = 3600.0
KNOWN, STRANGERS, ADDRESS, ALL = 10, 40, 10, 300
MOST_PURSES = 4096
NOBODY = "\0nobody"
"""Account of all unknown names."""


class Throttle:
    """Throttle. `now` is monotonic seconds."""

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._purses: dict[tuple[str, str], deque[float]] = {}

    def take(self, account: str, address: str, *, known: bool) -> float:
        """Take one guess; return 0 when it may be evaluated, else the seconds until another may."""
        purses = self._of(account, address, known=known)
        wait = max(self._wait(key, most) for key, most in purses)
        if wait <= 0:
            for key, _ in purses:
                self._purses.setdefault(key, deque()).append(self._now())
            self._bound()
        return max(0.0, wait)

    def give_back(self, account: str, address: str, *, known: bool) -> None:
        """Return the last guess: it was right."""
        for key, _ in self._of(account, address, known=known):
            if self._purses.get(key):
                self._purses[key].pop()

    def _of(self, account: str, address: str, *, known: bool) -> list[tuple[tuple[str, str], int]]:
        if known:
            return [(("known", account), KNOWN)]
        return [(("account", account), STRANGERS), (("address", network(address)), ADDRESS), (("all", ""), ALL)]

    def _wait(self, key: tuple[str, str], most: int) -> float:
        drawn = self._purses.get(key)
        if drawn is None:
            return 0.0
        while drawn and self._now() - drawn[0] >= HOUR:
            drawn.popleft()
        return HOUR - (self._now() - drawn[0]) if len(drawn) >= most else 0.0

    def _bound(self) -> None:
        if len(self._purses) > MOST_PURSES:
            now = self._now()
            self._purses = {key: drawn for key, drawn in self._purses.items() if drawn and now - drawn[-1] < HOUR}


def network(address: str) -> str:
    """Return an address as one guesser: of IPv6 its /64, which one subscriber has whole."""
    try:
        parsed = ip_address(address.partition("%")[0])
    except ValueError:
        return ""
    if isinstance(parsed, IPv6Address):
        mapped = parsed.ipv4_mapped
        return str(mapped) if mapped else str(IPv6Address(int(parsed) >> 64 << 64))
    return str(parsed)
