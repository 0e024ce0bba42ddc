"""Carries out what the child of a notifier says, by the notifier's queue in the hub."""

from __future__ import annotations

from collections.abc import AsyncIterator

from msgspec.structs import replace

from hub.core.errors import PluginError
from hub.core.text import phrase
from hub.plugin_host.isolation import wire
from hub.plugin_host.isolation.calls import Calls, Say
from hub.plugin_host.isolation.served_access import HttpServed
from hub.plugin_host.isolation.wire_base import Hostile
from hub.plugin_host.notifier_queue import NotifierQueue
from hub.sdk.notification import Notification

MOST_MEMORY = 256 * 1024
"""Bytes of `Notifications.memory`, which stays with the hub while the process is started anew."""
MOST_GIVEN = 4096


class NoticesServed:
    """The queue of one run of an isolated notifier. `say` sends its process a message."""

    def __init__(self, queue: NotifierQueue, say: Say) -> None:
        self.calls = Calls(say)
        self._queue = queue
        self._http = HttpServed(queue.http)
        self._notices: AsyncIterator[Notification] | None = None
        self._given: dict[tuple[str, int], Notification] = {}

    def begin(self, start: wire.Start) -> wire.Start:
        queue = self._queue
        return replace(start, hub=queue.hub, timezone=queue.timezone, memory=queue.memory)

    @property
    def timezone(self) -> str:
        return self._queue.timezone

    async def take(self, message: wire.Up, size: int) -> None:
        """Carry out what the child says. Raises Hostile for what it may not say, PluginError for what ends its run."""
        match message:
            case wire.HttpCall(n):
                self.calls.number(n)
                self.calls.begin(n, size, self._http.request(message))
            case wire.NextNotice(n):
                self.calls.number(n)
                self.calls.begin(n, size, self._next())
            case wire.Cancel(n):
                self.calls.cancel(n)
            case wire.NoticesEnd():
                self._notices = None
            case wire.Done(alert, change):
                if (notice := self._given.get((alert, change))) is None:
                    raise Hostile(f"settles notice {alert}-{change}, which it was not given")
                self._queue.done(notice)
            case wire.Memory(values):
                if size > MOST_MEMORY:
                    raise PluginError(
                        phrase(
                            "notifier-memory-too-large",
                            "the memory has {size} bytes; a notifier has {most}",
                            size=size,
                            most=MOST_MEMORY,
                        )
                    )
                self._queue.memory.clear()
                self._queue.memory.update(values)
            case _:
                raise Hostile(f"{type(message).__name__} is nothing for a notifier")

    async def close(self) -> None:
        await self.calls.close()

    async def _next(self) -> Notification:
        if self._notices is None:
            self._notices = aiter(self._queue)
        try:
            notice = await anext(self._notices)
        except BaseException:
            self._notices = None  # its iterator is over
            raise
        if len(self._given) >= MOST_GIVEN:  # it asks for ever more, and settles none
            del self._given[next(iter(self._given))]
        self._given[notice.alert, notice.n] = notice
        return notice
