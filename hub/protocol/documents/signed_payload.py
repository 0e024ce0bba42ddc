"""A payload with signatures of Ed25519: the form of releases, of vendors' additions, and of their index. Pure.

    document   = lp(label, payload, signer, signature, signer, signature, …)
    signer     = SHA-256 of the raw Ed25519 public key
    signature  = Ed25519 over the exact bytes lp(label) ‖ payload

Nothing of a payload may be read before enough signatures hold.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from hub.core.errors import DecodeError
from hub.protocol.length_prefix import lp, unlp

MAX_SIGNATURES = 8


class SigningKeys(NamedTuple):
    """Raw Ed25519 public keys, and how many of them must have signed."""

    keys: tuple[bytes, ...]
    threshold: int = 1


def key_id(public: bytes) -> bytes:
    return hashlib.sha256(public).digest()


def sign(label: bytes, payload: bytes, keys: Iterable[Ed25519PrivateKey]) -> bytes:
    """Return the signed document."""
    made = {key_id(key.public_key().public_bytes_raw()): key.sign(lp(label) + payload) for key in keys}
    return lp(label, payload, *(part for pair in made.items() for part in pair))


def add_signature(label: bytes, payload: bytes, signatures: Mapping[bytes, bytes], key: Ed25519PrivateKey) -> bytes:
    """Return the document with one more signature, of a key that lies elsewhere."""
    pairs = [part for signer, signature in signatures.items() for part in (signer, signature)]
    return lp(label, payload, *pairs, key_id(key.public_key().public_bytes_raw()), key.sign(lp(label) + payload))


def split(label: bytes, document: bytes, most: int) -> tuple[bytes, dict[bytes, bytes]]:
    """Return the payload, and signer → signature, of which none is verified. Raises ValueError for another kind of
    document, or a longer one than `most` bytes."""
    if len(document) > most:
        raise ValueError("too long")
    try:
        found, payload, *rest = unlp(document)
    except DecodeError as error:
        raise ValueError("cut") from error
    if found != label or len(rest) % 2 or not 0 < len(rest) <= 2 * MAX_SIGNATURES:
        raise ValueError("another kind of document")
    signers = rest[::2]
    if len(set(signers)) != len(signers) or any(len(one) != 32 for one in signers):
        raise ValueError("a signer twice")
    return payload, dict(zip(signers, rest[1::2], strict=True))


def verified(
    label: bytes, payload: bytes, signatures: Mapping[bytes, bytes], keys: Iterable[bytes]
) -> tuple[bytes, ...]:
    """Return those of the signers that are of these keys, and whose signatures hold."""
    known, signed = {key_id(public): public for public in keys}, lp(label) + payload
    return tuple(one for one in signatures if one in known and _holds(known[one], signatures[one], signed))


def _holds(public: bytes, signature: bytes, signed: bytes) -> bool:
    try:
        Ed25519PublicKey.from_public_bytes(public).verify(signature, signed)
    except (InvalidSignature, ValueError):
        return False
    return True
