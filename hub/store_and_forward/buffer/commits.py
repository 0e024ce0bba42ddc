"""Batches and the writer thread: when a batch is due, and who commits it.

    loop            fills a batch, and says when it is due: a window, a flush, an alert, a size
    writer thread   commits one batch at a time, and keeps it until it is durable. Its commit done, it takes the filling
                    one by itself when that is due already, and tells the loop what has landed meanwhile

A change of the small state joins the batch with whatever the loop appends next, or when the loop comes back to it: the
writer never takes a counter without the reading that it belongs to. Rows that come together are held back until the
last of them is there: the writer never takes a part of them.

So under load the loop's work and the next commit overlap, and a wake-up of the loop stands between two commits only
where nothing was due. What both threads touch is under one lock, held for no longer than it takes to change a few
fields. Batches land in the order they were taken in.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import logging
import threading
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from queue import SimpleQueue

import msgspec

from hub.core.backoff import Backoff
from hub.core.clock import Clock
from hub.core.errors import HubError, StorageError
from hub.core.text import phrase, reason_of
from hub.protocol.records.bodies import ClockMark
from hub.protocol.records.rows import READINGS, Row
from hub.store_and_forward.buffer.batch import Batch, BufferConfig, Local, overtaking
from hub.store_and_forward.buffer.journal import Journal
from hub.store_and_forward.buffer.stream import Durable

log = logging.getLogger(__name__)

_BYTES_A_READING = 3


class Commits:
    """Batches and the writer thread. For the loop thread, except for the methods marked as the writer's."""

    def __init__(self, journal: Journal, clock: Clock, config: BufferConfig) -> None:
        self.waiting = 0  # rows that wait for the disk
        self.error = ""  # of the last attempt
        self.last_s = 0.0  # Unix seconds of the last commit that went through
        self._journal, self._clock, self._config = journal, clock, config
        self._listeners: list[Callable[[Durable], None]] = []
        self._loop: asyncio.AbstractEventLoop | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._timer_due = 0.0  # loop time
        self._room_waiters: list[asyncio.Future[None]] = []
        self._thread: threading.Thread | None = None
        self._queue: SimpleQueue[Batch | None] = SimpleQueue()  # wakes the writer
        self._closing, self._hurry = threading.Event(), threading.Event()
        self._loose: Local = {}  # of the loop alone: small state that no row has taken along yet
        self._lock = threading.Lock()  # of the four below
        self._batch = Batch()
        self._taken: deque[Batch] = deque()  # by the writer, until the loop knows that they landed
        self._busy = False  # the last of these is not durable yet
        self._due = False  # the writer is busy, and takes the batch next

    def start(self, loop: asyncio.AbstractEventLoop, listeners: Iterable[Callable[[Durable], None]] = ()) -> None:
        """Start the writer thread; see `Buffer.start`."""
        self._loop = loop
        self._listeners = list(listeners)
        self._journal.on_gap(self._gap_waits)
        self._thread = threading.Thread(target=self._write, name="buffer-writer", daemon=True)
        self._thread.start()
        if self._journal.has_urgent_rows:  # recovery found something missing
            self._commit_soon()

    # -- in -----------------------------------------------------------------------------------------------------

    def fill(self, items: Sequence[tuple[Row, str]]) -> None:
        """Add these (row, stream) to one batch, and set when it is due. Never waits."""
        with self._lock:
            self._take_loose_state()
            batch, begins = self._batch, not self._batch.rows
            if batch.began is None:
                batch.began = self._clock.monotonic()
            for row, stream in items:
                if stream == READINGS:
                    batch.rows.append(row)
                    batch.readings += len(row[4])
                else:
                    batch.alerts.append(row)
                    self._due_within(self._config.urgent_s)
            if batch.readings * _BYTES_A_READING >= self._config.window_bytes:
                self._submit()
            elif begins and batch.rows:
                self._due_within(self._config.window_s)
        self.waiting += len(items)

    def put(self, key: str, raw: msgspec.Raw | None) -> None:
        """Change the small state: in the commit of the row that is appended next without an await in between, or with
        another; alone after `idle_s`."""
        self._loose[key] = raw
        with self._lock:
            self._due_within(self._config.idle_s)

    def mark(self, mark: ClockMark) -> None:
        """Write a CLOCK record within the window."""
        with self._lock:
            self._batch.marks.append(mark)
            self._due_within(self._config.window_s)

    @property
    def full(self) -> bool:
        return self.waiting >= self._config.pending_rows

    async def room(self) -> None:
        """See `Buffer.room`."""
        while self.full:
            future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._room_waiters.append(future)
            with self._lock:
                self._submit()
            await future

    async def flush(self, delay: float) -> None:
        """Return when all rows so far are durable; the commit is due in `delay` seconds. Raises StorageError."""
        if self._loop is None:
            raise StorageError(phrase("buffer-not-started", "the buffer was not started"))
        with self._lock:
            self._take_loose_state()
            if self._batch or self._journal.has_urgent_rows:
                batch = self._batch
                self._due_within(delay)
            elif self._taken:
                batch = self._taken[-1]
            else:
                return
            future: asyncio.Future[None] = self._loop.create_future()
            batch.waiters.append(future)
        await future

    async def close(self) -> None:
        """Flush, stop the thread, close the journal. Raises StorageError when rows were left in memory."""
        if self._thread is None:
            self._journal.close()
            return
        self._closing.set()
        self._hurry.set()
        try:
            await self.flush(0.0)
        finally:
            self._queue.put(None)
            await asyncio.to_thread(self._thread.join)
            self._thread = None
            if self._timer is not None:
                self._timer.cancel()
            self._journal.close()

    # -- when: with the lock held -----------------------------------------------------------------------------------

    def _take_loose_state(self) -> None:
        """Move small state that no row has taken along yet into the batch. With the lock held, on the loop."""
        if self._loose:
            self._batch.local |= self._loose
            self._loose = {}

    def _due_within(self, delay: float) -> None:
        """Make the batch due in `delay` seconds at the latest."""
        if self._loop is None or self._due:
            return
        if delay <= 0 and self._busy:
            self._submit()
            return
        due = self._loop.time() + delay
        if self._timer is not None:
            if self._timer_due <= due:
                return
            self._timer.cancel()
        self._timer_due = due
        self._timer = self._loop.call_at(due, self._on_timer)

    def _submit(self) -> None:
        """Hand the batch to the writer, now or right after the one in hand."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._busy:
            self._due = True
        else:
            self._queue.put(self._take())

    def _take(self) -> Batch:
        """Take the batch for the writer and start another."""
        batch, self._batch = self._batch, Batch()
        self._taken.append(batch)
        self._busy, self._due = True, False
        return batch

    # -- tidings, on the loop -----------------------------------------------------------------------------------------

    def _commit_soon(self) -> None:
        with self._lock:
            self._due_within(self._config.urgent_s)

    def _on_timer(self) -> None:
        with self._lock:
            self._take_loose_state()
            self._submit()

    def _landed(self, done: list[Durable]) -> None:
        """Note that the oldest batch taken is durable: wake who waits for it, announce its records."""
        if self.error:
            log.info(phrase("buffer-reaches-disk-again", "the buffer reaches the disk again"))
        self.error = ""
        self.last_s = self._clock.now()
        with self._lock:
            batch = self._taken.popleft()
        self.waiting -= len(batch)
        self._wake_for_room()
        self._announce(done)
        for future in batch.waiters:
            if not future.done():
                future.set_result(None)
        with self._lock:
            self._take_loose_state()
            if not self._busy and self._timer is None and (self._batch or self._journal.has_urgent_rows):
                self._submit()

    def _retrying(self, tried: Batch, error: Exception, done: list[Durable]) -> None:
        """Note that an attempt failed; the writer tries again by itself. Alerts and acks must not wait behind readings
        that do not fit: they join the batch in hand, where they are written first."""
        self._announce(done)
        waiters, tried.waiters = tried.waiters, []
        with self._lock:
            self._take_loose_state()
            if self._taken[-1] is tried:  # else it came through meanwhile, and the batch behind it is under way
                behind = self._batch
                own, rest = overtaking(behind.local)
                if behind.alerts or own:
                    self._journal.commit_urgently(behind.alerts, own, behind.began)
                    tried.joined += len(behind.alerts)
                    behind.alerts, behind.local = [], rest
                waiters += behind.waiters
                behind.waiters = []
        if not self.error:
            log.error(
                phrase(
                    "buffer-not-durable",
                    "the buffer does not reach the disk, rows are kept in memory: {reason}",
                    reason=reason_of(error),
                )
            )
        self.error = reason_of(error)
        for future in waiters:
            if not future.done():
                future.set_exception(
                    StorageError(
                        phrase(
                            "row-not-durable",
                            "not durable yet, kept in memory and tried again: {reason}",
                            reason=reason_of(error),
                        )
                    )
                )

    def _announce(self, done: list[Durable]) -> None:
        """Call the listeners for each commit that has records; one of small state alone concerns nobody else."""
        for durable in done:
            if durable.last < durable.first:
                continue
            for listener in self._listeners:
                try:
                    listener(durable)
                except Exception:
                    log.exception(phrase("buffer-listener-failed", "a listener to the buffer failed"))

    def _wake_for_room(self) -> None:
        if self._room_waiters and not self.full:
            waiters, self._room_waiters = self._room_waiters, []
            for future in waiters:
                if not future.done():
                    future.set_result(None)

    def _gap_waits(self) -> None:
        """Have a GAP committed soon. Thread-safe."""
        self._call_on_loop(self._commit_soon)

    # -- the writer thread ----------------------------------------------------------------------------------------

    def _write(self) -> None:
        batch = self._queue.get()
        while batch is not None:
            backoff = Backoff(self._config.retry_first_s, self._config.retry_limit_s)
            last = self._closing.is_set()  # before the attempt: who closes waits to be told of one that began after
            while (done := self._attempt(batch)) is None:
                if last:
                    return
                self._hurry.wait(backoff.next())
                last = self._closing.is_set()
            with self._lock:
                self._busy = False
                batch = self._take() if self._due else None
            self._call_on_loop(self._landed, done)
            if batch is None:
                batch = self._queue.get()

    def _attempt(self, batch: Batch) -> list[Durable] | None:
        """Commit a batch once. Returns what became durable; None when it failed, and the loop was told."""
        try:
            return self._journal.commit(batch)
        except Exception as error:
            if not isinstance(error, HubError):
                log.exception(phrase("buffer-writer-failed", "the buffer's writer failed"))
            if _full(error):
                self._journal.evict_oldest(unsent=self.waiting * 2 >= self._config.pending_rows)
            self._call_on_loop(self._retrying, batch, error, self._journal.made())
            return None

    def _call_on_loop(self, what: Callable[..., None], *about: object) -> None:
        """Call a function on the loop, from any thread."""
        if self._loop is not None:
            with contextlib.suppress(RuntimeError):  # the loop is closed: the next process finds what there is to say
                self._loop.call_soon_threadsafe(what, *about)


def _full(error: BaseException) -> bool:
    cause = error.__cause__
    return isinstance(cause, OSError) and cause.errno in (errno.ENOSPC, errno.EDQUOT)
