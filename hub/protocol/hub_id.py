"""Id of a hub, derived from its key. Pure."""

from __future__ import annotations

import base64
import hashlib


def hub_id(identity_public: bytes) -> str:
    """Name of the hub whose raw Ed25519 public key is given: `hub-` and 16 characters of base32."""
    return "hub-" + base64.b32encode(hashlib.sha256(identity_public).digest()[:10]).decode().lower()
