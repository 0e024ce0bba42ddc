"""Waiting for a disk: what the hub opens at its start is opened again and again while the disk refuses."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from typing import TypeVar

from hub.core.backoff import Backoff
from hub.core.errors import DiskRefuses
from hub.core.text import phrase, reason_of

T = TypeVar("T")

FIRST_S, LONGEST_S = 1.0, 30.0

_log = logging.getLogger("hub")


async def once_the_disk_works(call: Callable[[], Awaitable[T]], sleep: Callable[[float], Awaitable[None]]) -> T:
    """Call until it no longer raises DiskRefuses, and return the result. Other errors are raised."""
    pauses = Backoff(FIRST_S, LONGEST_S)
    while True:
        try:
            return await call()
        except DiskRefuses as error:
            _log.error(
                phrase(
                    "disk-refuses-retrying",
                    "the disk refuses, it is tried again automatically: {reason}",
                    reason=reason_of(error),
                )
            )
            await sleep(pauses.next())
