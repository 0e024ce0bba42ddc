"""What the process that compacts remembers of its work: which hubs wait, and which buckets are loose. Pure.

Nobody else compacts, so what is remembered changes by what this process does, and by what arrives. Of a hub that is not
remembered the first body is yet to arrive, and is due minutes later: to look for those now and then is enough. What is
told twice, though nothing was done about it, is looked for anew: a hub may be gone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from itertools import islice

from backend.storage.chunks import LooseBucket

LOOK_S = 15.0
"""Seconds of the caller's time between two looks for hubs that begin to wait. Shorter than any wait of a body."""
MOST_LOOSE = 200_000
"""Loose buckets that are remembered: some 60 MB. What is beyond them is looked for when these are done."""


class WaitingHubs:
    """Hubs with bodies above their watermark, with the arrival of the first of these."""

    def __init__(self, look: Callable[[], Iterable[tuple[str, float]]]) -> None:
        self._look = look
        self._since: dict[str, float] = {}
        self._looked: float | None = None
        self._told: list[str] = []

    def before(self, before: float, most: int) -> list[str]:
        """Return the hubs whose first body arrived before, the one that waits longest first."""
        fresh = self._looked is not None and self._looked <= before < self._looked + LOOK_S
        due = self._due(before, most) if fresh else []
        if not fresh or (due and due == self._told):
            self._since = dict(self._look())
            self._looked = before
            due = self._due(before, most)
        self._told = due
        return due

    def compacted(self, hub: str, first: float | None) -> None:
        """Note the arrival of the first body that a hub still has, None where it has none."""
        self._since.pop(hub, None)
        if first is not None:
            self._since[hub] = first
        self._told = []

    def forget(self) -> None:
        self._looked = None

    def _due(self, before: float, most: int) -> list[str]:
        due = sorted((since, hub) for hub, since in self._since.items() if since < before)
        return [hub for _, hub in islice(due, most)]


class LooseBuckets:
    """Buckets with loose chunks: how many, and the last arrival among them."""

    def __init__(self, look: Callable[[int], Iterable[tuple[LooseBucket, float, int]]]) -> None:
        self._look = look
        self._known: dict[LooseBucket, tuple[float, int]] | None = None
        self._more = False  # whether there may be others
        self._told: list[LooseBucket] = []

    def due(self, before: float, crowd: int, most: int) -> list[LooseBucket]:
        """Return buckets whose last loose chunk arrived before, and those with more than `crowd` of them."""
        found = self._due(before, crowd, most)
        if found == self._told if found else self._more:
            self._known = None
            found = self._due(before, crowd, most)
        self._told = found
        return found

    def put(self, bucket: LooseBucket, arrived_at: float) -> None:
        """Note one more loose chunk."""
        if self._known is None:
            return
        last, count = self._known.get(bucket, (arrived_at, 0))
        if count == 0 and len(self._known) >= MOST_LOOSE:
            self._more = True
            return
        self._known[bucket] = max(last, arrived_at), count + 1

    def gone(self, bucket: LooseBucket) -> None:
        """Note one loose chunk less."""
        self._told = []
        if self._known is not None and (there := self._known.get(bucket)) is not None:
            last, count = there
            if count > 1:
                self._known[bucket] = last, count - 1
            else:
                del self._known[bucket]

    def forget(self) -> None:
        self._known = None

    def _due(self, before: float, crowd: int, most: int) -> list[LooseBucket]:
        if self._known is None:
            self._known = {bucket: (last, count) for bucket, last, count in self._look(MOST_LOOSE)}
            self._more = len(self._known) >= MOST_LOOSE
        due = (bucket for bucket, (last, count) in self._known.items() if last < before or count > crowd)
        return list(islice(due, most))
