"""Stateless nonces for fresh signatures, valid for five minutes, at every process of the same database.

    nonce = made (u64, Unix ms) · 8 random bytes · HMAC-SHA256(key in the database, both)[:16]

Answering one twice gives two certificates for the same key, which is no more than one. A process whose clock differs
by minutes refuses what another made: the hub asks for another one.
"""

from __future__ import annotations

import hmac
import secrets
import time
from collections.abc import Callable

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from hub.core.errors import AuthFailed
from hub.core.text import phrase

KEY_BYTES = 32
NONCE_BYTES = 32
GOOD_FOR_S = 300.0


class Nonces:
    """Maker and verifier of nonces. `clock` is Unix seconds."""

    def __init__(self, key: bytes, clock: Callable[[], float] = time.time) -> None:
        self._key, self._clock = key, clock

    def make(self) -> bytes:
        head = int(self._clock() * 1000).to_bytes(8, "big") + secrets.token_bytes(8)
        return head + self._mark(head)

    def check(self, nonce: bytes) -> None:
        """Raises AuthFailed unless a process of this database made it, and lately."""
        head = nonce[:16]
        age = self._clock() - int.from_bytes(head[:8], "big") / 1000
        if not hmac.compare_digest(self._mark(head), nonce[16:]) or not -GOOD_FOR_S < age < GOOD_FOR_S:
            raise AuthFailed(phrase("nonce-unknown", "this nonce is not one of ours, or too old: ask for another"))

    def _mark(self, head: bytes) -> bytes:
        return hmac.digest(self._key, head, "sha256")[:16]


def verify(public: bytes, signed: bytes, signature: bytes) -> None:
    """Raises AuthFailed unless the raw Ed25519 key `public` made this signature."""
    try:
        Ed25519PublicKey.from_public_bytes(public).verify(signature, signed)
    except (InvalidSignature, ValueError) as error:
        raise AuthFailed(
            phrase(
                "signature-of-another-identity", "the signature is not of the identity that this hub was enrolled with"
            )
        ) from error
