"""Notifications that a test gives to a notifier."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

from hub.sdk.notification import Notification
from hub.sdk.testing.clock import settle
from hub.sdk.testing.http import FakeHttp
from hub.sdk.testing.waiting import Inbox

RAISED = 1_800_000_000.0


def notification(alert: str = "alert-1", n: int = 1, **more: Any) -> Notification:
    """A warning that was just raised in a boiler room. `more` are fields of `Notification`."""
    facts: dict[str, Any] = {
        "rule": "loop", "state": "raised", "severity": "warning", "raised": RAISED, "changed": RAISED,
        "by": "rule:loop", "place": "boiler-room", "value": "51.2 °C",
        "text": "Boiler room: loop at 51.2 °C", "text_fr": "Chaufferie : boucle à 51,2 °C",
    }  # fmt: skip
    return Notification(alert=alert, n=n, **{**facts, **more})


class FakeNotifications:
    """Implements `hub.sdk.notification.Notifications`. `give` a notification, as if an alert had changed; `told` are
    those that the notifier was done with, in order. As the hub does, it gives one that is not done again when the
    notifier starts again, and of one alert the latest alone. `http` answers from a table, `memory` outlives a run."""

    def __init__(self, name: str = "notifier", http: FakeHttp | None = None) -> None:
        self.name, self.hub, self.timezone = name, "hub-a2345672345672bc", "Europe/Paris"
        self.log = logging.LoggerAdapter(logging.getLogger(f"hub.{name}"), {"plugin": name})
        self.http = http or FakeHttp()
        self.memory: dict[str, Any] = {}
        self.told: list[Notification] = []
        self._due: dict[str, Notification] = {}
        self._news: Inbox[str] = Inbox()

    def give(self, notice: Notification) -> None:
        """Let an alert change."""
        self._due.pop(notice.alert, None)
        self._due[notice.alert] = notice
        self._news.put(notice.alert)

    @property
    def waiting(self) -> list[Notification]:
        """Those that the notifier is not done with."""
        return list(self._due.values())

    async def __aiter__(self) -> AsyncIterator[Notification]:
        given: set[str] = set()
        while True:
            due = next((one for one in self._due.values() if one.key not in given), None)
            if due is None:
                await self._news.get()
            else:
                given.add(due.key)
                yield due

    def done(self, notice: Notification) -> None:
        self.told.append(notice)
        if (due := self._due.get(notice.alert)) is not None and due.n <= notice.n:
            del self._due[notice.alert]

    async def run(self, run: Callable[[Any, Any], Awaitable[object]], config: Any, *, timeout: float = 10.0) -> None:
        """Run the notifier until it has been given all that is due and waits for more; then it is cancelled, as the hub
        stops it. Raises what the notifier raises, and TimeoutError when it does not come to that."""
        task: asyncio.Future[object] = asyncio.ensure_future(run(config, self))
        try:
            async with asyncio.timeout(timeout):
                while not task.done() and not self._idle():
                    await settle()
                    await asyncio.wait([task], timeout=0.001)
        except TimeoutError:
            left = [one.key for one in self.waiting]
            raise TimeoutError(
                f"{timeout:.0f} s went by and the notifier waits for no other notification: {len(self.told)} are told, "
                f"{left} are not"
            ) from None
        finally:
            if not task.done():
                task.cancel()
            await asyncio.wait([task])
        if not task.cancelled():
            task.result()

    def _idle(self) -> bool:
        return bool(self._news.waiting) and self._news.empty()
