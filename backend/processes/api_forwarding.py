"""Requests of the operator that come to the port of the hubs: handed to the API's process and its answers back, so that
nothing is looked up where hubs are answered.

    request    whole, at most MAX_BODY bytes; the headers in _ASKED. The API judges the token
    answer     piece by piece, as fast as the caller reads it
    MOST       at a time; beyond them, and where no API answers, 503

Who reads much asks the API at a port of its own (`ilot backend run --api`): here each byte costs ingest the TLS.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from pathlib import Path

import aiohttp
from aiohttp import web
from yarl import URL

from backend.api.requests import body_of
from backend.api.socket import Folder
from hub.core.errors import DecodeError, NotReady
from hub.core.text import phrase, reason_of

log = logging.getLogger(__name__)

MAX_BODY = 256 << 10
MOST = 32
CONNECT_S = 5.0
_ASKED = (
    "Accept", "Accept-Encoding", "Accept-Language", "Authorization", "Content-Type", "If-Modified-Since",
    "If-None-Match", "Last-Event-ID", "Range",
)  # fmt: skip
_NOT_PASSED = frozenset({"connection", "date", "keep-alive", "server", "transfer-encoding"})
STATS = "/v1/stats"


class PassingOn:
    """Passes requests to the API of an owner's directory. `before_stats` is awaited before one for STATS, which tells
    what this process counted."""

    def __init__(self, directory: Path, before_stats: Callable[[], Awaitable[None]]) -> None:
        self._folder = Folder(directory)
        self._before_stats = before_stats
        self._session: aiohttp.ClientSession | None = None
        self._passing = 0
        self._away = False

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()
        self._folder.close()

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Answer a request as the API does. Raises NotReady, DecodeError for a body that is too long."""
        body = await body_of(request, MAX_BODY)
        if self._passing >= MOST:
            raise NotReady(phrase("api-too-busy", "{count} requests are being answered; come again", count=MOST))
        self._passing += 1
        try:
            if request.path == STATS:
                await self._before_stats()
            return await self._pass(request, body)
        finally:
            self._passing -= 1

    async def _pass(self, request: web.Request, body: bytes) -> web.StreamResponse:
        headers = {name: _plain(request.headers[name]) for name in _ASKED if name in request.headers}
        try:
            reply = await self._open().request(
                request.method,
                _target(request.raw_path),
                headers=headers,
                data=body or None,
                allow_redirects=False,
            )
        except aiohttp.ClientConnectorError as error:
            if not self._away:
                log.error(phrase("api-away", "the operator's API does not run: {reason}", reason=reason_of(error)))
            self._away = True
            raise _away() from error
        except aiohttp.ClientError as error:  # it died before it answered
            raise _away() from error
        self._away = False
        async with reply:
            return await _pour(request, reply)

    def _open(self) -> aiohttp.ClientSession:
        if self._session is None:
            self._session = aiohttp.ClientSession(
                connector=aiohttp.UnixConnector(self._folder.path, limit=MOST),
                timeout=aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_S),
                cookie_jar=aiohttp.DummyCookieJar(),
                auto_decompress=False,
                skip_auto_headers=("User-Agent", "Accept", "Accept-Encoding", "Content-Type"),
            )
        return self._session


async def _pour(request: web.Request, reply: aiohttp.ClientResponse) -> web.StreamResponse:
    response = web.StreamResponse(status=reply.status, reason=reply.reason)
    for name, value in reply.headers.items():
        if name.lower() not in _NOT_PASSED:
            response.headers.add(name, value)
    await response.prepare(request)
    try:
        async for piece in reply.content.iter_any():
            await response.write(piece)
        await response.write_eof()
    except (aiohttp.ClientError, asyncio.IncompleteReadError):
        if request.transport is not None:  # half an answer must not look like a whole one
            request.transport.abort()
    return response


def _target(raw: str) -> URL:
    """Return what the API is asked for, byte for byte. Raises DecodeError for what is no path: a stranger may ask for
    anything."""
    path, _, query = raw.partition("?")
    if not path.startswith("/"):
        raise DecodeError("bad-query", phrase("request-target-wrong", "a request names a path, which begins with /"))
    return URL.build(scheme="http", host="api", path=path, query_string=query, encoded=True)


def _plain(value: str) -> str:
    """Return a header's value with what is no text replaced: so it can be passed, and is still wrong."""
    return value.encode("utf-8", "replace").decode()


def _away() -> NotReady:
    return NotReady(phrase("api-does-not-answer", "the operator's API does not answer now; come again"))
