"""Checks before a request is handled: a Host of ours, an existing route, and the token of a form of ours. See
`hub.web.server` for the order."""

from __future__ import annotations

import hmac
import secrets
from urllib.parse import unquote

from aiohttp import web

from hub.page_kit.people.sessions import FORM_COOKIE, Sessions
from hub.page_kit.phrasebook import LANGUAGES
from hub.page_kit.request.guard import METHODS, host_is_ours
from hub.page_kit.request.routes import Table
from hub.page_kit.request.visit import Rejected, Visit

LANG_COOKIE = "__Host-lang"


def visit_of(request: web.BaseRequest, names: frozenset[str], port: int, table: Table) -> Visit:
    """Return the visit of a request. Raises Rejected."""
    transport = request.transport
    local = transport.get_extra_info("sockname")[0] if transport else ""
    if len(request.headers.getall("Host", [])) != 1 or not host_is_ours(request.headers["Host"], names, local, port):
        raise Rejected(421, "host")
    if request.method not in METHODS:
        raise Rejected(405, "bad-method")
    route, parts, others = table.find(request.method, request.rel_url.raw_path)
    if route is None:
        raise Rejected(405 if others else 404, "bad-method" if others else "no-page")
    named = {name: unquote(part, errors="replace") for name, part in parts.items()}
    return Visit(request, route, named, language(request))


def issue_form_token(visit: Visit, sessions: Sessions) -> None:
    """Make the token for this page's forms."""
    if visit.session is not None:
        visit.form_token = visit.session.csrf
        return
    nonce = visit.request.cookies.get(FORM_COOKIE, "")
    if not 20 <= len(nonce) <= 64:
        nonce = visit.fresh_nonce = secrets.token_urlsafe(24)
    visit.form_token = sessions.form(nonce)


def check_form(visit: Visit, sessions: Sessions) -> None:
    """Check that the form was sent from a page of ours. Raises Rejected."""
    said = visit.request.headers.get("X-CSRF") or visit.fields.pop("csrf", "")
    issue_form_token(visit, sessions)
    if not isinstance(said, str) or not hmac.compare_digest(said.encode(), visit.form_token.encode()):
        raise Rejected(403, "form-token")
    visit.fields.pop("csrf", None)


def language(request: web.BaseRequest) -> str:
    """Return the requested language, else the cookie's, else the browser's preferred one, else French."""
    for said in (request.query.get("lang", ""), request.cookies.get(LANG_COOKIE, "")):
        if said in LANGUAGES:
            return said
    for wish in request.headers.get("Accept-Language", "").lower().split(",")[:8]:
        if wish.strip()[:2] in LANGUAGES:
            return wish.strip()[:2]
    return LANGUAGES[0]
