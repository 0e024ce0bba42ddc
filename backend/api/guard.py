"""Checks that each operation of the operator's API passes: token, query, refusals, conditional answers."""

from __future__ import annotations

import asyncio
import hmac
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from hashlib import sha256
from typing import Any

import msgspec
from aiohttp import web

from backend.api.operations import JSON, Operation
from backend.api.parameters import parse
from backend.api.problems import problem
from backend.api.requests import Handler, refusal
from backend.owner.directory import Owner
from hub.core.errors import DecodeError, NotReady
from hub.core.text import phrase, with_codes

MOST_AT_ONCE, MOST_WAITING = 4, 64
"""Questions that are answered at once, and those that wait for it."""

Query = Mapping[str, Any]
Handling = Callable[[web.Request, Query], Awaitable[Any]]


class Turns:
    """Turns of questions, so that many cost no more memory and threads than a few."""

    def __init__(self) -> None:
        self._free = asyncio.Semaphore(MOST_AT_ONCE)
        self._waiting = 0

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[None]:
        """Wait for a turn, and have it until the block is left. Raises NotReady where too many wait."""
        if self._waiting >= MOST_WAITING:
            raise NotReady(phrase("api-busy", "too many questions wait for their answer; ask again in some seconds"))
        self._waiting += 1
        try:
            await self._free.acquire()
        finally:
            self._waiting -= 1
        try:
            yield
        finally:
            self._free.release()


class Guard:
    """The operator's token, and how an operation is answered."""

    def __init__(self, owner: Owner) -> None:
        self.owner = owner
        self.turns = Turns()

    def admits(self, request: web.Request) -> bool:
        """Return whether a request carries the operator's token."""
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        return scheme.lower() == "bearer" and hmac.compare_digest(
            token.encode("utf-8", "replace"), self.owner.api_token.encode()
        )

    def route(self, router: web.UrlDispatcher, operation: Operation, handler: Handling) -> None:
        """Add the route of an operation."""
        path = operation.path.replace("{id}", "{id:(?s:.+)}")
        guarded = self._guarded(operation, handler)
        if operation.method == "GET":
            router.add_get(path, guarded)
        else:
            router.add_route(operation.method, path, guarded)

    def _guarded(self, operation: Operation, handler: Handling) -> Handler:
        async def guarded(request: web.Request) -> web.StreamResponse:
            if not self.admits(request):
                said = phrase(
                    "api-token-needed", "the operator API needs Authorization: Bearer and the token in api.token"
                )
                return problem(said, 401, {"WWW-Authenticate": "Bearer"})
            try:
                found = await handler(request, parse(request.query, operation.parameters))
            except Exception as error:
                refused = refusal(error)
                if refused is None:
                    raise
                return problem(*refused)
            if isinstance(found, web.StreamResponse):
                return found
            return conditional(request, msgspec.json.encode(with_codes(found)), JSON)

        return guarded


def conditional(request: web.Request, body: bytes, form: str, headers: Mapping[str, str] | None = None) -> web.Response:
    """Return an answer with its entity tag; without a body (304) when the client says that it has this one."""
    tag = f'"{sha256(form.encode() + body).hexdigest()[:32]}"'
    more = {"Cache-Control": "no-store", "ETag": tag, "Vary": "Accept", **(headers or {})}
    if request.method in ("GET", "HEAD") and _has(request.headers.get("If-None-Match", ""), tag):
        return web.Response(status=304, headers=more)
    return web.Response(body=body, headers=more, content_type=form)


def chosen_format(request: web.Request, formats: tuple[str, ...]) -> str:
    """Return the media type that the client wants most, the first one where it says nothing. Raises DecodeError for
    406."""
    accept = request.headers.get("Accept", "") or "*/*"
    wishes = [_wish(part) for part in accept[:1000].split(",")[:32]]
    best, weight = "", 0.0
    for form in formats:
        kind = form.partition("/")[0]
        of = [(name.count("*"), -q) for name, q in wishes if name in (form, f"{kind}/*", "*/*")]
        if of and -min(of)[1] > weight:
            best, weight = form, -min(of)[1]
    if not best:
        raise DecodeError(
            "not-acceptable",
            phrase("format-not-offered", "this is offered as {formats}", formats=list(formats)),
        )
    return best


def _wish(part: str) -> tuple[str, float]:
    name, *parameters = (one.strip().lower() for one in part.split(";"))
    for parameter in parameters:
        if parameter.startswith("q="):
            try:
                return name, max(0.0, min(1.0, float(parameter[2:])))
            except ValueError:
                return name, 0.0
    return name, 1.0


def _has(header: str, tag: str) -> bool:
    tags = [one.strip().removeprefix("W/") for one in header[:4000].split(",")]
    return tag in tags or "*" in tags
