"""A small HTTP server that takes the operator's callbacks.

    POST, PUT or GET  /sigfox/<kind>        JSON, a form, or the query (`hub.sigfox.callback`)
    Authorization: Bearer SECRET, or Basic USER:SECRET (or another header, with the secret alone)

    200  taken, and durable; for a bidir with an answer its body is that     204  a bidir, and nothing to say
    400  cannot be read: the template is wrong      401  no right      404, 405      413  too large
    429  too many at once      503  cannot be kept now: the operator tries again after 1, 2 and 4 minutes

The operator waits 10 s for an answer; here one is given after 8. Connections are at most `MOST_OPEN`: when more come,
the one that has been there longest without a request under way goes.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import contextlib
import logging
import ssl
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import TYPE_CHECKING, Generic, TypeVar

import msgspec

from hub.errors import DecodeError, NotReady, StorageError
from hub.sigfox.callback import MAX_BODY, Callback, fields, read, reply

if TYPE_CHECKING:
    from aiohttp import web
    from aiohttp.web_protocol import RequestHandler

PATH = "/sigfox/"
MOST_OPEN = 256
MOST_AT_ONCE = 64
ANSWER_S = 8.0
BODY_S = 5.0
HANDSHAKE_S = 10.0
KEEP_S = 30.0
_METHODS = ("GET", "POST", "PUT")

log = logging.getLogger(__name__)

Who = TypeVar("Who")


class Rate:
    """So many a second, and as many again at once."""

    def __init__(self, per_second: float, now: Callable[[], float] = time.monotonic) -> None:
        self._per_second, self._now = per_second, now
        self._left, self._at = 2 * per_second, now()

    def take(self) -> bool:
        at = self._now()
        self._left = min(2 * self._per_second, self._left + (at - self._at) * self._per_second)
        self._at = at
        if self._left < 1:
            return False
        self._left -= 1
        return True


class Door(Generic[Who]):
    """`authorise(user, secret)` says who that is, None when nobody; `take(who, callback)` keeps a callback and gives
    back 8 bytes for the device, or None; `counted(reason)` is told of what is refused. `header` is where the secret
    stands."""

    def __init__(
        self,
        authorise: Callable[[str, str], Awaitable[Who | None]],
        take: Callable[[Who, Callback], Awaitable[bytes | None]],
        counted: Callable[[str], None],
        *,
        rate: float,
        header: str = "Authorization",
    ) -> None:
        self._authorise, self._take, self._counted = authorise, take, counted
        self._rate, self._header = Rate(rate), header
        self._busy: set[RequestHandler] = set()
        self._open: dict[RequestHandler, float] = {}

    async def answer(self, request: web.BaseRequest) -> web.StreamResponse:
        """One request. Never raises but for a connection that is gone."""
        if len(self._busy) >= MOST_AT_ONCE or not self._rate.take():
            return self._refused(429, "too-many", "too many callbacks at once: send this one again later")
        self._busy.add(request.protocol)
        try:
            return await self._judged(request)
        except TimeoutError:
            return self._refused(503, "too-slow", "it took too long: send it again later")
        except (NotReady, StorageError) as error:
            return self._refused(503, "not-kept", str(error))
        except DecodeError as error:
            return self._refused(413 if error.reason == "oversized" else 400, error.reason, error.detail)
        except (ConnectionError, asyncio.CancelledError):
            raise
        except Exception:
            log.exception("a callback could not be handled")
            return self._refused(500, "failed", "a fault on this side; its log says more")
        finally:
            self._busy.discard(request.protocol)

    async def _judged(self, request: web.BaseRequest) -> web.StreamResponse:
        if not request.path.startswith(PATH):
            return self._refused(404, "no-such-path", f"callbacks go to {PATH}<kind>")
        who = await self._authorise(*credential(request.headers.get(self._header, ""), self._header))
        if who is None:
            return self._refused(401, "not-authorised", "the credential in the callback's headers is missing or wrong")
        if request.method not in _METHODS:
            return self._refused(405, "bad-method", "callbacks are POST, PUT or GET")
        async with asyncio.timeout(BODY_S):
            body = await _body(request)
        said = fields(body, request.headers.get("Content-Type", ""), request.query_string)
        callback = read(request.path.removeprefix(PATH), said)
        async with asyncio.timeout(ANSWER_S):
            downlink = await self._take(who, callback)
        return _answer(callback, downlink)

    def _refused(self, status: int, reason: str, text: str) -> web.StreamResponse:
        from aiohttp import web

        self._counted(reason)
        headers = {"Retry-After": "60"} if status in {429, 503} else {}
        return web.Response(
            status=status, body=msgspec.json.encode({"error": text}), content_type="application/json", headers=headers
        )

    def admit(self, make: Callable[[], RequestHandler]) -> RequestHandler:
        """The protocol of a connection that has just come."""
        now = time.monotonic()
        for known, since in list(self._open.items()):
            gone = known.transport is None and now - since > HANDSHAKE_S
            if known not in self._busy and gone:
                del self._open[known]
        if len(self._open) >= MOST_OPEN:
            oldest = next((known for known in self._open if known not in self._busy), None)
            if oldest is not None:
                del self._open[oldest]
                if oldest.transport is not None:
                    oldest.transport.abort()
                    self._counted("connection-pushed-out")
        protocol = make()
        self._open[protocol] = now
        return protocol


def credential(value: str, header: str = "Authorization") -> tuple[str, str]:
    """(user, secret) that a header holds, empty texts when it holds none."""
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


def _answer(callback: Callback, downlink: bytes | None) -> web.StreamResponse:
    from aiohttp import web

    if downlink is not None:
        return web.Response(body=reply(callback.said, downlink), content_type="application/json")
    return web.Response(status=204 if callback.kind == "bidir" else 200)


async def _body(request: web.BaseRequest) -> bytes:
    """Raises DecodeError `oversized` as soon as it is."""
    data = bytearray()
    async for chunk in request.content.iter_any():
        data += chunk
        if len(data) > MAX_BODY:
            raise DecodeError("oversized", f"a callback has at most {MAX_BODY} bytes")
    return bytes(data)


async def context(certificate: str, key: str) -> ssl.SSLContext | None:
    """TLS 1.2 or newer with these PEM files; None without any. Raises NotReady."""
    if not certificate:
        return None
    try:
        made = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        made.minimum_version = ssl.TLSVersion.TLSv1_2  # what the operator speaks is not documented
        await asyncio.to_thread(made.load_cert_chain, certificate, key)
    except (OSError, ssl.SSLError) as error:
        raise NotReady(f"the certificate {certificate} or its key cannot be read: {error}") from error
    return made


@contextlib.asynccontextmanager
async def serving(door: Door[Who], address: str, port: int, tls: ssl.SSLContext | None = None) -> AsyncIterator[int]:
    """Listen; yields the port. Raises NotReady when it is not to be had. Requests under way are answered at the end."""
    from aiohttp import web

    server = web.Server(door.answer, access_log=None, keepalive_timeout=KEEP_S, handler_cancellation=False)
    loop = asyncio.get_running_loop()
    try:
        listener = await loop.create_server(
            lambda: door.admit(server), address, port, ssl=tls, backlog=128, reuse_address=True,
            ssl_handshake_timeout=HANDSHAKE_S if tls is not None else None,
        )  # fmt: skip
    except OSError as error:
        raise NotReady(f"{address} port {port} cannot be listened on: {error.strerror}") from error
    try:
        yield listener.sockets[0].getsockname()[1]
    finally:
        listener.close()
        server.pre_shutdown()
        await server.shutdown(ANSWER_S)
