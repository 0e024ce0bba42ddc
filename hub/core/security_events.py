"""Security events: one small seam between those who notice and those who collect. Pure.

Whoever notices something calls `Events.tell(kind, subject, evidence)`; whoever collects appends to `listeners`.
Every call is counted; a listener is told of the same kind and subject at most once in `QUIET_S`, with how many there
were since, so that an attack cannot be made into a flood of events. Evidence is for people who may see it: it stays
out of logs.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import msgspec

FORGED = "forged"  # frames that do not fit their device's key
REPLAY = "replay"  # a counter that went back
IN_CLEAR = "in-clear"  # a device that has a key speaks without it
UNKNOWN = "unknown-id"  # somebody who is not admitted speaks
BLOCKED = "blocked"  # a blocked device speaks
FORK = "clone-fork"  # two senders under one key: their counters progress interleaved
SIGNAL_JUMP = "clone-signal"  # its signal jumps to and fro between two places
POSITION_JUMP = "clone-position"  # its position jumps to and fro, faster than anything moves
TWO_PATHS = "clone-paths"  # heard on two paths that cannot both hear it
RATE = "rate"  # it speaks far more often than it should
NOT_ITS_OWN = "not-its-own"  # a plugin speaks for a device of another: its subject is the plugin
UNLIKE = "unlike-neighbours"  # it says what none of its neighbours says
REDIRECT = "redirect"  # an answer would send the hub to where it does not go
ADMISSION = "admission"  # somebody adopted, ignored, blocked, or opened the gate for bulk adoption

KINDS = (
    FORGED, REPLAY, IN_CLEAR, UNKNOWN, BLOCKED, FORK, SIGNAL_JUMP, POSITION_JUMP, TWO_PATHS, RATE, UNLIKE, REDIRECT,
    NOT_ITS_OWN, ADMISSION,
)  # fmt: skip
"""Kinds that this hub's gate sends; others may add kinds of their own."""

CLONES = frozenset({FORK, SIGNAL_JUMP, POSITION_JUMP, TWO_PATHS})

QUIET_S = 60.0
SUBJECTS = 4096

Fact = str | int | float | bool
Evidence = Mapping[str, Fact]


class SecurityEvent(msgspec.Struct, frozen=True, kw_only=True):
    """An event that a person should know. `at` is Unix seconds; `count` is how many there were since the last one was
    sent, this one included."""

    kind: str
    subject: str
    evidence: dict[str, Fact]
    at: float
    count: int = 1


class Events:
    """`now` gives Unix seconds, `monotonic` seconds that never go back."""

    def __init__(self, now: Callable[[], float], monotonic: Callable[[], float]) -> None:
        self._now, self._monotonic = now, monotonic
        self.listeners: list[Callable[[SecurityEvent], None]] = []
        self.counts: dict[str, int] = {}
        self._since: dict[tuple[str, str], list[float]] = {}  # (kind, subject) → [when it was told, how many since]

    def tell(self, kind: str, subject: str, evidence: Evidence | None = None) -> None:
        """Send an event. Never waits, never raises; O(1)."""
        self.counts[kind] = self.counts.get(kind, 0) + 1
        moment = self._monotonic()
        known = self._since.get((kind, subject))
        if known is not None and moment - known[0] < QUIET_S:
            known[1] += 1
            return
        waited = int(known[1]) if known is not None else 0
        self._since.pop((kind, subject), None)
        while len(self._since) >= SUBJECTS:
            del self._since[next(iter(self._since))]
        self._since[kind, subject] = [moment, 0]
        event = SecurityEvent(
            kind=kind, subject=subject, evidence=dict(evidence or {}), at=self._now(), count=waited + 1
        )
        for listener in self.listeners:
            try:
                listener(event)
            except Exception:  # one collector's trouble is its own, and the path of readings must go on
                self.counts["listener-failed"] = self.counts.get("listener-failed", 0) + 1
