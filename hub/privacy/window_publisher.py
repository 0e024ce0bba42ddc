"""Publishes the figures of windows that ended: appends them to the buffer like readings, at most once a second."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

from hub.core.clock import Clock
from hub.core.errors import BufferFull
from hub.privacy.rules_engine import Privacy, WindowFigure
from hub.store_and_forward.buffer import Buffer

TICK_S = 1.0
SHOWN = 64
"""Figures of the last windows that pages show."""

_log = logging.getLogger("hub.privacy")


class WindowPublisher:
    """Publishes the windows of one hub."""

    def __init__(self, privacy: Privacy, buffer: Buffer, clock: Clock) -> None:
        self._privacy, self._buffer, self._clock = privacy, buffer, clock
        self._pending: list[WindowFigure] = []
        self.published: dict[tuple[str, str], WindowFigure] = {}
        self.figures = self.missing = 0

    async def run(self) -> None:
        while True:
            await self._clock.sleep(TICK_S)
            self.turn()

    def turn(self) -> None:
        """Publish what is over. Figures without room in the buffer wait."""
        self._pending += self._privacy.windows.due()
        while self._pending:
            one = self._pending[0]
            try:
                self._buffer.append(one.row(sure=self._clock.sure()))
            except BufferFull:
                return
            del self._pending[0]
            self._privacy.windows.mark_published(one)
            if one.value is None:
                self.missing += 1
            else:
                self.figures += 1
            self.published[one.unit.device, one.unit.metric] = one

    def status(self) -> dict[str, Any]:
        """Return the state for the control socket."""
        return {
            "rules": len(self._privacy.rules), "figures": self.figures, "missing": self.missing,
            "consents": len(self._privacy.consents),
        }  # fmt: skip

    def complaints(self) -> list[str]:
        return []

    def calls(self) -> dict[str, Callable[..., Any]]:
        return {}
