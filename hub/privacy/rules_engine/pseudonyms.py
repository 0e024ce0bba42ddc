"""Pseudonyms of ids: HMAC-SHA-256 (RFC 2104) of the id under a key that can be destroyed. Pure.

There are two kinds of keys. A *rotating* one exists in memory only and is replaced at each window: readings of two
windows cannot be linked to one device, not even across a restart. The key of a *(zone, purpose)* is in a table of the
store that no backup includes, for as long as a consent, or the configuration, requires it; once it is destroyed, nobody
can tell whom its pseudonyms stood for.
"""

from __future__ import annotations

import base64
import hmac
import secrets
from collections.abc import Callable

PSEUDONYM_MARK = "~"
"""First character of a pseudonym; no id of a place or device starts with it."""
KEY_BYTES = 32


def pseudonym(key: bytes, name: str) -> str:
    """Return `~` and 16 letters and digits (80 bits)."""
    mac = hmac.digest(key, name.encode(), "sha256")[:10]
    return PSEUDONYM_MARK + base64.b32encode(mac).decode().lower()


def group_name(key: bytes, zone: str) -> str:
    """Return the zone name of all series of one home and purpose, by which they are found again to be erased."""
    return pseudonym(key, f"zone {zone}")


class Consents:
    """Consents as the path of a reading needs them: (zone, purpose) → the key of its pseudonyms."""

    def __init__(self) -> None:
        self._keys: dict[tuple[str, str], bytes] = {}

    def begin(self, zone: str, purpose: str, key: bytes) -> None:
        self._keys[zone, purpose] = key

    def end(self, zone: str, purpose: str) -> None:
        self._keys.pop((zone, purpose), None)

    def key(self, zone: str, purpose: str) -> bytes | None:
        """Return the key; None without a valid consent."""
        return self._keys.get((zone, purpose))

    def __len__(self) -> int:
        return len(self._keys)


class Rotating:
    """Keys in memory, one per window of `window_s` seconds; each replaces the former."""

    def __init__(self, window_s: float, random: Callable[[int], bytes] = secrets.token_bytes) -> None:
        self._window_s, self._random = window_s, random
        self._at = -1
        self._key = b""

    def key(self, now: float) -> bytes:
        """Return the key of the window that contains `now` (Unix seconds, or monotonic ones while the clock is not
        sure).

        Late readings get the newest key.
        """
        at = int(now // self._window_s)
        if at > self._at:
            self._at, self._key = at, self._random(KEY_BYTES)
        return self._key
