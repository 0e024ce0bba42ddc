"""What a small HTTP server needs that anybody may call: a crowd of connections that is bounded
(`hub.sdk.connections`), a pace, a secret in a header, a body that is bounded, TLS, and an end in order.

Whose callbacks they are, which paths there are, and what each answer says is the business of who derives from it.
aiohttp is imported when it listens.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import contextlib
import logging
import math
import ssl
import time
from collections.abc import AsyncIterator, Callable, Iterator
from typing import TYPE_CHECKING, ClassVar

from hub.core import tls as contexts
from hub.core.errors import DecodeError, NotReady
from hub.core.request_log import RequestLog
from hub.core.text import phrase, reason_of
from hub.sdk.connections import Connections, Limits

if TYPE_CHECKING:
    from aiohttp import web
    from aiohttp.web_protocol import RequestHandler

    from hub.sdk.http_handler import Handler


__all__ = ["HttpServer", "Rate", "RequestLog"]

_log = logging.getLogger(__name__)


class Rate:
    """So many a second, and as many again at once."""

    def __init__(self, per_second: float, now: Callable[[], float] = time.monotonic) -> None:
        self._per_second, self._now = per_second, now
        self._left, self._at = 2 * per_second, now()

    def take(self) -> bool:
        """Count one request. Returns False when it is one too many."""
        at = self._now()
        self._left = min(2 * self._per_second, self._left + (at - self._at) * self._per_second)
        self._at = at
        if self._left < 1:
            return False
        self._left -= 1
        return True


class HttpServer:
    """Derive from it, and give `answer`. `counted(reason)` is told of what is refused, of what cannot be read, and of
    PUSHED_OUT: connections are at most MOST_OPEN, from their first packet on. When more come, the one goes that has
    been there longest without a request under way, of the address that has most. `rate`: requests a second. Times are
    seconds: HANDSHAKE_S until TLS is agreed on, KEEP_S until a request is there as a whole but for its body."""

    MOST_OPEN: ClassVar[int] = 128
    MOST_AT_ONCE: ClassVar[int] = 32
    MOST_BODY: ClassVar[int] = 1 << 16
    PUSHED_OUT: ClassVar[str] = "connection-pushed-out"
    ANSWER_S: ClassVar[float] = 8.0
    BODY_S: ClassVar[float] = 5.0
    HANDSHAKE_S: ClassVar[float] = 10.0
    KEEP_S: ClassVar[float] = 30.0

    def __init__(
        self, counted: Callable[[str], None], *, rate: float, now: Callable[[], float] = time.monotonic
    ) -> None:
        self.counted = counted
        self._rate = Rate(rate, now)
        self._busy: set[RequestHandler] = set()
        self._connections: Connections | None = None

    async def answer(self, request: web.BaseRequest) -> web.StreamResponse:
        """One request. To raise nothing but for a connection that is gone."""
        raise NotImplementedError

    def crowded(self) -> bool:
        """Are there too many requests at once?"""
        return len(self._busy) >= self.MOST_AT_ONCE

    def hurried(self) -> bool:
        """Are there too many a second? To be asked of who has a right to come: strangers who knock all day must not
        use up what those have."""
        return not self._rate.take()

    @contextlib.contextmanager
    def at_work(self, request: web.BaseRequest) -> Iterator[None]:
        """While this request is answered, its connection is not pushed out."""
        self._busy.add(request.protocol)
        try:
            with self._connections.busy(request.protocol) if self._connections else contextlib.nullcontext():
                yield
        finally:
            self._busy.discard(request.protocol)

    async def body(self, request: web.BaseRequest) -> bytes:
        """Raises DecodeError `oversized` as soon as it is, TimeoutError after BODY_S."""
        data = bytearray()
        async with asyncio.timeout(self.BODY_S):
            async for chunk in request.content.iter_any():
                data += chunk
                if len(data) > self.MOST_BODY:
                    raise DecodeError(
                        "oversized",
                        phrase(
                            "message-too-long",
                            "a message has at most {most} bytes",
                            most=self.MOST_BODY,
                        ),
                    )
        return bytes(data)

    @staticmethod
    def credential(value: str, header: str = "Authorization") -> tuple[str, str]:
        """(user, secret) that a header holds: Bearer (RFC 6750), Basic (RFC 7617), or another header's text alone.
        Empty texts when it holds none."""
        if header.lower() != "authorization":
            return "", value.strip()
        scheme, _, rest = value.strip().partition(" ")
        if scheme.lower() == "bearer":
            return "", rest.strip()
        if scheme.lower() == "basic":
            try:
                user, _, secret = base64.b64decode(rest.strip(), validate=True).decode().partition(":")
            except (binascii.Error, UnicodeDecodeError, ValueError):
                return "", ""
            return user, secret
        return "", ""

    @staticmethod
    async def context(certificate: str, key: str) -> ssl.SSLContext | None:
        """TLS 1.2 or newer with these PEM files, since small devices and operators speak no newer; None without any.
        Raises NotReady."""
        if not certificate:
            return None
        try:
            made = contexts.server()
            await asyncio.to_thread(made.load_cert_chain, certificate, key)
        except (OSError, ssl.SSLError) as error:
            raise NotReady(
                phrase(
                    "certificate-or-key-unreadable",
                    "the certificate {certificate} or its key cannot be read: {reason}",
                    certificate=certificate,
                    reason=reason_of(error),
                )
            ) from error
        return made

    @contextlib.asynccontextmanager
    async def serving(self, address: str, port: int, tls: ssl.SSLContext | None = None) -> AsyncIterator[int]:
        """Listen; yields the port. Raises NotReady when it is not to be had. Requests under way are answered at the
        end."""
        from aiohttp import web

        from hub.sdk.http_handler import Handler

        server, loop = web.Server(self.answer, handler_cancellation=False), asyncio.get_running_loop()
        log = RequestLog(_log, self.counted)

        def made() -> Handler:
            return Handler(
                server,
                loop=loop,
                logger=log,  # type: ignore[arg-type]
                access_log=None,  # type: ignore[arg-type]
                keepalive_timeout=self.KEEP_S,
            )

        async def ready() -> Callable[[], Handler]:
            return made

        async def ending() -> None:
            server.pre_shutdown()
            await server.shutdown(self.ANSWER_S)

        # An operator's cloud calls from few addresses, a proxy from one: no pace for handshakes, only a number.
        limits = Limits(self.MOST_OPEN, self.MOST_OPEN, math.inf, 0, self.HANDSHAKE_S, self.KEEP_S)
        self._connections = Connections(ready, tls, limits, lambda: self.counted(self.PUSHED_OUT))
        async with self._connections.serving(address, port, ending) as found:
            yield found
