"""Counters by (event, subject): what went wrong, how often, for whom. In RAM, bounded, pure.

Events are short slugs ("implausible", "replay", "bad-mic"); the subject is a device id or a plugin instance.
A flood of forged ids cannot grow this: past `LIMIT` pairs, new subjects are counted together under "other".
"""

from __future__ import annotations

LIMIT = 8192


class Counts:
    """`add` is O(1) and never raises."""

    def __init__(self, limit: int = LIMIT) -> None:
        self._limit = limit
        self._counts: dict[tuple[str, str], int] = {}

    def add(self, event: str, subject: str = "", n: int = 1) -> None:
        key = (event, subject)
        known = self._counts.get(key)
        if known is None and len(self._counts) >= self._limit:
            key = (event, "other")
            known = self._counts.get(key)
        self._counts[key] = (known or 0) + n

    def of(self, event: str, subject: str) -> int:
        return self._counts.get((event, subject), 0)

    def total(self, event: str) -> int:
        return sum(n for (name, _), n in self._counts.items() if name == event)

    def by_subject(self) -> dict[str, dict[str, int]]:
        """{subject: {event: n}}, subjects in the order they were first seen."""
        out: dict[str, dict[str, int]] = {}
        for (event, subject), n in self._counts.items():
            out.setdefault(subject, {})[event] = n
        return out
