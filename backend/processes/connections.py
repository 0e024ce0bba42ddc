"""Limits on open connections: MOST without a certificate, and MOST_OF_HUB of each hub. Beyond them one is evicted.

Anybody may open one, since enrolment has no certificate yet and an operator never has one. A machine that opens a
thousand idle ones would use up the descriptors of this process, and lock out the hubs. Hubs keep theirs as long as they
like, since on a metered line they do not shake hands for each message. A compromised hub, or a copy of its certificate,
is a hub like any other: so each has a limit of its own, which is twice what it ever needs, because connections that a
broken line leaves behind are seen to be dead only after an hour.

    evicted      the one that is open longest without a complete request, of the address that has most; of a hub, one
                 that is in the middle of sending only where all are
    never        one whose complete request has arrived: it is answered first. Where all wait for an answer, the new
                 connection is refused
    counted      each, by hub: `GET /v1/stats`. A hub that opens more than its share within SOON_S raises an alarm
"""

from __future__ import annotations

import asyncio
import logging
import resource
import time
from collections import Counter
from collections.abc import Callable

from aiohttp import web
from aiohttp.typedefs import Middleware
from aiohttp.web_protocol import RequestHandler

from backend.api.requests import Handler, common_name
from backend.ingest.core import Ingest
from backend.ingest.worker import Worker
from hub.core.text import phrase, reason_of

log = logging.getLogger(__name__)

MOST = 256
MOST_OF_HUB = 32
HANDSHAKE_S = 60.0
"""Maximum seconds of a handshake, as long as a hub waits for an answer: on a slow line, or when all reconnect at once,
the handshake takes most of that."""
SOON_S = 60.0
ALARM_EVERY_S = 3600.0
DESCRIPTORS = 65_536
ALARM = "connections"
DETAIL = phrase(
    "too-many-connections",
    "it makes more than {count} connections within a minute, which no hub does: others of it give way, and its "
    "records still come. It is in wrong hands, or its certificate is: look at the hub, and revoke it if that is so",
    count=MOST_OF_HUB,
)


def raise_descriptor_limit() -> None:
    """Raise this process's limit of open files to what the machine allows, up to DESCRIPTORS.

    A shell allows 1,024, which a crowd of unfinished handshakes or many hubs soon use up.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = DESCRIPTORS if hard == resource.RLIM_INFINITY else min(DESCRIPTORS, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


class Connections:
    """Connections of one listener, on its event loop. `crowded(hub)` is called for a hub that opens too many too
    fast."""

    def __init__(self, crowded: Callable[[str], None], now: Callable[[], float] = time.monotonic) -> None:
        self._crowded, self._now = crowded, now
        self._here: dict[str, dict[RequestHandler, float]] = {}  # by hub, "" without a certificate; the oldest first
        self._asking: dict[RequestHandler, web.Request] = {}
        self.gave_way: Counter[str] = Counter()

    def admit(self, made: RequestHandler, hub: str) -> None:
        """Register a connection whose handshake is over; `hub` is "" without a certificate."""
        here, now = self._here.setdefault(hub, {}), self._now()
        for gone in [known for known in here if known.transport is None]:
            del here[gone]
        here[made] = now
        if len(here) > (MOST_OF_HUB if hub else MOST):
            since = self._evict(here, made, hub)
            if hub and now - since < SOON_S:
                self._crowded(hub)

    def middleware(self) -> Middleware:
        """Return a middleware that protects a connection from eviction while its complete request is being answered."""

        @web.middleware
        async def answering(request: web.Request, handler: Handler) -> web.StreamResponse:
            self._asking[request.protocol] = request
            try:
                return await handler(request)
            finally:
                del self._asking[request.protocol]

        return answering

    def _evict(self, here: dict[RequestHandler, float], made: RequestHandler, hub: str) -> float:
        """Close one connection; return the time since when it was open."""
        some = [known for known in here if known is not made and not self._waits(known)] or [made]
        many = Counter(map(_address, some))
        # min returns the first of equals, and the dictionary is in order of arrival
        goes = min(some, key=lambda known: (bool(hub) and known in self._asking, -many[_address(known)]))
        self.gave_way[hub] += 1
        if goes.transport is not None:
            goes.transport.abort()
        return here.pop(goes)

    def _waits(self, known: RequestHandler) -> bool:
        asked = self._asking.get(known)
        return asked is not None and asked.content.is_eof()


def _address(known: RequestHandler) -> str:
    peer = known.transport.get_extra_info("peername") if known.transport is not None else None
    return str(peer[0]) if peer else ""


class PendingConnection(asyncio.Protocol):
    """Protocol of a connection until its handshake is over, since only then its client is known. A crowd that shakes
    hands all at once is registered one by one."""

    def __init__(self, make: Callable[[], RequestHandler], connections: Connections) -> None:
        self._make = make
        self._connections = connections

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Hand the connection to a protocol from `make`."""
        made = self._make()
        transport.set_protocol(made)
        made.connection_made(transport)
        self._connections.admit(made, common_name(transport))


class CrowdAlarm:
    """Raises an alarm for a hub that opens too many connections: at once, then each ALARM_EVERY_S while it lasts."""

    def __init__(self, worker: Worker, now: Callable[[], float] = time.monotonic) -> None:
        self._worker, self._now = worker, now
        self._told: dict[str, float] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    def __call__(self, hub: str) -> None:
        now = self._now()
        if now - self._told.get(hub, -ALARM_EVERY_S) < ALARM_EVERY_S:
            return
        self._told[hub] = now
        log.warning(phrase("hub-says", "{hub}: {reason}", hub=hub, reason=DETAIL))
        task = asyncio.create_task(self._alarm(hub), name="alarm")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def stop(self) -> None:
        """Wait until pending alarms are written."""
        if self._tasks:
            await asyncio.wait(self._tasks)

    async def _alarm(self, hub: str) -> None:
        def raised(ingest: Ingest) -> None:
            with ingest.storage.transaction():
                ingest.received.alarm(ALARM, hub, DETAIL)

        try:
            await self._worker.call(raised)
        except Exception as error:  # the worker logs that the database refuses; the next alarm is still tried
            del self._told[hub]
            log.warning(
                phrase(
                    "alarm-not-raised", "no alarm could be raised for {hub}: {reason}", hub=hub, reason=reason_of(error)
                )
            )
