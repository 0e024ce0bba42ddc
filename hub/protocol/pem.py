"""Private keys as PEM text (RFC 7468, PKCS #8)."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING

from cryptography.hazmat.primitives.asymmetric import ed25519

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric import ec

ED25519 = bytes.fromhex("302e020100300506032b657004220420")
"""DER before the 32 raw bytes of an Ed25519 private key (RFC 8410, section 7)."""


def private_pem(key: ed25519.Ed25519PrivateKey | ec.EllipticCurvePrivateKey, password: bytes = b"") -> bytes:
    """PKCS#8, encrypted where there is a password; else the file's mode protects it."""
    if not password and isinstance(key, ed25519.Ed25519PrivateKey):  # each backup of the state holds it
        # one line: RFC 7468 breaks them after 64 characters
        body = base64.b64encode(ED25519 + key.private_bytes_raw())
        return b"-----BEGIN PRIVATE KEY-----\n" + body + b"\n-----END PRIVATE KEY-----\n"
    from cryptography.hazmat.primitives.serialization import (
        BestAvailableEncryption,
        Encoding,
        NoEncryption,
        PrivateFormat,
    )

    how = BestAvailableEncryption(password) if password else NoEncryption()
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, how)
