"""The list of segments on disk. The writer thread changes it, any thread reads it: each change swaps a whole tuple."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from hub.protocol.records.rows import STREAMS
from hub.protocol.records.seal import NO_DIGEST
from hub.store_and_forward.acked_ranges import RunRanges
from hub.store_and_forward.buffer.segment import SegmentInfo


class StreamState(NamedTuple):
    """One (stream, run) on disk: its first number still there, its last durable number and that record's digest (zeros
    for a past run whose last record is not at hand)."""

    stream: str
    run: bytes
    first: int
    last: int
    digest: bytes


class Catalog:
    """The segments of both streams, oldest first."""

    def __init__(self) -> None:
        self._segments: dict[str, tuple[SegmentInfo, ...]] = dict.fromkeys(STREAMS, ())
        self._sizes = dict.fromkeys(STREAMS, 0)
        self.turns = 0
        """Rises with every change but the growth of an open segment behind its first number: who looks at the closed
        ones need not look again after each commit, and of a gigabyte there are hundreds."""
        self.digests: dict[tuple[str, bytes], bytes] = {}

    def of(self, stream: str) -> tuple[SegmentInfo, ...]:
        """Return the segments of a stream, oldest first."""
        return self._segments[stream]

    def all(self) -> tuple[SegmentInfo, ...]:
        return tuple(info for stream in STREAMS for info in self._segments[stream])

    def put(self, info: SegmentInfo) -> None:
        """Add the newest segment of its stream, or replace it."""
        known = self._segments[info.stream]
        if known and known[-1].number == info.number:
            former = known[-1]
            grown = former.open and info.open and (former.last < former.first) == (info.last < info.first)
            self.turns += not grown
            self._sizes[info.stream] += info.size - former.size
            self._segments[info.stream] = (*known[:-1], info)
        else:
            self.turns += 1
            self._sizes[info.stream] += info.size
            self._segments[info.stream] = (*known, info)

    def correct(self, infos: Iterable[SegmentInfo]) -> None:
        """Replace these segments wherever they stand."""
        true = {(info.stream, info.number): info for info in infos}
        for stream in {stream for stream, _ in true}:
            self._set(stream, tuple(true.get((stream, info.number), info) for info in self._segments[stream]))

    def drop(self, info: SegmentInfo) -> None:
        known = self._segments[info.stream]
        self._set(info.stream, tuple(other for other in known if other.number != info.number))

    def _set(self, stream: str, segments: tuple[SegmentInfo, ...]) -> None:
        self.turns += 1
        self._segments[stream] = segments
        self._sizes[stream] = sum(info.size for info in segments)

    def holds(self, info: SegmentInfo) -> bool:
        return any(other.number == info.number for other in self._segments[info.stream])

    def size(self, *streams: str) -> int:
        """Return the bytes on disk of these streams, or of all."""
        return sum(self._sizes[stream] for stream in streams or STREAMS)

    def runs(self, stream: str) -> set[bytes]:
        return {info.run for info in self._segments[stream]}

    def states(self) -> list[StreamState]:
        found: dict[tuple[str, bytes], StreamState] = {}
        for info in self.all():
            if info.last < info.first:
                continue
            key = info.stream, info.run
            known = found.get(key)
            first = known.first if known else info.first
            found[key] = StreamState(*key, first, info.last, self.digests.get(key, NO_DIGEST))
        return list(found.values())

    def last(self, stream: str, run: bytes) -> int:
        """Return the last durable number of (stream, run), 0 when none is on disk."""
        return max((info.last for info in self._segments[stream] if info.run == run), default=0)

    def keeper(self, stream: str) -> SegmentInfo | None:
        """Return the newest segment with a record: it names this run for the next one, and is never unlinked."""
        return next((info for info in reversed(self._segments[stream]) if info.last >= info.first), None)


def unsettled(info: SegmentInfo, acks: RunRanges, lost: RunRanges) -> list[tuple[int, int]]:
    """Return the ranges of a segment that are neither acked nor declared lost."""
    found = list(acks.of(info.stream, info.run).missing(info.first, info.last))
    gone = lost.of(info.stream, info.run)
    return [piece for first, last in found for piece in gone.missing(first, last)]
