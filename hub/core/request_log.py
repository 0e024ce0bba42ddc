"""Log of a server that strangers may call: what they send wrong is one line in EVERY_S, and counted.

It stands in for the logger of aiohttp, which writes a traceback for each request that it cannot read: a stranger could
fill the log and the card. A fault of our own while we answer is a line too, with a traceback the first time that it
happens at its place in the code; after that it is counted as well. So is what no task of an event loop caught.
"""

from __future__ import annotations

import asyncio
import logging
import sys
import time
import traceback
from collections.abc import Callable
from typing import Any

from hub.core.text import Phrase, phrase

EVERY_S = 900.0
MOST_PLACES = 64
MALFORMED = "malformed-request"


class RequestLog(logging.LoggerAdapter[logging.Logger]):
    """Log for the `logger` of aiohttp's servers. `counted(MALFORMED)` is called for each request that cannot be
    read."""

    def __init__(
        self,
        log: logging.Logger | logging.LoggerAdapter[logging.Logger],
        counted: Callable[[str], None] = lambda reason: None,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        super().__init__(log)  # type: ignore[arg-type]
        self._counted, self._now = counted, now
        self._since: dict[str, tuple[float, int]] = {}  # about what → (when a line was written, how many since)
        self._places: set[str] = set()

    def exception(self, msg: object, *args: object, exc_info: Any = True, **_: Any) -> None:
        """Log an error that aiohttp caught: of who called, or ours. `args` may name the address of who called."""
        error = exc_info if isinstance(exc_info, BaseException) or exc_info is None else sys.exc_info()[1]
        if isinstance(error, ConnectionError | TimeoutError) or 400 <= getattr(error, "code", 0) < 500:
            self._counted(MALFORMED)
            if count := self._due(MALFORMED):
                self.warning(_malformed(count, type(error).__name__, str(args[0]) if args else ""))
        elif error is not None:
            self.fault(error)
        elif self._due("unknown"):
            self.error("%s", str(msg)[:200])

    def fault(self, error: BaseException, of: str = "") -> None:
        """Log a fault of our own, by its place in the code, else by what it is `of`."""
        where = traceback.extract_tb(error.__traceback__)
        place = f"{where[-1].name}:{where[-1].lineno}" if where else of
        kind = type(error).__name__
        first = f"{kind} {place}" not in self._places and len(self._places) < MOST_PLACES
        self._places |= {f"{kind} {place}"} if first else set()
        if count := self._due(f"{kind} {place}"):
            self.error(
                phrase(
                    "faults-of-program",
                    "{count} [fault|faults] of this program: {type} at {place}; more are counted",
                    count=count,
                    type=kind,
                    place=place,
                ),
                exc_info=error if first else None,
            )

    def uncaught(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        """Log what no task caught: the handler of an event loop. A library's own datagram protocol may raise for
        whatever a stranger sent."""
        error, source = context.get("exception"), context.get("asyncgen")
        if isinstance(error, RuntimeError) and source is not None:
            self.fault(error, getattr(source, "__qualname__", ""))
        else:
            self.exception(context.get("message", ""), exc_info=error)

    def _due(self, about: str) -> int:
        """Count one; return how many there were since the last line when the next line is due, else 0."""
        now = self._now()
        at, count = self._since.get(about, (-EVERY_S, 0))
        if now - at < EVERY_S:
            self._since[about] = at, count + 1
            return 0
        if about not in self._since and len(self._since) >= MOST_PLACES:
            return 0
        self._since[about] = now, 0
        return count + 1


def _malformed(count: int, kind: str, address: str) -> Phrase:
    if not address:
        return phrase(
            "requests-malformed", "{count} [request|requests] could not be read ({type}); more are counted",
            count=count, type=kind,
        )  # fmt: skip
    return phrase(
        "requests-malformed-from",
        "{count} [request|requests] could not be read ({type}), the last of {address}; more are counted",
        count=count,
        type=kind,
        address=address,
    )
