"""Connections that show no hub's certificate: MOST at once, and the one that is there longest gives way to the next.

Anybody may open one, since enrolment has no certificate yet and an operator never has one. A machine that opens a
thousand and says nothing would use up the descriptors of this process, and no hub could come any more. Hubs keep theirs
as long as they like: one that is paid by the byte does not shake hands for each message.
"""

from __future__ import annotations

import asyncio
import resource
from collections.abc import Callable

from aiohttp import web
from aiohttp.typedefs import Middleware
from aiohttp.web_protocol import RequestHandler

from backend.api.requests import Handler

MOST = 256
HANDSHAKE_S = 60.0
"""As long as a hub waits for an answer: on a slow line, or when all come back at once, it takes most of that."""
DESCRIPTORS = 65_536


def make_room() -> None:
    """Let this process have as many connections as the machine allows it, up to DESCRIPTORS: a shell allows 1,024,
    which a crowd that shakes no hand at all has soon used up, and many hubs too."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = DESCRIPTORS if hard == resource.RLIM_INFINITY else min(DESCRIPTORS, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


class Strangers:
    """Of one listener; on its event loop."""

    def __init__(self) -> None:
        self._here: dict[RequestHandler, None] = {}  # the one that is there longest first
        self._asking: dict[RequestHandler, web.Request] = {}

    def meet(self, made: RequestHandler) -> None:
        """Of a connection whose handshake is over, and that showed no certificate."""
        for gone in [known for known in self._here if known.transport is None]:
            del self._here[gone]
        if len(self._here) >= MOST:
            self._push_out()
        self._here[made] = None

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

    def _push_out(self) -> None:
        for known in self._here:
            asked = self._asking.get(known)
            if known.transport is not None and (asked is None or not asked.content.is_eof()):
                del self._here[known]
                known.transport.abort()
                return


class Arriving(asyncio.Protocol):
    """Stands at a connection until its handshake is over: only then it is known who came. A crowd that connects first,
    and shakes hands all at once, is met one by one all the same."""

    def __init__(self, make: Callable[[], RequestHandler], strangers: Strangers) -> None:
        self._make = make
        self._strangers = strangers

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Hands it to a protocol that `make` makes."""
        made = self._make()
        transport.set_protocol(made)
        made.connection_made(transport)
        if not transport.get_extra_info("peercert"):
            self._strangers.meet(made)
