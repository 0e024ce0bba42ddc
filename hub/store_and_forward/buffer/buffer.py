"""The buffer: takes rows, reads back durable records, keeps acks and a small state.

`hub.store_and_forward.buffer.commits` says when a commit is made, `hub.store_and_forward.buffer.journal` what one is.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from hub.core.clock import Clock
from hub.core.errors import BufferFull, StorageError
from hub.core.small_state import packed
from hub.core.text import phrase
from hub.protocol.ranges import Ranges
from hub.protocol.records.bodies import ClockMark
from hub.protocol.records.rows import ALERTS, READINGS, STREAMS, Row
from hub.protocol.records.seal import AEADS, SealingKeys, Trust
from hub.store_and_forward.acked_ranges import ACK_KEY, encode_ranges, range_key
from hub.store_and_forward.buffer.batch import OWN, BufferConfig
from hub.store_and_forward.buffer.catalog import StreamState, unsettled
from hub.store_and_forward.buffer.commits import Commits
from hub.store_and_forward.buffer.disk import Disk, SystemDisk
from hub.store_and_forward.buffer.journal import Journal
from hub.store_and_forward.buffer.reader import Stored
from hub.store_and_forward.buffer.segment import SegmentInfo
from hub.store_and_forward.buffer.status import BufferStatus, measure
from hub.store_and_forward.buffer.stream import Durable

"""Bytes of msgpack one key of the small state may hold; bytes of UTF-8 in a key."""


class CommitGroup:
    """See `Buffer.together`. A group within another joins it. `rows` are held back until the outer one ends."""

    __slots__ = ("_commits", "depth", "rows")

    def __init__(self, commits: Commits) -> None:
        self._commits, self.depth = commits, 0
        self.rows: list[tuple[Row, str]] = []

    def __enter__(self) -> None:
        self.depth += 1

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        self.depth -= 1
        if self.depth or not self.rows:
            return
        rows, self.rows = self.rows, []
        if error is not None:  # half a group of readings must not reach the disk; each alert stands for itself
            rows = [item for item in rows if item[1] == ALERTS]
        if rows:
            self._commits.fill(rows)


class Buffer:
    """The sealed store-and-forward buffer. For the loop thread, except `read` and `streams`."""

    def __init__(self, journal: Journal, clock: Clock, config: BufferConfig) -> None:
        """Use `Buffer.open`."""
        self.run = journal.run
        self.local = journal.local
        self.acks = journal.acked.current
        self._journal, self._clock, self._config = journal, clock, config
        self._commits = Commits(journal, clock, config)
        self._bound = config.pending_rows * 5 // 4  # rows; a quarter for those who did not wait for room
        self._group = CommitGroup(self._commits)

    @classmethod
    def open(
        cls,
        directory: Path,
        *,
        keys: SealingKeys,
        trust: Trust,
        clock: Clock,
        config: BufferConfig | None = None,
        disk: Disk | None = None,
    ) -> Buffer:
        """Recover the buffer in `directory` for a new run. Blocking: call it in a thread.

        Raises StorageError when the directory cannot be used.
        """
        if len(keys.store_key) != 32:
            raise ValueError("the store key is 32 bytes")
        if keys.aead not in AEADS:
            raise ValueError(f"unknown cipher {keys.aead!r}")
        config = config or BufferConfig()
        journal = Journal(
            directory, disk=disk or SystemDisk(), clock=clock, keys=keys, run=os.urandom(16), trust=trust, config=config
        )
        return cls(journal, clock, config)

    def start(self, loop: asyncio.AbstractEventLoop, listeners: Iterable[Callable[[Durable], None]] = ()) -> None:
        """Start the writer thread. Each of `listeners` is called on `loop` for every commit that made records durable,
        in the order of the commits; what one raises is logged and hurts nobody else."""
        self._commits.start(loop, listeners)

    # -- in -----------------------------------------------------------------------------------------------------

    @property
    def window_s(self) -> float:
        """Longest time in seconds that a reading waits for its commit."""
        return self._config.window_s

    def append(self, row: Row, stream: str = READINGS, *, deferrable: bool = False) -> None:
        """Take one row. O(1), never waits; await `room()` before. An alert is committed within `urgent_s`.
        `deferrable`: a row of the alerts stream that a metered line may hold back (`Durable.deferrable`).

        Raises BufferFull when a quarter more than `pending_rows` wait for the disk: the row is not taken.
        """
        if deferrable:
            self._journal.mark_deferrable(row)  # before anybody can commit it
        commits = self._commits
        if commits.waiting >= self._bound:
            self._journal.unmark(row)
            pending = self._config.pending_rows
            raise BufferFull(
                phrase(
                    "buffer-waits-for-disk",
                    "{count} [row waits|rows wait] for the disk: {reason}",
                    count=pending,
                    reason=commits.error or phrase("disk-is-slow", "it is slow"),
                )
            )
        if stream not in STREAMS:
            raise ValueError(f"no stream {stream!r}")
        if self._group.depth:
            self._group.rows.append((row, stream))
        else:
            commits.fill(((row, stream),))

    def together(self) -> CommitGroup:
        """Group rows and small state into one commit: `with buffer.together():`. A kill leaves all of them or none.
        Await nothing within. When the block raises, its readings are not taken.

        A group may pass the limit of `append` by as much as is appended within.
        """
        return self._group

    @property
    def full(self) -> bool:
        """True when `room()` would wait."""
        return self._commits.full

    async def room(self) -> None:
        """Wait until fewer than `pending_rows` wait for the disk."""
        await self._commits.room()

    async def flush(self) -> None:
        """Return when every row appended so far is durable; joins a commit within `urgent_s`.

        Raises StorageError when an attempt fails. The rows stay, and are tried again.
        """
        await self._commits.flush(self._config.urgent_s)

    def put_local(self, key: str, value: Any) -> None:
        """Write a small value with the next commit (msgpack-able, at most 64 KiB; None removes it). A key has at most 1
        KiB.

        Raises ValueError or TypeError for a value that cannot be written: in a commit it would block that one and all
        behind it.
        """
        if key.startswith(OWN):
            raise ValueError("keys under buffer/ are the buffer's own")
        raw = packed(key, value)  # before anybody sees what cannot be kept
        if value is None:
            self.local.pop(key, None)
        else:
            self.local[key] = value
        self._commits.put(key, raw)

    def acked(self, stream: str, run: bytes, ranges: list[tuple[int, int]]) -> None:
        """Add ranges that the backend has committed. Numbers that were never durable here are ignored.

        A closed segment that is wholly acked is settled once the set is durable itself; it stays `keep_s` longer.
        """
        end = self._journal.catalog.last(stream, run)
        for first, last in ranges:
            if not 0 < first <= last:
                raise ValueError(f"{first}…{last} is no range of record numbers")
        known = [(first, min(last, end)) for first, last in ranges if first <= end]
        if known:
            self.acks.add_all(stream, run, known)
        if end:
            self._commits.put(range_key(ACK_KEY, stream, run), encode_ranges(self.acks.of(stream, run)))

    def unacked(self, stream: str, run: bytes, ranges: list[tuple[int, int]]) -> None:
        """Owe records again that the backend lost, as far as they are still on disk."""
        held = [info for info in self._journal.catalog.of(stream) if info.run == run]
        wanted = Ranges()
        wanted.add_all(ranges)
        owed = [part for info in held for part in wanted.inside(info.first, info.last)]
        self.acks.of(stream, run).discard_all(owed)
        self._journal.unacked(stream, run, owed)
        if held:
            self._commits.put(range_key(ACK_KEY, stream, run), encode_ranges(self.acks.of(stream, run)))

    def forget_acks(self) -> None:
        """Owe every record on disk again: the backend's database is new."""
        for stream, run in {*self.acks, *self._journal.acked.durable}:
            self._commits.put(range_key(ACK_KEY, stream, run), None)
        self.acks.clear()
        self._journal.forget_acks()

    def clock_became_sure(self, wall_minus_monotonic_ms: int, error_ms: int, source: str) -> None:
        """Write a CLOCK record: from now on monotonic times of this boot can be converted to UTC."""
        self._commits.mark(ClockMark(self._clock.boot, wall_minus_monotonic_ms, error_ms, source))

    def update_trust(self, trust: Trust) -> None:
        """Seal to the recipients of a new TRUST from the next commit on."""
        self._journal.trust = trust

    async def close(self) -> None:
        """Flush, stop the thread, drop the keys. Raises StorageError when rows were left in memory."""
        await self._commits.close()

    # -- back ---------------------------------------------------------------------------------------------------

    def streams(self) -> list[StreamState]:
        """Return the state of each (stream, run) on disk, oldest first. Thread-safe."""
        return self._journal.catalog.states()

    def closed(self) -> list[tuple[SegmentInfo, bool]]:
        """The closed segments, and whether something in each is neither acked nor declared lost."""
        lost = self._journal.lost
        return [(i, bool(unsettled(i, self.acks, lost))) for i in self._journal.catalog.all() if not i.open]

    def read(self, stream: str, run: bytes, first: int, last: int, max_bytes: int) -> list[Stored]:
        """The durable records `first` … `last`, at most `max_bytes` of them but at least one. Blocking, thread-safe.

        The EPOCH and TABLE records they need come before them (seq 0, not counted in `max_bytes`). Damaged records
        are left out and declared in a GAP. Raises StorageError.
        """
        try:
            return self._journal.reader.read(stream, run, first, last, max_bytes)
        except OSError as error:
            raise StorageError(f"{stream}: {error.strerror or error}") from error

    def status(self) -> BufferStatus:
        """Return figures of the buffer; cheap enough for every page view."""
        commits = self._commits
        return measure(
            self._journal,
            self.acks,
            pending=commits.waiting,
            bound=self._config.pending_rows,
            error=commits.error,
            last_commit_s=commits.last_s,
        )
