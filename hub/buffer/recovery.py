"""What a hub finds when it opens its buffer again: what counts, what is cut, what must be declared.

Rules, in this order:

1. A file that is no segment by its name is left alone. Segments are taken by their number.
2. Only the last segment of a stream can have a torn tail. When it holds no numbered record, damaged or not, and no
   LOCAL, its first commit never finished: it is unlinked and the one before is the last.
3. Of one run, a later segment supersedes every earlier record from its own first seq on, by its name alone. Such
   records were written by a commit that failed and sealed again in the later segment; they were never promised.
4. The last segment's tail after its last intact record is cut when it can only be an unfinished write
   (`frame.torn`). Any other damage after its last intact number may have been promised: it stays, and the numbers it
   may have held count as durable, so that the reader declares them damaged.
5. File and directory are synced before anything found is called durable. A file that cannot be synced is not
   delivered by this process.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

from hub.buffer import frame
from hub.buffer.bodies import Local
from hub.buffer.disk import Disk
from hub.buffer.opening import Epoch, open_local, read_epoch, verify_epoch
from hub.buffer.seal import NO_DIGEST, H, Previous
from hub.buffer.segment import MAGIC, SegmentInfo, SegmentName
from hub.errors import HubError

_TAIL = 1 << 17


class Scan(NamedTuple):
    """One segment's file, read: its intact records, and where none stands."""

    data: bytes
    heads: list[frame.Head]
    damage: list[frame.Damage]

    @classmethod
    def of(cls, data: bytes) -> Scan:
        found = list(frame.scan(data, len(MAGIC)))
        return cls(
            data,
            [item for item in found if isinstance(item, frame.Head)],
            [item for item in found if isinstance(item, frame.Damage)],
        )

    def raw(self, head: frame.Head) -> bytes:
        return self.data[head.offset : head.offset + head.size]

    @property
    def end(self) -> int:
        """Where the last intact record ends."""
        return self.heads[-1].offset + self.heads[-1].size if self.heads else self.start

    @property
    def start(self) -> int:
        """Where the first record stands."""
        return min(len(MAGIC), len(self.data))

    @property
    def torn(self) -> bool:
        """Whether what follows the last intact record can only be an unfinished write."""
        return frame.torn(self.data, self.end)


class Recovered(NamedTuple):
    """One stream as found. `next_number` is the first segment number never used."""

    segments: tuple[SegmentInfo, ...]
    previous: Previous
    next_number: int
    cut: int  # bytes of torn tail removed
    errors: list[str]


def recover(disk: Disk, stream: str, directory: Path) -> Recovered:
    """Find what counts in `directory` and make it durable. Raises OSError when the directory cannot be read."""
    disk.make_directory(directory)
    found = sorted(
        (name, directory / text) for text in disk.names(directory) if (name := SegmentName.parse(text)) is not None
    )
    next_number = found[-1][0].number + 1 if found else 1
    errors: list[str] = []
    cut = 0
    last: _Last | None = None
    while found:
        try:
            last = _Last(disk, *found[-1])
            if not last.unfinished:
                break
            disk.unlink(found[-1][1])
        except OSError as error:
            errors.append(f"{found[-1][1].name}: {error.strerror}; not delivered before the next start")
            last = None
            break
        cut += len(last.scan.data)
        found.pop()
        last = None
    infos: list[SegmentInfo] = []
    for at, (_, path) in enumerate(found):
        try:
            if path == found[-1][1]:
                if last is None:
                    break
                cut += last.settle(disk)
            info = _closed(disk, stream, at, found)
            infos.append(last.info(info) if last is not None and path == last.path else info)
        except OSError as error:
            errors.append(f"{path.name}: {error.strerror}; not delivered before the next start")
    previous = last.previous() if last is not None else Previous()
    if found or cut:
        try:
            disk.sync_directory(directory)
        except OSError as error:
            errors.append(f"{directory}: {error.strerror}; nothing found in it is delivered before the next start")
            infos = []
    if not previous.seq:
        ended = next((info for info in reversed(infos) if info.last >= info.first), None)
        previous = Previous(ended.run, ended.last, _digest(disk, ended)) if ended else Previous()
    return Recovered(tuple(infos), previous, next_number, cut, errors)


class _Last:
    """The last segment of a stream."""

    def __init__(self, disk: Disk, name: SegmentName, path: Path) -> None:
        self.name, self.path = name, path
        self.scan = Scan.of(disk.read(path))
        self.numbered = [head for head in self.scan.heads if head.kind in frame.NUMBERED and head.seq >= name.first]
        self.torn = self.scan.torn
        self.last, self.total = self._claimed()

    @property
    def unfinished(self) -> bool:
        """Whether its first commit cannot have finished (rule 2)."""
        kept = self.numbered or any(head.kind == frame.LOCAL for head in self.scan.heads)
        return not kept and self.last < self.name.first

    def _claimed(self) -> tuple[int, int | None]:
        """The last number this segment may have promised, and the reading count up to there as far as a header says."""
        last = self.numbered[-1].seq if self.numbered else self.name.first - 1
        total = self.numbered[-1].total if self.numbered else None
        data = self.scan.data
        at = self.numbered[-1].offset + self.numbered[-1].size if self.numbered else self.scan.start
        while at < len(data):
            head = frame.read_head(data, at) or frame.mended_head(data, at)
            if head is None or at + head.size > len(data):
                if not frame.torn(data, at):
                    last += 1
                at = _next_head(data, at + 1)
                continue
            if head.kind in frame.NUMBERED and head.seq > last:
                last, total = last + 1, head.total
            at += head.size
        return last, total

    def settle(self, disk: Disk) -> int:
        """Cut what is torn, sync what stays. Returns the bytes cut."""
        size = len(self.scan.data)
        keep = self.scan.end if self.torn else size
        disk.cut(self.path, keep)
        return size - keep

    def previous(self) -> Previous:
        if self.last < self.name.first:
            return Previous()
        head = self.numbered[-1] if self.numbered else None
        whole = head is not None and head.seq == self.last
        return Previous(self.name.run, self.last, record_digest(self.scan.raw(head)) if head and whole else NO_DIGEST)

    def info(self, guess: SegmentInfo) -> SegmentInfo:
        total = guess.base if self.total is None else self.total
        size = self.scan.end if self.torn else len(self.scan.data)
        return guess._replace(last=self.last, total=total, size=size)


def _next_head(data: bytes, at: int) -> int:
    while (at := data.find(frame.MARKER, at)) >= 0:
        if frame.read_head(data, at) is not None:
            return at
        at += 1
    return len(data)


def _closed(disk: Disk, stream: str, at: int, found: list[tuple[SegmentName, Path]]) -> SegmentInfo:
    """A segment as its name, its beginning and its successor tell it, mostly without reading it."""
    name, path = found[at]
    follower = found[at + 1] if at + 1 < len(found) else None
    base, started = _beginning(disk, path)
    if follower is not None and follower[0].run == name.run:
        last, total = follower[0].first - 1, _beginning(disk, follower[1])[0]
    else:
        last, total = _ending(disk, path, name, base)
        if follower is not None:
            last = max(last, _named_by(disk, follower[1], name.run))
    return SegmentInfo(path, stream, name.number, name.run, name.first, last, base, total, disk.size(path), started)


def _beginning(disk: Disk, path: Path) -> tuple[int, int]:
    """Readings before this segment, and the second of its first commit; zeros when its first header is damaged."""
    head = frame.read_head(disk.read(path, len(MAGIC), frame.HEADER_SIZE), 0)
    return (head.total, head.commit_s) if head else (0, 0)


def _ending(disk: Disk, path: Path, name: SegmentName, base: int) -> tuple[int, int]:
    """Last seq and reading count at the end of a run's last segment."""
    size = disk.size(path)
    for start in (max(0, size - _TAIL), 0):
        heads = [head for head in Scan.of(disk.read(path, start)).heads if head.kind in frame.NUMBERED]
        if heads:
            return heads[-1].seq, heads[-1].total
    return name.first - 1, base


def _named_by(disk: Disk, path: Path, run: bytes) -> int:
    """The last seq of `run` as the first epoch of the next run names it, 0 when it does not."""
    epoch = first_epoch(Scan.of(disk.read(path, 0, _TAIL)))
    return epoch.previous_seq if epoch is not None and epoch.previous_run == run else 0


def _digest(disk: Disk, info: SegmentInfo) -> bytes:
    scan = Scan.of(disk.read(info.path))
    raw = next((scan.raw(head) for head in scan.heads if head.kind in frame.NUMBERED and head.seq == info.last), None)
    return record_digest(raw) if raw is not None else NO_DIGEST


def record_digest(raw: bytes) -> bytes:
    """H(header ‖ payload ‖ signature) of an intact record."""
    return H(raw[:-4])


def first_epoch(scan: Scan, identity_public: bytes | None = None) -> Epoch | None:
    """The epoch of a segment by either of its copies; verified when a public key is given."""
    for head in scan.heads:
        if head.kind == frame.EPOCH:
            try:
                return verify_epoch(scan.raw(head), identity_public) if identity_public else read_epoch(scan.raw(head))
            except HubError:
                continue
    return None


def read_local(
    disk: Disk, segments: tuple[SegmentInfo, ...], identity_public: bytes, store_key: bytes
) -> tuple[dict[str, Any], int]:
    """The hub's own state as the LOCAL records tell it, and how many of them could not be read.

    Goes back to the newest whole snapshot, then forward over the changes.
    """
    history: list[Local] = []
    unread = 0
    for info in reversed(segments):
        found, bad = _locals(Scan.of(disk.read(info.path, 0, info.size)), identity_public, store_key)
        unread += bad
        history = found + history
        parts = [local.part for local in found if local.parts]
        if parts and len(set(parts)) == max(local.parts for local in found):
            break
    state: dict[str, Any] = {}
    for local in history:
        state.update(local.values)
    return {key: value for key, value in state.items() if value is not None}, unread


def _locals(scan: Scan, identity_public: bytes, store_key: bytes) -> tuple[list[Local], int]:
    heads = [head for head in scan.heads if head.kind == frame.LOCAL]
    epoch = first_epoch(scan, identity_public)
    if epoch is None:
        return [], len(heads)
    found, bad = [], 0
    opener = open_local(epoch, store_key)
    for head in heads:
        try:
            body = opener.open(scan.raw(head)).body
        except HubError:
            bad += 1
            continue
        if isinstance(body, Local):
            found.append(body)
    return found, bad
