"""Handlers of the operator's requests that need more than a snapshot: counts of the processes which answer hubs, and
what is asked of an alert, the only request that changes anything."""

from __future__ import annotations

import asyncio
import time
from importlib.metadata import version
from typing import Any

from aiohttp import web

from backend.api.guard import Guard, Query
from backend.api.operations import OPERATIONS, AlertRequest
from backend.api.requests import MAX_REQUEST, body_of, read
from backend.hubs import alerts
from backend.queries.views import Views
from backend.storage.engine import Storage
from backend.storage.process_lines import INGEST, facts_of, living, summed
from backend.storage.processes import ProcessLine
from backend.storage.queries import Queries
from backend.storage.shared import SharedStorage


class OperatorApi:
    """Handlers over one database, which `storage` writes."""

    def __init__(self, guard: Guard, queries: Queries, storage: SharedStorage) -> None:
        self._guard, self._storage = guard, storage
        self._views = Views(queries)
        self._started = time.time()

    def route(self, router: web.UrlDispatcher) -> None:
        for operation in OPERATIONS:
            handler = {"wanted": self.wanted, "stats": self.stats}.get(operation.name)
            if handler is not None:
                self._guard.route(router, operation, handler)

    async def wanted(self, request: web.Request, query: Query) -> Any:
        asked, alert = read(await body_of(request, MAX_REQUEST), AlertRequest), request.match_info["alert"]

        def ask(storage: Storage) -> str:
            with storage.transaction():
                until = None if asked.seconds is None else time.time() + asked.seconds
                return alerts.request_change(storage.alerts, alert, asked.state, asked.by, asked.why, until, asked.hub)

        return {"alert": alert, "hub": await self._storage.call(ask), "wanted": asked.state}

    async def stats(self, request: web.Request, query: Query) -> Any:
        totals = await asyncio.to_thread(self._views.stats)
        lines = living(await self._storage.call(lambda storage: storage.processes.told()), time.time())
        ingests = [line for line in lines if line.kind == INGEST]
        return totals | summed(ingests) | {
            "db": next((facts_of(line).get("db") for line in ingests), None), "release": version("ilot"),
            "uptime": time.time() - self._started, "demo_grade": self._guard.owner.demo_grade,
            "processes": [_process(line) for line in lines],
        }  # fmt: skip


def _process(line: ProcessLine) -> dict[str, Any]:
    return {"name": line.name, "kind": line.kind, "release": line.release, "started_at": line.started_at}
