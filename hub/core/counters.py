"""Counters by (event, subject): what went wrong, how often, for whom. In RAM, bounded, pure.

Events are short slugs ("implausible", "replay", "bad-mic"); the subject is a device id or a plugin instance.
A flood of forged ids cannot grow this: past `LIMIT` pairs, new subjects are counted together under "other". Nor can a
plugin whose reasons are made of what it was sent: an event is cut at `LONGEST` characters, and past `SPARE` more, new
events are counted together under "other" too.
"""

from __future__ import annotations

LIMIT = 8192
SPARE = 1024
LONGEST = 80
OTHER = "other"


class Counts:
    """`add` is O(1) and never raises."""

    def __init__(self, limit: int = LIMIT, spare: int = SPARE) -> None:
        self._limit, self._most = limit, limit + spare
        self._counts: dict[tuple[str, str], int] = {}

    def add(self, event: str, subject: str = "", n: int = 1) -> None:
        if type(event) is not str or len(event) > LONGEST:  # a plugin may hand over anything
            event = str(event)[:LONGEST]
        key = (event, subject)
        known = self._counts.get(key)
        if known is None and len(self._counts) >= self._limit:
            key = (event, OTHER)
            known = self._counts.get(key)
            if known is None and len(self._counts) >= self._most:
                key = (OTHER, OTHER)
                known = self._counts.get(key)
        self._counts[key] = (known or 0) + n

    def of(self, event: str, subject: str) -> int:
        return self._counts.get((event, subject), 0)

    def total(self, event: str) -> int:
        return sum(n for (name, _), n in self._counts.items() if name == event)

    def about(self, subject: str) -> dict[str, int]:
        """{event: n} of one subject."""
        return {event: n for (event, name), n in self._counts.items() if name == subject}

    def by_subject(self) -> dict[str, dict[str, int]]:
        """{subject: {event: n}}, subjects in the order they were first seen."""
        out: dict[str, dict[str, int]] = {}
        for (event, subject), n in self._counts.items():
            out.setdefault(subject, {})[event] = n
        return out
