"""Names that stand for ids: HMAC-SHA-256 (RFC 2104) of the id under a key that can be destroyed. Pure.

Two kinds of key. A *rotating* one lives in RAM only and is made anew for each window: what was said in two windows
cannot be told to be of one device, nor can it after a restart. One of a *(zone, purpose)* is in the store's own table,
which no backup holds, for as long as a consent, or the configuration, asks for it: destroyed, nobody can say any more
whom the pseudonyms stood for.
"""

from __future__ import annotations

import base64
import hmac
import secrets
from collections.abc import Callable

SIGN = "~"
"""What a pseudonym begins with: no id of a place or a device does."""
KEY_BYTES = 32


def pseudonym(key: bytes, name: str) -> str:
    """`~` and 16 letters and digits (80 bits)."""
    mac = hmac.digest(key, name.encode(), "sha256")[:10]
    return SIGN + base64.b32encode(mac).decode().lower()


def group_name(key: bytes, zone: str) -> str:
    """What all series of one home and purpose bear as their zone: by it they are found again, to be erased."""
    return pseudonym(key, f"zone {zone}")


class Consents:
    """What people agreed to, as far as the straight path needs it: (zone, purpose) → the key of its pseudonyms."""

    def __init__(self) -> None:
        self._keys: dict[tuple[str, str], bytes] = {}

    def begin(self, zone: str, purpose: str, key: bytes) -> None:
        self._keys[zone, purpose] = key

    def end(self, zone: str, purpose: str) -> None:
        self._keys.pop((zone, purpose), None)

    def key(self, zone: str, purpose: str) -> bytes | None:
        """None: nobody agreed, or somebody no longer does."""
        return self._keys.get((zone, purpose))

    def __len__(self) -> int:
        return len(self._keys)


class Rotating:
    """Keys in RAM, one a window of `window_s` seconds; the former one is gone when the next is made."""

    def __init__(self, window_s: float, random: Callable[[int], bytes] = secrets.token_bytes) -> None:
        self._window_s, self._random = window_s, random
        self._at = -1
        self._key = b""

    def key(self, now: float) -> bytes:
        """That of the window in which `now` (Unix seconds, or monotonic ones while no clock is sure) lies; what comes
        late, or was dated before, gets the newest."""
        at = int(now // self._window_s)
        if at > self._at:
            self._at, self._key = at, self._random(KEY_BYTES)
        return self._key
