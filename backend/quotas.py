"""How much of this database one hub may take up beside its readings: runs, ranges, and what is kept as evidence.

A hub in wrong hands is enrolled all the same. Its readings cost it what they cost an honest one; a run costs it
nothing, and this machine a line that is looked at and told for ever. So each hub has a share of its own, and never one
of what the others have.

    runs       32,768 new (run, stream) in 24 hours and 262,144 in all; beyond either one each 15 minutes. What is not
               taken yet is not acknowledged: an honest hub that starts again and again keeps it, and loses nothing
    ranges     a set of numbers has at most 4,096 parts; a record that would make another waits for those between
    evidence   8 MiB of what a person must judge: quarantine and forks
    alerts     10,000, whatever their state; a new one takes the place of one that was cleared
"""

from __future__ import annotations

import time
from collections import deque
from dataclasses import dataclass, field
from typing import cast

import apsw

from hub.core.errors import NotReady
from hub.protocol.link_messages import MAX_RANGES

DAY = 86_400.0
RUNS_A_DAY = 32_768
"""A hub makes two streams at each start: one that starts anew every five seconds stays below."""
MANY_RUNS = 4096
"""In a day: a person is told, and they are taken all the same."""
RUNS = 262_144
TRICKLE_S = 900.0
PARTS = MAX_RANGES
EVIDENCE = 8 << 20
AGAIN_S = 60.0
LINE = 256
"""Bytes that a line of evidence costs beside what it keeps."""
RUNS_ALARM = "many-runs"
RUNS_DETAIL = "it begins more runs than a hub can need: the newest wait, and are not acknowledged"
MANY_DETAIL = "it begins many runs: it starts again and again, or it is in wrong hands"
PARTS_ALARM = "scattered"


class Crowded(NotReady):
    """This hub has had its share for now; what it sends is not taken, and it keeps it."""


@dataclass(slots=True)
class _Begun:
    """Of one hub: how many streams there are, when those of the last day were begun, and when the last one was."""

    count: int
    lately: deque[float] = field(default_factory=deque)
    last: float = 0.0


class Runs:
    """Counts the streams that each hub has begun. One thread, inside the database's transactions."""

    def __init__(self, connection: apsw.Connection) -> None:
        self._db = connection
        self._of: dict[str, _Begun] = {}

    def check(self, hub: str, now: float) -> bool:
        """Whether it begins so many that somebody should look. Raises Crowded when it may begin no stream now."""
        begun = self._begun(hub, now)
        while begun.lately and not now - DAY < begun.lately[0] <= now:
            begun.lately.popleft()
        if (len(begun.lately) >= RUNS_A_DAY or begun.count >= RUNS) and 0.0 <= now - begun.last < TRICKLE_S:
            raise Crowded(f"{hub} {RUNS_DETAIL}: {len(begun.lately)} in a day, {begun.count} in all")
        return len(begun.lately) >= MANY_RUNS

    def add(self, hub: str, now: float) -> None:
        """One was begun."""
        begun = self._begun(hub, now)
        begun.count += 1
        begun.last = now
        begun.lately.append(now)

    def forget(self) -> None:
        """A transaction failed: what it began is not there."""
        self._of.clear()

    def _begun(self, hub: str, now: float) -> _Begun:
        known = self._of.get(hub)
        if known is None:
            times = sorted(
                float(str(at)) for (at,) in self._db.execute("select started_at from streams where hub = ?", (hub,))
            )
            lately = deque(at for at in times if now - DAY < at <= now)
            known = self._of[hub] = _Begun(len(times), lately, times[-1] if times else 0.0)
        return known


class Evidence:
    """How many bytes each hub's evidence takes up. One thread, inside the database's transactions."""

    def __init__(self, connection: apsw.Connection) -> None:
        self._db = connection
        self._of: dict[str, tuple[int, float]] = {}  # hub → bytes, and when they were counted, monotonic s

    def room(self, hub: str, size: int) -> bool:
        """Whether `size` bytes more may be kept for this hub; they count from now on. A share that is full is counted
        again now and then: somebody may have taken something away."""
        held, at = self._of.get(hub, (EVIDENCE, -AGAIN_S))
        if held + size + LINE > EVIDENCE and time.monotonic() - at >= AGAIN_S:
            held, at = self._held(hub), time.monotonic()
        fits = held + size + LINE <= EVIDENCE
        self._of[hub] = held + (size + LINE if fits else 0), at
        return fits

    def forget(self) -> None:
        """A transaction failed, or evidence was purged: count again."""
        self._of.clear()

    def _held(self, hub: str) -> int:
        held = self._db.execute(
            "select coalesce(sum(length(body) + ?2), 0) from quarantine where hub = ?1", (hub, LINE)
        ).get
        forks = self._db.execute(
            "select coalesce(sum(length(f.raw) + ?2), 0) from forks f join streams s on s.id = f.stream"
            " where s.hub = ?1",
            (hub, LINE),
        ).get
        return cast(int, held) + cast(int, forks)
