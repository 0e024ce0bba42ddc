"""Alerts on their way to people: a queue for each notifier, which outlives the process.

A notice is owed until its notifier says that it got through. Of one alert only the last change is owed: who was away
for an hour is told how it stands, not how it went. What was done is remembered with the buffer's small state, so that a
new process goes on where the former one ended; a crash may tell the very last one twice, under the same key.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Iterable

from hub.alerts import Alert
from hub.buffer import Buffer
from hub.runtime import OwnState
from hub.session import Http, Notice

DONE, REMEMBERED = "done", 500
OWED = 1000
"""Alerts that may wait for one notifier; beyond it the oldest are left out and counted."""


class OwnNotices:
    """See `hub.session.Notices`. One for each notifier and process; `start` before each of its runs."""

    def __init__(self, name: str, hub: str, http: Http, buffer: Buffer) -> None:
        self.name, self.hub, self.http = name, hub, http
        self.log = logging.LoggerAdapter(logging.getLogger(f"hub.notifier.{name}"), {"plugin": name})
        self.left_out = 0
        self._state = OwnState(f"notifier.{name}", buffer)  # the dot: no integration instance is called so
        self._done: dict[str, int] = dict(self._state.get(DONE) or {})
        self._owed: dict[str, Notice] = {}
        self._came = asyncio.Event()
        self._ready: Callable[[], None] = lambda: None

    def start(self, ready: Callable[[], None]) -> OwnNotices:
        """A new run of the notifier; `ready` is called when it got through."""
        self._ready = ready
        return self

    def recall(self, alerts: Iterable[Alert]) -> None:
        """What the last life knew: open alerts not told yet, and the end of those that were told."""
        for alert in alerts:
            if alert.open or alert.id in self._done:
                self.offer(alert)

    def offer(self, alert: Alert) -> None:
        """An alert has changed. Never waits, never fails."""
        if alert.n <= self._done.get(alert.id, 0):
            return
        self._owed.pop(alert.id, None)  # the newest last
        self._owed[alert.id] = notice_of(alert)
        if len(self._owed) > OWED:
            del self._owed[next(iter(self._owed))]
            self.left_out += 1
        self._came.set()

    async def __aiter__(self) -> AsyncIterator[Notice]:
        given: set[str] = set()
        while True:
            waiting = [notice for notice in self._owed.values() if notice.key not in given]
            if not waiting:
                if not self._owed:
                    given.clear()
                self._came.clear()
                await self._came.wait()
                continue
            given.add(waiting[0].key)
            yield waiting[0]

    def done(self, notice: Notice) -> None:
        if (owed := self._owed.get(notice.alert)) is not None and owed.n <= notice.n:
            del self._owed[notice.alert]
        self._done.pop(notice.alert, None)
        self._done[notice.alert] = notice.n
        while len(self._done) > REMEMBERED:
            del self._done[next(iter(self._done))]
        self._state.put(DONE, dict(self._done))
        self._ready()


def notice_of(alert: Alert) -> Notice:
    return Notice(
        alert=alert.id, n=alert.n, rule=alert.rule, state=alert.state, severity=alert.severity, text=alert.text,
        text_fr=alert.text_fr, value=alert.value, place=alert.place, zone=alert.zone, site=alert.site,
        device=alert.device, integration=alert.integration, by=alert.by, why=alert.why, raised=alert.raised,
        changed=alert.changed,
    )  # fmt: skip
