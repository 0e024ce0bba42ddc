"""The one thread that writes the database. The event loop hands it work and awaits the answer.

Messages that arrive during a commit are processed together in the next one: under load commits grow, and with them the
throughput, up to half a second, since live messages of one hub must not wait behind the backlogs of all others.
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

from backend.ingest.core import Ingest, Message
from hub.core.errors import HubError, NotReady
from hub.core.text import phrase

log = logging.getLogger(__name__)

MAX_WAITING = 64 << 20
"""Bytes of messages that wait for the thread; beyond it a hub is told to retry later."""
MAX_PER_HUB = MAX_WAITING // 2
"""Waiting bytes of one hub, so that it cannot keep out all others."""
MIN_BATCH, MAX_BATCH = 16 << 10, 1 << 20
"""Bytes of messages in one commit; between the two, as many as the last commit's speed does in BATCH_S."""
BATCH_S = 0.5
HOLES_EVERY_S = 15.0
PURGE_EVERY_S = 3600.0
STUCK_S, LOOK_S = 15.0, 5.0
"""Seconds of one turn of the thread after which the log says that the database does not answer; seconds between two
looks."""

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
        self._began: float | None = None  # when the present turn began; None while the thread waits for work
        self._looking: asyncio.TimerHandle | None = None
        self._stuck = False

    async def start(self) -> None:
        """Open the database, start the thread. Raises the errors of that."""
        self._loop = asyncio.get_running_loop()
        self._ready = self._loop.create_future()
        self._thread.start()
        await self._ready
        self.look()

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

    @property
    def waiting_bytes(self) -> int:
        """Return the bytes of messages that wait for the thread."""
        return self._waiting

    def look(self) -> None:
        """Say in the log when a turn does not end, and when it did after all: a commit waits for its standby as long as
        there is none. Called again and again by itself."""
        began = self._began
        waits = began is not None and time.monotonic() - began > STUCK_S
        if waits and not self._stuck:
            log.error(
                phrase(
                    "database-does-not-answer",
                    "the database has not answered for {seconds} s, perhaps since its standby is away: nothing is "
                    "acknowledged, and hubs keep their readings. See `ilot backend doctor`",
                    seconds=int(STUCK_S),
                )
            )
        elif self._stuck and not waits:
            log.warning(phrase("database-is-back", "the database is back"))
        self._stuck = waits
        self._looking = self._loop.call_later(LOOK_S, self.look)

    async def stop(self) -> None:
        """Finish the work handed over, then end."""
        if self._looking is not None:
            self._looking.cancel()
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
                    self._guard(lambda: ingest.holes.check(ingest.received, time.time()))
                if time.monotonic() >= next_purge:
                    self._guard(ingest.purge)
                    next_purge = time.monotonic() + (PURGE_EVERY_S if not ingest.purging else 0.0)
        finally:
            ingest.storage.close()

    def _turn(self, ingest: Ingest) -> bool:
        """Process one batch or one call. False when it is time to end."""
        self._began = None
        item = self._next(HOLES_EVERY_S)
        self._began = time.monotonic()
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
