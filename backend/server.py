"""Server: TLS 1.3, one port, one database thread; ends in order on SIGTERM. It follows a new TRUST within seconds, and
renews its own certificate after two thirds of its life.

Client certificates are requested and, when shown, must be of the owner's CA; enrolment has none yet, so that TLS does
not require one. `backend.api.requests` decides which hub a request speaks for.
"""

from __future__ import annotations

import asyncio
import logging
import signal
import socket
import ssl
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from errno import EADDRINUSE
from pathlib import Path
from typing import cast

from aiohttp import web

from backend import owner as owners
from backend.api import Api
from backend.broker import read_address
from backend.connections import HANDSHAKE_S, Connections, CrowdAlarm, PendingConnection, raise_descriptor_limit
from backend.ingest import Ingest
from backend.journal import Journal
from backend.owner import Owner
from backend.purge_clock import check_start
from backend.sigfox_callbacks import ListenAddress, receiving
from backend.storage import Storage
from backend.worker import Worker
from hub.core import tls
from hub.core.errors import ConfigError, HubError, NotReady
from hub.core.request_log import RequestLog
from hub.core.text import phrase, reason_of, system_error

log = logging.getLogger(__name__)

SHUTDOWN_S = 10.0
BACKLOG = 1024
LOOK_S = 2.0
"""Seconds between two checks whether trust.bin has changed."""
CERTIFICATE_EVERY_S = 6 * 3600.0


@dataclass(frozen=True, slots=True)
class Running:
    """A server that accepts requests."""

    url: str
    port: int
    owner: Owner
    worker: Worker
    callbacks: str = ""  # address for the Sigfox operator's callbacks


@asynccontextmanager
async def serving(
    directory: Path,
    *,
    host: str = "127.0.0.1",
    port: int | None = None,
    journal: bool = False,
    mqtt: str = "",
    callbacks: ListenAddress | None = None,
) -> AsyncIterator[Running]:
    """Serve an owner's directory until the block is left; then finish and commit the requests in progress.

    `port` None is the one that TRUST names, 0 any free one; `mqtt` is HOST:PORT of a broker to listen to as well,
    `callbacks` the address for the Sigfox operator's. Raises ConfigError, StorageError; NotReady for `callbacks`.
    """
    owner = owners.load(directory)
    listener = _listen(host, owner.settings.port if port is None else port)
    try:
        owner = owners.serve_at(owner, listener.getsockname()[1])
        owner.renew_own_certificate(time.time())
        context = tls_context(directory)
        worker = Worker(lambda: make_ingest(owner, journal=journal))
        await worker.start()
    except BaseException:
        listener.close()
        raise
    telling = CrowdAlarm(worker)
    connections = Connections(telling)
    api = Api(owner, worker, connections.gave_way)
    application = api.application()
    application.middlewares.append(connections.middleware())
    runner = web.AppRunner(
        application,
        logger=api.log,
        access_log=None,
        shutdown_timeout=SHUTDOWN_S,
        handler_cancellation=False,
    )
    accepting: asyncio.Server | None = None
    following = asyncio.create_task(_follow(owner, api, worker, context), name="owner")
    try:
        await runner.setup()
        make = cast(web.Server, runner.server)
        accepting = await asyncio.get_running_loop().create_server(
            lambda: PendingConnection(make, connections),
            sock=listener,
            ssl=context,
            backlog=BACKLOG,
            ssl_handshake_timeout=HANDSHAKE_S,
        )
        async with AsyncExitStack() as more:
            if mqtt:
                await more.enter_async_context(_mqtt(directory, worker, mqtt))
            received = ""
            if callbacks is not None:
                found = await more.enter_async_context(receiving(callbacks, worker))
                received = f"{'http' if callbacks.certificate is None else 'https'}://{callbacks.address}:{found}"
            yield Running(owner.settings.url, owner.settings.port, owner, worker, received)
    finally:
        following.cancel()
        await asyncio.wait([following])
        if accepting is not None:
            accepting.close()
        await runner.cleanup()
        listener.close()
        await telling.stop()
        await worker.stop()


async def run(
    directory: Path,
    *,
    host: str,
    port: int | None,
    journal: bool,
    ready: Callable[[Running], None],
    mqtt: str = "",
    callbacks: ListenAddress | None = None,
) -> None:
    """Serve until SIGTERM or SIGINT; `ready` is called once requests are accepted."""
    raise_descriptor_limit()
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(RequestLog(logging.getLogger("asyncio")).uncaught)
    async with serving(directory, host=host, port=port, journal=journal, mqtt=mqtt, callbacks=callbacks) as running:
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stop.set)
        ready(running)
        await stop.wait()


async def _follow(owner: Owner, api: Api, worker: Worker, context: ssl.SSLContext) -> None:
    """Apply changes of the owner's directory, and renew what expires; an error is logged once, and the former values
    stay."""
    trouble, looked = "", time.monotonic()
    while True:
        await asyncio.sleep(LOOK_S)
        try:
            if await asyncio.to_thread((owner.directory / "trust.bin").read_bytes) != owner.trust_document:
                owner = await _adopted(owner.directory, api, worker)
                log.info(
                    phrase(
                        "new-trust-adopted",
                        "the owner signed a new trust document, version {version}",
                        version=owner.trust.version,
                    )
                )
            if time.monotonic() - looked >= CERTIFICATE_EVERY_S:
                looked = time.monotonic()
                if await asyncio.to_thread(owner.renew_own_certificate, time.time()):
                    context.load_cert_chain(owner.directory / "server.pem", owner.directory / "server.key")
                    log.info(phrase("server-certificate-renewed", "the server's certificate was renewed"))
            trouble = ""
        except (HubError, OSError) as error:
            if str(error) != trouble:
                log.error(
                    phrase(
                        "owner-directory-not-followed",
                        "the owner's directory changed and cannot be followed, the former keys stay: {reason}",
                        reason=reason_of(error),
                    )
                )
            trouble = str(error)


async def _adopted(directory: Path, api: Api, worker: Worker) -> Owner:
    changed = await asyncio.to_thread(owners.load, directory)
    await worker.call(lambda ingest: ingest.adopt(changed))
    api.adopt(changed)
    return changed


def _mqtt(directory: Path, worker: Worker, broker: str) -> AbstractAsyncContextManager[None]:
    try:
        from backend import mqtt
    except ModuleNotFoundError as error:
        raise ConfigError(
            phrase(
                "mqtt-extra-missing",
                "hearing hubs by way of a broker needs the extra, pip install 'ilot[mqtt]': {reason}",
                reason=reason_of(error),
            )
        ) from error
    return mqtt.listening(directory, worker, read_address(broker))


def make_ingest(owner: Owner, *, journal: bool) -> Ingest:
    """Return the ingest of an owner's directory. Entries of an earlier journal are processed also without `journal`."""
    storage = Storage(owner.database)
    try:
        check_start(storage.connection, time.time())
    except NotReady:
        storage.close()
        raise
    held = Journal(owner.directory / "journal", storage.connection)
    ingest = Ingest(storage, owner, held)
    if journal:
        return ingest
    while ingest.checkpoint(1 << 20):
        pass
    held.close()
    return Ingest(storage, owner)


def tls_context(directory: Path) -> ssl.SSLContext:
    """Build a context with TLS 1.3 only, the server's certificate, and client certificates of the owner's CA. Raises
    ConfigError."""
    try:
        context = tls.server(oldest=ssl.TLSVersion.TLSv1_3, clients=directory / "ca.pem")
        context.load_cert_chain(directory / "server.pem", directory / "server.key")
    except OSError as error:
        raise ConfigError(
            phrase(
                "certificates-not-usable",
                "cannot use the certificates in {directory}: {reason}",
                directory=directory,
                reason=reason_of(error),
            )
        ) from error
    return context


def _listen(host: str, port: int) -> socket.socket:
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0][0]
        return socket.create_server((host, port), family=family, backlog=BACKLOG)
    except OSError as error:
        if error.errno == EADDRINUSE:
            said = phrase(
                "backend-port-in-use",
                "cannot listen on {host} port {port}, another program listens there; name another port, or end it",
                host=host,
                port=port,
            )
        else:
            reason = system_error(error)
            said = phrase(
                "backend-cannot-listen",
                "cannot listen on {host} port {port}: {reason}",
                host=host,
                port=port,
                reason=reason,
            )
        raise ConfigError(said) from error
