"""The one path of every request to pages, and so through every check.

Host → route → origin → visitor → role → body → form token → handler. Refusals are counted and reported to the site; the
answer is a page for people and JSON for programs.
"""

from __future__ import annotations

import asyncio
import logging
from contextlib import AbstractContextManager
from typing import Any, Protocol

from aiohttp import web

from hub.core.errors import HubError
from hub.core.request_log import RequestLog
from hub.core.text import phrase, reason_of
from hub.page_kit.people.passwords import Busy
from hub.page_kit.people.sessions import COOKIE, FORM_COOKIE, Sessions
from hub.page_kit.phrasebook import LANGUAGES, Phrasebook
from hub.page_kit.request import responses as answers
from hub.page_kit.request.checks import LANG_COOKIE, check_form, issue_form_token, language, visit_of
from hub.page_kit.request.guard import HEADERS, SAFE, is_cross_site
from hub.page_kit.request.responses import cookie
from hub.page_kit.request.routes import API, EVERYBODY, PAGE, STREAM, Route, Table
from hub.page_kit.request.visit import Person, Rejected, Visit

ANSWER_S = 30.0


class _Connections(Protocol):
    """Who is told that a connection is busy, so that it is not cut: `hub.sdk.connections.Connections` for instance."""

    def busy(self, protocol: object) -> AbstractContextManager[None]: ...


class PageSite(Protocol):
    """Site that a server answers for: its routes, its people, and its pages for errors and for strangers."""

    table: Table
    sessions: Sessions
    book: Phrasebook

    @property
    def connections(self) -> _Connections: ...

    def account_of(self, visit: Visit, *, touch: bool) -> Person | None:
        """Return who asks; `touch`: the request lengthens the session. None: nobody that is known."""
        ...

    async def refuse(self, why: str, visit: Visit | None, address: str) -> None:
        """Count a refusal."""
        ...

    def error_page(self, visit: Visit, status: int, text: str) -> web.Response: ...

    async def entrance(self, visit: Visit, status: int) -> web.Response:
        """Return the sign-in."""
        ...

    async def before(self, visit: Visit) -> None:
        """Called before the handler of a page for somebody who is signed in."""
        ...

    def refusal(self, error: HubError, lang: str) -> tuple[str, str]:
        """Return (the reason for people, the reason for programs)."""
        ...


class _Request(web.BaseRequest):
    """Request that puts our headers on every answer, also to unreadable requests."""

    async def _prepare_hook(self, response: web.StreamResponse) -> None:
        response.headers.popall("Server", None)
        for name, value in HEADERS.items():
            response.headers.setdefault(name, value)


class PageServer:
    """Server of a site under these host names and this port. `server` is aiohttp's, for the protocol of a
    connection."""

    def __init__(self, site: PageSite, names: frozenset[str], port: int, log: logging.Logger) -> None:
        self._answers_for, self._names, self._port = site, names, port
        self._logger, self.log = log, RequestLog(log)
        self._uploading = asyncio.Lock()
        loop = asyncio.get_running_loop()

        def made(message: Any, payload: Any, protocol: Any, writer: Any, task: Any) -> web.BaseRequest:
            return _Request(message, payload, protocol, writer, task, loop)

        self.server = web.Server(self.answer, request_factory=made, handler_cancellation=True)

    async def answer(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answer one request. Raises only when its connection is gone."""
        visit: Visit | None = None
        try:
            visit = visit_of(request, self._names, self._port, self._answers_for.table)
            return await self._judged(visit)
        except Rejected as no:
            if no.status in (401, 403, 421, 429):
                peer = request.transport.get_extra_info("peername") if request.transport else None
                try:
                    await self._answers_for.refuse(no.key, visit, str(peer[0]) if peer else "")
                except HubError as error:
                    self._logger.error(
                        phrase("refusal-cannot-noted", "a refusal cannot be noted: {reason}", reason=reason_of(error))
                    )
            return self._rejected(request, visit, no)
        except TimeoutError:
            return self._rejected(request, visit, Rejected(503, "too-slow"))
        except (ConnectionError, asyncio.CancelledError):
            raise
        except HubError as error:
            self._logger.error(phrase("page-could-not", "a page could not be made: {reason}", reason=reason_of(error)))
            return self._rejected(request, visit, Rejected(503, "not-now"))
        except Exception as error:
            self.log.fault(error)
            return self._rejected(request, visit, Rejected(500, "failed"))

    async def _judged(self, visit: Visit) -> web.StreamResponse:
        request, route, site = visit.request, visit.route, self._answers_for
        api = route.kind in (API, STREAM)
        # No page of another site can send this header without CORS, so a token needs no form token.
        visit.by_token = api and "Authorization" in request.headers
        if not visit.by_token and is_cross_site(request.method, request.headers["Host"], request.headers, api=api):
            raise Rejected(403, "elsewhere")
        visit.token = request.cookies.get(COOKIE, "")
        visit.account = site.account_of(visit, touch=route.kind != STREAM and not route.quiet)
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
            await self._read(visit)
            if not visit.by_token:
                check_form(visit, site.sessions)
        elif route.kind in (PAGE, API) and not visit.by_token:
            issue_form_token(visit, site.sessions)
        with site.connections.busy(request.protocol):
            if route.kind == STREAM or route.long:
                return await self._handle(visit)
            async with asyncio.timeout(ANSWER_S):
                if route.kind == PAGE and visit.account is not None:
                    await site.before(visit)
                answer = await self._handle(visit)
        if visit.fresh_nonce:
            cookie(answer, FORM_COOKIE, visit.fresh_nonce)
        if visit.query.get("lang") in LANGUAGES and route.kind == PAGE:
            cookie(answer, LANG_COOKIE, visit.query["lang"], max_age=365 * 86_400)
        return answer

    async def _read(self, visit: Visit) -> None:
        if not visit.route.upload:
            await visit.read()
            return
        if self._uploading.locked():
            raise Rejected(429, "busy")
        async with self._uploading:  # one upload in memory at a time
            with self._answers_for.connections.busy(visit.request.protocol):
                await visit.read()

    async def _handle(self, visit: Visit) -> web.StreamResponse:
        """Return the handler's answer; a refusal becomes status 422."""
        try:
            answer: web.StreamResponse = await visit.route.handler(visit)
        except Busy:
            raise Rejected(429, "busy") from None
        except HubError as error:
            text, reason = self._answers_for.refusal(error, visit.lang)
            if visit.route.kind == PAGE:
                return self._answers_for.error_page(visit, 422, text)
            return answers.json({"error": text, "reason": reason}, 422)
        return answer

    async def _stranger(self, visit: Visit) -> web.Response:
        """Answer an anonymous visitor: pages show the sign-in in their place; anything else an error."""
        if visit.route.kind != PAGE:
            raise Rejected(401, "sign-in-first")
        if visit.request.method not in SAFE:
            raise Rejected(401, "sign-in-sent")
        issue_form_token(visit, self._answers_for.sessions)
        answer = await self._answers_for.entrance(visit, 401)
        if visit.fresh_nonce:
            cookie(answer, FORM_COOKIE, visit.fresh_nonce)
        return answer

    def _rejected(self, request: web.BaseRequest, visit: Visit | None, no: Rejected) -> web.Response:
        site = self._answers_for
        lang = visit.lang if visit else language(request)
        text = site.book.word(no.key, lang)
        if visit is not None and visit.route.kind == PAGE and no.status != 421:
            answer = site.error_page(visit, no.status, text)
        elif visit is None and no.status == 404 and "text/html" in request.headers.get("Accept", ""):
            nowhere = Visit(request, Route("GET", "", _nothing, EVERYBODY), {}, lang)
            nowhere.token = request.cookies.get(COOKIE, "")
            nowhere.account = site.account_of(nowhere, touch=False)  # keep the menu for a signed-in visitor
            issue_form_token(nowhere, site.sessions)
            answer = site.error_page(nowhere, 404, text)
        else:
            answer = answers.json({"error": text, "reason": no.key}, no.status)
        if no.status in (429, 503):
            answer.headers["Retry-After"] = "60"
        if no.status in (405, 408, 413, 421):
            answer.force_close()
        return answer


async def _nothing(visit: Visit) -> web.StreamResponse:
    raise Rejected(404, "no-page")
