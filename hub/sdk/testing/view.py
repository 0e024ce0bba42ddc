"""Live values for an exporter under test."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from datetime import timedelta

from hub.core.model import LastValue, Series
from hub.sdk.testing.http import FakeHttp
from hub.sdk.testing.network import FakeNetwork
from hub.sdk.testing.state import FakeState
from hub.sdk.testing.waiting import Inbox


class FakeView:
    """Implements `hub.sdk.exporter.ExporterView`: `say` a series and its value, and the exporter sees it."""

    def __init__(self, name: str = "exporter", hub: str = "test-hub") -> None:
        self.name, self.hub = name, hub
        self.log = logging.LoggerAdapter(logging.getLogger(f"hub.exporter.{name}"), {"plugin": name})
        self.state = FakeState(f"exporter.{name}")
        self.http, self.network = FakeHttp(), FakeNetwork()
        self._series: dict[str, Series] = {}
        self._values: dict[str, LastValue] = {}
        self._changed: Inbox[LastValue] = Inbox()

    def say(self, series: Series, value: LastValue) -> None:
        """Give a series its latest value."""
        self._series[series.id] = series
        self._values[series.id] = value
        self._changed.put(value)

    def series(self) -> list[Series]:
        return list(self._series.values())

    def values(self) -> list[LastValue]:
        return list(self._values.values())

    def pulse(self) -> dict[str, float]:
        return {"reports": len(self._values), "readings": len(self._values), "acked": 0}

    async def changes(self, interval: timedelta = timedelta(seconds=1)) -> AsyncIterator[list[LastValue]]:
        while True:
            changed = [await self._changed.get()]
            while not self._changed.empty():
                changed.append(await self._changed.get())
            yield changed
