"""The queue of a notifier in a process of its own: `hub.sdk.notification.Notifications` over the socket pair."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Callable
from typing import Any

from hub.plugin_host.isolation import framing, wire
from hub.plugin_host.isolation.child_link import HubLink
from hub.plugin_host.isolation.child_session import ChildHttp
from hub.sdk.notification import Notification
from hub.sdk.session import Reply


class _Http(ChildHttp):
    """HTTP of a notifier: the hub knows its memory before it calls anybody, should the process die meanwhile."""

    def __init__(self, link: HubLink, remember: Callable[[], None]) -> None:
        super().__init__(link)
        self._remember = remember

    async def request(self, *given: Any, **more: Any) -> Reply:
        self._remember()
        return await super().request(*given, **more)


class ChildNotices:
    """Implements `hub.sdk.notification.Notifications` in the plugin's own process."""

    def __init__(self, link: HubLink, start: wire.Start) -> None:
        self.name, self.hub, self.timezone = start.name, start.hub, start.timezone
        self.log = logging.LoggerAdapter(logging.getLogger(f"hub.{start.name}"), {"plugin": start.name})
        self.http = _Http(link, self.remember)
        self.memory: dict[str, Any] = dict(start.memory)
        self._link = link
        self._remembered = framing.packed(self.memory)

    async def __aiter__(self) -> AsyncIterator[Notification]:
        try:
            while True:
                self.remember()
                notice: Notification = await self._link.call(wire.NextNotice)
                yield notice
        finally:
            self.remember()
            self._link.tell(wire.NoticesEnd())

    def done(self, notice: Notification) -> None:
        self.remember()
        self._link.tell(wire.Done(notice.alert, notice.n))

    def remember(self) -> None:
        """Give the hub what `memory` holds, where that has changed: it outlives this process."""
        message = wire.Memory(self.memory)
        now = framing.packed(self.memory)
        if now != self._remembered:
            self._link.tell(message)
            self._remembered = now

    def hear(self, message: wire.Down) -> None:
        if isinstance(message, wire.Ping):
            self.timezone = message.timezone
