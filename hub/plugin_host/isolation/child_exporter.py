"""The view of an exporter in a process of its own: `hub.sdk.exporter.ExporterView` over the socket pair."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from datetime import timedelta

from hub.core.model import LastValue, Series
from hub.plugin_host.isolation import wire
from hub.plugin_host.isolation.child_link import HubLink
from hub.plugin_host.isolation.child_session import ChildHttp, ChildNetwork, ChildState
from hub.plugin_host.isolation.wire_roles import PAGE, ViewChanges, ViewPart, ViewPulse
from hub.sdk.session_rules import interval_s


class ChildView:
    """Implements `hub.sdk.exporter.ExporterView` in the plugin's own process."""

    def __init__(self, link: HubLink, start: wire.Start) -> None:
        self.name, self.hub = start.name, start.hub
        self.log = logging.LoggerAdapter(logging.getLogger(f"hub.exporter.{start.name}"), {"plugin": start.name})
        self.state = ChildState(link, f"exporter.{start.name}", start.state)
        self.http, self.network = ChildHttp(link), ChildNetwork(link)
        self._link = link
        self._loops = 0

    def series(self) -> list[Series]:
        found: list[Series] = []
        while True:
            page, _ = self._link.ask(ViewPart, False, len(found))
            found += page
            if len(page) < PAGE:
                return found

    def values(self) -> list[LastValue]:
        found: list[LastValue] = []
        while True:
            _, page = self._link.ask(ViewPart, True, len(found))
            found += page
            if len(page) < PAGE:
                return found

    def pulse(self) -> dict[str, float]:
        counted: dict[str, float] = self._link.ask(ViewPulse)
        return counted

    async def changes(self, interval: timedelta = timedelta(seconds=1)) -> AsyncIterator[list[LastValue]]:
        seconds = interval_s(f"changes({interval})", interval.total_seconds())
        self._loops += 1
        loop, begun = self._loops, False
        try:
            while True:
                changed: list[LastValue] = []
                more = begun = True
                while more:
                    page, more = await self._link.call(ViewChanges, loop, seconds)
                    changed += page
                yield changed
        finally:
            if begun:
                self._link.tell(wire.CycleEnd(loop))

    def hear(self, message: wire.Down) -> None:
        """Nothing that the hub says by itself concerns an exporter."""
