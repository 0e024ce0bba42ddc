"""What tests of the operator's API share: it, without TLS, over a database with bodies and chunks."""

from __future__ import annotations

import json
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Self

from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from backend.api.guard import Guard
from backend.api.reading import ReadingApi
from backend.api.requests import errors
from backend.owner import directory as owners
from backend.storage.opening import open_queries, open_storage
from backend.storage.tables import AlertChange, Hub
from hub.core.request_log import RequestLog

from .compaction_kit import HOUR, NOW, Town, count, report


class Office:
    """An operator's office: the API over one database, and who asks it."""

    def __init__(self, directory: Path) -> None:
        self.owner = owners.init(directory, owner="Ville")
        self.town = Town(self.owner.database)
        self.storage = open_storage(self.owner.database)
        self.api: ReadingApi
        self.client: TestClient[web.Request, web.Application]

    async def get(self, path: str, *, status: int = 200, **headers: str) -> Any:
        """Ask, and return the answer as JSON."""
        async with self.client.get(path, headers=self.token | headers) as reply:
            body = await reply.read()
            assert reply.status == status, (reply.status, body)
            return json.loads(body) if body else None

    @property
    def token(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.owner.api_token}"}

    def enrol(self, number: int) -> str:
        hub = f"hub-{number:03d}"
        with self.storage.transaction():
            self.storage.registry.enrol(
                Hub(hub, number.to_bytes(32, "big"), f"School {number}", 1000.0 + number, None, None)
            )
        return hub

    def alarm(self, number: int, hub: str = "hub-001") -> None:
        with self.storage.transaction():
            self.storage.alarms.raise_one("trial", hub, f"alarm {number}", None, NOW / 1000 + number, 1000)

    def clear(self, number: int, hub: str = "hub-001") -> None:
        with self.storage.transaction():
            self.storage.alarms.clear("trial", hub, f"alarm {number}", NOW / 1000 + 100 + number)

    def alert(self, number: int, state: str = "raised", n: int = 1, hub: str = "hub-001") -> None:
        change = AlertChange(
            hub, f"alert-{number}", n, "hot", "k", state, "warning", "", "", "31", "hot", "chaud", "ble:1", "room-1",
            "school", "ground", "ble", NOW / 1000 + number, NOW / 1000 + n, NOW / 1000 + n,
        )  # fmt: skip
        with self.storage.transaction():
            if self.storage.alerts.find(hub, change.alert) is None:
                self.storage.alerts.add(change)
            else:
                self.storage.alerts.replace(change, keep_request=False)

    def fill(self) -> None:
        """Two hubs with readings of some hours, half of them in chunks, and a few of everything else."""
        for number in (1, 2):
            hub = self.enrol(number)
            self.town.arrive(hub, [report(NOW + n * HOUR // 4, 20 + n / 100, rssi=-60) for n in range(12)])
            self.town.arrive(hub, [count(NOW + n * HOUR // 4, n) for n in range(12)])
        self.town.settle(1000)
        self.town.arrive("hub-001", [count(NOW + n * HOUR // 4, n) for n in range(12, 20)])
        for number in range(5):
            self.alarm(number)
            self.alert(number)
        self.clear(2)
        self.alert(3, "cleared", 2)

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[Self]:
        """Serve, with a client, until the block is left."""
        self.api = ReadingApi(Guard(self.owner), open_queries(self.owner.database))
        app = web.Application(middlewares=[errors(RequestLog(logging.getLogger("test")))])
        self.api.route(app.router)
        app.on_shutdown.append(self.api.events.stop)
        async with TestClient(TestServer(app)) as self.client:
            yield self

    def close(self) -> None:
        self.storage.close()
        self.town.close()
