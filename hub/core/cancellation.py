"""Detects that the current task was cancelled, for loops that run something again after a failure."""

from __future__ import annotations

import asyncio


def cancelled() -> bool:
    """Return True when this task was cancelled. Before Python 3.13 a task group that fails at the moment of its
    cancellation raises the failure alone, and a loop that runs it again would never end."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0
