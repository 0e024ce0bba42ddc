"""The one thread that writes the database. The event loop hands it work and awaits the answer.

Messages that arrive during a commit are processed together in the next one: under load commits grow, and with them the
throughput, up to half a second, since live messages of one hub must not wait behind the backlogs of all others. When
nothing arrives, journalled records become rows.
"""

from __future__ import annotations

import asyncio
import logging
import queue
import threading
import time
from collections import Counter
from collections.abc import Callable
from typing import Any, NamedTuple, TypeVar

import apsw

from backend.ingest import Ingest, Message
from hub.core.errors import HubError, NotReady, StorageError
from hub.core.text import phrase, reason_of

log = logging.getLogger(__name__)

MAX_WAITING = 64 << 20
"""Bytes of messages that wait for the thread; beyond it a hub is told to retry later."""
MAX_PER_HUB = MAX_WAITING // 2
"""Waiting bytes of one hub, so that it cannot keep out all others."""
MIN_BATCH, MAX_BATCH = 16 << 10, 1 << 20
"""Bytes of messages in one commit; between the two, as many as the last commit's speed does in BATCH_S."""
BATCH_S = 0.5
MAX_JOURNAL = 1 << 30
"""Journalled bytes from which on rows are made before more is accepted."""
CHECKPOINT_BYTES = 256 << 10
IDLE_S = 0.02
HOLES_EVERY_S = 15.0
PURGE_EVERY_S = 3600.0

_NOTHING, _STOP = "nothing", "stop"

T = TypeVar("T")


class _Call(NamedTuple):
    work: Callable[[Ingest], Any]
    answer: asyncio.Future[Any]


class _Post(NamedTuple):
    message: Message
    answer: asyncio.Future[bytes]


class Worker:
    """Runs the Ingest from `make()` in its own thread, from `start` to `stop`."""

    def __init__(self, make: Callable[[], Ingest]) -> None:
        self._make = make
        self._inbox: queue.SimpleQueue[_Post | _Call | str] = queue.SimpleQueue()
        self._waiting = 0
        self._of: Counter[str] = Counter()  # waiting bytes by hub
        self._most = MAX_BATCH  # bytes, of the next commit
        self._thread = threading.Thread(target=self._run, name="ingest")
        self._loop: asyncio.AbstractEventLoop
        self._ready: asyncio.Future[None]
        self._trouble = ""

    async def start(self) -> None:
        """Open the database and the journal, recover, start the thread. Raises the errors of that."""
        self._loop = asyncio.get_running_loop()
        self._ready = self._loop.create_future()
        self._thread.start()
        await self._ready

    async def post(self, message: Message) -> bytes:
        """Return the reply to a message, once what it acknowledges is durable. Raises NotReady when too much waits, and
        the HubError that `Ingest.take` returns."""
        if self._waiting > MAX_WAITING or self._of[message.hub] > MAX_PER_HUB:
            raise NotReady(phrase("backend-too-busy", "too much waits to be written; come again"))
        answer: asyncio.Future[bytes] = self._loop.create_future()
        self._waiting += len(message.body)
        self._of[message.hub] += len(message.body)
        self._inbox.put(_Post(message, answer))
        try:
            return await answer
        finally:
            self._waiting -= len(message.body)
            self._of[message.hub] -= len(message.body)
            if not self._of[message.hub]:
                del self._of[message.hub]

    async def call(self, work: Callable[[Ingest], T]) -> T:
        """Run `work` in the thread, between two batches."""
        answer: asyncio.Future[T] = self._loop.create_future()
        self._inbox.put(_Call(work, answer))
        return await answer

    async def stop(self) -> None:
        """Finish the work handed over, then end. Journalled records wait for the next start."""
        self._inbox.put(_STOP)
        await asyncio.to_thread(self._thread.join)

    def _run(self) -> None:
        try:
            ingest = self._make()
        except BaseException as error:
            self._tell(self._ready, error)
            return
        self._tell(self._ready, None)
        next_look = next_purge = 0.0
        try:
            while self._turn(ingest):
                if time.monotonic() >= next_look:
                    next_look = time.monotonic() + HOLES_EVERY_S
                    self._guard(lambda: ingest.holes.check(ingest.storage, ingest.taken, time.time()))
                if time.monotonic() >= next_purge:
                    self._guard(ingest.purge)
                    next_purge = time.monotonic() + (PURGE_EVERY_S if not ingest.purging else 0.0)
        finally:
            if ingest.journal is not None:
                ingest.journal.close()
            ingest.storage.close()

    def _turn(self, ingest: Ingest) -> bool:
        """Process one batch, one call, or a piece of the journal. False when it is time to end."""
        waits = ingest.journal.pending_bytes if ingest.journal is not None else 0
        if waits > MAX_JOURNAL:
            self._guard(lambda: ingest.checkpoint(CHECKPOINT_BYTES))
        item = self._next(IDLE_S if waits else HOLES_EVERY_S)
        if item is _NOTHING and waits and not self._guard(lambda: ingest.checkpoint(CHECKPOINT_BYTES)):
            time.sleep(1.0)  # the disk refuses: the records stay in the journal meanwhile
        posts: list[_Post] = []
        size = 0
        while isinstance(item, _Post):
            posts.append(item)
            size += len(item.message.body)
            item = self._next(0) if size < self._most else _NOTHING
        if posts:
            began = time.monotonic()
            self._answer(posts, ingest.take([post.message for post in posts]))
            self._most = batch_size(size, time.monotonic() - began)
        if isinstance(item, _Call):
            self._do(item, ingest)
        return item is not _STOP

    def _next(self, timeout: float) -> _Post | _Call | str:
        try:
            return self._inbox.get(timeout=timeout) if timeout else self._inbox.get_nowait()
        except queue.Empty:
            return _NOTHING

    def _answer(self, posts: list[_Post], answers: list[bytes | HubError]) -> None:
        def tell() -> None:
            for post, answer in zip(posts, answers, strict=True):
                if post.answer.done():
                    continue
                if isinstance(answer, bytes):
                    post.answer.set_result(answer)
                else:
                    post.answer.set_exception(answer)

        self._loop.call_soon_threadsafe(tell)

    def _do(self, call: _Call, ingest: Ingest) -> None:
        error: Exception | None
        try:
            result, error = call.work(ingest), None
        except apsw.Error as failure:
            result, error = (
                None,
                StorageError(
                    phrase("database-refuses-because", "the database refuses: {reason}", reason=reason_of(failure))
                ),
            )
        except Exception as failure:
            result, error = None, failure
        self._tell(call.answer, error, result)

    def _tell(self, answer: asyncio.Future[Any], error: BaseException | None, result: Any = None) -> None:
        def tell() -> None:
            if answer.done():
                return
            if error is None:
                answer.set_result(result)
            else:
                answer.set_exception(error)

        self._loop.call_soon_threadsafe(tell)

    def _guard(self, work: Callable[[], object]) -> bool:
        """Run `work`; an error is logged once when it begins and once when it ends."""
        try:
            work()
        except Exception as error:
            if str(error) != self._trouble:
                log.exception(phrase("database-refuses-now", "the database refuses"))
            self._trouble = str(error)
            return False
        if self._trouble:
            log.warning(phrase("database-is-back", "the database is back"))
        self._trouble = ""
        return True


def batch_size(size: int, seconds: float) -> int:
    """Return how many bytes the next commit may take, when one of `size` bytes took `seconds`."""
    return int(min(max(size / max(seconds, 1e-3) * BATCH_S, MIN_BATCH), MAX_BATCH))
