"""Counts people's devices near by without knowing any: distinct ones per zone and quarter of an hour. No I/O.

Who is counted      senders of random private addresses (Core 5.4, vol 6 part B §1.3.2.2), which phones, watches and
                    earphones use, no weaker than `near`. Sensors and other fixed things have addresses that stay.
How                 BLAKE2b-64 of the address under a random key that lives in RAM and is drawn anew for every quarter:
                    no list of addresses can be tried against it later, and two quarters cannot be compared.
One partition       a source belongs to one zone; a device that several zones hear counts in the one that hears it best.
What is published   0 for none and for 1 to 4 alike, else rounded to 5. A total is the sum of what was published: the
                    hub publishes none, so that nothing can be found by subtraction.
Not published       the quarter in which counting began or the clock was set; one in which a zone's sources heard
                    nothing at all, for deaf is not empty.

It counts addresses, not people: one phone may use two at a time and changes them every quarter of an hour or so, many
people carry two devices or none. Good for comparing hours, not for knowing how many are there.
"""

from __future__ import annotations

import secrets
from collections import Counter
from collections.abc import Mapping
from hashlib import blake2b
from typing import NamedTuple

from hub.sdk.phrases import phrase

WINDOW_S = 900
LIMIT = 4096
"""Maximum devices counted in one quarter of an hour, all zones together. It bounds the memory under a flood."""


class Zone(NamedTuple):
    """Sources of one configured counter, and the weakest signal (dBm) that counts as near."""

    sources: frozenset[str]
    near: int


class Count(NamedTuple):
    """A published number; `whole` is false when there were more devices than could be counted."""

    zone: str
    devices: int
    whole: bool


def published(devices: int) -> int:
    """Return the number that may be published: statistical disclosure control with a threshold of 5, not anonymity."""
    return 0 if devices < 5 else 5 * round(devices / 5)


class Census:
    """Counter of devices. `zones` by name. Raises ValueError, naming the source, when one is in two zones."""

    def __init__(self, zones: Mapping[str, Zone]) -> None:
        self._zone_of: dict[str, tuple[str, int]] = {}
        for name, zone in zones.items():
            for source in zone.sources:
                if source in self._zone_of:
                    raise ValueError(
                        phrase(
                            "bluetooth.source-in-two-zones",
                            "{source} counts for two zones: take it out of one settings.census",
                            source=source,
                        )
                    )
                self._zone_of[source] = name, zone.near
        self._window: int | None = None
        self._whole = False
        self._begin()

    def _begin(self) -> None:
        self._key = secrets.token_bytes(16)
        self._seen: dict[bytes, tuple[int, str]] = {}
        self._listening: set[str] = set()
        self._full = False

    def saw(self, address: str, source: str, rssi: int | None, *, private: bool) -> None:
        """Count one advertisement."""
        zone = self._zone_of.get(source)
        if zone is None:
            return
        name, near = zone
        self._listening.add(name)
        if not private or rssi is None or rssi < near:
            return
        mark = blake2b(address.upper().encode(), digest_size=8, key=self._key).digest()
        best = self._seen.get(mark)
        if best is None and len(self._seen) >= LIMIT:
            self._full = True
        elif best is None or rssi > best[0]:
            self._seen[mark] = rssi, name

    def turn(self, now: float) -> list[Count]:
        """Return what may be published of a quarter that has just ended. Call this every few seconds with Unix time."""
        window = int(now // WINDOW_S)
        if window == self._window:
            return []
        follows = self._window is not None and window == self._window + 1
        counts: list[Count] = []
        if follows and self._whole:
            near = Counter(zone for _, zone in self._seen.values())
            counts = [Count(zone, published(near[zone]), not self._full) for zone in sorted(self._listening)]
        self._whole = follows  # false for the first window and after a clock jump: its beginning is missing
        self._window = window
        self._begin()
        return counts
