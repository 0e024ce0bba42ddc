"""Logs of one source raised to the lowest level for a while: `ilot support DEVICE --hour`. No restart is needed.

    in the buffer's small state:   support/raised → {source: until, Unix seconds}

The end is kept there, so that a restart in between does not cut the hour short; the lines are in memory, as all are.
When the hour is over the level is what it was, also when the hub was off at that moment: an end that has passed, or
lies further away than an hour (the clock was set), raises nothing.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator
from typing import Any, Protocol

from hub.core.clock import Clock
from hub.core.logs import Line, Ring

KEY = "support/raised"
HOUR_S = 3600.0
MOST = 2000
MOST_SOURCES = 16


class LocalState(Protocol):
    """The buffer's small state."""

    @property
    def local(self) -> dict[str, Any]: ...
    def put_local(self, key: str, value: Any) -> None: ...


class _Lines(Ring):
    def __init__(self) -> None:
        super().__init__(MOST)
        self.setLevel(logging.DEBUG)


class RaisedLogs:
    """Sources whose logs are raised, and their lines. A source is the name of an integration's instance."""

    def __init__(self, buffer: LocalState, clock: Clock) -> None:
        self._buffer, self._clock = buffer, clock
        self._until: dict[str, float] = {}  # monotonic seconds
        self._lines: dict[str, _Lines] = {}
        self._changed = asyncio.Event()

    async def run(self) -> None:
        """Raise what a former process had raised, and end each when its time is over. Levels are as they were when
        this ends."""
        self._resume()
        try:
            while True:
                now = self._clock.monotonic()
                for source in [source for source, until in self._until.items() if until <= now]:
                    self.end(source)
                self._changed.clear()
                left = min(self._until.values(), default=now + HOUR_S) - now
                waiting = asyncio.ensure_future(self._clock.sleep(left))
                woken = asyncio.ensure_future(self._changed.wait())
                try:
                    await asyncio.wait((waiting, woken), return_when=asyncio.FIRST_COMPLETED)
                finally:
                    waiting.cancel()
                    woken.cancel()
        finally:
            for source in list(self._until):
                self._lower(source)

    def raise_(self, source: str, seconds: float = HOUR_S) -> float:
        """Raise the logs of a source from now on; return until when (Unix seconds)."""
        seconds = min(seconds, HOUR_S)
        while len(self._until) >= MOST_SOURCES and source not in self._until:
            self.end(min(self._until, key=lambda one: self._until[one]))
        if source not in self._lines:
            self._lines[source] = _Lines()
        logger = logging.getLogger(f"hub.{source}")
        logger.setLevel(logging.DEBUG)
        if self._lines[source] not in logger.handlers:
            logger.addHandler(self._lines[source])
        self._until[source] = self._clock.monotonic() + seconds
        self._remember()
        self._changed.set()
        return self._clock.now() + seconds

    def end(self, source: str) -> None:
        """Put the level back. The lines stay until the process ends, or the source is raised again by another hour."""
        if self._until.pop(source, None) is not None:
            self._lower(source)
            self._remember()
            self._changed.set()

    def left(self, source: str) -> float:
        """Return the seconds for which a source is still raised; 0.0 when it is not."""
        return max(0.0, self._until.get(source, 0.0) - self._clock.monotonic())

    def lines(self, source: str) -> Iterator[Line]:
        """The newest first."""
        kept = self._lines.get(source)
        return iter(()) if kept is None else kept.last(level="debug", most=MOST)

    def _lower(self, source: str) -> None:
        logger = logging.getLogger(f"hub.{source}")
        logger.setLevel(logging.NOTSET)
        logger.removeHandler(self._lines[source])

    def _remember(self) -> None:
        wall = self._clock.now() - self._clock.monotonic()
        said = {source: until + wall for source, until in self._until.items()}
        self._buffer.put_local(KEY, said or None)

    def _resume(self) -> None:
        kept = self._buffer.local.get(KEY)
        for source, until in kept.items() if isinstance(kept, dict) else ():
            left = until - self._clock.now() if isinstance(until, int | float) else 0.0
            if 0.0 < left <= HOUR_S:
                self.raise_(str(source), left)
        self._remember()
