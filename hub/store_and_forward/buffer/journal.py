"""The journal: both streams, the small state and the disk policy. Defines the steps of one commit and their order.

    alerts     GAP records and alert blocks: first, because a GAP must be durable before what it declares goes
    readings   blocks and CLOCK records, LOCAL in the same write and sync
    sweep      closed segments that are settled, as the *durable* LOCAL says, are unlinked once kept long enough

When the directory would pass its cap, or the disk is full, segments go in the order of
`hub.store_and_forward.buffer.retention`; what is not settled goes after its GAP is durable in `alerts`.
Synchronous, for one thread; `hub.store_and_forward.buffer.buffer` gives it that thread.
"""

from __future__ import annotations

import contextlib
import errno
import math
import os
import threading
from collections import Counter, deque
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec

from hub.core.clock import Clock
from hub.core.errors import DiskRefuses, StorageError
from hub.core.text import phrase, system_error
from hub.protocol.ranges import Range, Ranges
from hub.protocol.records.bodies import EVICTED, Gap
from hub.protocol.records.rows import ALERTS, READINGS, STREAMS, Row
from hub.protocol.records.seal import SealingKeys, Trust
from hub.store_and_forward.acked_ranges import (
    ACK_KEY,
    LOST_KEY,
    AckedRanges,
    Key,
    RunRanges,
    encode_ranges,
    range_key,
    restore_ranges,
)
from hub.store_and_forward.buffer.batch import Batch, BufferConfig, Local, overtaking
from hub.store_and_forward.buffer.catalog import Catalog, unsettled
from hub.store_and_forward.buffer.disk import Disk
from hub.store_and_forward.buffer.local_state import read_local
from hub.store_and_forward.buffer.manifest import Manifest
from hub.store_and_forward.buffer.reader import SegmentReader, without_reading
from hub.store_and_forward.buffer.recovery import recover
from hub.store_and_forward.buffer.reserve import Ballast
from hub.store_and_forward.buffer.retention import Retention
from hub.store_and_forward.buffer.segment import SegmentInfo
from hub.store_and_forward.buffer.stream import Durable, Item, Rotation, StreamStart, StreamWriter, into_blocks

_BYTES_A_READING = 8  # a generous guess, before anything is encoded
SPARE_BYTES = 64 << 20
"""With less than this free on the disk, settled segments are unlinked early."""


class Journal:
    """The sealed log of one process: opening it recovers, `commit` appends, `reader` reads back."""

    def __init__(
        self,
        directory: Path,
        *,
        disk: Disk,
        clock: Clock,
        keys: SealingKeys,
        run: bytes,
        trust: Trust,
        config: BufferConfig,
    ) -> None:
        """Recover, blocking. Raises DiskRefuses when the disk refuses, StorageError when the directory cannot be
        used."""
        self._wake: Callable[[], None] = lambda: None
        self.trust, self.run = trust, run
        self.catalog = Catalog()
        self.acked = AckedRanges()
        self.lost = RunRanges()  # declared by GAP records that are durable
        self.retention = Retention(
            self.catalog, self.acked.durable, self.lost, config=config, monotonic=clock.monotonic
        )
        self._manifest = Manifest(self.catalog)
        self.errors: list[str] = []
        self.cut = 0  # bytes of torn tail
        self.evicted = 0  # segments with something unsettled in them
        self.losses: Counter[str] = Counter()  # declared gaps that hold readings, by reason
        self.local: dict[str, Any] = {}
        self.writers: dict[str, StreamWriter] = {}
        self._disk, self._config = disk, config
        self._lock = threading.Lock()
        self._gaps: deque[Gap] = deque()
        self._urgent: deque[tuple[list[Item], Local, float | None]] = deque()
        self._full = False  # the last commit found no room
        self._declared: dict[Key, Ranges] = {}
        self._durable: Local = {}
        self._committing: Local = {}
        self._pending: Local = {}
        self._done: list[Durable] = []  # since the last commit that went through
        self._deferrable: dict[int, Row] = {}  # by identity: rows of alerts that may wait, until they are durable
        self._directory = directory
        self._ballast = Ballast(disk, directory / "ballast")
        try:
            self._recover(directory, clock, keys)
        except OSError as error:
            kind = DiskRefuses if error.errno in (errno.EIO, errno.ENOSPC, errno.EDQUOT) else StorageError
            raise kind(f"{directory}: {error.strerror or error}") from error
        self._ballast.load()
        self.reader = SegmentReader(disk, self.catalog, self.declare)

    def _recover(self, directory: Path, clock: Clock, keys: SealingKeys) -> None:
        public = keys.identity.public_key().public_bytes_raw()
        aside: list[SegmentInfo] = []  # is there, and is not delivered by this process
        window_s = math.ceil(self._config.window_s)
        for stream in STREAMS:
            found = recover(self._disk, stream, directory / stream, public, int(clock.now()))
            aside += found.aside
            for info in found.segments:  # when their readings were taken in, no file tells
                self.catalog.put(info._replace(started_s=max(0, info.started_s - window_s), lag_s=window_s))
            self.errors += found.errors
            self.cut += found.cut
            if found.previous.seq:
                self.catalog.digests[stream, found.previous.run] = found.previous.digest
            self.writers[stream] = StreamWriter(
                StreamStart(stream, self.run, found.previous, found.next_number),
                directory / stream,
                disk=self._disk,
                clock=clock,
                keys=keys,
                catalog=self.catalog,
                rotation=Rotation(self._config.segment_bytes, self._config.segment_s),
                snapshot=self._snapshot if stream == READINGS else None,
            )
        told = *self.catalog.of(READINGS), *(info for info in aside if info.stream == READINGS)
        state, unread = read_local(self._disk, told, public, keys.store_key)
        if unread:
            self.errors.append(
                phrase(
                    "own-state-unreadable",
                    "{count} [record|records] of the hub's own state could not be read",
                    count=unread,
                )
            )
        for key, value in state.items():
            if not (
                self.acked.restore(key, value)
                or restore_ranges(key, LOST_KEY, value, self.lost)
                or self.retention.restore(key, value)
                or self._manifest.restore(key, value)
            ):
                self.local[key] = value
        self._durable = {key: msgspec.Raw(msgspec.msgpack.encode(value)) for key, value in state.items()}
        for gap in self._manifest.check(aside):
            self.declare(gap)
        self._pending = self._manifest.changes()

    def on_gap(self, wake: Callable[[], None]) -> None:
        """Call `wake` from now on, from any thread, whenever a GAP waits to be committed."""
        self._wake = wake

    @property
    def has_urgent_rows(self) -> bool:
        """True when a GAP, or rows that overtook their batch, wait to be committed."""
        return bool(self._gaps or self._urgent)

    def commit(self, batch: Batch) -> list[Durable]:
        """Make all of `batch` durable. Returns what became durable since the last call that returned.

        Raises StorageError; the batch then keeps what is not durable, for another try.
        """
        items = batch.items()
        while self._urgent:
            alerts, local, began = self._urgent.popleft()
            items[ALERTS].extend(alerts)
            batch.local |= local
            batch.began = began if batch.began is None else batch.began  # which is the earlier one
        if self._gaps or items[ALERTS]:
            self._commit_alerts(items[ALERTS], batch.began)
        need = batch.readings * _BYTES_A_READING
        if self._full or self._would_give_up(need):  # ack sets first: what they cover makes room, and is no loss
            acks, batch.local = overtaking(batch.local)
            if acks:
                self._commit_local(acks, batch)
                self._sweep()
        self._make_room(need)
        if items[READINGS] and not self._ballast.leaves(need):
            raise StorageError(phrase("buffer-no-space", "no space left for readings")) from OSError(
                errno.ENOSPC, os.strerror(errno.ENOSPC)
            )
        if items[READINGS] or batch.local:
            self._commit_readings(items[READINGS], batch)
        self._full = False
        self._sweep()
        self._ballast.load()
        return self.made()

    def made(self) -> list[Durable]:
        """Return what became durable since the last call, also by a commit that failed after that."""
        done, self._done = self._done, []
        return done

    def mark_deferrable(self, row: Row) -> None:
        """Mark a row of the alerts stream that may wait on its way. A commit of such rows alone is
        `Durable.deferrable`. Thread-safe."""
        self._deferrable[id(row)] = row

    def unmark(self, row: Row) -> None:
        """Remove the mark of a row that will not be committed. Thread-safe."""
        self._deferrable.pop(id(row), None)

    def commit_urgently(self, alerts: list[Row], local: Local, began: float | None) -> None:
        """Write these rows and state with the next try of the batch in hand, before its readings. `began`: when their
        own batch began (monotonic seconds). Thread-safe."""
        self._urgent.append((into_blocks(alerts), local, began))

    def _snapshot(self) -> Local:
        return self._durable | self._committing

    def _commit_local(self, local: Local, batch: Batch) -> None:
        """Commit this small state of a batch alone, before the part that belongs to its readings."""
        rest, batch.local = batch.local, local
        try:
            self._commit_readings(deque(), batch)
        finally:
            batch.local = batch.local | rest

    def _commit_readings(self, items: deque[Item], batch: Batch) -> None:
        batch.local = batch.local | self._pending  # which is newer than what an attempt that failed had left there
        self._pending = {}
        self._committing = batch.local
        self._done.append(self.writers[READINGS].commit(items, batch.local, self.trust, batch.began))
        self._settle(batch.local)
        batch.local = self._committing = {}

    def _commit_alerts(self, items: deque[Item], began: float | None = None) -> None:
        gaps = [self._gaps.popleft() for _ in range(len(self._gaps))]
        items.extendleft(reversed(gaps))
        gaps = [item for item in items if isinstance(item, Gap)]  # with those of an earlier try
        rows = [id(row) for item in items if isinstance(item, list) for row in item]
        deferrable = not gaps and all(row in self._deferrable for row in rows)
        try:
            self._done.append(self.writers[ALERTS].commit(items, {}, self.trust, began)._replace(deferrable=deferrable))
            for row in rows:
                self._deferrable.pop(row, None)
        finally:
            for gap in gaps:
                if gap not in items:
                    self._lose(gap)

    def _lose(self, gap: Gap) -> None:
        """Settle the numbers that a GAP declares: it is durable."""
        with self._lock:
            self.lost.add(gap.stream, gap.run, gap.first, gap.last)
            ranges = self.lost.of(gap.stream, gap.run)
        if gap.readings:  # else the numbers held the clock alone
            self.losses[gap.reason] += 1
        self._pending[range_key(LOST_KEY, gap.stream, gap.run)] = encode_ranges(ranges)
        self.retention.stale = True

    def _settle(self, local: Local) -> None:
        """Apply changes of the small state that became durable."""
        for key, raw in local.items():
            if key.startswith(ACK_KEY):
                with self._lock:
                    self._replace_acks(key, raw)
            if raw is None:
                self._durable.pop(key, None)
            else:
                self._durable[key] = raw

    def _replace_acks(self, key: str, raw: msgspec.Raw | None) -> None:
        """Replace the whole ack set of one (stream, run). It is no addition: with a new database the old acks are void,
        and must not help to unlink a segment that the new one lacks."""
        stream, _, run = key.removeprefix(ACK_KEY).partition("/")
        self.acked.durable.forget(stream, bytes.fromhex(run))
        if raw is not None:
            restore_ranges(key, ACK_KEY, msgspec.msgpack.decode(raw), self.acked.durable)
        self.retention.stale = True

    def unacked(self, stream: str, run: bytes, ranges: list[Range]) -> None:
        """Hold the segments of these numbers again, at once: the backend lost them. Thread-safe."""
        with self._lock:
            self.acked.durable.of(stream, run).discard_all(ranges)
        self.retention.stale = True

    def forget_acks(self) -> None:
        """Hold every segment again, at once: the backend's database is new. Thread-safe."""
        with self._lock:
            self.acked.durable.clear()
        self.retention.stale = True

    def declare(self, gap: Gap) -> None:
        """Queue a GAP for the part of `gap` that is neither acked nor declared yet. Thread-safe."""
        with self._lock:
            declared = self._declared.setdefault((gap.stream, gap.run), Ranges())
            open_ = self.acked.durable.of(gap.stream, gap.run).missing(gap.first, gap.last)
            lost = self.lost.of(gap.stream, gap.run)
            pieces = [
                piece
                for first, last in open_
                for start, end in lost.missing(first, last)
                for piece in declared.missing(start, end)
            ]
            for first, last in pieces:
                declared.add(first, last)
                share = _share(gap, last) - _share(gap, first - 1)
                self._gaps.append(msgspec.structs.replace(gap, first=first, last=last, readings=share))
        if pieces:
            self._wake()

    def evict_oldest(self, *, unsent: bool) -> bool:
        """Unlink the segment that goes first, on a full disk; one with unsettled records only where `unsent`. Returns
        whether anything was freed."""
        self._full = True
        self._ballast.drop()  # it makes room for the GAP
        info = self.retention.next_evictable(full=True) if unsent else self.retention.next_settled()
        try:
            return self._evict(info)
        except StorageError:
            return False

    def _would_give_up(self, need: int) -> bool:
        info = self.retention.next_evictable(full=False) if self.retention.exceeds_cap(need) else None
        return info is not None and bool(unsettled(info, self.acked.durable, self.lost))

    def _make_room(self, need: int) -> None:
        while self.retention.exceeds_cap(need) and self._evict(self.retention.next_evictable(full=False)):
            pass
        while (info := self.retention.next_settled()) and self._scarce():
            self._evict(info)

    def _scarce(self) -> bool:
        try:
            return self._disk.free(self._directory) < SPARE_BYTES
        except OSError:
            return False

    def _evict(self, info: SegmentInfo | None) -> bool:
        """Unlink a closed segment, after its GAP is durable where it needs one. Returns False when there is none."""
        if info is None:
            return False
        pieces = unsettled(info, self.acked.durable, self.lost)
        if pieces:
            self._commit_alerts(deque(self._given_up(info, first, last) for first, last in pieces))
            self.evicted += 1
        self._unlink([info])
        return True

    def _given_up(self, info: SegmentInfo, first: int, last: int) -> Gap:
        """Return the GAP for `first` … `last` of a segment. A whole segment of this process is declared without reading
        it."""
        if info.run == self.run and (first, last) == (info.first, info.last):
            return without_reading(info, EVICTED, first, last)
        return self.reader.gap(info, first, last, EVICTED)

    def _sweep(self) -> None:
        """Unlink closed segments that stayed long enough after they were settled."""
        self._pending |= self.retention.changes() | self._manifest.changes()
        if gone := self.retention.expired():
            self._unlink(gone)

    def _unlink(self, gone: list[SegmentInfo]) -> None:
        for info in gone:
            self.catalog.drop(info)  # first, or a reader would take it for damage
            key = self.retention.forget(info)
            if key is not None:
                self._pending[key] = None
            try:
                self._disk.unlink(info.path)
            except OSError as error:
                self.errors.append(
                    phrase("fault-in-file", "{file}: {reason}", file=info.path.name, reason=system_error(error))
                )
        for directory in {info.path.parent for info in gone}:
            with contextlib.suppress(OSError):  # a name that comes back is acked, or declared: swept at next start
                self._disk.sync_directory(directory)
        for stream, run in {(info.stream, info.run) for info in gone}:
            if run != self.run and run not in self.catalog.runs(stream):
                self._forget(stream, run)
        self._pending |= self._manifest.changes()  # with the ack sets that were forgotten

    def _forget(self, stream: str, run: bytes) -> None:
        with self._lock:
            self.acked.durable.forget(stream, run)
            self.lost.forget(stream, run)
            self._declared.pop((stream, run), None)
        for prefix in (ACK_KEY, LOST_KEY):
            key = range_key(prefix, stream, run)
            if key in self._durable or key in self._pending:
                self._pending[key] = None

    def close(self) -> None:
        """Close the open segments for ever and drop their keys."""
        for writer in self.writers.values():
            writer.close()


def _share(gap: Gap, up_to: int) -> int:
    """Return how many of the gap's readings its numbers up to this one hold, as if they had come evenly."""
    return gap.readings * (up_to - gap.first + 1) // (gap.last - gap.first + 1)
