"""Numbers that neither arrived nor were declared lost.

Ranges are read in order and each once: a hub decides how many there are.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from heapq import merge

from backend.storage.engine import Storage, Stream
from hub.protocol.ranges import Range, Ranges


def missing(storage: Storage, stream: Stream, taken: Ranges, announced: int) -> Iterator[Range]:
    """Yield the ranges that are neither in `taken` nor declared lost, up to the highest `announced` number, in
    order."""
    return uncovered(merge(taken, storage.records.gaps(stream.hub, stream.run, stream.stream)), announced)


def uncovered(spans: Iterable[Range], end: int) -> Iterator[Range]:
    """Yield the ranges between spans, which are sorted by their first numbers, from 1 on, and after the last up to
    `end`."""
    begin = 1
    for first, last in spans:
        if begin < first:
            yield begin, first - 1
        begin = max(begin, last + 1)
    if begin <= end:
        yield begin, end
