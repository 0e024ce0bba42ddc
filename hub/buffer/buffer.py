"""The buffer as the hub sees it: rows in on the event loop, one writer thread, futures resolved when durable.

All counting, cutting of batches and waking happens on the loop thread; the writer thread only ever sees a batch that
was cut, one at a time, and keeps it until it is durable. So nothing here needs a lock. Two in flight were tried: no
faster, and they group less.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import logging
import os
import threading
from collections.abc import Callable
from pathlib import Path
from queue import SimpleQueue
from typing import Any

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from hub.backoff import Backoff
from hub.buffer.ackset import ACK_KEY, AckSet, encode_ranges, range_key
from hub.buffer.batch import Batch, BufferConfig
from hub.buffer.bodies import ClockMark
from hub.buffer.catalog import StreamState, unsettled
from hub.buffer.disk import Disk, SystemDisk
from hub.buffer.journal import Journal
from hub.buffer.reader import Stored
from hub.buffer.rows import ALERTS, READINGS, Row
from hub.buffer.seal import AEADS, Trust, default_aead
from hub.buffer.segment import SegmentInfo
from hub.buffer.status import BufferStatus, measure
from hub.buffer.stream import Durable, Keys
from hub.clock import Clock
from hub.errors import BufferFull, HubError, StorageError

log = logging.getLogger(__name__)

MAX_LOCAL = 1 << 16
"""Bytes of msgpack one key of the small state may hold."""

_BYTES_A_READING = 3


class Buffer:
    """The sealed store-and-forward buffer. All but `read` and `streams` are for the loop thread."""

    def __init__(self, journal: Journal, clock: Clock, config: BufferConfig) -> None:
        """Use `Buffer.open`."""
        self.run = journal.run
        self.local = journal.local
        self.acks = AckSet()
        self.on_durable: Callable[[Durable], None] | None = None
        self._journal, self._clock, self._config = journal, clock, config
        journal.wake = self._declared
        for stream, run in journal.acks:
            for first, last in journal.acks.of(stream, run):
                self.acks.add(stream, run, first, last)
        self._batch = Batch()
        self._waiters: list[asyncio.Future[None]] = []  # of the batch being filled
        self._flying: Batch | None = None
        self._flying_waiters: list[asyncio.Future[None]] = []
        self._room: list[asyncio.Future[None]] = []
        self._loop: asyncio.AbstractEventLoop | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._due = 0.0  # loop time at which the timer rings
        self._queue: SimpleQueue[Batch | None] = SimpleQueue()
        self._thread: threading.Thread | None = None
        self._bound = config.pending_rows * 5 // 4
        self._closing = threading.Event()
        self._hurry = threading.Event()
        self._late = False  # a batch is due and waits for the writer
        self._error = ""
        self._last_commit_s = 0.0

    @classmethod
    def open(
        cls,
        directory: Path,
        *,
        hub: str,
        identity: Ed25519PrivateKey,
        store_key: bytes,
        trust: Trust,
        clock: Clock,
        config: BufferConfig | None = None,
        aead: str | None = None,
        disk: Disk | None = None,
    ) -> Buffer:
        """Recover what is in `directory` and be ready for a new run. Blocking: call it in a thread.

        `store_key` is 32 bytes. `aead` is "aes-256-gcm", "chacha20-poly1305" or None for what suits the processor.
        Raises StorageError when the directory cannot be used.
        """
        if len(store_key) != 32:
            raise ValueError("the store key is 32 bytes")
        if aead is not None and aead not in AEADS:
            raise ValueError(f"unknown cipher {aead!r}")
        config = config or BufferConfig()
        keys = Keys(hub, identity, store_key, aead or default_aead())
        journal = Journal(
            directory, disk=disk or SystemDisk(), clock=clock, keys=keys, run=os.urandom(16), trust=trust, config=config
        )
        return cls(journal, clock, config)

    def start(self, loop: asyncio.AbstractEventLoop) -> None:
        """Start the writer thread."""
        self._loop = loop
        self._thread = threading.Thread(target=self._write, name="buffer-writer", daemon=True)
        self._thread.start()
        if self._journal.pressing:  # recovery found something missing
            self._ring(self._config.urgent_s)

    # -- in -----------------------------------------------------------------------------------------------------

    def append(self, row: Row, stream: str = READINGS) -> None:
        """Take one row. O(1), never waits; await `room()` before. An alert commits within `urgent_s`.

        Raises BufferFull when a quarter more than `pending_rows` wait for the disk: the row is not taken.
        """
        batch = self._batch
        if self._waiting() >= self._bound:
            raise BufferFull(f"{self._config.pending_rows} rows wait for the disk: {self._error or 'it is slow'}")
        if stream == READINGS:
            if not batch.rows:
                self._ring(self._config.window_s)
            batch.rows.append(row)
            batch.readings += len(row[4])
            if batch.readings * _BYTES_A_READING >= self._config.window_bytes:
                self._cut()
        elif stream == ALERTS:
            batch.alerts.append(row)
            self._ring(self._config.urgent_s)
        else:
            raise ValueError(f"no stream {stream!r}")

    @property
    def full(self) -> bool:
        """Whether `room()` would wait."""
        return self._waiting() >= self._config.pending_rows

    async def room(self) -> None:
        """Wait until fewer than `pending_rows` wait for the disk."""
        while self._waiting() >= self._config.pending_rows:
            future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._room.append(future)
            self._cut()
            await future

    async def flush(self) -> None:
        """Return when every row appended so far is durable; joins a commit within `urgent_s`.

        Raises StorageError when an attempt fails. The rows stay, and are tried again.
        """
        if self._loop is None:
            raise StorageError("the buffer was not started")
        filling = bool(self._batch) or self._journal.pressing
        if not filling and self._flying is None:
            return
        future: asyncio.Future[None] = self._loop.create_future()
        if filling:
            self._waiters.append(future)
            self._ring(self._config.urgent_s)
        else:
            self._flying_waiters.append(future)
        await future

    def put_local(self, key: str, value: Any) -> None:
        """Keep a small value (msgpack-able, at most 64 KiB; None removes it) with the next commit.

        Raises ValueError or TypeError for what cannot be kept.
        """
        if key.startswith("buffer/"):
            raise ValueError("keys under buffer/ are the buffer's own")
        if value is None:
            self.local.pop(key, None)
        else:
            self.local[key] = value
        self._put(key, None if value is None else _packed(key, value))

    def acked(self, stream: str, run: bytes, ranges: list[tuple[int, int]]) -> None:
        """Merge what the backend has committed. Numbers never made durable here are ignored.

        Wholly acked closed segments are settled once the set is durable itself; they stay `keep_s` longer.
        """
        end = self._journal.catalog.last(stream, run)
        for first, last in ranges:
            if not 0 < first <= last:
                raise ValueError(f"{first}…{last} is no range of record numbers")
            if first <= end:
                self.acks.add(stream, run, first, min(last, end))
        if end:
            self._put(range_key(ACK_KEY, stream, run), encode_ranges(self.acks.of(stream, run)))

    def unacked(self, stream: str, run: bytes, ranges: list[tuple[int, int]]) -> None:
        """The backend lost what it had committed: what of it is still on disk is owed again."""
        held = [info for info in self._journal.catalog.of(stream) if info.run == run]
        for first, last in ranges:
            for info in held:
                low, high = max(first, info.first), min(last, info.last)
                if low <= high:
                    self.acks.of(stream, run).discard(low, high)
                    self._journal.unacked(stream, run, low, high)
        if held:
            self._put(range_key(ACK_KEY, stream, run), encode_ranges(self.acks.of(stream, run)))

    def forget_acks(self) -> None:
        """The backend's database is new: nothing on disk counts as acked any more."""
        for stream, run in self.acks:
            self._put(range_key(ACK_KEY, stream, run), None)
            self._journal.unacked(stream, run, 1, self.acks.of(stream, run).last())
        self.acks = AckSet()

    def clock_became_sure(self, wall_minus_monotonic_ms: int, error_ms: int, source: str) -> None:
        """Date this boot: from now on its monotonic times can be told in UTC."""
        self._batch.marks.append(ClockMark(self._clock.boot, wall_minus_monotonic_ms, error_ms, source))
        self._ring(self._config.window_s)

    def retrust(self, trust: Trust) -> None:
        """Seal to the recipients of a new TRUST from the next commit on."""
        self._journal.trust = trust

    async def close(self) -> None:
        """Flush, stop the thread, drop the keys. Raises StorageError when rows were left in memory."""
        if self._thread is None:
            self._journal.close()
            return
        self._closing.set()
        self._hurry.set()
        self._ring(0.0)
        try:
            await self.flush()
        finally:
            self._queue.put(None)
            await asyncio.to_thread(self._thread.join)
            self._thread = None
            if self._timer is not None:
                self._timer.cancel()
            self._journal.close()

    # -- back ---------------------------------------------------------------------------------------------------

    def streams(self) -> list[StreamState]:
        """What is durable, per (stream, run), oldest first."""
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
        return self._journal.read(stream, run, first, last, max_bytes)

    def status(self) -> BufferStatus:
        """How the buffer stands; cheap enough for every page view."""
        return measure(
            self._journal, self.acks, pending=self._waiting(), bound=self._config.pending_rows, error=self._error,
            last_commit_s=self._last_commit_s,
        )  # fmt: skip

    # -- the loop's side of a commit ------------------------------------------------------------------------------

    def _put(self, key: str, raw: msgspec.Raw | None) -> None:
        self._batch.local[key] = raw
        self._ring(self._config.idle_s)

    def _waiting(self) -> int:
        flying = self._flying
        return len(self._batch) + (0 if flying is None else len(flying))

    def _ring(self, delay: float) -> None:
        """Cut the batch in `delay` seconds at the latest."""
        if self._loop is None:
            return
        due = self._loop.time() + delay
        if self._timer is not None:
            if self._due <= due:
                return
            self._timer.cancel()
        self._due = due
        self._timer = self._loop.call_at(due, self._cut)

    def _cut(self) -> None:
        """Hand the batch to the writer, or right after the one it has."""
        if self._flying is not None:
            self._late = True
            return
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._late = False
        self._flying, self._batch = self._batch, Batch()
        self._flying_waiters, self._waiters = self._waiters, []
        self._queue.put(self._flying)

    def _landed(self, done: list[Durable]) -> None:
        if self._error:
            log.info("the buffer reaches the disk again")
        self._error = ""
        self._last_commit_s = self._clock.now()
        waiters, self._flying_waiters = self._flying_waiters, []
        self._flying = None
        self._free()
        self._announce(done)
        for future in waiters:
            if not future.done():
                future.set_result(None)
        if self._late or (self._timer is None and (self._batch or self._journal.pressing)):
            self._cut()

    def _announce(self, done: list[Durable]) -> None:
        if self.on_durable is None:
            return
        for durable in done:
            if durable.last < durable.first:
                continue  # small state only
            try:
                self.on_durable(durable)
            except Exception:
                log.exception("a listener to the buffer failed")

    def _missed(self, failure: tuple[Exception, list[Durable]]) -> None:
        """An attempt failed; the writer will try again by itself. Alerts and acks do not wait behind readings that do
        not fit: they join what is tried, where they come first."""
        error, done = failure
        self._announce(done)
        flying, behind = self._flying, self._batch
        if flying is not None and (behind.alerts or behind.local):
            self._journal.hurry(behind.alerts, behind.local)
            flying.alerts += behind.alerts
            behind.alerts, behind.local = [], {}
        if not self._error:
            log.error("the buffer does not reach the disk, rows are kept in memory: %s", error)
        self._error = str(error)
        waiters = self._flying_waiters + self._waiters
        self._flying_waiters, self._waiters = [], []
        for future in waiters:
            if not future.done():
                future.set_exception(StorageError(f"not durable: {error}; kept in memory and tried again"))

    def _free(self) -> None:
        if self._room and self._waiting() < self._config.pending_rows:
            waiters, self._room = self._room, []
            for future in waiters:
                if not future.done():
                    future.set_result(None)

    def _declared(self) -> None:
        """A GAP waits: from any thread."""
        if self._loop is not None:
            with contextlib.suppress(RuntimeError):  # the loop is closed: the next process declares it
                self._loop.call_soon_threadsafe(self._ring, self._config.urgent_s)

    # -- the writer thread ----------------------------------------------------------------------------------------

    def _write(self) -> None:
        while (batch := self._queue.get()) is not None:
            backoff = Backoff(self._config.retry_first_s, self._config.retry_limit_s)
            while not self._attempt(batch):
                if self._closing.is_set():
                    return
                self._hurry.wait(backoff.next())

    def _attempt(self, batch: Batch) -> bool:
        """One commit, and the tidings of it to the loop. False when it failed."""
        try:
            done = self._journal.commit(batch)
        except Exception as error:
            if not isinstance(error, HubError):
                log.exception("the buffer's writer failed")
            if _full(error):
                self._journal.relieve(unsent=self._waiting() * 2 >= self._config.pending_rows)
            self._tell(self._missed, (error, self._journal.made()))
            return False
        self._tell(self._landed, done)
        return True

    def _tell(self, what: Callable[[Any], None], about: object) -> None:
        if self._loop is not None:
            with contextlib.suppress(RuntimeError):  # the loop is closed: nobody listens any more
                self._loop.call_soon_threadsafe(what, about)


def _packed(key: str, value: Any) -> msgspec.Raw:
    raw = msgspec.msgpack.encode(value)
    if len(raw) > MAX_LOCAL:
        raise ValueError(f"{key}: {len(raw)} bytes are beyond {MAX_LOCAL}")
    return msgspec.Raw(raw)


def _full(error: BaseException) -> bool:
    cause = error.__cause__
    return isinstance(cause, OSError) and cause.errno in (errno.ENOSPC, errno.EDQUOT)
