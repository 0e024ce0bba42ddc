"""A small HTTP server for devices that send by themselves.

    POST or PUT  /hook/<name>      a JSON document, or a bare value
    Authorization: Bearer SECRET, or Basic USER:SECRET (or another header, with the secret alone)

    200  taken, and durable        400  cannot be read        401  no right        404, 405
    413  too large        429  too many at once      503  cannot be kept now: send it again

Who has no right learns nothing else, not even which names there are. Connections are at most MOST_OPEN: when more come,
the one that has been there longest without a request under way goes.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import contextlib
import hmac
import logging
import ssl
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import TYPE_CHECKING, Any

import msgspec

import hub
from integrations.http_json import decode
from integrations.http_json.roster import Reader, Roster
from integrations.http_json.settings import Listen

if TYPE_CHECKING:
    from aiohttp import web
    from aiohttp.web_protocol import RequestHandler

_log = logging.getLogger("hub.http_json")

PREFIX = "/hook/"
MAX_BODY = 1 << 16
MOST_OPEN, MOST_AT_ONCE = 128, 32
ANSWER_S, BODY_S, HANDSHAKE_S, KEEP_S = 8.0, 5.0, 10.0, 30.0


class Door:
    """`take` keeps what a device said, durably; `counted` is told of what is refused."""

    def __init__(
        self,
        given: Listen,
        roster: Roster,
        take: Callable[[Reader, Any, str], Awaitable[None]],
        counted: Callable[[str], None],
        *,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._given, self._roster, self._take, self._counted, self._now = given, roster, take, counted, now
        self._left, self._at = 2 * given.max_rate, now()
        self._busy: set[RequestHandler] = set()
        self._open: dict[RequestHandler, float] = {}

    async def answer(self, request: web.BaseRequest) -> web.StreamResponse:
        """One request. Raises nothing but for a connection that is gone."""
        if len(self._busy) >= MOST_AT_ONCE or not self._in_time():
            return self._refused(429, "hook-too-many", "too many messages at once: send this one again later")
        self._busy.add(request.protocol)
        try:
            return await self._judged(request)
        except TimeoutError:
            return self._refused(503, "hook-too-slow", "it took too long: send it again later")
        except hub.NotReady:
            return self._refused(503, "hook-not-kept", "it cannot be kept now: send it again later")
        except hub.DecodeError as error:
            return self._refused(413 if error.reason == "oversized" else 400, error.reason, error.detail)
        except (ConnectionError, asyncio.CancelledError):
            raise
        except Exception:  # the disk, or a fault: whoever sent it keeps it and tries again
            _log.exception("a message could not be kept")
            return self._refused(503, "hook-not-kept", "it cannot be kept now: send it again later")
        finally:
            self._busy.discard(request.protocol)

    async def _judged(self, request: web.BaseRequest) -> web.StreamResponse:
        from aiohttp import web

        if not self._authorised(request.headers.get(self._given.header, "")):
            return self._refused(401, "hook-not-authorised", "the secret is missing or wrong")
        if request.method not in ("POST", "PUT"):
            return self._refused(405, "hook-method", "messages are POST or PUT")
        self._roster.refresh()
        reader = self._roster.hooks.get(request.path.removeprefix(PREFIX)) if request.path.startswith(PREFIX) else None
        if reader is None:
            return self._refused(404, "hook-unknown", f"no device sends there; messages go to {PREFIX}<hook>")
        async with asyncio.timeout(BODY_S):
            body = await _body(request)
        data = decode.document(body)
        async with asyncio.timeout(ANSWER_S):
            await self._take(reader, data, "webhook")
        return web.Response(body=b"{}", content_type="application/json")

    def _authorised(self, value: str) -> bool:
        user, secret = credential(value, self._given.header)
        right = hmac.compare_digest(secret.encode("utf-8", "replace"), self._given.secret.get_secret_value().encode())
        return right & hmac.compare_digest(user.encode("utf-8", "replace"), self._given.user.encode())

    def _refused(self, status: int, reason: str, text: str) -> web.StreamResponse:
        from aiohttp import web

        self._counted(reason)
        headers = {"Retry-After": "60"} if status in (429, 503) else {}
        if status == 401:
            headers["WWW-Authenticate"] = "Basic" if self._given.user else "Bearer"
        body = msgspec.json.encode({"error": text})
        return web.Response(status=status, body=body, content_type="application/json", headers=headers)

    def _in_time(self) -> bool:
        """So many a second, and as many again at once."""
        at, rate = self._now(), self._given.max_rate
        self._left = min(2 * rate, self._left + (at - self._at) * rate)
        self._at = at
        if self._left < 1:
            return False
        self._left -= 1
        return True

    def admit(self, make: Callable[[], RequestHandler]) -> RequestHandler:
        """The protocol of a connection that has just come."""
        now = self._now()
        for known, since in list(self._open.items()):
            if known not in self._busy and known.transport is None and now - since > HANDSHAKE_S:
                del self._open[known]
        if len(self._open) >= MOST_OPEN:
            oldest = next((known for known in self._open if known not in self._busy), None)
            if oldest is not None:
                del self._open[oldest]
                self._counted("hook-pushed-out")
                if oldest.transport is not None:
                    oldest.transport.abort()
        protocol = make()
        self._open[protocol] = now
        return protocol


def credential(value: str, header: str) -> tuple[str, str]:
    """(user, secret) that a header holds, empty texts when it holds none."""
    if header.lower() != "authorization":
        return "", value.strip()
    scheme, _, rest = value.strip().partition(" ")
    if scheme.lower() == "bearer":
        return "", rest.strip()
    if scheme.lower() == "basic":
        with contextlib.suppress(binascii.Error, ValueError):
            user, _, secret = base64.b64decode(rest.strip(), validate=True).decode().partition(":")
            return user, secret
    return "", ""


async def _body(request: web.BaseRequest) -> bytes:
    """Raises DecodeError `oversized` as soon as it is."""
    data = bytearray()
    async for chunk in request.content.iter_any():
        data += chunk
        if len(data) > MAX_BODY:
            raise hub.DecodeError("oversized", f"a message has at most {MAX_BODY} bytes")
    return bytes(data)


async def context(given: Listen) -> ssl.SSLContext | None:
    """TLS 1.2 or newer with the files of the configuration; None without. Raises NotReady."""
    if not given.certificate:
        return None
    try:
        made = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        made.minimum_version = ssl.TLSVersion.TLSv1_2  # small devices
        await asyncio.to_thread(made.load_cert_chain, given.certificate, given.certificate_key)
    except (OSError, ssl.SSLError) as error:
        raise hub.NotReady(f"the certificate {given.certificate} or its key cannot be read: {error}") from error
    return made


@contextlib.asynccontextmanager
async def serving(door: Door, given: Listen) -> AsyncIterator[int]:
    """Listen; yields the port. Raises NotReady when it is not to be had. Requests under way are answered at the end."""
    from aiohttp import web

    tls = await context(given)
    server = web.Server(door.answer, access_log=None, keepalive_timeout=KEEP_S, handler_cancellation=False)
    loop = asyncio.get_running_loop()
    try:
        listener = await loop.create_server(
            lambda: door.admit(server), given.address, given.port, ssl=tls, backlog=128, reuse_address=True,
            ssl_handshake_timeout=HANDSHAKE_S if tls is not None else None,
        )  # fmt: skip
    except OSError as error:
        raise hub.NotReady(f"{given.address} port {given.port} cannot be listened on: {error.strerror}") from error
    try:
        yield listener.sockets[0].getsockname()[1]
    finally:
        listener.close()
        server.pre_shutdown()
        await server.shutdown(ANSWER_S)
