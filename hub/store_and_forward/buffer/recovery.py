"""Recovery: decides at the start which records on disk count, what is cut, and what must be declared lost.

Rules, in this order:

1. A file that is no segment by its name is left alone. What a segment is, its first epoch says, which this hub signed:
   a file under another one's name is taken for what it is, and a copy is left alone. The name counts where no epoch
   can be read. Segments are taken by their number; of two with one number, which no hub writes, one is left alone.
2. Only the last segment of a stream can end in an unfinished commit (rule 4). When nothing numbered, damaged or not,
   and no LOCAL stands before it, its first commit never finished: it is unlinked and the one before is the last.
3. Of one run, a later segment supersedes every earlier record from its own first seq on, by its name alone. Such
   records were written by a commit that failed and sealed again in the later segment; they were never promised.
4. When what follows the last segment's last intact record can only be an unfinished write (`framing.torn`), or nothing
   follows although that record says that more does, its last commit never finished: it is cut whole, with the intact
   records of it, back to the last one that ends a commit or to damage. Any other damage after its last intact number
   may have been promised: it stays, and the numbers it may have held count as durable, so that the reader declares
   them damaged.
5. When the last commit of the last segment lost a sector and kept a later one (`framing.unwritten`), nothing of it
   counts, neither readings nor counters. Whether it was ever promised cannot be told: so it stays in the file, and its
   numbers count as durable, for the reader to declare them damaged.
6. File and directory are synced before anything found is called durable. What cannot be synced, also when it is tried
   again for a second, is not delivered by this process. The counters in it count: the frames are not taken again.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from hub.core.errors import HubError
from hub.core.text import phrase, system_error
from hub.protocol.records import framing
from hub.protocol.records.opening import Epoch, verify_epoch
from hub.protocol.records.seal import NO_DIGEST, H, Previous
from hub.store_and_forward.buffer.disk import Disk
from hub.store_and_forward.buffer.segment import MAGIC, SegmentInfo, SegmentName

_EPOCH, _TAIL = 1 << 13, 1 << 17
_PAUSES = (0.05, 0.2, 0.75)


class Scan(NamedTuple):
    """One segment file as read: its intact records and the damage between them."""

    data: bytes
    heads: list[framing.Head]
    damage: list[framing.Damage]

    @classmethod
    def of(cls, data: bytes) -> Scan:
        found = list(framing.scan(data, len(MAGIC)))
        return cls(
            data,
            [item for item in found if isinstance(item, framing.Head)],
            [item for item in found if isinstance(item, framing.Damage)],
        )

    def raw(self, head: framing.Head) -> bytes:
        return self.data[head.offset : head.offset + head.size]

    @property
    def end(self) -> int:
        """Offset behind the last intact record."""
        return self.heads[-1].offset + self.heads[-1].size if self.heads else self.start

    @property
    def start(self) -> int:
        """Offset of the first record."""
        return min(len(MAGIC), len(self.data))

    @property
    def begun(self) -> int:
        """Offset of the last commit: behind the last record that ends another one."""
        ends = [head.offset + head.size for head in self.heads if not head.more]
        if ends and ends[-1] == len(self.data):
            ends.pop()
        return ends[-1] if ends else self.start

    @property
    def holed(self) -> bool:
        """True when the last commit lost a sector and kept a later one."""
        return framing.unwritten(self.data, self.begun)

    @property
    def finished(self) -> int:
        """Offset of a last commit that does not count because it never finished or lost a sector; the size of the data
        when there is none. EPOCH and TABLE before its other records stay: they may be the second copies that a reader
        needs."""
        if self.holed:
            start = self.begun
            for head in self.heads:
                if head.offset == start and head.kind in framing.CONTEXT:
                    start += head.size
            return start
        start = behind = self.end
        if not framing.torn(self.data, start):
            return len(self.data)
        for head in reversed(self.heads):
            if not head.more or head.offset + head.size != behind:
                break
            behind = head.offset
            if head.kind not in framing.CONTEXT:
                start = head.offset
        return start

    def counting(self) -> Scan:
        """Return the scan without a commit at its end that does not count."""
        size = self.finished
        if size == len(self.data):
            return self
        heads = [head for head in self.heads if head.offset < size]
        return Scan(self.data[:size], heads, [span for span in self.damage if span.start < size])


class Recovered(NamedTuple):
    """Result for one stream. `next_number` is the first segment number never used; `refused`: the disk refused a part,
    which is left out; `aside`: segments of that part that could be read all the same."""

    segments: tuple[SegmentInfo, ...]
    previous: Previous
    next_number: int
    cut: int  # bytes of torn tail removed
    errors: list[str]
    refused: bool = False
    aside: tuple[SegmentInfo, ...] = ()


class _Found(NamedTuple):
    """One file and its identity. `base` is the number of readings before it, `started_s` when it began or earlier;
    `previous` is the end of the run before, by its epoch."""

    name: SegmentName
    path: Path
    base: int
    started_s: int
    previous: Previous
    headless: bool = False  # no header tells `base` and `started_s`


def recover(disk: Disk, stream: str, directory: Path, identity_public: bytes, now_s: int) -> Recovered:
    """Recover one stream in `directory` and make it durable. `now_s` is Unix seconds: nothing was committed later.

    Raises OSError when the directory cannot be read.
    """
    cut = 0
    for pause in (*_PAUSES, None):
        found = _recover(disk, stream, directory, identity_public, now_s)
        cut += found.cut
        if not found.refused or pause is None:
            break
        disk.sleep(pause)
    return found._replace(cut=cut)


def _recover(disk: Disk, stream: str, directory: Path, identity_public: bytes, now_s: int) -> Recovered:
    disk.make_directory(directory)
    errors: list[str] = []
    names = [name for text in disk.names(directory) if (name := SegmentName.parse(text)) is not None]
    found = _identify(disk, stream, directory, names, identity_public, errors)
    told = len(errors)  # what trying again would not mend
    next_number = max([name.number for name in names] + [item.name.number for item in found], default=0) + 1
    cut = 0
    last: _Last | None = None
    while found:
        try:
            last = _Last(disk, found[-1].name, found[-1].path)
            if not last.unfinished:
                break
            disk.unlink(found[-1].path)
        except OSError as error:
            errors.append(_unreadable(found[-1].path.name, error))
            last = None
            break
        cut += last.size
        found.pop()
        last = None
    found = [_based(disk, item, found[at - 1] if at else None) for at, item in enumerate(found)]
    infos: list[SegmentInfo] = []
    aside: list[SegmentInfo] = []
    for at, item in enumerate(found):
        try:
            if item is found[-1]:
                if last is None:
                    break
                cut += last.settle(disk)
            info = _closed(disk, stream, item, found[at + 1] if item is not found[-1] else None, now_s)
            infos.append(last.info(info, now_s) if last is not None and item.path == last.path else info)
        except OSError as error:
            errors.append(_unreadable(item.path.name, error))
            if last is not None and item.path == last.path:
                aside.append(last.info(_guess(stream, item), now_s))
    previous = last.previous() if last is not None else Previous()
    if found or cut:
        try:
            disk.sync_directory(directory)
        except OSError as error:
            errors.append(
                phrase(
                    "segments-wait-for-start",
                    "{directory}: nothing found in it is delivered before the next start: {reason}",
                    directory=directory,
                    reason=system_error(error),
                )
            )
            infos, aside = [], infos + aside
    if not previous.seq:
        ended = next((info for info in reversed(infos) if info.last >= info.first), None)
        previous = Previous(ended.run, ended.last, _digest(disk, ended)) if ended else Previous()
    return Recovered(tuple(infos), previous, next_number, cut, errors, len(errors) > told, tuple(aside))


def _unreadable(file: str, error: OSError) -> str:
    return phrase(
        "segment-waits-for-start",
        "{file} is not delivered before the next start: {reason}",
        file=file,
        reason=system_error(error),
    )


def _identify(
    disk: Disk, stream: str, directory: Path, names: list[SegmentName], public: bytes, errors: list[str]
) -> list[_Found]:
    """Return the identity of each file, oldest first (rule 1)."""
    found: dict[SegmentName, _Found] = {}
    for name in sorted(names):
        item = _look(disk, stream, name, directory / str(name), public)
        if item is None:
            errors.append(
                phrase("segment-of-another", "{file}: it belongs to another stream or hub; left alone", file=str(name))
            )
            continue
        other = found.setdefault(item.name, item)
        if other is not item:
            keep, copy = (item, other) if item.name == name else (other, item)
            found[item.name] = keep
            errors.append(
                phrase(
                    "segment-is-a-copy",
                    "{file}: a copy of {original}; left alone",
                    file=copy.path.name,
                    original=keep.path.name,
                )
            )
    numbers: dict[int, _Found] = {}
    for _, item in sorted(found.items()):
        other = numbers.setdefault(item.name.number, item)
        if other is not item:
            errors.append(
                phrase(
                    "segment-number-twice",
                    "{file}: {other} has its number, so one was put here from elsewhere; left alone. Move that one to "
                    "a directory of its own and deliver it by `ilot buffer send`",
                    file=item.path.name,
                    other=other.path.name,
                )
            )
    return list(numbers.values())


def _look(disk: Disk, stream: str, name: SegmentName, path: Path, public: bytes) -> _Found | None:
    """Identify one file by its first intact epoch, else by its name; None when it is not of this stream."""
    head: framing.Head | None = None
    try:
        for size in (_EPOCH, _TAIL):  # the second copy stands at the beginning of the second commit
            data = disk.read(path, 0, size)
            if (found := _begun(data, public)) is not None:
                begun, epoch = found
                true = SegmentName(epoch.segment, epoch.run, epoch.first_seq)
                previous = Previous(epoch.previous_run, epoch.previous_seq, epoch.previous_digest)
                return _Found(true, path, begun.total, begun.commit_s, previous) if epoch.stream == stream else None
        head = framing.read_head(data, len(MAGIC)) or framing.mended_head(data, len(MAGIC))
    except OSError:
        pass  # told when it is to be settled or read
    told = (head.total, head.commit_s) if head else (0, 0)
    return _Found(name, path, *told, Previous(), headless=head is None)


def _based(disk: Disk, item: _Found, before: _Found | None) -> _Found:
    """Take the reading count and the beginning of a segment without headers from the segment before it."""
    if not item.headless or before is None:
        return item
    try:
        heads = [head for head in Scan.of(disk.read(before.path)).heads if head.kind in framing.NUMBERED]
    except OSError:
        return item
    item = item._replace(started_s=max((head.commit_s for head in heads), default=before.started_s))
    if before.name.run != item.name.run:
        return item
    totals = [head.total for head in heads if head.seq < item.name.first]
    return item._replace(base=max(totals, default=before.base))


def _begun(data: bytes, public: bytes) -> tuple[framing.Head, Epoch] | None:
    """Return the first header of an epoch, and the first epoch that this hub signed. Only the beginning of the file is
    read: a gigabyte has hundreds of them."""
    first: framing.Head | None = None
    for head in framing.scan(data, len(MAGIC)):
        if isinstance(head, framing.Damage) or head.kind != framing.EPOCH:
            continue
        first = first or head
        try:
            return first, verify_epoch(data[head.offset : head.offset + head.size], public)
        except HubError:
            continue
    return None


class _Last:
    """The last segment of a stream."""

    def __init__(self, disk: Disk, name: SegmentName, path: Path) -> None:
        self.name, self.path = name, path
        found = Scan.of(disk.read(path))
        self.size, self.scan = len(found.data), found.counting()
        told = found if found.holed else self.scan  # of the numbers to be declared
        self._kept = len(told.data)
        self.numbered = self._numbers(self.scan)
        self.last, self.total = self._claimed(told)

    @property
    def unfinished(self) -> bool:
        """True when its first commit cannot have finished (rule 2)."""
        kept = self.numbered or any(head.kind == framing.LOCAL for head in self.scan.heads)
        return not kept and self.last < self.name.first

    def _numbers(self, scan: Scan) -> list[framing.Head]:
        return [head for head in scan.heads if head.kind in framing.NUMBERED and head.seq >= self.name.first]

    def _claimed(self, scan: Scan) -> tuple[int, int | None]:
        """Return the last number that this segment may have promised, and the reading count up to it as far as a header
        tells."""
        numbered, data = self._numbers(scan), scan.data
        last = numbered[-1].seq if numbered else self.name.first - 1
        total = numbered[-1].total if numbered else None
        at = numbered[-1].offset + numbered[-1].size if numbered else scan.start
        written = framing.Written.of(data)
        while at < len(data):
            head = framing.read_head(data, at) or framing.mended_head(data, at)
            if head is not None and head.kind not in framing.NUMBERED:
                total = max(total or 0, head.total)  # it counts those whose own header is gone
            if head is None or at + head.size > len(data):
                if not framing.torn(data, at, written):
                    last += 1
                at = _next_head(data, at + 1)
                continue
            if head.kind in framing.NUMBERED and head.seq > last:
                last, total = last + 1, head.total
            at += head.size
        return last, total

    def settle(self, disk: Disk) -> int:
        """Cut an unfinished commit and sync the rest. Returns the bytes cut."""
        disk.cut(self.path, self._kept)
        return self.size - self._kept

    def previous(self) -> Previous:
        if self.last < self.name.first:
            return Previous()
        head = self.numbered[-1] if self.numbered else None
        whole = head is not None and head.seq == self.last
        return Previous(self.name.run, self.last, record_digest(self.scan.raw(head)) if head and whole else NO_DIGEST)

    def info(self, guess: SegmentInfo, now_s: int) -> SegmentInfo:
        total = guess.base if self.total is None else self.total
        ended_s = _ended(guess.started_s, self.numbered, self.last, now_s)
        return guess._replace(last=self.last, total=total, size=len(self.scan.data), ended_s=ended_s)


def _next_head(data: bytes, at: int) -> int:
    while (at := data.find(framing.MARKER, at)) >= 0:
        if framing.read_head(data, at) is not None:
            return at
        at += 1
    return len(data)


def _guess(stream: str, item: _Found) -> SegmentInfo:
    """A segment as its beginning tells it: nothing in it."""
    name = item.name
    return SegmentInfo(
        item.path,
        stream,
        name.number,
        name.run,
        name.first,
        name.first - 1,
        item.base,
        item.base,
        0,
        item.started_s,
        ended_s=item.started_s,
    )


def _ended(started_s: int, heads: list[framing.Head], last: int, now_s: int) -> int:
    """The latest second at which a segment up to `last` may have been committed, by the numbered records found."""
    seconds = [head.commit_s for head in heads]
    if last not in [head.seq for head in heads]:
        seconds.append(now_s)
    return max([started_s, *seconds])


def _closed(disk: Disk, stream: str, item: _Found, follower: _Found | None, now_s: int) -> SegmentInfo:
    """A segment as its beginning and its successor tell it, mostly without reading it."""
    name, path = item.name, item.path
    if follower is not None and follower.name.run == name.run:
        last, total, size = follower.name.first - 1, follower.base, disk.size(path)
        ended_s = max(item.started_s, now_s if follower.headless else follower.started_s)
    else:
        last, total, size, heads = _ending(disk, path, name, item.base)
        if follower is not None and follower.previous.run == name.run:
            last = max(last, follower.previous.seq)
            if follower.previous.digest != NO_DIGEST:  # its last commit counted then, whatever has come over it since
                size = disk.size(path)
        ended_s = _ended(item.started_s, heads, last, now_s)
    return _guess(stream, item)._replace(last=last, total=total, size=size, ended_s=ended_s)


def _ending(disk: Disk, path: Path, name: SegmentName, base: int) -> tuple[int, int, int, list[framing.Head]]:
    """Last seq and reading count at the end of a run's last segment, where what counts of it ends, and the numbered
    records before that. A last commit that did not count at one start, and that is in the file all the same, counts no
    more later on."""
    whole = disk.size(path)
    tail = max(0, whole - _TAIL) // framing.SECTOR * framing.SECTOR
    for start in (tail, 0):
        found = Scan.of(disk.read(path, start)).counting()
        heads = [head for head in found.heads if head.kind in framing.NUMBERED]
        if heads:
            return heads[-1].seq, heads[-1].total, start + len(found.data), heads
    return name.first - 1, base, len(found.data), []


def _digest(disk: Disk, info: SegmentInfo) -> bytes:
    scan = Scan.of(disk.read(info.path, 0, info.size))
    raw = next((scan.raw(head) for head in scan.heads if head.kind in framing.NUMBERED and head.seq == info.last), None)
    return record_digest(raw) if raw is not None else NO_DIGEST


def record_digest(raw: bytes) -> bytes:
    """H(header ‖ payload ‖ signature) of an intact record."""
    return H(raw[:-4])


def first_epoch(scan: Scan, identity_public: bytes) -> Epoch | None:
    """The epoch of a segment by the first of its copies that this hub signed."""
    for head in scan.heads:
        if head.kind == framing.EPOCH:
            try:
                return verify_epoch(scan.raw(head), identity_public)
            except HubError:
                continue
    return None
