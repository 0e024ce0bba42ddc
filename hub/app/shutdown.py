"""Shutdown: closes each part regardless of failures of those before it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable
from typing import NamedTuple

from hub.core.errors import HubError
from hub.core.text import phrase, reason_of

HANGS_S = 5.0
"""Time limit for closing a part that only communicates: the parts behind it have to be closed too."""

_log = logging.getLogger("hub")


class Part(NamedTuple):
    """A part to close. `what` begins the sentence logged when `close` fails. `writes`: it has data for the disk, so it
    is waited for, and its failure is the hub's; any other is abandoned after HANGS_S."""

    what: str
    close: Callable[[], Awaitable[None]]
    writes: bool = True


async def close_all(parts: Iterable[Part]) -> str:
    """Close the parts in order; returns what could not be written, "" if everything was."""
    lost = []
    for part in parts:
        error = await _closed(part)
        if error and part.writes:
            lost.append(error)
    return lost[0] if len(lost) == 1 else phrase("several-errors", "{errors}", errors=lost) if lost else ""


async def _closed(part: Part) -> str:
    try:
        async with asyncio.timeout(None if part.writes else HANGS_S):
            await part.close()
    except HubError as error:
        said = phrase("part-not-closed", "{what}: {reason}", what=part.what, reason=reason_of(error))
        _log.error(said)
        return said
    except Exception as error:
        _log.exception(part.what)
        reason = phrase("unexpected-error", "{kind}: {reason}", kind=type(error).__name__, reason=reason_of(error))
        return phrase("part-not-closed", "{what}: {reason}", what=part.what, reason=reason)
    return ""
