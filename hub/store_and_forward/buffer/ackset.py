"""Sets of record numbers by (stream, run): what the backend has committed, what is lost for good. Pure.

In LOCAL each (stream, run) has its key, `buffer/ack/<stream>/<run>` or `buffer/lost/…`, and as value [[first, last]…].
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import msgspec

from hub.protocol.ranges import Range, Ranges

ACK_KEY, LOST_KEY = "buffer/ack/", "buffer/lost/"
_RANGES_KEPT = 4096  # of one (stream, run) in LOCAL; what is forgotten is sent again, and the backend knows it

Key = tuple[str, bytes]
"""(stream, run)"""


class AckSet:
    """`Ranges` by (stream, run)."""

    def __init__(self) -> None:
        self._sets: dict[Key, Ranges] = {}

    def add(self, stream: str, run: bytes, first: int, last: int) -> None:
        self._sets.setdefault((stream, run), Ranges()).add(first, last)

    def add_all(self, stream: str, run: bytes, ranges: Iterable[Range]) -> None:
        many = list(ranges)
        if many:
            self._sets.setdefault((stream, run), Ranges()).add_all(many)

    def of(self, stream: str, run: bytes) -> Ranges:
        """The ranges of one (stream, run); empty when nothing is known of it."""
        return self._sets.get((stream, run)) or Ranges()

    def covers(self, stream: str, run: bytes, first: int, last: int) -> bool:
        return self.of(stream, run).covers(first, last)

    def forget(self, stream: str, run: bytes) -> None:
        self._sets.pop((stream, run), None)

    def __iter__(self) -> Iterator[Key]:
        return iter(list(self._sets))


def range_key(prefix: str, stream: str, run: bytes) -> str:
    return f"{prefix}{stream}/{run.hex()}"


def encode_ranges(ranges: Ranges) -> msgspec.Raw:
    return msgspec.Raw(msgspec.msgpack.encode(list(ranges)[:_RANGES_KEPT]))


def restore_ranges(key: str, prefix: str, value: Any, into: AckSet) -> bool:
    """Take ranges out of the small state. False when `key` is somebody else's."""
    if not key.startswith(prefix):
        return False
    stream, _, run = key.removeprefix(prefix).partition("/")
    into.add_all(stream, bytes.fromhex(run), ((first, last) for first, last in value))
    return True
