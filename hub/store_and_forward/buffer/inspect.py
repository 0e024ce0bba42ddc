"""Looking at a buffer from outside, without any key: is each segment whole, and all of it in one file.

Neither writes to the buffer. Both may run beside a hub that is writing: what is not synced yet may then be missing.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

import msgspec

from hub.core.errors import DecodeError, StorageError
from hub.protocol.records import framing
from hub.protocol.records.opening import read_epoch
from hub.protocol.records.rows import STREAMS
from hub.store_and_forward.buffer.disk import Disk, SystemDisk
from hub.store_and_forward.buffer.recovery import Scan
from hub.store_and_forward.buffer.segment import MAGIC, SegmentName

_BEGINNING = 1 << 17
_NO_LIMIT = 1 << 63


class SegmentReport(msgspec.Struct, frozen=True):
    """Report on one segment. `first` … `last` are the numbers that count; `missing` those of them without an intact
    record; `damaged` the byte spans of no record, or of a commit that lost a sector; `torn` the bytes of an unfinished
    commit at the end."""

    path: str
    stream: str
    run: str
    segment: int
    first: int
    last: int
    records: int
    readings: int
    bytes: int
    epoch: bool
    missing: tuple[tuple[int, int], ...]
    damaged: tuple[tuple[int, int], ...]
    torn: int

    @property
    def whole(self) -> bool:
        """True when every record that counts is there, and the holder of the key can open it."""
        return self.epoch and not self.missing and not self.damaged


def verify(directory: Path, disk: Disk | None = None) -> list[SegmentReport]:
    """Check every record of every segment by its checksums. Raises StorageError when `directory` is no buffer."""
    return [_report(stream, name, path, scan, limit) for stream, name, path, scan, limit in _segments(directory, disk)]


def export(directory: Path, out: Path, *, running: bool = False, disk: Disk | None = None) -> int:
    """Copy all records that count into one new file, oldest first: what `opening.split` reads. Returns how many.

    The hub's own LOCAL records and what is damaged stay out. With `running`, the newest segment of each stream stays
    out too, since it is still being written. Raises StorageError.
    """
    segments = list(_segments(directory, disk))
    newest = {stream: name for stream, name, *_ in segments}
    count = 0
    try:
        with out.open("xb") as file:
            for stream, name, _, scan, limit in segments:
                if running and newest[stream] == name:
                    continue
                kept = _kept(scan, limit)
                for head in scan.heads:
                    if head.offset >= kept:
                        break
                    numbered = head.kind in framing.NUMBERED
                    if head.kind == framing.LOCAL or (numbered and not name.first <= head.seq < limit):
                        continue
                    file.write(scan.raw(head))
                    count += numbered
    except OSError as error:
        raise StorageError(f"{out}: {error.strerror or error}") from error
    return count


def _segments(directory: Path, disk: Disk | None) -> Iterator[tuple[str, SegmentName, Path, Scan, int]]:
    """Yield each segment, oldest first, with the number from which a later one supersedes it."""
    disk = disk or SystemDisk()
    try:
        for stream in STREAMS:
            folder = directory / stream
            names = [name for text in disk.names(folder) if (name := SegmentName.parse(text)) is not None]
            found = sorted((_identity(disk, folder / str(name), name), folder / str(name)) for name in names)
            for at, (name, path) in enumerate(found):
                follower = found[at + 1][0] if at + 1 < len(found) else None
                limit = follower.first if follower is not None and follower.run == name.run else _NO_LIMIT
                yield stream, name, path, Scan.of(disk.read(path)), limit
    except OSError as error:
        raise StorageError(f"{directory}: {error.strerror or error}") from error


def _identity(disk: Disk, path: Path, name: SegmentName) -> SegmentName:
    """Return which segment a file is: by its epoch, whose signature is not checked here; by its name where it has
    none."""
    scan = Scan.of(disk.read(path, 0, _BEGINNING))
    for head in scan.heads:
        if head.kind == framing.EPOCH:
            with contextlib.suppress(DecodeError):
                epoch = read_epoch(scan.raw(head))
                return SegmentName(epoch.segment, epoch.run, epoch.first_seq)
    return name


def _kept(scan: Scan, limit: int) -> int:
    """Return the offset where the records that count end. A segment that one of the same run follows was promised up to
    the follower's first number, however its own end looks."""
    if limit == _NO_LIMIT:
        return scan.finished
    return scan.end if framing.torn(scan.data, scan.end) else len(scan.data)


def _report(stream: str, name: SegmentName, path: Path, scan: Scan, limit: int) -> SegmentReport:
    kept = _kept(scan, limit)
    counting = [head for head in scan.heads if head.offset < kept]
    heads = {head.seq: head for head in counting if head.kind in framing.NUMBERED and name.first <= head.seq < limit}
    last = limit - 1 if limit < _NO_LIMIT else max(heads, default=name.first - 1)
    damage = [(span.start, span.end) for span in scan.damage if span.start < kept]
    torn = len(scan.data) - kept
    if torn and limit == _NO_LIMIT and scan.holed:
        damage, torn = [*damage, (kept, len(scan.data))], 0
    if not scan.data.startswith(MAGIC[: len(scan.data)]):
        damage.insert(0, (0, len(MAGIC)))
    return SegmentReport(
        path=str(path),
        stream=stream,
        run=name.run.hex(),
        segment=name.number,
        first=name.first,
        last=last,
        records=len(heads),
        readings=sum(head.readings for head in heads.values()),
        bytes=len(scan.data),
        epoch=any(head.kind == framing.EPOCH for head in counting),
        missing=tuple(_holes(heads, name.first, last)),
        damaged=tuple(damage),
        torn=torn,
    )


def _holes(heads: dict[int, framing.Head], first: int, last: int) -> Iterator[tuple[int, int]]:
    start = 0
    for seq in range(first, last + 1):
        if seq not in heads:
            start = start or seq
        elif start:
            yield start, seq - 1
            start = 0
    if start:
        yield start, last
