"""Quarantine: what was heard and not admitted, with evidence for the person who decides.

It holds **strangers**, recognised but not configured, and **known devices** some of whose frames were refused: forged,
replayed, or in clear although they have a key. **Retired devices**, whose place another one took, are told apart and
are in no list of strangers. All of it is in memory. At most `LIMIT` strangers are kept: a flood of
forged ids evicts the one heard least recently and is counted, costs no disk, and removes no evidence about a known
device. Values shown here are never forwarded.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain
from typing import NamedTuple

import msgspec

from hub.core.model import Candidate, Signal, Value
from hub.core.text import phrase

LIMIT = 4096


class Refusal(NamedTuple):
    """A reason to refuse frames of a known device: after how many in a row a person is told, and what to look for."""

    after: int
    meaning: str


REFUSALS = {
    "clear-but-keyed": Refusal(
        1,
        phrase(
            "refused-in-clear",
            "speaks in clear though it has a key: a forgery, or it was reset and has to be paired and keyed again",
        ),
    ),
    "bad-mic": Refusal(
        16,
        phrase(
            "refused-wrong-key",
            "its frames do not fit its key: a wrong key, or forgeries. `ilot device key` gives another",
        ),
    ),
    "bad-key": Refusal(
        1, phrase("refused-key-length", "its key has the wrong length. `ilot device key` gives another")
    ),
    "suspect": Refusal(
        1,
        phrase(
            "refused-suspect",
            "looks cloned: what it says is kept out until a person has looked; then `ilot quarantine clear` it",
        ),
    ),
    "too-often": Refusal(
        1, phrase("refused-too-often", "speaks far more often than it should: the excess is kept out")
    ),
    "replay": Refusal(
        3,
        phrase(
            "refused-replay",
            "its counter went back: replayed frames, or it started over (a new battery): then it needs a new key",
        ),
    ),
}
"""Reasons that are evidence against a known device. All others are only counted."""


class QuarantineEntry(msgspec.Struct, kw_only=True):
    """An entry of the quarantine. Times are Unix seconds; `reason` says why it is not admitted; `heard` maps the
    sources that heard it last to their level (dBm). `known`: the device is configured, only these frames were
    refused."""

    id: str
    integration: str
    reason: str
    known: bool = False
    model: str = ""
    values: dict[str, Value] = {}
    rssi: int | None = None
    heard: dict[str, int | None] = {}
    evidence: dict[str, str] = {}
    first: float = 0.0
    last: float = 0.0
    count: int = 0


class Quarantine:
    """Entries by device id, the one heard longest ago first."""

    def __init__(self, limit: int = LIMIT) -> None:
        self.limit = limit
        self.evicted = 0
        self._strangers: dict[str, QuarantineEntry] = {}
        self._known: dict[str, QuarantineEntry] = {}
        self._retired: dict[str, QuarantineEntry] = {}
        self._doubts: dict[str, dict[str, int]] = {}

    def add(self, candidate: Candidate, reason: str, now: float) -> QuarantineEntry:
        """Record that a stranger was heard at `now` (Unix seconds), and why it is kept out."""
        if candidate.id not in self._strangers and len(self._strangers) >= self.limit:
            del self._strangers[next(iter(self._strangers))]
            self.evicted += 1
        return _note(self._strangers, candidate, reason, now, known=False)

    def retire(self, candidate: Candidate, reason: str, now: float) -> None:
        """Record that a device was heard whose place another one took: as many as were replaced here."""
        self._strangers.pop(candidate.id, None)
        _note(self._retired, candidate, reason, now, known=False)

    def retired(self) -> list[QuarantineEntry]:
        """Return the retired devices that were heard, the one heard longest ago first."""
        return list(self._retired.values())

    def refuse(self, candidate: Candidate, reason: str, now: float) -> bool:
        """Record a refused frame of a known device. Returns True when it has become evidence just now, so that a person
        is to be told."""
        refusal = REFUSALS.get(reason)
        if refusal is None:
            return False
        doubts = self._doubts.setdefault(candidate.id, {})
        doubts[reason] = doubts.get(reason, 0) + 1
        if doubts[reason] < refusal.after:
            return False
        former = self._known.get(candidate.id)
        news = former is None or former.reason != refusal.meaning
        _note(self._known, candidate, refusal.meaning, now, known=True)
        return news

    def trusted(self, device: str) -> None:
        """Restart the count of refusals in a row: a frame was authenticated and fresh. Evidence stays."""
        if device in self._doubts:
            del self._doubts[device]

    def release(self, device: str) -> QuarantineEntry | None:
        """Remove a stranger that was adopted or is known now."""
        self._retired.pop(device, None)
        return self._strangers.pop(device, None)

    def clear(self, device: str) -> QuarantineEntry | None:
        """Forget the evidence about a known device: a person has looked, or given it another key."""
        self._doubts.pop(device, None)
        return self._known.pop(device, None)

    def __iter__(self) -> Iterator[QuarantineEntry]:
        return iter([*chain(self._known.values(), self._strangers.values())])

    def __len__(self) -> int:
        return len(self._known) + len(self._strangers)


def heard_by(signal: Signal | None) -> dict[str, int | None]:
    """Return every source that heard it and its level (dBm), best first."""
    if signal is None:
        return {}
    return dict(signal.heard or ([(signal.source, signal.rssi)] if signal.source else ()))


def _note(
    waiting: dict[str, QuarantineEntry], candidate: Candidate, reason: str, now: float, *, known: bool
) -> QuarantineEntry:
    one = waiting.pop(candidate.id, None) or QuarantineEntry(
        id=candidate.id, integration=candidate.integration, reason=reason, known=known, first=now
    )
    one.reason = reason
    one.model = candidate.model or one.model
    one.values = dict(candidate.values) or one.values
    signal = candidate.signal
    if signal is not None:
        one.rssi = signal.rssi
        one.heard = heard_by(signal)
    one.evidence = {**one.evidence, **candidate.evidence}
    one.last = now
    one.count += 1
    waiting[candidate.id] = one
    return one
