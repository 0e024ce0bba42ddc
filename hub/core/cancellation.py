"""Was this task told to stop? For loops that run something again when it failed."""

from __future__ import annotations

import asyncio


def cancelled() -> bool:
    """Whether this task was cancelled: before Python 3.13, a group of tasks that fails at that very moment tells of the
    failure alone, and what runs it again would do so for ever."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0
