"""The operator's API in a process of its own: it answers what ingest passes on to it by a socket in the owner's
directory and, where it is told to, callers over TLS at a port of its own."""

from __future__ import annotations

import asyncio
import logging
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from aiohttp import web
from aiohttp.typedefs import Middleware

from backend.api import socket as api_socket
from backend.api.metric_families import COUNTER, GAUGE, Family, by_label, counter
from backend.api.requests import Handler
from backend.api.routes import OperatorServer
from backend.city import server as city_server
from backend.city import spaces
from backend.city.city import City
from backend.city.store import CityStore
from backend.owner import directory as owners
from backend.owner.broker import Address
from backend.owner.directory import Owner
from backend.processes.background_tasks import beside
from backend.processes.connections import Connections
from backend.processes.metrics import MetricsAddress
from backend.processes.metrics import serving as serving_metrics
from backend.processes.owner_reload import Following
from backend.processes.tls_listener import answering, listen, tls_context
from backend.queries.views import Views
from backend.storage.city.database import open_city
from backend.storage.opening import open_queries
from backend.storage.process_lines import API, ProcessTeller
from backend.storage.shared import SharedStorage
from hub.core.text import phrase

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class RunningApi:
    """An API that answers operators: `url` of its own port, "" without one; `sftp` is the port of provider spaces."""

    url: str
    port: int
    metrics: str = ""
    sftp: int = 0


@asynccontextmanager
async def answering_operators(
    directory: Path,
    *,
    database: Path | str | None = None,
    host: str = "127.0.0.1",
    port: int | None = None,
    metrics: MetricsAddress | None = None,
    sftp: MetricsAddress | None = None,
    broker: Address | None = None,
) -> AsyncIterator[RunningApi]:
    """Answer the operators of an owner's directory until the block is left.

    `database` is another one than the directory's own; `port`, 0 for any free one, is a port of its own beside the
    socket. Providers drop files by `sftp`, and publish at `broker`. Raises ConfigError, StorageError; NotReady for
    `metrics`.
    """
    async with AsyncExitStack() as parts:
        owner = owners.load(directory)
        address = owner.database if database is None else database
        storage = SharedStorage(address)
        parts.push_async_callback(storage.close)
        server = OperatorServer(owner, address, storage)
        listener, found = None, 0
        if port is not None:
            listener = listen(host, port)
            parts.callback(listener.close)
            found = int(listener.getsockname()[1])
        context = None if listener is None else tls_context(directory, hubs=False)
        connections = Connections(lambda hub: None)
        teller = ProcessTeller(API, storage.call, _no_facts)
        await teller.begin()
        parts.push_async_callback(teller.end)
        handed = api_socket.listen(directory)
        if handed is None:
            log.warning(
                phrase("api-socket-taken", "another process of the API answers what comes to the port of the hubs")
            )
        else:
            parts.callback(api_socket.remove, directory)
            parts.callback(handed.close)
        url = owners.url_of(owner.settings.names[0], found) if listener is not None else ""
        city = await _city(owner, address, storage, url)
        parts.push_async_callback(city.store.close)
        application, answered = server.application(), Counter[str]()
        city_server.mount(application, city, server.log)
        application.middlewares.insert(0, _counting(answered))
        following = Following(owner, lambda changed: _adopt(changed, server, city), context, renews=False)
        await parts.enter_async_context(
            answering(
                application, server.log, listener=listener, context=context, connections=connections, beside=handed
            )
        )
        await parts.enter_async_context(beside(following.run(), teller.run(), city_server.work(city)))
        where = None if sftp is None else (sftp.host, sftp.port)
        sftp_port = await parts.enter_async_context(spaces.answering(city, where, broker))
        read = ""
        if metrics is not None:

            async def collect() -> list[Family]:
                return [*_metrics(answered, connections, server), *spaces.metrics(city)]

            at = await parts.enter_async_context(serving_metrics(metrics, collect))
            read = f"http://{metrics.host}:{at}/metrics"
        yield RunningApi(url, found, read, sftp_port)


async def _city(owner: Owner, address: Path | str, storage: SharedStorage, url: str) -> City:
    """Open the city's view of an owner. Raises StorageError."""
    queries = open_queries(address)
    return City(
        directory=owner.directory,
        owner=owner,
        address=address,
        store=CityStore(await asyncio.to_thread(open_city, owner.directory, address)),
        queries=queries,
        views=Views(queries),
        storage=storage,
        clock=time.time,
        url=url,
    )


async def _adopt(changed: Owner, server: OperatorServer, city: City) -> None:
    server.owner = city.owner = changed


async def _no_facts() -> dict[str, Any]:
    return {}


def _counting(answered: Counter[str]) -> Middleware:
    """Return a middleware that counts answers by the first digit of their status."""

    @web.middleware
    async def count(request: web.Request, handler: Handler) -> web.StreamResponse:
        response = await handler(request)
        answered[f"{response.status // 100}xx"] += 1
        return response

    return count


def _metrics(answered: Counter[str], connections: Connections, server: OperatorServer) -> list[Family]:
    return [
        by_label("ilot_backend_info", GAUGE, "Release that runs.", "release", [(version("ilot"), 1.0)]),
        by_label("ilot_backend_api_requests_total", COUNTER, "Requests of the operator that were answered.", "status",
                 sorted((status, float(count)) for status, count in answered.items())),
        counter("ilot_backend_connections_gave_way_total", "Connections that were ended for others.",
                float(connections.gave_way.total())),
        counter("ilot_backend_requests_malformed_total", "Requests that could not be read.",
                float(server.malformed.total())),
    ]  # fmt: skip
