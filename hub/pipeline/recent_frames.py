"""The last frames of each admitted device as they were received, for `ilot support`: in memory only.

They may tell of people, so none of them reaches a disk, and they end with the process. A frame is recorded after it is
known to be of an admitted device: strangers, and telephones above all, are not in here.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping

import msgspec

OF_DEVICE = 200
IN_ALL = 2000
MOST_METRICS = 256
LONGEST = 1024
"""Bytes of a frame; a longer one is recorded without them."""


class HeardFrame(msgspec.Struct, frozen=True, array_like=True):
    """One frame. `time`: Unix seconds when it was received; `port`: LoRaWAN port, 0 without; `data`: bytes by section
    as in `hub.core.model.Frame`, under "" where there are none; `outcome`: "" when it was read, else the reason."""

    time: float
    kind: str
    port: int
    data: Mapping[str, bytes]
    size: int
    outcome: str


class RecentFrames:
    """Rings of frames, one for each device. A device has OF_DEVICE at most, all of them IN_ALL: beyond that the
    longest ring loses its oldest frame, so that a talkative device displaces no quiet one."""

    def __init__(self) -> None:
        self._rings: dict[str, deque[HeardFrame]] = {}
        self._metrics: dict[str, set[str]] = {}
        self._count = 0

    def record(
        self,
        device: str,
        kind: str,
        data: Mapping[str, bytes],
        time: float,
        *,
        port: int = 0,
        outcome: str = "",
        metrics: Iterable[str] = (),
    ) -> None:
        """Record a frame; `metrics` are the keys of what was read from it, so that it is known later what its bytes
        may tell."""
        ring = self._rings.get(device)
        if ring is None:
            ring = self._rings[device] = deque()
            self._metrics[device] = set()
        known = self._metrics[device]
        if len(known) < MOST_METRICS:
            known.update(metrics)
        size = sum(map(len, data.values()))
        ring.append(HeardFrame(time, kind, port, data if size <= LONGEST else {}, size, outcome))
        self._count += 1
        if len(ring) > OF_DEVICE:
            self._drop(ring)
        elif self._count > IN_ALL:
            share = IN_ALL // len(self._rings)
            self._drop(ring if len(ring) > share else max(self._rings.values(), key=len))

    def _drop(self, ring: deque[HeardFrame]) -> None:
        ring.popleft()
        self._count -= 1

    def of(self, device: str) -> list[HeardFrame]:
        """Oldest first."""
        return list(self._rings.get(device, ()))

    def metrics(self, device: str) -> frozenset[str]:
        """Return the keys of all that was read from its frames since the start."""
        return frozenset(self._metrics.get(device, ()))

    def forget(self, devices: Iterable[str]) -> None:
        """Remove the frames of devices whose data are withdrawn."""
        for device in devices:
            self._count -= len(self._rings.pop(device, ()))
            self._metrics.pop(device, None)
