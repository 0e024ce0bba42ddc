"""A notifier over its real queue and supervisor, by a clock that only the test moves."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from hub.automation.alerts import Alert
from hub.automation.alerts.policy import EVERYTHING, Policy
from hub.plugin_host.notifier_queue import NotifierQueue
from hub.plugin_host.supervisor import Health, Supervisor
from hub.sdk.testing import ManualClock

HUB = "0123456789abcdef0123456789abcdef"


class Local:
    """What a notifier's queue keeps, as the buffer's small state does."""

    def __init__(self) -> None:
        self.local: dict[str, Any] = {}

    def put_local(self, key: str, value: Any) -> None:
        self.local[key] = value


def alert(name: str = "a", severity: str = "warning", **more: Any) -> Alert:
    facts: dict[str, Any] = {
        "rule": "loop", "key": "p", "raised": 1_800_000_000.0, "changed": 1_800_000_000.0, "by": "rule:loop",
        "place": "boiler", "zone": "plant", "text": "Boiler: loop at 51.2 °C",
        "text_fr": "Chaufferie : boucle à 51.2 °C",
    }  # fmt: skip
    return Alert(id=name, severity=severity, **{**facts, **more})


@asynccontextmanager
async def notifying(
    name: str,
    run: Callable[[Any, Any], Any],
    config: Any,
    *,
    http: Any = None,
    local: Local | None = None,
    policy: Policy = EVERYTHING,
) -> AsyncIterator[tuple[NotifierQueue, ManualClock, Health]]:
    clock, health = ManualClock(), Health(name=name, type="notifier", since=0.0)
    queue = NotifierQueue(name, HUB, http, local or Local(), clock, policy)  # type: ignore[arg-type]
    supervisor = Supervisor(health, lambda: run(config, queue.start(supervisor.ready)), clock)
    work = asyncio.create_task(supervisor.run())
    try:
        yield queue, clock, health
    finally:
        work.cancel()
        await asyncio.gather(work, return_exceptions=True)


async def until(true: Callable[[], Any], seconds: float = 60.0) -> None:
    """Wait for the other end, which has a clock of its own."""
    async with asyncio.timeout(seconds):
        while not true():
            await asyncio.sleep(0.005)
