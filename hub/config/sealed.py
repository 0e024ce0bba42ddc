"""MessagePack coding of a configuration's data: a reference to a secret is an extension of type 1 that holds its
name."""

from __future__ import annotations

from typing import Any

import msgspec

from hub.config.positions import SecretRef

SECRET = 1


def encode(value: Any) -> Any:
    """Encode for `enc_hook`. Raises TypeError."""
    if isinstance(value, SecretRef):
        return msgspec.msgpack.Ext(SECRET, value.name.encode())
    raise TypeError(type(value).__name__)


def decode(code: int, content: memoryview) -> Any:
    """Decode for `ext_hook`. Raises ValueError."""
    if code != SECRET:
        raise ValueError("unknown extension")
    return SecretRef(bytes(content).decode())
