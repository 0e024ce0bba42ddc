"""Counters by (event, subject): what went wrong, how often, for whom. In RAM, bounded, pure.

Events are short slugs ("implausible", "replay", "bad-mic"); the subject is a device id or a plugin instance.
A flood of forged ids cannot grow this: past `LIMIT` pairs, new subjects are counted together under "other". Nor can a
plugin whose reasons are made of what it was sent: an event is cut at `LONGEST` characters, each subject has `EVENTS`
of them, and past `SPARE` more pairs, new events are counted together under "other" too.
"""

from __future__ import annotations

LIMIT = 8192
SPARE = 1024
LONGEST = 80
EVENTS = 128
OTHER = "other"


class Counts:
    """`add` is O(1) and never raises."""

    def __init__(self, limit: int = LIMIT, spare: int = SPARE) -> None:
        self._limit, self._most = limit, limit + spare
        self._counts: dict[tuple[str, str], int] = {}
        self._events: dict[str, int] = {}  # subject → how many events it has

    def add(self, event: str, subject: str = "", n: int = 1) -> None:
        if type(event) is not str or len(event) > LONGEST:  # a plugin may hand over anything
            event = str(event)[:LONGEST]
        key = (event, subject)
        known = self._counts.get(key)
        if known is None:
            key = self._place(event, subject)
            known = self._counts.get(key, 0)
        self._counts[key] = known + n

    def _place(self, event: str, subject: str) -> tuple[str, str]:
        """Return where a pair that is not known yet is counted, and make room there."""
        if self._events.get(subject, 0) >= EVENTS:  # one subject must not take the room of all
            event = OTHER
        if len(self._counts) >= self._limit and (event, subject) not in self._counts:
            subject = OTHER
            if len(self._counts) >= self._most and (event, subject) not in self._counts:
                event = OTHER
        if (event, subject) not in self._counts:
            self._events[subject] = self._events.get(subject, 0) + 1
        return event, subject

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
