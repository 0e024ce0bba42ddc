"""Secrets that people type, kept so that whoever steals the store has to guess them one by one.

Argon2id (RFC 9106), 19 MiB, two passes, one lane: OWASP's least for a machine with little memory. One is computed at a
time, in a thread: guesses cost the attacker time, and never the hub's loop or its memory.

    secret = version 1 (1 byte) ‖ salt (16) ‖ hash (32)
"""

from __future__ import annotations

import asyncio
import contextlib
import hmac
import secrets
import unicodedata

MEMORY_KIB, PASSES, LANES = 19 * 1024, 2, 1
SHORTEST, LONGEST = 12, 128
MOST_WAITING = 8
_VERSION = b"\x01"
_ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"  # Crockford's: no I, L, O, U
_CODE = 12
_TAKEN_FOR = str.maketrans({"O": "0", "I": "1", "L": "1"})


class Busy(Exception):
    """Too many are waiting to be checked."""


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
    text = "".join(secrets.choice(_ALPHABET) for _ in range(_CODE))
    return "-".join(text[at : at + 4] for at in range(0, _CODE, 4))


def code_of(typed: str) -> str:
    """A claim code as it was typed, in the form in which it was made."""
    plain = "".join(char for char in typed.upper() if char.isalnum()).translate(_TAKEN_FOR)[:_CODE]
    return "-".join(plain[at : at + 4] for at in range(0, len(plain), 4))


class Passwords:
    """Makes and checks secrets, one after the other."""

    def __init__(self) -> None:
        self._turn = asyncio.Lock()
        self._waiting = 0
        self._nobody = b""

    async def make(self, password: str) -> bytes:
        """A secret that `fits` this password. Raises Busy."""
        salt = secrets.token_bytes(16)
        return _VERSION + salt + await self._derive(password, salt)

    async def fits(self, secret: bytes | None, password: str) -> bool:
        """Whether it is the password; without a secret it takes as long to say no. Raises Busy."""
        if secret is None:
            self._nobody = self._nobody or await self.make(secrets.token_hex(16))
        known = self._nobody if secret is None else secret
        derived = await self._derive(password, known[1:17])
        return known[:1] == _VERSION and hmac.compare_digest(derived, known[17:]) and secret is not None

    async def _derive(self, password: str, salt: bytes) -> bytes:
        if self._waiting >= MOST_WAITING:
            raise Busy
        self._waiting += 1
        try:
            async with self._turn:
                return await asyncio.to_thread(_argon2id, password, salt)
        finally:
            self._waiting -= 1


def _argon2id(password: str, salt: bytes) -> bytes:
    from cryptography.hazmat.primitives.kdf.argon2 import Argon2id

    kdf = Argon2id(salt=salt, length=32, iterations=PASSES, lanes=LANES, memory_cost=MEMORY_KIB)
    derived = kdf.derive(unicodedata.normalize("NFKC", password).encode())
    _give_back()
    return derived


def _give_back() -> None:
    """glibc keeps freed memory of this size for the next time: a hub that checks a password a day would hold 19 MiB."""
    import ctypes

    with contextlib.suppress(AttributeError, OSError):  # another C library
        ctypes.CDLL(None).malloc_trim(0)
