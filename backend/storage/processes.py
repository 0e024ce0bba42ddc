"""What the processes of a backend tell one another by the database that they share."""

from __future__ import annotations

from typing import NamedTuple, Protocol


class ProcessLine(NamedTuple):
    """A process of the backend: its `kind` (ingest, api, compact), its release, when it began and when it told this
    last, by its own machine's clock, and `facts`, which its kind has a meaning for (MessagePack)."""

    name: str
    kind: str
    release: str
    started_at: float
    seen_at: float
    facts: bytes


class ProcessTable(Protocol):
    """Processes that serve this database, and the key that they all make challenges with."""

    def told(self) -> list[ProcessLine]:
        """Return every line, by the names. Also outside a transaction."""

    def tell(self, line: ProcessLine, before: float) -> None:
        """Store a line in the place of the former one of its name, and delete those that were told before a moment."""

    def forget(self, name: str) -> None:
        """Delete a line: this process ends."""

    def challenge_key(self, made: bytes, now: float) -> bytes:
        """Return the key of challenges; `made` is stored as such where there is none."""
