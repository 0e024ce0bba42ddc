"""Checks of every request to the city's pages and open APIs, in this order: Host, the route's declared guard, origin,
token or session, role, token of the form; and the headers of every answer.

A route that declares no guard is answered by nobody: see `backend.city.people.viewer`.
"""

from __future__ import annotations

import asyncio
import hmac
import re
import secrets
from typing import Any
from urllib.parse import quote, urlsplit

from aiohttp import web

from backend.api.requests import Handler, answer
from backend.city.city import City
from backend.city.people.desk import Desk, Open, QuotaSpent, TokenWrong, desk_of
from backend.city.people.viewer import (
    FORM_TOKEN,
    SESSION_LEFT,
    VIEWER,
    Guard,
    NotAllowed,
    SignInFirst,
    guard_of,
)
from hub.core.errors import AuthFailed, DecodeError
from hub.core.text import phrase, reason_of
from hub.page_kit.people.sessions import COOKIE, FORM_COOKIE, Signer
from hub.page_kit.request.guard import HEADERS, SAFE, host_is_ours, is_cross_site, names_of_this_machine
from hub.page_kit.request.responses import cookie

OPERATOR = "/v1/"
"""Paths of the operator's API, which has its own token: see `backend.api.guard`."""
SESSION = web.RequestKey("city-session", Open)
"""The open session of a request."""
FORM_S, UPLOAD_S = 10.0, 90.0
"""Seconds for which a form may come, and one with files."""
_FORMS = ("application/x-www-form-urlencoded", "multipart/form-data")
_LOCAL = re.compile(r"/(?![/\\])[!-\[\]-~]*")


def install(app: web.Application, city: City) -> None:
    """Guard all routes of an application. Called before any of them is added."""
    guards = Guards(city)
    app.middlewares.append(guards.middleware)
    app.on_response_prepare.append(_headers)


class Guards:
    """Guard of a city's routes."""

    def __init__(self, city: City) -> None:
        self._desk: Desk = desk_of(city)
        self._city = city

    @property
    def middleware(self) -> Any:
        @web.middleware
        async def guard(request: web.Request, handler: Handler) -> web.StreamResponse:
            return await self._guarded(request, handler)

        return guard

    async def _guarded(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        declared = guard_of(request.match_info.handler)
        if declared is None and request.path.startswith(OPERATOR):
            return await handler(request)
        if not await self._host_is_ours(request):
            return answer({"error": phrase("people-host", "this server is not called by this name")}, 421)
        if request.match_info.http_exception is not None:
            return await handler(request)
        if declared is None:
            raise RuntimeError(f"{request.method} {request.path} declares no guard")
        try:
            if declared.roles is None and not declared.forms:
                return await handler(request)
            if "Authorization" in request.headers and declared.roles is not None:
                request[VIEWER] = await self._desk.program(request.headers["Authorization"], declared.use)
                _check_role(request, declared)
                return await handler(request)
            return await self._of_a_browser(request, handler, declared)
        except SignInFirst as error:
            return _stranger(request, error)
        except TokenWrong as error:
            return answer({"error": reason_of(error)}, 401, {"WWW-Authenticate": 'Bearer error="invalid_token"'})
        except QuotaSpent as error:
            return answer({"error": reason_of(error)}, 429, {"Retry-After": f"{error.seconds:.0f}"})

    async def _of_a_browser(self, request: web.Request, handler: Handler, declared: Guard) -> web.StreamResponse:
        api = bool(declared.use) or declared.stream
        if is_cross_site(request.method, request.headers["Host"], request.headers, api=api):
            raise AuthFailed(phrase("people-elsewhere", "this request comes from another site"))
        token = request.cookies.get(COOKIE, "")
        found = await self._desk.open(token, touch=not declared.stream) if token else None
        nonce = ""
        if found is not None:
            request[VIEWER], request[SESSION], request[SESSION_LEFT] = found.viewer, found, found.left
        _check_role(request, declared)
        if found is None or declared.roles is None or request.method not in SAFE or not api:
            nonce = self._form_token(request, await self._desk.signer(), token if found is not None else "")
        if request.method not in SAFE:
            await _check_form(request)
        response = await handler(request)
        if nonce and not response.prepared:
            cookie(response, FORM_COOKIE, nonce)
        return response

    def _form_token(self, request: web.Request, signer: Signer, token: str) -> str:
        """Give a request the token of its forms; return the nonce of a stranger that is new."""
        if token:
            request[FORM_TOKEN] = signer.csrf(token)
            return ""
        nonce = request.cookies.get(FORM_COOKIE, "")
        fresh = "" if 20 <= len(nonce) <= 64 else secrets.token_urlsafe(24)
        request[FORM_TOKEN] = signer.form(fresh or nonce)
        return fresh

    async def _host_is_ours(self, request: web.Request) -> bool:
        """Return whether a request names this server: by a name of its own on the port that it came to, or by an
        address that it was told to be called by."""
        hosts = request.headers.getall("Host", [])
        own = request.transport.get_extra_info("sockname") if request.transport else None
        local, port = (str(own[0]), int(own[1])) if isinstance(own, tuple) else ("", 0)
        if len(hosts) != 1:
            return False
        if host_is_ours(hosts[0], names_of_this_machine(self._city.owner.settings.names), local, port):
            return True
        for address in (self._city.url, await self._desk.public_address()):
            public = urlsplit(address)
            if public.hostname and host_is_ours(hosts[0], frozenset({public.hostname}), "", public.port or 443):
                return True
        return False


def session_of(request: web.Request) -> Open:
    """Return the open session of a request. Raises SignInFirst."""
    found: Open | None = request.get(SESSION)
    if found is None:
        raise SignInFirst
    return found


async def still_open(city: City, request: web.Request) -> bool:
    """Return whether whoever began a live stream may still have it: its session is neither over nor of another role."""
    if SESSION not in request:
        return VIEWER in request
    found = await desk_of(city).open(request.cookies.get(COOKIE, ""), touch=False)
    return found is not None and found.viewer == request.get(VIEWER)


def local_page(text: str) -> str:
    """Return an address that stays on this server; "/" for any other."""
    return text if len(text) <= 2000 and _LOCAL.fullmatch(text) else "/"


def _check_role(request: web.Request, declared: Guard) -> None:
    if declared.roles is None:
        return
    viewer = request.get(VIEWER)
    if viewer is None:
        raise SignInFirst
    if viewer.role not in declared.roles:
        raise NotAllowed


async def _check_form(request: web.Request) -> None:
    """Check that a page of ours sent a request that changes something. Raises AuthFailed, DecodeError."""
    said: Any = request.headers.get("X-CSRF", "")
    if not said and request.content_type in _FORMS:
        try:
            async with asyncio.timeout(UPLOAD_S if request.content_type == _FORMS[1] else FORM_S):
                said = (await request.post()).get("csrf", "")
        except TimeoutError:
            raise web.HTTPRequestTimeout from None
        except (ValueError, RuntimeError, AssertionError, LookupError) as error:
            raise DecodeError("bad-form", phrase("people-form-unread", "this form cannot be read")) from error
    right = request.get(FORM_TOKEN, "")
    if not isinstance(said, str) or not right or not hmac.compare_digest(said.encode(), right.encode()):
        raise AuthFailed(phrase("people-form-token", "this form has expired: reload the page and start again"))


def _stranger(request: web.Request, error: SignInFirst) -> web.Response:
    """Answer somebody who is not signed in: pages lead to the sign-in, anything else is refused."""
    if request.method not in SAFE or "text/html" not in request.headers.get("Accept", ""):
        return answer({"error": reason_of(error)}, 401, {"WWW-Authenticate": "Bearer"})
    if request.headers.get("Sec-Fetch-Site") in ("cross-site", "same-site"):
        return _once_more(request.rel_url.raw_path_qs)
    where = f"/signin?to={quote(request.rel_url.raw_path_qs, safe='')}"
    return web.Response(status=303, headers={"Location": where, "Cache-Control": "no-store"})


def _once_more(path: str) -> web.Response:
    """Answer a link from a mail or another site: browsers send no strict cookie with it, so that this page asks for
    the same address again, this time from here."""
    return moved_here(local_page(path))


def moved_here(path: str) -> web.Response:
    """Return a page that goes on to another one of this server or, after a sign-out, to the provider."""
    from html import escape

    where = escape(path, quote=True)
    text = (
        f'<!doctype html><html lang="fr"><meta charset="utf-8"><title>Îlot</title>'
        f'<meta http-equiv="refresh" content="0;url={where}"><p><a href="{where}">Îlot</a></p></html>'
    )
    return web.Response(text=text, content_type="text/html", headers={"Cache-Control": "no-store"})


async def _headers(request: web.Request, response: web.StreamResponse) -> None:
    if request.path.startswith(OPERATOR):
        return
    response.headers.popall("Server", None)
    for name, value in HEADERS.items():
        response.headers.setdefault(name, value)
