"""Where what is heard but not admitted waits, with evidence, for a person to decide.

In RAM, at most `LIMIT` entries: a flood of forged ids evicts the one heard least recently and is counted, and
costs no disk. Values shown here are never forwarded.
"""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from hub.model import Candidate, Value

LIMIT = 4096


class Waiting(msgspec.Struct, kw_only=True):
    """One candidate and what is known of it. Times are Unix seconds; `reason` says why it is not admitted."""

    id: str
    integration: str
    reason: str
    model: str = ""
    values: dict[str, Value] = {}
    rssi: int | None = None
    evidence: dict[str, str] = {}
    first: float = 0.0
    last: float = 0.0
    count: int = 0


class Quarantine:
    """Waiting candidates by id, the one heard longest ago first."""

    def __init__(self, limit: int = LIMIT) -> None:
        self.limit = limit
        self.evicted = 0
        self._waiting: dict[str, Waiting] = {}

    def add(self, candidate: Candidate, reason: str, now: float) -> Waiting:
        """Note that `candidate` was heard at `now` and why it is kept out."""
        former = self._waiting.pop(candidate.id, None)
        if former is None and len(self._waiting) >= self.limit:
            del self._waiting[next(iter(self._waiting))]
            self.evicted += 1
        waiting = former or Waiting(id=candidate.id, integration=candidate.integration, reason=reason, first=now)
        waiting.reason = reason
        waiting.model = candidate.model or waiting.model
        waiting.values = dict(candidate.values) or waiting.values
        waiting.rssi = candidate.signal.rssi if candidate.signal else waiting.rssi
        waiting.evidence = {**waiting.evidence, **candidate.evidence}
        waiting.last = now
        waiting.count += 1
        self._waiting[candidate.id] = waiting
        return waiting

    def release(self, device: str) -> Waiting | None:
        """Take one out: it has been adopted, or its device is known now."""
        return self._waiting.pop(device, None)

    def __iter__(self) -> Iterator[Waiting]:
        return iter(list(self._waiting.values()))

    def __len__(self) -> int:
        return len(self._waiting)
