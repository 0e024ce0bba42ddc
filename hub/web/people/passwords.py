"""Passwords, kept so that whoever steals the store has to guess them one by one: see `hub.core.password_hash`.

One is computed at a time, in a thread: guesses cost the attacker time, and never the hub's loop or its memory.
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
    """Too many are waiting to be checked."""

    exit_code = 8

    def __init__(self) -> None:
        super().__init__("too many passwords are being checked: try again in a moment")


def unfit(password: str, name: str) -> str:
    """Why this may be no password, a key of the catalogue; "" when it may. NIST SP 800-63B, 5.1.1.2: length counts,
    rules about kinds of characters do not."""
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
    """A claim code of 60 random bits, as people read it: XXXX-XXXX-XXXX."""
    return password_hash.new_code(_CODE)


def code_of(typed: str) -> str:
    """A claim code as it was typed, in the form in which it was made."""
    return password_hash.code_of(typed, _CODE)


class Passwords:
    """Makes and checks secrets, one after the other."""

    def __init__(self) -> None:
        self._turn = asyncio.Lock()
        self._waiting = 0
        self._nobody = b""

    async def make(self, password: str) -> bytes:
        """A secret that `fits` this password. Raises Busy."""
        return await self._alone(lambda: password_hash.make(password))

    async def fits(self, secret: bytes | None, password: str) -> bool:
        """Whether it is the password; without a secret it takes as long to say no. Raises Busy."""
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
                return await asyncio.to_thread(_tidily, work)
        finally:
            self._waiting -= 1


def _tidily(work: Callable[[], T]) -> T:
    """glibc keeps freed memory of this size for the next time: a hub that checks a password a day would hold 19 MiB."""
    import ctypes

    try:
        return work()
    finally:
        with contextlib.suppress(AttributeError, OSError):  # another C library
            ctypes.CDLL(None).malloc_trim(0)
