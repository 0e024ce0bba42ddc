"""Listening over TLS 1.3: sockets, contexts, and the HTTP server of a process of the backend.

Client certificates are requested where hubs call and, when shown, must be of the owner's CA; enrolment has none yet, so
that TLS does not require one. `backend.api.requests` decides which hub a request speaks for.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from errno import EADDRINUSE
from pathlib import Path
from typing import cast

from aiohttp import web

from backend.processes.connections import HANDSHAKE_S, Connections, PendingConnection
from hub.core import tls
from hub.core.errors import ConfigError
from hub.core.request_log import RequestLog
from hub.core.text import phrase, reason_of, system_error

SHUTDOWN_S = 10.0
BACKLOG = 1024


@asynccontextmanager
async def answering(
    application: web.Application,
    log: RequestLog,
    *,
    listener: socket.socket | None = None,
    context: ssl.SSLContext | None = None,
    connections: Connections | None = None,
    beside: socket.socket | None = None,
) -> AsyncIterator[None]:
    """Answer requests over TLS at `listener`, and without at the Unix socket `beside`, until the block is left; then
    finish those in progress."""
    if connections is not None:
        application.middlewares.insert(0, connections.middleware())  # around all that answers
    runner = web.AppRunner(
        application, logger=log, access_log=None, shutdown_timeout=SHUTDOWN_S, handler_cancellation=False
    )
    accepting: asyncio.Server | None = None
    try:
        await runner.setup()
        if listener is not None and connections is not None:
            make = cast(web.Server, runner.server)
            accepting = await asyncio.get_running_loop().create_server(
                lambda: PendingConnection(make, connections),
                sock=listener,
                ssl=context,
                backlog=BACKLOG,
                ssl_handshake_timeout=HANDSHAKE_S,
            )
        if beside is not None:
            await web.SockSite(runner, beside).start()
        yield
    finally:
        if accepting is not None:
            accepting.close()
        await runner.cleanup()
        for made in (listener, beside):
            if made is not None:
                made.close()


def tls_context(directory: Path, *, hubs: bool = True) -> ssl.SSLContext:
    """Build a context with TLS 1.3 only and the server's certificate; for `hubs`, client certificates of the owner's CA
    are asked for. Raises ConfigError."""
    try:
        context = tls.server(oldest=ssl.TLSVersion.TLSv1_3, clients=directory / "ca.pem" if hubs else None)
        context.load_cert_chain(directory / "server.pem", directory / "server.key")
        if hubs:
            context.num_tickets = 0  # a hub resumes no session, and two tickets cost a tenth of its handshake
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


def listen(host: str, port: int, *, shared: bool = False) -> socket.socket:
    """Listen at an address; `shared`: beside other processes of this user, among which the kernel divides the calls.
    Raises ConfigError."""
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0][0]
        return socket.create_server((host, port), family=family, backlog=BACKLOG, reuse_port=shared)
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
