"""Password hashing, so that whoever steals the store has to guess passwords one by one: see `hub.core.password_hash`.

One hash is computed at a time, in a thread: guesses cost the attacker time, and never block the hub's loop or fill its
memory.
"""

from __future__ import annotations

import asyncio
import contextlib
import secrets
from collections.abc import Callable
from typing import TypeVar

from hub.core import password_hash
from hub.core.errors import HubError

T = TypeVar("T")

SHORTEST, LONGEST = 12, 128
MOST_WAITING = 8
_CODE = (4, 4, 4)


class Busy(HubError):
    """Too many checks are waiting."""

    exit_code = 8

    def __init__(self) -> None:
        super().__init__("too many passwords are being checked: try again in a moment")


def password_problem(password: str, name: str) -> str:
    """Return why this may be no password, a key of the catalogue; "" when it may. NIST SP 800-63B, 5.1.1.2: length
    counts, rules about kinds of characters do not."""
    if len(password) < SHORTEST:
        return "password-short"
    if len(password) > LONGEST:
        return "password-long"
    low = password.casefold()
    if len(set(low)) < 5 or (name and name.casefold() in low) or any(easy in low for easy in _EASY):
        return "password-easy"
    return ""


_EASY = ("motdepasse", "password", "azerty", "qwerty", "123456", "administrat", "technicien")


def new_code() -> str:
    """Return a claim code of 60 random bits, for people: XXXX-XXXX-XXXX."""
    return password_hash.new_code(_CODE)


def normalised_code(typed: str) -> str:
    """Return a typed claim code in the form in which it was made."""
    return password_hash.code_of(typed, _CODE)


class Passwords:
    """Hashes and checks passwords, one after the other."""

    def __init__(self) -> None:
        self._turn = asyncio.Lock()
        self._waiting = 0
        self._nobody = b""

    async def make(self, password: str) -> bytes:
        """Return the hash of a password, for `fits`. Raises Busy."""
        return await self._alone(lambda: password_hash.make(password))

    async def fits(self, secret: bytes | None, password: str) -> bool:
        """Return whether it is the password; without a hash the refusal takes as long. Raises Busy."""
        if secret is None:
            self._nobody = self._nobody or await self.make(secrets.token_hex(16))
        known = self._nobody if secret is None else secret
        return await self._alone(lambda: password_hash.fits(known, password)) and secret is not None

    async def _alone(self, work: Callable[[], T]) -> T:
        if self._waiting >= MOST_WAITING:
            raise Busy
        self._waiting += 1
        try:
            async with self._turn:
                return await asyncio.to_thread(_with_trimmed_heap, work)
        finally:
            self._waiting -= 1


def _with_trimmed_heap(work: Callable[[], T]) -> T:
    """Run `work`, then return freed memory to the system: glibc would keep 19 MiB for the next check, a day later."""
    import ctypes

    try:
        return work()
    finally:
        with contextlib.suppress(AttributeError, OSError):  # a C library without malloc_trim
            ctypes.CDLL(None).malloc_trim(0)
