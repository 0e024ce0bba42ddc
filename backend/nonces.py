"""Stateless nonces for fresh signatures, valid for five minutes.

    nonce = made (u64, monotonic ms) · 8 random bytes · HMAC-SHA256(key of this process, both)[:16]

Answering one twice gives two certificates for the same key, which is no more than one.
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

NONCE_BYTES = 32
GOOD_FOR_S = 300.0


class Nonces:
    """Maker and verifier of nonces. `clock` is monotonic seconds."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._key, self._clock = secrets.token_bytes(32), clock

    def make(self) -> bytes:
        head = int(self._clock() * 1000).to_bytes(8, "big") + secrets.token_bytes(8)
        return head + self._mark(head)

    def check(self, nonce: bytes) -> None:
        """Raises AuthFailed unless we made it, and lately."""
        head = nonce[:16]
        age = self._clock() - int.from_bytes(head[:8], "big") / 1000
        if not hmac.compare_digest(self._mark(head), nonce[16:]) or not age < GOOD_FOR_S:
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
