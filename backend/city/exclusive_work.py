"""Work that one process of several does at a time."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from backend.storage.city.sql import Right
from hub.core.errors import StorageError
from hub.core.text import phrase, reason_of

log = logging.getLogger(__name__)

ASK_S = 2.0
"""Seconds between two questions whether this process has the right, and still has it."""


class RightLost(StorageError):
    """The database no longer says that this process may work alone."""


@asynccontextmanager
async def holding(right: Right, ask_s: float = ASK_S) -> AsyncIterator[None]:
    """Wait for a right, and hold it for the block. Raises RightLost out of the block when it is lost."""
    right = _Held(right)
    body = asyncio.current_task()
    lost = False

    async def watch() -> None:
        nonlocal lost
        while await _has(right):  # noqa: ASYNC110 another process decides
            await asyncio.sleep(ask_s)
        lost = True
        if body is not None:
            body.cancel()

    watching: asyncio.Task[None] | None = None
    try:
        while not await _has(right):  # noqa: ASYNC110
            await asyncio.sleep(ask_s)
        watching = asyncio.create_task(watch())
        yield
    except asyncio.CancelledError:
        if not lost:
            raise
        if body is not None:
            body.uncancel()
        raise RightLost(phrase("city-right-lost", "another process may do this work now")) from None
    finally:
        if watching is not None:
            watching.cancel()
        await asyncio.to_thread(right.release)


class _Held:
    """A right that nobody takes again once it was given back: a question may still be under way then."""

    def __init__(self, right: Right) -> None:
        self._right, self._lock, self._over = right, threading.Lock(), False

    def take(self) -> bool:
        with self._lock:
            return not self._over and self._right.take()

    def release(self) -> None:
        with self._lock:
            self._over = True
            self._right.release()


async def _has(right: Right) -> bool:
    try:
        return await asyncio.to_thread(right.take)
    except StorageError as error:
        log.warning(phrase("city-right-unknown", "cannot ask who works alone: {reason}", reason=reason_of(error)))
        return False
