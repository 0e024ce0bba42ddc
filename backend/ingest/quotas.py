"""Quotas of each hub in the database, beside its readings: runs, ranges, alerts and evidence.

A compromised hub is still enrolled. Its readings cost it what they cost an honest hub; a new run costs it nothing, but
costs the backend a row that is checked and reported for ever. So each hub has a quota of its own, independent of the
others.

    runs       32,768 new (run, stream) in 24 hours and 262,144 in all; beyond either one each 15 minutes. A record that
               is not accepted yet is not acknowledged: an honest hub that restarts often keeps it, and loses nothing
    ranges     a set of numbers has at most 4,096 ranges; a record that would make another one waits until the numbers
               between have arrived
    evidence   8 MiB of data for a person to judge: quarantine and forks
    alerts     10,000, in any state; a new one replaces one that was cleared
"""

from __future__ import annotations

import time
from collections import deque
from dataclasses import dataclass, field

from backend.storage.engine import Storage
from hub.core.errors import NotReady
from hub.core.text import phrase
from hub.protocol.link_messages import MAX_RANGES

DAY = 86_400.0
RUNS_A_DAY = 32_768
"""A hub begins two streams at each start: one that restarts every five seconds stays below this."""
MANY_RUNS_A_DAY = 4096
"""New streams in a day that raise an alarm; they are still accepted."""
RUNS = 262_144
TRICKLE_S = 900.0
PARTS = MAX_RANGES
EVIDENCE = 8 << 20
AGAIN_S = 60.0
ROW_OVERHEAD = 256
"""Bytes that a row of evidence costs beside its contents."""
RUNS_ALARM = "many-runs"
RUNS_DETAIL = phrase(
    "too-many-runs", "it begins more runs than a hub can need: the newest wait, and are not acknowledged"
)
MANY_DETAIL = phrase("many-runs", "it begins many runs: it starts again and again, or it is in wrong hands")
PARTS_ALARM = "scattered"


class QuotaExceeded(NotReady):
    """The hub has used its quota for now. What it sends is not accepted, and it keeps it."""


@dataclass(slots=True)
class _StreamCounts:
    """Streams of one hub: how many there are, when those of the last day began, and when the last one did."""

    count: int
    lately: deque[float] = field(default_factory=deque)
    last: float = 0.0


class StreamQuota:
    """Counter of the streams that each hub has begun. One thread, inside the database's transactions."""

    def __init__(self, storage: Storage) -> None:
        self._streams = storage.streams
        self._of: dict[str, _StreamCounts] = {}
        storage.caches.add(self.forget)

    def check(self, hub: str, now: float) -> bool:
        """Return whether the hub begins so many streams that somebody should look. Raises QuotaExceeded when it may
        begin none now."""
        begun = self._begun(hub, now)
        while begun.lately and not now - DAY < begun.lately[0] <= now:
            begun.lately.popleft()
        if (len(begun.lately) >= RUNS_A_DAY or begun.count >= RUNS) and 0.0 <= now - begun.last < TRICKLE_S:
            raise QuotaExceeded(
                phrase(
                    "hub-runs-exceeded",
                    "{hub} begins more runs than a hub can need: {lately} in a day, {total} in all",
                    hub=hub,
                    lately=len(begun.lately),
                    total=begun.count,
                )
            )
        return len(begun.lately) >= MANY_RUNS_A_DAY

    def add(self, hub: str, now: float) -> None:
        """Count a new stream."""
        begun = self._begun(hub, now)
        begun.count += 1
        begun.last = now
        begun.lately.append(now)

    def forget(self, hub: str | None) -> None:
        """Discard the counts of a hub, or of all; they are read again."""
        if hub is None:
            self._of.clear()
        else:
            self._of.pop(hub, None)

    def _begun(self, hub: str, now: float) -> _StreamCounts:
        known = self._of.get(hub)
        if known is None:
            times = sorted(self._streams.begun(hub))
            lately = deque(at for at in times if now - DAY < at <= now)
            known = self._of[hub] = _StreamCounts(len(times), lately, times[-1] if times else 0.0)
        return known


class EvidenceQuota:
    """Bytes of evidence of each hub. One thread, inside the database's transactions."""

    def __init__(self, storage: Storage) -> None:
        self._quarantine = storage.quarantine
        self._of: dict[str, tuple[int, float]] = {}  # hub → (bytes, when they were counted, monotonic seconds)
        storage.caches.add(self.forget)

    def room(self, hub: str, size: int) -> bool:
        """Reserve `size` bytes of evidence for this hub; return whether they fit.

        A full quota is counted again now and then, since somebody may have deleted evidence.
        """
        held, at = self._of.get(hub, (EVIDENCE, -AGAIN_S))
        if held + size + ROW_OVERHEAD > EVIDENCE and time.monotonic() - at >= AGAIN_S:
            held, at = self._used(hub), time.monotonic()
        fits = held + size + ROW_OVERHEAD <= EVIDENCE
        self._of[hub] = held + (size + ROW_OVERHEAD if fits else 0), at
        return fits

    def forget(self, hub: str | None = None) -> None:
        """Discard the counts of a hub, or of all, as after a purge; they are read again."""
        if hub is None:
            self._of.clear()
        else:
            self._of.pop(hub, None)

    def _used(self, hub: str) -> int:
        held = self._quarantine.held(hub)
        return held.size + held.rows * ROW_OVERHEAD
