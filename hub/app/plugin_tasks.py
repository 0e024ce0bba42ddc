"""Tasks of the plugins, outside the hub's own group: one that ignores its cancellation keeps nobody from ending."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine, Iterable
from typing import Any

from hub.core.text import phrase

_log = logging.getLogger("hub")


class PluginTasks:
    """A group of tasks that can be left behind."""

    def __init__(self) -> None:
        self._running: set[asyncio.Task[None]] = set()
        self._failed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._stopped = False
        self.left: list[str] = []
        """Names of those that did not end in time."""

    def create_task(self, coro: Coroutine[Any, Any, None], *, name: str | None = None) -> asyncio.Task[None]:
        task = asyncio.get_running_loop().create_task(coro, name=name)
        self._running.add(task)
        task.add_done_callback(self._ended)
        return task

    async def failure(self) -> None:
        """Wait until cancelled. Raises the error of a task: a supervisor lets none through but its own."""
        await asyncio.shield(self._failed)

    async def stop(self, seconds: float) -> None:
        """Cancel all and wait; those that do not end in time are logged and left behind. Once: again does nothing."""
        if not self._stopped:
            self._stopped = True
            self.left += await cancel(self._running, seconds)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._running.discard(task)
        error = None if task.cancelled() else task.exception()
        if error is not None and not self._failed.done():
            self._failed.set_exception(error)
            self._failed.exception()  # read: nobody may wait for it any more


async def cancel(tasks: Iterable[asyncio.Task[Any]], seconds: float) -> list[str]:
    """Cancel tasks and wait; returns the names of those that do not end in time, which are logged."""
    tasks = list(tasks)
    for task in tasks:
        task.cancel()
    if not tasks:
        return []
    _, hanging = await asyncio.wait(tasks, timeout=seconds)
    for task in hanging:
        _log.error(
            phrase(
                "task-did-not-stop",
                "{task} did not stop within {seconds:.0f} s",
                task=task.get_name(),
                seconds=seconds,
            )
        )
    return [task.get_name() for task in hanging]
