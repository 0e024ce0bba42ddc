"""The end of a hub: each part is closed, whatever became of those before it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable
from typing import NamedTuple

from hub.core.errors import HubError

HANGS_S = 5.0
"""For a part that speaks with others: what lies behind it is still to be closed."""

_log = logging.getLogger("hub")


class Part(NamedTuple):
    """`what` says in a sentence's beginning what it is when `close` fails. `writes`: it has something for the disk, is
    waited for, and its failure is the hub's; any other is left behind after HANGS_S."""

    what: str
    close: Callable[[], Awaitable[None]]
    writes: bool = True


async def close_all(parts: Iterable[Part]) -> str:
    """Close them in order; what could not be written, empty when all was."""
    lost = []
    for part in parts:
        error = await _closed(part)
        if error and part.writes:
            lost.append(error)
    return "; ".join(lost)


async def _closed(part: Part) -> str:
    try:
        async with asyncio.timeout(None if part.writes else HANGS_S):
            await part.close()
    except HubError as error:
        said = f"{part.what}: {error}"
        _log.error("%s", said)
        return said
    except Exception as error:
        _log.exception("%s", part.what)
        return f"{part.what}: {type(error).__name__}: {error}"
    return ""
