"""Sets of record numbers by (stream, run), and the one place where acknowledged records are kept. Pure.

`AckedRanges` is made once for each buffer. The ledgers of the delivery write to it what a signed ack says, the buffer
takes from it what goes into the small state, and the journal notes in it which of that is durable.

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


class RunRanges:
    """`Ranges` by (stream, run). Iterating yields the keys of those that are not empty."""

    def __init__(self) -> None:
        self._sets: dict[Key, Ranges] = {}

    def add(self, stream: str, run: bytes, first: int, last: int) -> None:
        self._sets.setdefault((stream, run), Ranges()).add(first, last)

    def add_all(self, stream: str, run: bytes, ranges: Iterable[Range]) -> None:
        many = list(ranges)
        if many:
            self._sets.setdefault((stream, run), Ranges()).add_all(many)

    def of(self, stream: str, run: bytes) -> Ranges:
        """Return the ranges of one (stream, run), an empty copy of their own when nothing is known of it."""
        return self._sets.get((stream, run)) or Ranges()

    def shared(self, stream: str, run: bytes) -> Ranges:
        """Return the ranges of one (stream, run) themselves: what is added to them is in this set."""
        return self._sets.setdefault((stream, run), Ranges())

    def covers(self, stream: str, run: bytes, first: int, last: int) -> bool:
        return self.of(stream, run).covers(first, last)

    def forget(self, stream: str, run: bytes) -> None:
        self._sets.pop((stream, run), None)

    def clear(self) -> None:
        """Empty every range set in place: who shares one sees it."""
        for ranges in self._sets.values():
            ranges.clear()

    def __iter__(self) -> Iterator[Key]:
        return iter([key for key, ranges in list(self._sets.items()) if ranges])


class AckedRanges:
    """The records that the backend acknowledged.

    `current`: by every ack that was accepted so far; for the loop thread. `durable`: as LOCAL on disk says, at most one
    commit behind; for the writer thread, under the journal's lock. Only `durable` lets a segment leave the disk: were
    it `current`, a power cut between the ack and the commit would leave a hole that nothing explains.
    """

    def __init__(self) -> None:
        self.current, self.durable = RunRanges(), RunRanges()

    def restore(self, key: str, value: Any) -> bool:
        """Take what an earlier process kept out of the small state. False when `key` is not of an ack set."""
        return restore_ranges(key, ACK_KEY, value, self.durable) and restore_ranges(key, ACK_KEY, value, self.current)


def range_key(prefix: str, stream: str, run: bytes) -> str:
    return f"{prefix}{stream}/{run.hex()}"


def encode_ranges(ranges: Ranges) -> msgspec.Raw:
    return msgspec.Raw(msgspec.msgpack.encode(list(ranges)[:_RANGES_KEPT]))


def restore_ranges(key: str, prefix: str, value: Any, into: RunRanges) -> bool:
    """Take ranges out of the small state. False when `key` is somebody else's."""
    if not key.startswith(prefix):
        return False
    stream, _, run = key.removeprefix(prefix).partition("/")
    into.add_all(stream, bytes.fromhex(run), ((first, last) for first, last in value))
    return True
