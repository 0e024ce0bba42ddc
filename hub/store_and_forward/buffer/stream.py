"""Writer of one stream: numbers its records, rotates its segments, repeats context so that one flipped bit loses none.

Law: `seq` and `total` move only when a commit has returned. Items that were not committed keep their place and get
the same numbers again, in another segment: which one counts is `hub.store_and_forward.buffer.recovery`'s rule (the
later segment). A commit is laid out first and sealed when it is whole: each record of it says whether another one
follows.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import msgspec

from hub.core.clock import Clock
from hub.protocol.records import framing
from hub.protocol.records.bodies import ClockMark, Gap, encode_clock, encode_gap, encode_local, encode_table
from hub.protocol.records.columns import MAX_READINGS, TEXT_WEIGHT, forms
from hub.protocol.records.compression import Squeezer
from hub.protocol.records.dictionary import Numbering, Refused
from hub.protocol.records.rows import Row
from hub.protocol.records.seal import NO_DIGEST, TAG_SIZE, EpochStart, Previous, Sealer, SealingKeys, Trust
from hub.store_and_forward.buffer.catalog import Catalog
from hub.store_and_forward.buffer.disk import Disk
from hub.store_and_forward.buffer.segment import SegmentFile, SegmentInfo, SegmentName

Item = list[Row] | Gap | ClockMark
"""Content of one numbered record: the rows of one block (one time base), a GAP or a CLOCK."""

TOLD_PER_TABLE = 256
LOCAL_PER_RECORD = 1 << 18
COMMIT_MOST = 64 << 20
"""A commit is split over two segments only beyond this size: no segment has more than 80 MiB."""
_NO_TIME = 0xFFFF_FFFF
"""Later than any commit, in Unix seconds."""
SLOW_S = 1.0  # seconds between commits from which on room is taken ahead: where they are dense it slows syncs down


class StreamStart(NamedTuple):
    """Where a new run begins in one stream: the run's id (16 bytes), where the run before it ended, and the number of
    the run's first segment."""

    stream: str
    run: bytes
    previous: Previous
    segment: int


class Rotation(NamedTuple):
    """When a segment is full and the next one begins: at this many bytes, or after this many seconds."""

    segment_bytes: int
    segment_s: float


class Durable(NamedTuple):
    """Records that one commit made durable in one stream: `first` … `last` (`last` < `first`: small state only), how
    many readings, how many bytes were written. `deferrable`: rows of the alerts stream that a metered line may hold
    back."""

    stream: str
    run: bytes
    first: int
    last: int
    readings: int
    bytes: int
    deferrable: bool = False


class _Record(NamedTuple):
    """Content of one record to be sealed, compressed."""

    kind: int
    body: bytes
    commit_s: int
    readings: int


class _Segment:
    """The open segment: its file, its keys, the subjects its TABLE records named, and the records to repeat in its next
    commit."""

    def __init__(self, file: SegmentFile, sealer: Sealer, info: SegmentInfo, born: float, trust: int) -> None:
        self.file, self.sealer, self.info, self.born, self.trust = file, sealer, info, born, trust
        self.numbering = Numbering()
        self.repeat: list[bytes] = []  # by the next commit, as the second copy
        self.told: list[bytes] = []  # in this commit, for the first time
        self.seq, self.total, self.digest = info.last, info.base, NO_DIGEST  # of what is sealed
        self._laid: list[_Record] = []
        self._laid_bytes = 0

    @property
    def size(self) -> int:
        """Size of the file in bytes once the queued records are in it."""
        return self.file.size + self.file.staged + self._laid_bytes

    @property
    def waiting(self) -> bool:
        """True when there is anything to write."""
        return bool(self._laid or self.file.staged)

    def lay(self, kind: int, body: bytes, commit_s: int, readings: int = 0) -> None:
        """Queue a record for the next commit."""
        self._laid.append(_Record(kind, body, commit_s, readings))
        self._laid_bytes += sealed_size(body)

    def lift(self) -> None:
        """Remove the queued records: they have no number yet."""
        self._laid, self._laid_bytes = [], 0

    def repeat_context(self) -> None:
        for raw in self.repeat:
            self.file.stage(raw)
        self.repeat = []

    def seal(self) -> None:
        """Seal the queued records, which are the rest of the commit."""
        last = len(self._laid) - 1
        for at, (kind, body, commit_s, readings) in enumerate(self._laid):
            counter, total = self.sealer.counter(kind), self.total + readings
            sealed = self.sealer.seal(
                kind, counter, body, readings=readings, total=total, commit_s=commit_s, more=at < last
            )
            self.file.stage(sealed.raw)
            if kind in framing.NUMBERED:
                self.seq, self.total, self.digest = counter, total, sealed.digest
            elif kind == framing.TABLE:
                self.told.append(sealed.raw)
        self.lift()

    def sync(self, ahead: bool, since_s: int) -> int:
        """Seal, write and sync. `since_s`: Unix seconds since when the queued rows were taken in."""
        seconds = [record.commit_s for record in self._laid if record.kind in framing.NUMBERED]
        self.seal()
        written = self.file.commit(ahead)
        self.repeat, self.told = self.told, []
        info = self.info
        if seconds:
            since_s = min(since_s, *seconds)
            if info.last < info.first:  # what came before is small state, whose time nobody asks for
                info = info._replace(started_s=since_s, ended_s=max(seconds))
            info = info._replace(
                started_s=min(info.started_s, since_s),
                ended_s=max(info.ended_s, *seconds),
                lag_s=max(info.lag_s, max(seconds) - since_s),
            )
        self.info = info._replace(last=self.seq, total=self.total, size=self.file.size, open=True)
        return written

    def close(self) -> None:
        self.file.close()
        self.sealer.close()


class StreamWriter:
    """The writer of one stream. For one thread."""

    def __init__(
        self,
        start: StreamStart,
        directory: Path,
        *,
        disk: Disk,
        clock: Clock,
        keys: SealingKeys,
        catalog: Catalog,
        rotation: Rotation,
        snapshot: Callable[[], dict[str, msgspec.Raw | None]] | None = None,
    ) -> None:
        """`snapshot` gives the LOCAL state a new segment begins with; None for a stream without LOCAL."""
        self.stream, self.run, self.seq, self.total = start.stream, start.run, 0, 0
        self.refused: Counter[str] = Counter()
        self.poisoned = 0
        self._directory, self._disk, self._clock, self._keys = directory, disk, clock, keys
        self._previous, self._number, self._catalog = start.previous, start.segment, catalog
        self._rotation, self._snapshot = rotation, snapshot
        self._squeeze = Squeezer()
        self._segment: _Segment | None = None
        self._committed = float("-inf")

    def commit(
        self, items: deque[Item], local: dict[str, msgspec.Raw | None], trust: Trust, began: float | None = None
    ) -> Durable:
        """Seal `items` and `local` and make them durable; items that are durable have left `items`. `began`: when the
        first of them was taken in, by the monotonic clock; None for now.

        Raises StorageError; what is still in `items` is not durable and may be given again.
        """
        first, before, written = self.seq + 1, self.total, 0
        now = self._clock.monotonic()
        slow, self._committed = now - self._committed >= SLOW_S, now
        since_s = int(self._clock.now() - max(0.0, now - began)) if began is not None else _NO_TIME
        while True:
            segment = self._current(trust)
            try:
                done = self._fill(segment, items, local)
                if segment.waiting:
                    written += segment.sync(slow, since_s)
            except BaseException:  # whatever it was, what is staged is not to be built upon
                self.poisoned += 1
                self._retire()
                raise
            self.seq, self.total = segment.seq, segment.total
            self._catalog.put(segment.info)
            self._catalog.digests[self.stream, self.run] = segment.digest
            for _ in range(done):
                items.popleft()
            if not items:
                return Durable(self.stream, self.run, first, self.seq, self.total - before, written)
            self._retire()  # it is full: the rest goes into the next one

    def close(self) -> None:
        """Close the open segment for ever and drop its keys."""
        self._retire()

    def _current(self, trust: Trust) -> _Segment:
        """Return the open segment, or a new one when it is too old, has named many subjects, or is sealed under another
        TRUST."""
        segment, now = self._segment, self._clock.monotonic()
        if segment is not None and (
            segment.trust != trust.version or now - segment.born >= self._rotation.segment_s or segment.numbering.full
        ):
            self._retire()
        if self._segment is None:
            self._segment = self._create(trust, now)
        return self._segment

    def _create(self, trust: Trust, now: float) -> _Segment:
        name = SegmentName(self._number, self.run, self.seq + 1)
        self._number += 1  # even when this fails: the name may be in the directory
        commit_s = self._commit_s()
        start = EpochStart(self.run, self.stream, name.number, name.first, self.total, commit_s, self._previous)
        sealer = Sealer(self._keys, trust, start)
        path = self._directory / str(name)
        info = SegmentInfo(
            path,
            self.stream,
            name.number,
            self.run,
            name.first,
            self.seq,
            self.total,
            self.total,
            0,
            commit_s,
            ended_s=commit_s,
        )
        segment = _Segment(SegmentFile(self._disk, path), sealer, info, now, trust.version)
        segment.file.stage(sealer.epoch)
        segment.told.append(sealer.epoch)
        if self._snapshot is not None:
            parts = _split({key: raw for key, raw in self._snapshot().items() if raw is not None})
            for at, part in enumerate(parts, 1):
                segment.lay(framing.LOCAL, self._squeeze(encode_local(part, at, len(parts))), commit_s)
        return segment

    def _fill(self, segment: _Segment, items: deque[Item], local: dict[str, msgspec.Raw | None]) -> int:
        """Queue all items and `local`, or none of them where the segment has no room: readings and the counters of
        their frames become durable together or not at all. A new segment takes them whatever it is to hold, unless they
        pass COMMIT_MOST. Returns how many items were queued."""
        fresh = segment.file.size == 0
        most = COMMIT_MOST if fresh else self._rotation.segment_bytes
        commit_s = self._commit_s()
        segment.repeat_context()
        for at in range(len(items)):
            encoded = self._encode(segment.numbering, items, at)
            if encoded is None:
                continue
            kind, body, readings = encoded
            tables = self._tables(segment.numbering) if kind == framing.BLOCK else []
            size = sum(map(sealed_size, (*tables, body)))
            if segment.size + size > most and not (fresh and at == 0):
                if not fresh:
                    segment.lift()
                    return 0
                return at
            for table in tables:
                segment.lay(framing.TABLE, table, commit_s)
            segment.lay(kind, body, commit_s, readings)
        if local and not fresh:  # a fresh one began with the snapshot, which holds these
            for part in _split(local):
                segment.lay(framing.LOCAL, self._squeeze(encode_local(part)), commit_s)
        return len(items)

    def _encode(self, numbering: Numbering, items: deque[Item], at: int) -> tuple[int, bytes, int] | None:
        """Return kind, body and reading count of one item; None when none of its rows can be stored."""
        item = items[at]
        if isinstance(item, Gap):
            return framing.GAP, self._squeeze(encode_gap(item)), 0
        if isinstance(item, ClockMark):
            return framing.CLOCK, self._squeeze(encode_clock(item)), 0
        if not item:
            return None
        boot = b"" if item[0].sure else self._clock.boot
        try:
            bodies = forms(item, numbering, boot)
        except Refused:
            item = items[at] = self._sift(item, numbering, boot)
            if not item:
                return None
            bodies = forms(item, numbering, boot)
        shortest = min(map(self._squeeze, bodies), key=len)
        return framing.BLOCK, shortest, sum([len(row.values) for row in item])

    def _sift(self, rows: list[Row], numbering: Numbering, boot: bytes) -> list[Row]:
        """Return the rows that can be stored. One bad value must not cost its neighbours."""
        good = []
        for row in rows:
            try:
                forms([row], numbering, boot)
                good.append(row)
            except Refused as error:
                self.refused[error.reason] += 1
        return good

    def _tables(self, numbering: Numbering) -> list[bytes]:
        shapes, subjects = numbering.fresh()
        if not shapes and not subjects:
            return []
        bodies = [encode_table([shape], []) for shape in shapes[1:]]
        bodies += [encode_table(shapes[:1], subjects[:TOLD_PER_TABLE])]
        bodies += [
            encode_table([], subjects[at : at + TOLD_PER_TABLE])
            for at in range(TOLD_PER_TABLE, len(subjects), TOLD_PER_TABLE)
        ]
        return [self._squeeze(body) for body in bodies]

    def _retire(self) -> None:
        if self._segment is not None:
            self._segment.close()
            if self._segment.info.size:
                self._catalog.put(self._segment.info._replace(open=False))
            self._segment = None

    def _commit_s(self) -> int:
        return max(0, min(int(self._clock.now()), _NO_TIME))


def sealed_size(body: bytes) -> int:
    """Return the size in bytes of the record that is sealed from a body."""
    return len(body) + TAG_SIZE + framing.OVERHEAD


def _split(values: dict[str, msgspec.Raw | None]) -> list[dict[str, msgspec.Raw | None]]:
    """Split a state into parts that each fit a record. An empty state is one empty part, which is a snapshot too."""
    parts: list[dict[str, msgspec.Raw | None]] = [{}]
    size = 0
    for key, raw in values.items():
        size += len(key) + (len(raw) if raw is not None else 1)
        if size > LOCAL_PER_RECORD and parts[-1]:
            parts.append({})
            size = 0
        parts[-1][key] = raw
    return parts


def into_blocks(rows: list[Row]) -> list[Item]:
    """Cut rows into blocks: one time base each, at most MAX_READINGS readings or as much text."""
    if not rows:
        return []
    wordy = {shape for shape in {row[1] for row in rows} if any(column.kind == "text" for column in shape.columns)}
    unsure = [row for row in rows if not row[3]]
    sure = [row for row in rows if row[3]] if unsure else rows
    blocks: list[Item] = []
    for based in (unsure, sure):
        if not wordy and sum([len(row[4]) for row in based]) <= MAX_READINGS:
            blocks += [based] if based else []
            continue
        block: list[Row] = []
        room = MAX_READINGS
        for row in based:
            weight = len(row[4])
            if row[1] in wordy:
                weight += sum([len(value) for value in row[4] if isinstance(value, str)]) // TEXT_WEIGHT
            if weight > room and block:
                blocks.append(block)
                block, room = [], MAX_READINGS
            block.append(row)
            room -= weight
        if block:
            blocks.append(block)
    return blocks
