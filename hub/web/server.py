"""Server: every request goes through `Server.answer`, and so through every check.

Host → route → origin → visitor → role → body → form token → handler. Refusals are counted, and written into the audit
chain, a limited number of each kind an hour: a flood must not fill the store.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from aiohttp import web

from hub.core.calls import Call
from hub.core.clock import Clock
from hub.core.errors import HubError
from hub.core.request_log import RequestLog
from hub.core.text import phrase, reason_of
from hub.sdk.connections import Connections
from hub.sdk.http_handler import Handler
from hub.web.area import error_text
from hub.web.areas import AREAS, FILES, MENU, SAID
from hub.web.areas.entrance import entrance
from hub.web.people.passwords import Busy
from hub.web.people.sessions import COOKIE, FORM_COOKIE
from hub.web.people.stores import People
from hub.web.refusals import Refused
from hub.web.request import responses as answers
from hub.web.request.checks import LANG_COOKIE, check_form, issue_form_token, language, visit_of
from hub.web.request.guard import HEADERS, SAFE, is_cross_site
from hub.web.request.responses import cookie
from hub.web.request.routes import API, EVERYBODY, PAGE, STREAM, Route
from hub.web.request.visit import Rejected, Visit
from hub.web.services import PageServices, ServerAddress
from hub.web.site import AreaParts, Site
from hub.web.words import LANGUAGES, word

ANSWER_S = 30.0
LINE, FIELD, MOST_HEADERS = 4096, 4096, 64

_log = logging.getLogger("hub.web")


class _Request(web.BaseRequest):
    """Request that puts our headers on every answer, also to unreadable requests."""

    async def _prepare_hook(self, response: web.StreamResponse) -> None:
        response.headers.popall("Server", None)
        for name, value in HEADERS.items():
            response.headers.setdefault(name, value)


class Server:
    """Server on `connections`, whose port is `port`; the areas are mounted here. `calls` are those of the control
    socket."""

    def __init__(
        self,
        *,
        place: ServerAddress,
        calls: Mapping[str, Call],
        parts: PageServices,
        clock: Clock,
        people: People,
        connections: Connections,
        audit: Callable[[float, str, Mapping[str, object]], Awaitable[None]],
        port: int,
    ) -> None:
        self.site = site = Site(
            place=place,
            calls=calls,
            parts=parts,
            clock=clock,
            people=people,
            connections=connections,
            audit=audit,
            areas=AreaParts(MENU, SAID, FILES),
        )
        site.mount([route for area in AREAS for route in area.routes(site)])
        self._port, self._uploading = port, asyncio.Lock()
        loop = asyncio.get_running_loop()

        def made(message: Any, payload: Any, protocol: Any, writer: Any, task: Any) -> web.BaseRequest:
            return _Request(message, payload, protocol, writer, task, loop)

        self._server = web.Server(self.answer, request_factory=made, handler_cancellation=True)
        self._log = RequestLog(_log)

    async def run(self) -> None:
        """Run the background work."""
        await self.site.feed.run()

    def protocol(self) -> Handler:
        """Return the protocol of one connection."""
        loop = asyncio.get_running_loop()
        return Handler(
            self._server,
            loop=loop,
            keepalive_timeout=10.0,
            max_line_size=LINE,
            max_field_size=FIELD,
            max_headers=MOST_HEADERS,
            logger=self._log,  # type: ignore[arg-type]
            access_log=None,  # type: ignore[arg-type]
            lingering_time=0.0,
            auto_decompress=False,
        )

    async def answer(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answer one request. Raises only when its connection is gone."""
        visit: Visit | None = None
        try:
            visit = visit_of(request, self.site.place.names, self._port, self.site.table)
            return await self._judged(visit)
        except Rejected as no:
            if no.status in (401, 403, 421, 429):
                peer = request.transport.get_extra_info("peername") if request.transport else None
                try:
                    await self.site.refuse(no.key, visit, str(peer[0]) if peer else "")
                except HubError as error:
                    _log.error(
                        phrase("refusal-cannot-noted", "a refusal cannot be noted: {reason}", reason=reason_of(error))
                    )
            return self._rejected(request, visit, no)
        except TimeoutError:
            return self._rejected(request, visit, Rejected(503, "too-slow"))
        except (ConnectionError, asyncio.CancelledError):
            raise
        except HubError as error:
            _log.error(phrase("page-could-not", "a page could not be made: {reason}", reason=reason_of(error)))
            return self._rejected(request, visit, Rejected(503, "not-now"))
        except Exception as error:
            self._log.fault(error)
            return self._rejected(request, visit, Rejected(500, "failed"))

    async def _judged(self, visit: Visit) -> web.StreamResponse:
        request, route = visit.request, visit.route
        api = route.kind in (API, STREAM)
        # No page of another site can send this header without CORS, so a token needs no form token.
        visit.by_token = api and "Authorization" in request.headers
        if not visit.by_token and is_cross_site(request.method, request.headers["Host"], request.headers, api=api):
            raise Rejected(403, "elsewhere")
        visit.token = request.cookies.get(COOKIE, "")
        visit.account = self.site.account_of(visit, touch=route.kind != STREAM and not route.quiet)
        if visit.by_token and visit.account is None:
            raise Rejected(401, "token-wrong")
        if route.roles != EVERYBODY:
            if visit.account is None:
                return await self._stranger(visit)
            if visit.account.role not in route.roles:
                raise Rejected(403, "role")
            if visit.by_token and route.people:
                raise Rejected(403, "people-only")
        if request.method not in SAFE:
            if route.upload:
                if self._uploading.locked():
                    raise Rejected(429, "busy")
                async with self._uploading:  # one upload in memory at a time
                    with self.site.connections.busy(request.protocol):
                        await visit.read()
            else:
                await visit.read()
            if not visit.by_token:
                check_form(visit, self.site.sessions)
        elif route.kind in (PAGE, API) and not visit.by_token:
            issue_form_token(visit, self.site.sessions)
        with self.site.connections.busy(request.protocol):
            if route.kind == STREAM or route.long:
                return await self._handle(visit)
            async with asyncio.timeout(ANSWER_S):
                answer = await self._handle(visit)
        if visit.fresh_nonce:
            cookie(answer, FORM_COOKIE, visit.fresh_nonce)
        if visit.query.get("lang") in LANGUAGES and route.kind == PAGE:
            cookie(answer, LANG_COOKIE, visit.query["lang"], max_age=365 * 86_400)
        return answer

    async def _handle(self, visit: Visit) -> web.StreamResponse:
        """Return the handler's answer; a refusal of the hub becomes status 422."""
        try:
            answer: web.StreamResponse = await visit.route.handler(visit)
        except Refused as error:
            return self._said_no(visit, word(error.key, visit.lang), error.key)
        except Busy:
            raise Rejected(429, "busy") from None
        except HubError as error:
            return self._said_no(visit, error_text(error, visit.lang), getattr(error, "reason", ""))
        return answer

    def _said_no(self, visit: Visit, text: str, reason: str) -> web.Response:
        if visit.route.kind == PAGE:
            return self.site.error_page(visit, 422, text)
        return answers.json({"error": text, "reason": reason}, 422)

    async def _stranger(self, visit: Visit) -> web.Response:
        """Answer an anonymous visitor: pages show the sign-in in their place; anything else an error."""
        if visit.route.kind != PAGE:
            raise Rejected(401, "sign-in-first")
        if visit.request.method not in SAFE:
            raise Rejected(401, "sign-in-sent")
        issue_form_token(visit, self.site.sessions)
        answer = await entrance(self.site, visit, 401)
        if visit.fresh_nonce:
            cookie(answer, FORM_COOKIE, visit.fresh_nonce)
        return answer

    def _rejected(self, request: web.BaseRequest, visit: Visit | None, no: Rejected) -> web.Response:
        lang = visit.lang if visit else language(request)
        text = word(no.key, lang)
        if visit is not None and visit.route.kind == PAGE and no.status != 421:
            answer = self.site.error_page(visit, no.status, text)
        elif visit is None and no.status == 404 and "text/html" in request.headers.get("Accept", ""):
            nowhere = Visit(request, Route("GET", "", _nothing, EVERYBODY), {}, lang)
            nowhere.token = request.cookies.get(COOKIE, "")
            nowhere.account = self.site.account_of(nowhere, touch=False)  # keep the menu for a signed-in visitor
            issue_form_token(nowhere, self.site.sessions)
            answer = self.site.error_page(nowhere, 404, text)
        else:
            answer = answers.json({"error": text, "reason": no.key}, no.status)
        if no.status in (429, 503):
            answer.headers["Retry-After"] = "60"
        if no.status in (405, 408, 413, 421):
            answer.force_close()
        return answer


async def _nothing(visit: Visit) -> web.StreamResponse:
    raise Rejected(404, "no-page")
