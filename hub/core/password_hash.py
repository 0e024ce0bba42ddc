"""Secrets that people type, made slow to guess: Argon2id (RFC 9106), 19 MiB, two passes, one lane, OWASP's least for a
machine with little memory. Blocking, about 50 ms on a desk and 0.2 s on a Pi; never on an event loop.

    secret = version 1 (1 byte) ‖ salt (16) ‖ hash (32)
"""

from __future__ import annotations

import hmac
import secrets

MEMORY_KIB, PASSES, LANES = 19 * 1024, 2, 1
SALT, SIZE = 16, 49
_VERSION = b"\x01"
_ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"  # Crockford's: no I, L, O, U
_TAKEN_FOR = str.maketrans({"O": "0", "I": "1", "L": "1"})


def make(typed: str, salt: bytes = b"") -> bytes:
    """A secret that `fits` what somebody will type."""
    salt = salt or secrets.token_bytes(SALT)
    return _VERSION + salt + derive(typed, salt)


def fits(secret: bytes, typed: str) -> bool:
    """True when it is what was typed."""
    derived = derive(typed, secret[1 : SALT + 1])
    return len(secret) == SIZE and secret[:1] == _VERSION and hmac.compare_digest(derived, secret[SALT + 1 :])


def derive(typed: str, salt: bytes) -> bytes:
    """32 bytes. Text is compared as NFKC has it."""
    from cryptography.hazmat.primitives.kdf.argon2 import Argon2id

    kdf = Argon2id(salt=salt, length=32, iterations=PASSES, lanes=LANES, memory_cost=MEMORY_KIB)
    import unicodedata

    return kdf.derive(unicodedata.normalize("NFKC", typed).encode())


def new_code(groups: tuple[int, ...]) -> str:
    """Five random bits a character, as people read it: groups of these sizes with dashes between them."""
    return "-".join("".join(secrets.choice(_ALPHABET) for _ in range(size)) for size in groups)


def code_of(typed: str, groups: tuple[int, ...]) -> str:
    """A code as it was typed, in the form in which it was made."""
    plain = "".join(char for char in typed.upper() if char.isalnum()).translate(_TAKEN_FOR)[: sum(groups)]
    parts, at = [], 0
    for size in groups:
        parts.append(plain[at : at + size])
        at += size
    return "-".join(part for part in parts if part)
