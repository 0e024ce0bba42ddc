"""Guesses of passwords and codes, few for each account and address, in the database that all processes share. The
budgets and their reasons are those of `hub.page_kit.people.throttle`."""

from __future__ import annotations

from backend.storage.city import people
from backend.storage.city.database import Transaction
from hub.page_kit.people.throttle import ADDRESS, ALL, HOUR, KNOWN, NOBODY, STRANGERS, network

CODE = "\0code"
"""Account of all codes by which somebody chooses a password."""

LOGOUT = "logout"
"""Purse of refused logout tokens. They have one of their own, so that they keep nobody from signing in."""

__all__ = ["CODE", "NOBODY", "give_back", "take", "take_logout"]


def take(t: Transaction, account: str, address: str, now: float, *, known: bool) -> float:
    """Take one guess; return 0 where it may be evaluated, else the seconds until another may."""
    people.drop_guesses(t, now - HOUR)
    wait = 0.0
    for purse, most in _purses(account, address, known=known):
        count, first = people.guesses(t, purse, now - HOUR)
        if count >= most:
            wait = max(wait, first + HOUR - now)
    if wait <= 0:
        for purse, _ in _purses(account, address, known=known):
            people.add_guess(t, purse, now)
    return max(0.0, wait)


def take_logout(t: Transaction, now: float) -> float:
    """Count a refused logout token; return 0 where it may be noted, else the seconds until another may."""
    people.drop_guesses(t, now - HOUR)
    count, first = people.guesses(t, LOGOUT, now - HOUR)
    if count >= STRANGERS:
        return max(1.0, first + HOUR - now)
    people.add_guess(t, LOGOUT, now)
    return 0.0


def give_back(t: Transaction, account: str, address: str, *, known: bool) -> None:
    """Return the last guess: it was right."""
    for purse, _ in _purses(account, address, known=known):
        people.give_guess_back(t, purse)


def _purses(account: str, address: str, *, known: bool) -> list[tuple[str, int]]:
    if known:
        return [(f"known {account}", KNOWN)]
    return [(f"account {account}", STRANGERS), (f"address {network(address)}", ADDRESS), ("all", ALL)]
