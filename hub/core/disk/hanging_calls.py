"""Work in a thread that may hang: for what is on a stick or a share. Nothing else waits for it, not even the end of
this process."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

T = TypeVar("T")


class Aside:
    """Runs one blocking call at a time in a thread of its own."""

    def __init__(self, name: str) -> None:
        """`name` is the thread's."""
        self._name = name
        self._busy: asyncio.Future[Any] | None = None

    async def __call__(self, work: Callable[[], T], limit: Awaitable[None] | None = None) -> T:
        """Run `work` and return its result or raise its error. Raises TimeoutError when `limit` is over first, or when
        the former work is not done yet: this one is not started then."""
        if self._busy is not None and not self._busy.done():
            if asyncio.iscoroutine(limit):
                limit.close()
            raise TimeoutError
        self._busy = done = _started(work, self._name)
        if limit is not None:
            alarm = asyncio.ensure_future(limit)
            either: set[asyncio.Future[Any]] = {done, alarm}
            try:
                await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
            finally:
                alarm.cancel()
            if not done.done():
                raise TimeoutError
        return await asyncio.shield(done)  # cancelled or not, the thread is busy until it ends


def _started(work: Callable[[], T], name: str) -> asyncio.Future[T]:
    loop = asyncio.get_running_loop()
    future: asyncio.Future[T] = loop.create_future()
    future.add_done_callback(lambda done: done.cancelled() or done.exception())  # told or not, it was looked at

    def run() -> None:
        settle: tuple[Callable[[Any], None], Any]
        try:
            settle = future.set_result, work()
        except Exception as error:
            settle = future.set_exception, error
        with contextlib.suppress(RuntimeError):  # the loop is closed
            loop.call_soon_threadsafe(*settle)

    threading.Thread(target=run, name=name, daemon=True).start()
    return future
