"""Replay windows: the highest counter seen from each sender, kept by the hub itself.

A counter is believed only when it is authenticated, so a failed integrity check never moves a window. The counter
becomes durable in the same commit as its reading (a LOCAL record of the buffer), so a crash loses both or neither. A
window belongs to (device, key): pairing again needs a new key, and the same key keeps its lowest acceptable counter.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from enum import Enum
from hashlib import sha256
from typing import Any

PREFIX = "counter/"


class Freshness(Enum):
    """Verdict on the counter of a frame."""

    FRESH = "fresh"
    REPEAT = "repeat"  # the last frame again: radios repeat each advertisement on purpose
    REPLAY = "replay"  # an older frame than one already seen


class ReplayWindows:
    """Highest counter by (device, key). `remember(key, value)` writes a change with the next commit."""

    def __init__(self, remembered: Mapping[str, Any], remember: Callable[[str, Any], None]) -> None:
        self._remember = remember
        self._highest: dict[str, int] = {
            name: value for name, value in remembered.items() if name.startswith(PREFIX) and isinstance(value, int)
        }

    def window(self, device: str, key: bytes | None) -> str:
        """Return the name of the window of a device under its present key: the key appears as a fingerprint only."""
        mark = sha256(b"ilot/window/1\0" + (key or b"")).hexdigest()[:8]
        return f"{PREFIX}{device}/{mark}"

    def judge(self, window: str, counter: int) -> Freshness:
        """Compare a counter with its window. A fresh one moves the window."""
        highest = self._highest.get(window, -1)
        if counter > highest:
            self._highest[window] = counter
            self._remember(window, counter)
            return Freshness.FRESH
        return Freshness.REPEAT if counter == highest else Freshness.REPLAY
