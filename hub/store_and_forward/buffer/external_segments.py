"""Segments in another directory, read and never written: copies of a mirror, or the buffer of another card.

Each segment is judged alone, because its neighbours may be missing. Its intact records count from the number in its
name to the one before the next segment of the same run, or, without one, to the end of its last finished commit.
Segments of another hub, and those whose epoch this hub's identity has not signed, are skipped and named. Blocking,
except for what only counts.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from hub.core.errors import StorageError
from hub.core.text import phrase, system_error
from hub.protocol.ranges import Range
from hub.protocol.records import framing
from hub.protocol.records.bodies import Gap
from hub.protocol.records.rows import READINGS, STREAMS
from hub.store_and_forward.acked_ranges import RunRanges
from hub.store_and_forward.buffer.catalog import Catalog, StreamState
from hub.store_and_forward.buffer.disk import Disk, SystemDisk
from hub.store_and_forward.buffer.local_state import read_local
from hub.store_and_forward.buffer.reader import SegmentReader, Stored
from hub.store_and_forward.buffer.recovery import Scan, first_epoch, record_digest
from hub.store_and_forward.buffer.segment import MAX_SEGMENT, SegmentInfo, SegmentName

_NO_END = 1 << 63


class ExternalSegments:
    """A read-only buffer for `hub.store_and_forward.link` over such segments. Only this object knows what of them is
    acked."""

    def __init__(self, directory: Path, *, hub: str, identity_public: bytes, disk: Disk | None = None) -> None:
        """`directory` holds `readings/` and `alerts/`. Raises StorageError when it cannot be read."""
        self.run, self.local, self.acks = os.urandom(16), dict[str, Any](), RunRanges()
        self.segments: list[SegmentInfo] = []
        self.skipped: list[str] = []
        self.records = self.readings = 0
        self._disk, self._hub, self._public = disk or SystemDisk(), hub, identity_public
        self._damaged = RunRanges()
        self._readers: dict[bytes, tuple[Catalog, SegmentReader]] = {}  # numbers are unique within a run only
        self._digests: dict[tuple[str, bytes], bytes] = {}
        try:
            for stream in STREAMS:
                self._look(stream, directory / stream)
        except OSError as error:
            raise StorageError(
                phrase("fault-in-file", "{file}: {reason}", file=directory, reason=system_error(error))
            ) from error

    def _look(self, stream: str, folder: Path) -> None:
        try:
            found = sorted(name for text in self._disk.names(folder) if (name := SegmentName.parse(text)) is not None)
        except FileNotFoundError:
            return
        for name in found:
            follower = min((other.first for other in found if other.run == name.run and other > name), default=_NO_END)
            path = folder / str(name)
            try:
                if self._disk.size(path) > MAX_SEGMENT:
                    self.skipped.append(
                        phrase("segment-too-large", "{file} is larger than a segment can be", file=path.name)
                    )
                    continue
                scan = Scan.of(self._disk.read(path))
            except OSError as error:  # a dying card: its other files may be readable
                self.skipped.append(phrase("fault-in-file", "{file}: {reason}", file=path, reason=system_error(error)))
                continue
            if follower == _NO_END:
                if scan.holed:
                    self.skipped.append(
                        phrase(
                            "segment-lost-sector",
                            "{file}: its last commit lost a sector of the disk, nothing of it counts",
                            file=path.name,
                        )
                    )
                scan = scan.counting()
            epoch = first_epoch(scan, self._public)
            if epoch is None or (epoch.hub, epoch.run, epoch.stream) != (self._hub, name.run, stream):
                self.skipped.append(
                    phrase("segment-damaged-or-foreign", "{file} is damaged, or not of this hub", file=path.name)
                )
                continue
            heads = [h for h in scan.heads if h.kind in framing.NUMBERED and name.first <= h.seq < follower]
            if not heads:
                continue
            last = max(heads, key=lambda head: head.seq)
            self.records += len({head.seq for head in heads})
            self.readings += sum({head.seq: head.readings for head in heads}.values())
            self._digests[stream, name.run] = record_digest(scan.raw(last))
            base = heads[0].total - heads[0].readings
            self._put(
                SegmentInfo(
                    path,
                    stream,
                    name.number,
                    name.run,
                    name.first,
                    last.seq,
                    base,
                    last.total,
                    len(scan.data),
                    min(head.commit_s for head in heads),
                    ended_s=max(head.commit_s for head in heads),
                )
            )

    def _put(self, info: SegmentInfo) -> None:
        if info.run not in self._readers:
            catalog = Catalog()
            self._readers[info.run] = catalog, SegmentReader(self._disk, catalog, self._declare)
        self._readers[info.run][0].put(info)
        self.segments.append(info)

    def _declare(self, gap: Gap) -> None:
        self._damaged.add(gap.stream, gap.run, gap.first, gap.last)

    def owed(self, info: SegmentInfo) -> list[Range]:
        """Return the ranges of a segment that can be read and are not acked yet."""
        damaged = self._damaged.of(info.stream, info.run)
        acked = self.acks.of(info.stream, info.run).missing(info.first, info.last)
        return [piece for first, last in acked for piece in damaged.missing(first, last)]

    def delivered(self, info: SegmentInfo) -> int:
        """Return how many numbers of a segment are acked."""
        acked = self.acks.of(info.stream, info.run)
        return sum(last - first + 1 for first, last in acked.inside(info.first, info.last))

    def damaged(self, info: SegmentInfo) -> list[Range]:
        """Return the ranges of a segment that were to be read and could not be."""
        return self._damaged.of(info.stream, info.run).inside(info.first, info.last)

    def remembered(self, store_key: bytes) -> Iterator[dict[str, Any]]:
        """Yield the small state as each segment has it, decrypted with the hub's store key (32 bytes)."""
        for info in self.segments:
            if info.stream == READINGS:
                yield read_local(self._disk, (info,), self._public, store_key)[0]

    # what the link asks for

    def streams(self) -> list[StreamState]:
        found: dict[tuple[str, bytes], StreamState] = {}
        for info in self.segments:
            key = info.stream, info.run
            first = found[key].first if key in found else info.first
            found[key] = StreamState(*key, first, info.last, self._digests[key])
        return list(found.values())

    def read(self, stream: str, run: bytes, first: int, last: int, max_bytes: int) -> list[Stored]:
        """Read records as `Buffer.read` does. Raises StorageError."""
        try:
            return self._readers[run][1].read(stream, run, first, last, max_bytes)
        except OSError as error:
            raise StorageError(f"{stream}: {error.strerror or error}") from error

    def acked(self, stream: str, run: bytes, ranges: list[Range]) -> None:
        self.acks.add_all(stream, run, ranges)

    def unacked(self, stream: str, run: bytes, ranges: list[Range]) -> None:
        self.acks.of(stream, run).discard_all(ranges)

    def forget_acks(self) -> None:
        self.acks.clear()

    def put_local(self, key: str, value: Any) -> None:
        self.local[key] = value

    async def flush(self) -> None:
        pass


def homes(directory: Path, hub: str) -> Iterator[Path]:
    """Yield the directories that may hold segments of `hub` when `directory` is a mirror, a state directory or a
    buffer."""
    for path in (directory / hub, directory / "buffer", directory):
        if any((path / stream).is_dir() for stream in STREAMS):
            yield path
