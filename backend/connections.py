"""Who is connected: MOST strangers, and MOST_OF_HUB connections of each hub; beyond it one gives way to the next.

Anybody may open one, since enrolment has no certificate yet and an operator never has one. A machine that opens a
thousand and says nothing would use up the descriptors of this process, and no hub could come any more. Hubs keep theirs
as long as they like: one that is paid by the byte does not shake hands for each message. A hub in wrong hands, or
whoever has copied its certificate, is a hub all the same: so each has a share, which is twice what it ever needs, since
what a broken line leaves behind is seen to be gone only after an hour.

    gives way    the one that is there longest without a whole request, of the address that has most; of a hub, one that
                 is in the middle of sending only where all are
    never        one whose request is there as a whole: it is answered first. Where all wait for an answer, the new one
                 is refused
    counted      each, by hub: `GET /v1/stats`. A hub that makes more than its share within SOON_S is told as an alarm
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
from backend.ingest import Ingest
from backend.worker import Worker

log = logging.getLogger(__name__)

MOST = 256
MOST_OF_HUB = 32
HANDSHAKE_S = 60.0
"""As long as a hub waits for an answer: on a slow line, or when all come back at once, it takes most of that."""
SOON_S = 60.0
TOLD_EVERY_S = 3600.0
DESCRIPTORS = 65_536
ALARM = "connections"
DETAIL = (
    f"it makes more than {MOST_OF_HUB} connections within a minute, which no hub does: others of it give way, and its "
    "records still come. It is in wrong hands, or its certificate is: look at the hub, and revoke it if that is so"
)


def make_room() -> None:
    """Let this process have as many connections as the machine allows it, up to DESCRIPTORS: a shell allows 1,024,
    which a crowd that shakes no hand at all has soon used up, and many hubs too."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = DESCRIPTORS if hard == resource.RLIM_INFINITY else min(DESCRIPTORS, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


class Connections:
    """Of one listener; on its event loop. `crowded(hub)` is called for a hub that makes too many too fast."""

    def __init__(self, crowded: Callable[[str], None], now: Callable[[], float] = time.monotonic) -> None:
        self._crowded, self._now = crowded, now
        self._here: dict[str, dict[RequestHandler, float]] = {}  # by hub, "" of strangers; the oldest first
        self._asking: dict[RequestHandler, web.Request] = {}
        self.gave_way: Counter[str] = Counter()

    def meet(self, made: RequestHandler, hub: str) -> None:
        """Of a connection whose handshake is over; `hub` is "" where it showed no certificate."""
        here, now = self._here.setdefault(hub, {}), self._now()
        for gone in [known for known in here if known.transport is None]:
            del here[gone]
        here[made] = now
        if len(here) > (MOST_OF_HUB if hub else MOST):
            since = self._push_out(here, made, hub)
            if hub and now - since < SOON_S:
                self._crowded(hub)

    def middleware(self) -> Middleware:
        """Whoever asked for something, and has sent all of it, is not pushed out before it is answered."""

        @web.middleware
        async def answering(request: web.Request, handler: Handler) -> web.StreamResponse:
            self._asking[request.protocol] = request
            try:
                return await handler(request)
            finally:
                del self._asking[request.protocol]

        return answering

    def _push_out(self, here: dict[RequestHandler, float], made: RequestHandler, hub: str) -> float:
        """Since when that was here which goes."""
        some = [known for known in here if known is not made and not self._waits(known)] or [made]
        many = Counter(map(_address, some))
        # min takes the first of the equal ones, and they are in the order in which they came
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


class Arriving(asyncio.Protocol):
    """Stands at a connection until its handshake is over: only then it is known who came. A crowd that connects first,
    and shakes hands all at once, is met one by one all the same."""

    def __init__(self, make: Callable[[], RequestHandler], connections: Connections) -> None:
        self._make = make
        self._connections = connections

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Hands it to a protocol that `make` makes."""
        made = self._make()
        transport.set_protocol(made)
        made.connection_made(transport)
        self._connections.meet(made, common_name(transport))


class Telling:
    """Makes an alarm of a hub that makes too many connections: at once, and where it goes on each TOLD_EVERY_S."""

    def __init__(self, worker: Worker, now: Callable[[], float] = time.monotonic) -> None:
        self._worker, self._now = worker, now
        self._told: dict[str, float] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    def __call__(self, hub: str) -> None:
        now = self._now()
        if now - self._told.get(hub, -TOLD_EVERY_S) < TOLD_EVERY_S:
            return
        self._told[hub] = now
        log.warning("%s: %s", hub, DETAIL)
        task = asyncio.create_task(self._alarm(hub), name="alarm")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def stop(self) -> None:
        """Once what is to be told is told."""
        if self._tasks:
            await asyncio.wait(self._tasks)

    async def _alarm(self, hub: str) -> None:
        def raised(ingest: Ingest) -> None:
            with ingest.storage.transaction():
                ingest.storage.alarm(ALARM, hub, DETAIL)

        try:
            await self._worker.call(raised)
        except Exception as error:  # the database refuses, which the worker tells: the next one is not kept back
            del self._told[hub]
            log.warning("no alarm could be raised for %s: %s", hub, error)
