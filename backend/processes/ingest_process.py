"""Ingest's process: hubs over TLS 1.3 at one port, and what comes with them: a broker, callbacks. The operator's
requests that come to the same port are passed on to the API's process. It follows a new TRUST within seconds, and
renews the server's certificate after two thirds of its life.
"""

from __future__ import annotations

import logging
import secrets
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from backend.api.nonces import KEY_BYTES, Nonces
from backend.api.routes import HubServer
from backend.hubs.alarms import raise_alarm
from backend.ingest.core import Ingest
from backend.ingest.sigfox.callbacks import ListenAddress, receiving
from backend.ingest.worker import Worker
from backend.maintenance.former_journal import FormerJournal
from backend.maintenance.journal_recovery import JournalRecovery
from backend.maintenance.row_migration import Told, move_rows_of
from backend.owner import directory as owners
from backend.owner.broker import read_address
from backend.owner.directory import Owner
from backend.owner.lock import held
from backend.processes.api_forwarding import PassingOn
from backend.processes.api_process import answering_operators
from backend.processes.background_tasks import beside
from backend.processes.connections import Connections, CrowdAlarm
from backend.processes.ingest_metrics import IngestMetrics
from backend.processes.metrics import MetricsAddress
from backend.processes.metrics import serving as serving_metrics
from backend.processes.owner_reload import Following
from backend.processes.tls_listener import answering, listen, tls_context
from backend.readings.purge_clock import check_start
from backend.storage.engine import Storage
from backend.storage.opening import is_url, open_storage
from backend.storage.process_lines import INGEST, MOST_NAMED, ProcessTeller
from hub.core.errors import ConfigError, HubError
from hub.core.text import phrase, reason_of

log = logging.getLogger(__name__)

LOCK = "ingesting"
"""File in the owner's directory, locked by the one process that may ingest into SQLite."""

RECOVERED_AT_ONCE = 1 << 20
"""Bytes of a former release's journal that are stored in one transaction."""

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Running:
    """An ingest that answers hubs."""

    url: str
    port: int
    owner: Owner
    worker: Worker
    teller: ProcessTeller
    callbacks: str = ""  # address for the Sigfox operator's callbacks
    metrics: str = ""  # address at which metrics are read


@asynccontextmanager
async def answering_hubs(
    directory: Path,
    *,
    database: Path | str | None = None,
    host: str = "127.0.0.1",
    port: int | None = None,
    shared: bool = False,
    mqtt: str = "",
    callbacks: ListenAddress | None = None,
    metrics: MetricsAddress | None = None,
    moved: Told = lambda _: None,
) -> AsyncIterator[Running]:
    """Answer the hubs of an owner's directory until the block is left; then finish and commit the requests in progress.

    `database` is another one than the directory's own, `port` None the one that TRUST names, 0 any free one, which
    several processes may have if it is `shared`; `mqtt` is HOST:PORT of a broker to listen to as well, `callbacks` the
    address for the Sigfox operator's, `metrics` that for Prometheus. `moved` is told in another thread how far the rows
    of a former release are moved, which the start waits for. Raises ConfigError, StorageError; NotReady for `callbacks`
    and `metrics`.
    """
    async with AsyncExitStack() as parts:
        owner = owners.load(directory)
        address = owner.database if database is None else database
        if not is_url(address):
            refused = phrase(
                "ingest-runs-already",
                "another process answers hubs over the database of {directory}: end it, or let several do so over "
                "PostgreSQL",
                directory=directory,
            )
            parts.enter_context(held(directory / LOCK, refused))
        listener = listen(host, owner.settings.port if port is None else port, shared=shared)
        parts.callback(listener.close)
        owner = owners.serve_at(owner, listener.getsockname()[1])
        owner.renew_own_certificate(time.time())
        context = tls_context(directory)
        worker = Worker(lambda: make_ingest(owner, database=address, moved=moved))
        await worker.start()
        parts.push_async_callback(worker.stop)
        telling = CrowdAlarm(worker)
        parts.push_async_callback(telling.stop)
        connections = Connections(telling)
        teller = ProcessTeller(INGEST, _over(worker), lambda: _facts(worker, server, connections))
        passing = PassingOn(directory, teller.tell)
        parts.push_async_callback(passing.close)
        server = HubServer(owner, worker, Nonces(await _challenge_key(worker)), passing.handle)
        await teller.begin()
        parts.push_async_callback(teller.end)
        following = Following(owner, lambda changed: _adopt(changed, worker, server), context, renews=True)
        await parts.enter_async_context(
            answering(server.application(), server.log, listener=listener, context=context, connections=connections)
        )
        await parts.enter_async_context(beside(following.run(), teller.run()))
        if mqtt:
            await parts.enter_async_context(_mqtt(directory, worker, mqtt))
        received = ""
        if callbacks is not None:
            found = await parts.enter_async_context(receiving(callbacks, worker))
            received = f"{'http' if callbacks.certificate is None else 'https'}://{callbacks.address}:{found}"
        read = ""
        if metrics is not None:
            told = IngestMetrics(lambda: server.owner, worker, connections.gave_way, server.malformed)
            found = await parts.enter_async_context(serving_metrics(metrics, told.collect))
            read = f"http://{metrics.host}:{found}/metrics"
        yield Running(owner.settings.url, owner.settings.port, owner, worker, teller, received, read)


@asynccontextmanager
async def serving(directory: Path, **options: Any) -> AsyncIterator[Running]:
    """Answer hubs and operators of an owner's directory in one event loop, until the block is left. `options` are those
    of `answering_hubs`."""
    database = options.get("database")
    async with answering_hubs(directory, **options) as running, answering_operators(directory, database=database):
        yield running


async def _adopt(changed: Owner, worker: Worker, server: HubServer) -> None:
    await worker.call(lambda ingest: ingest.adopt(changed))
    server.owner = changed


def _over(worker: Worker) -> Callable[[Callable[[Storage], T]], Awaitable[T]]:
    """Return how work over the open database is handed to the thread that writes it."""
    return lambda work: worker.call(lambda ingest: work(ingest.storage))


async def _challenge_key(worker: Worker) -> bytes:
    def key(ingest: Ingest) -> bytes:
        with ingest.storage.transaction():
            return ingest.storage.processes.challenge_key(secrets.token_bytes(KEY_BYTES), time.time())

    return await worker.call(key)


async def _facts(worker: Worker, server: HubServer, connections: Connections) -> dict[str, Any]:
    """Return what this process counted since it started; the operator's API adds it up."""

    def counted(ingest: Ingest) -> dict[str, Any]:
        counts = ingest.counts
        return {
            "db": ingest.storage.numbers.database.hex(),
            "duplicates": counts.duplicates,
            "refused": counts.refused,
            "stale_states": ingest.states.stale,
            "messages": counts.messages,
        }

    gave_way = {hub or "strangers": count for hub, count in connections.gave_way.most_common(MOST_NAMED)}
    more = {"connections_gave_way": gave_way, "requests_malformed": server.malformed.total()}
    return await worker.call(counted) | more


def _mqtt(directory: Path, worker: Worker, broker: str) -> AbstractAsyncContextManager[None]:
    try:
        from backend.ingest import mqtt
    except ModuleNotFoundError as error:
        raise ConfigError(
            phrase(
                "mqtt-extra-missing",
                "hearing hubs by way of a broker needs the extra, pip install 'ilot[mqtt]': {reason}",
                reason=reason_of(error),
            )
        ) from error
    return mqtt.listening(directory, worker, read_address(broker))


def make_ingest(owner: Owner, *, database: Path | str | None = None, moved: Told = lambda _: None) -> Ingest:
    """Return the ingest of an owner's directory. What a former release left there is taken up first: readings that lie
    as rows, and acknowledged records in its journal."""
    address = owner.database if database is None else database
    if not is_url(address):
        move_rows_of(Path(address), moved)
    storage = open_storage(address)
    try:
        check_start(storage, time.time())
        _take_up(storage)
        ingest = Ingest(storage, owner)
        held = FormerJournal(owner.directory / "journal", storage.notes.journal_end())
        recovery = JournalRecovery(held, ingest.registry, ingest.verifier, ingest.records)
        while recovery.run(RECOVERED_AT_ONCE):
            pass
    except HubError:
        storage.close()
        raise
    return ingest


def _take_up(storage: Storage) -> None:
    """Take the database's identity up; where an older one was put back, raise an alarm."""
    with storage.transaction():
        if storage.numbers.begin():
            told = phrase("database-put-back", "an older database was put back: hubs are asked to send again")
            raise_alarm(storage, "restored", "", told)
