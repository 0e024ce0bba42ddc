"""Connections that show no hub's certificate: MOST at once, and the one that is there longest gives way to the next.

Anybody may open one, since enrolment has no certificate yet and an operator never has one. A machine that opens a
thousand and says nothing would use up the descriptors of this process, and no hub could come any more. Hubs keep theirs
as long as they like: one that is paid by the byte does not shake hands for each message.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from aiohttp import web
from aiohttp.typedefs import Middleware
from aiohttp.web_protocol import RequestHandler

from backend.api.requests import Handler

MOST = 256
HANDSHAKE_S = 15.0


class Strangers:
    """Of one listener; on its event loop."""

    def __init__(self) -> None:
        self._open: dict[RequestHandler, float] = {}  # each with when it came, the oldest first
        self._answered: set[RequestHandler] = set()

    def admit(self, make: Callable[[], RequestHandler]) -> RequestHandler:
        """The protocol, that `make` makes, of a connection that has just come."""
        now = asyncio.get_running_loop().time()
        for known, since in list(self._open.items()):
            transport = known.transport
            shaking = transport is None and now - since < HANDSHAKE_S
            if not shaking and (transport is None or transport.get_extra_info("peercert")):
                del self._open[known]  # it is gone, or a hub's
        if len(self._open) >= MOST:
            self._push_out()
        made = make()
        self._open[made] = now
        return made

    def middleware(self) -> Middleware:
        """Whoever asked for something, and has sent all of it, is not pushed out before it is answered."""

        @web.middleware
        async def answering(request: web.Request, handler: Handler) -> web.StreamResponse:
            if request.body_exists:
                return await handler(request)
            self._answered.add(request.protocol)
            try:
                return await handler(request)
            finally:
                self._answered.discard(request.protocol)

        return answering

    def _push_out(self) -> None:
        for known in self._open:
            if known.transport is not None and known not in self._answered:
                del self._open[known]
                known.transport.abort()
                return
