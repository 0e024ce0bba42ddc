"""Sets of record numbers by (stream, run): what the backend has committed, what is lost for good. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from hub.ranges import Ranges

Key = tuple[str, bytes]
"""(stream, run)"""


class AckSet:
    """`Ranges` by (stream, run)."""

    def __init__(self) -> None:
        self._sets: dict[Key, Ranges] = {}

    def add(self, stream: str, run: bytes, first: int, last: int) -> None:
        self._sets.setdefault((stream, run), Ranges()).add(first, last)

    def of(self, stream: str, run: bytes) -> Ranges:
        """The ranges of one (stream, run); empty when nothing is known of it."""
        return self._sets.get((stream, run)) or Ranges()

    def covers(self, stream: str, run: bytes, first: int, last: int) -> bool:
        return self.of(stream, run).covers(first, last)

    def forget(self, stream: str, run: bytes) -> None:
        self._sets.pop((stream, run), None)

    def __iter__(self) -> Iterator[Key]:
        return iter(list(self._sets))
