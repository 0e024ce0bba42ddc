"""The server: every request comes through `Site.answer`, and every defence is on that one way.

Host → route → where it comes from → who → role → body → form token → handler. What is refused is counted, and noted in
the audit chain, REFUSALS of a kind an hour at most: a flood must not fill the store.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import Counter, deque
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit
from zoneinfo import ZoneInfo

from aiohttp import web

from hub.catalogue import METRICS
from hub.clock import Clock
from hub.control import Call
from hub.documents.badges import BadBadge
from hub.errors import HubError
from hub.store import Store
from hub.web import answering as answers
from hub.web import showing
from hub.web.accounts import Account, Accounts
from hub.web.admitting import LANG_COOKIE, check_form, give_form, language, visit_of
from hub.web.answering import cookie
from hub.web.area import sentence
from hub.web.areas import AREAS, FILES, MENU, SAID
from hub.web.areas.entrance import entrance
from hub.web.broken_glass import BrokenGlass
from hub.web.connections import Connections
from hub.web.feed import Feed
from hub.web.guard import HEADERS, SAFE, from_elsewhere
from hub.web.handler import Handler
from hub.web.parts import Parts, Place
from hub.web.passwords import Busy, Passwords
from hub.web.refused import Refused
from hub.web.render import Renderer
from hub.web.routes import API, EVERYBODY, PAGE, STREAM, Route, Table
from hub.web.sessions import COOKIE, FORM_COOKIE, Sessions
from hub.web.throttle import Throttle
from hub.web.tokens import Tokens
from hub.web.visit import Rejected, Visit
from hub.web.words import LANGUAGES, word

ANSWER_S = 30.0
LINE, FIELD, MOST_HEADERS = 4096, 4096, 64
REFUSALS = 30

_log = logging.getLogger("hub.web")


class _Request(web.BaseRequest):
    """Puts our headers on every answer, those to unreadable requests too."""

    async def _prepare_hook(self, response: web.StreamResponse) -> None:
        response.headers.popall("Server", None)
        for name, value in HEADERS.items():
            response.headers.setdefault(name, value)


class Site:
    """What answers on `connections`, whose port is `port`. `calls` are those of the control socket."""

    def __init__(
        self, *, place: Place, calls: Mapping[str, Call], parts: Parts, store: Store, clock: Clock, accounts: Accounts,
        passwords: Passwords, sessions: Sessions, tokens: Tokens, broken: BrokenGlass, connections: Connections,
        port: int,
    ) -> None:  # fmt: skip
        self.place, self.calls, self.parts, self.store, self.clock = place, calls, parts, store, clock
        self.accounts, self.passwords, self.sessions = accounts, passwords, sessions
        self.tokens, self.broken = tokens, broken
        self._uploading = asyncio.Lock()
        self.throttle = Throttle(clock.monotonic)
        self.render = Renderer(place.hub, MENU, SAID)
        self.files = FILES
        self.feed = Feed(self)
        self.table = Table([route for area in AREAS for route in area.routes(self)])
        self._zone = ZoneInfo(parts.timezone)
        self.refused: Counter[str] = Counter()
        self._noted: dict[str, deque[float]] = {}
        self._kept: dict[str, tuple[float, Any]] = {}
        self.port, self.connections = port, connections
        loop = asyncio.get_running_loop()

        def made(message: Any, payload: Any, protocol: Any, writer: Any, task: Any) -> web.BaseRequest:
            return _Request(message, payload, protocol, writer, task, loop)

        self._server = web.Server(self.answer, request_factory=made, handler_cancellation=True)
        self._quiet = logging.getLogger("hub.web.http")
        self._quiet.setLevel(logging.CRITICAL)  # what strangers send is theirs: counted, not logged

    def protocol(self) -> Handler:
        """What speaks on one connection."""
        loop = asyncio.get_running_loop()
        return Handler(
            self._server, loop=loop, keepalive_timeout=10.0, max_line_size=LINE, max_field_size=FIELD,
            max_headers=MOST_HEADERS, logger=self._quiet, access_log=None,  # type: ignore[arg-type]
            lingering_time=0.0, auto_decompress=False,
        )  # fmt: skip

    def hand(self, parts: Parts) -> None:
        """Show these from now on."""
        self.parts, self._zone = parts, ZoneInfo(parts.timezone)

    async def call(self, name: str, /, **arguments: Any) -> Any:
        """One call of the control socket. Raises HubError."""
        return await self.calls[name](arguments)

    async def lately(self, name: str) -> Any:
        """The same, at most a second old: many tabs ask at once."""
        now = time.monotonic()
        at, value = self._kept.get(name, (0.0, None))
        if value is None or now - at > 1.0:
            value = await self.call(name)
            self._kept[name] = (time.monotonic(), value)
        return value

    def metric_name(self, device: str, key: str, lang: str) -> str:
        """What people call a metric."""
        metric = self.parts.metric(device, key) or METRICS.get(key)
        return ((metric.fr if lang == "fr" else metric.en) if metric is not None else "") or key.replace("_", " ")

    def metric_unit(self, device: str, key: str) -> str:
        """UCUM; "" of one that nobody knows."""
        metric = self.parts.metric(device, key) or METRICS.get(key)
        return metric.unit if metric is not None else ""

    def page(self, name: str, visit: Visit, code: int = 200, /, **what: Any) -> web.Response:
        """A page of `templates/`, with what every page of somebody who is signed in may show."""

        def place_name(place: str) -> str:
            known = self.parts.places.get(place)
            return (known.name if known is not None else "") or place

        def device_name(device: str) -> str:
            known = self.parts.devices.get(device)
            return (known.name or place_name(known.place) if known is not None else "") or device

        text = self.render.page(
            name, visit, lasts=self.sessions.left(visit.session) if visit.session else None,
            counts={"raised-alerts": self.parts.raised()}, title=self.parts.title,
            timezone=self.parts.timezone, place_name=place_name, device_name=device_name,
            metric_name=lambda device, key: self.metric_name(device, key, visit.lang), metric_unit=self.metric_unit,
            zones={zone: title or zone for zone, (title, _) in self.parts.zones.items()},
            date=lambda at: showing.moment_text(at, visit.lang, self._zone).partition(" ")[0],
            moment=lambda at: showing.moment_text(at, visit.lang, self._zone), **{**self._same_page(visit), **what},
        )  # fmt: skip
        return answers.html(text, code)

    def _same_page(self, visit: Visit) -> dict[str, str]:
        """Where the page in the other language is, when a form was sent to an address that shows nothing itself: the
        page that the form was on."""
        path = visit.request.rel_url.raw_path
        if visit.request.method in SAFE or self.table.find("GET", path)[0] is not None:
            return {}
        came = urlsplit(visit.request.headers.get("Referer", "") if visit.account else "")
        path = came.path if self.table.find("GET", came.path)[0] is not None else "/"
        query = urlencode({**dict(parse_qsl(came.query)), "lang": "en" if visit.lang == "fr" else "fr"})
        return {"same_page": f"{path}?{query}"}

    async def note(self, who: str, what: Mapping[str, object]) -> None:
        """Into the audit chain."""
        await self.store.audit(self.clock.now(), who, what)

    async def refuse(self, why: str, visit: Visit | None, address: str) -> None:
        """Count it, and note it while there are not too many of its kind."""
        self.refused[why] += 1
        noted, now = self._noted.setdefault(why, deque()), time.monotonic()
        while noted and now - noted[0] > 3600.0:
            noted.popleft()
        if len(noted) < REFUSALS:
            noted.append(now)
            who = visit.who if visit is not None else f"web:?{address}"
            path = visit.route.path if visit is not None else ""
            await self.note(who, {"web": "refused", "why": why, "path": path})

    async def answer(self, request: web.BaseRequest) -> web.StreamResponse:
        """One request. Raises only when its connection is gone."""
        visit: Visit | None = None
        try:
            visit = visit_of(request, self.place.names, self.port, self.table)
            return await self._judged(visit)
        except Rejected as no:
            if no.status in (401, 403, 421, 429):
                peer = request.transport.get_extra_info("peername") if request.transport else None
                try:
                    await self.refuse(no.key, visit, str(peer[0]) if peer else "")
                except HubError as error:
                    _log.error("a refusal cannot be noted: %s", error)
            return self._rejected(request, visit, no)
        except TimeoutError:
            return self._rejected(request, visit, Rejected(503, "too-slow"))
        except (ConnectionError, asyncio.CancelledError):
            raise
        except HubError as error:
            _log.error("a page could not be made: %s", error)
            return self._rejected(request, visit, Rejected(503, "not-now"))
        except Exception:
            _log.exception("a request could not be answered")
            return self._rejected(request, visit, Rejected(500, "failed"))

    async def _judged(self, visit: Visit) -> web.StreamResponse:
        request, route = visit.request, visit.route
        api = route.kind in (API, STREAM)
        # No page of another site can send this header: there is no CORS here. So a token needs no form token either.
        visit.by_token = api and "Authorization" in request.headers
        if not visit.by_token and from_elsewhere(request.method, request.headers["Host"], request.headers, api=api):
            raise Rejected(403, "elsewhere")
        visit.token = request.cookies.get(COOKIE, "")
        visit.account = self.whose(visit, touch=route.kind != STREAM and not route.quiet)
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
                async with self._uploading:  # one in memory at a time
                    with self.connections.busy(request.protocol):
                        await visit.read()
            else:
                await visit.read()
            if not visit.by_token:
                check_form(visit, self.sessions)
        elif route.kind in (PAGE, API) and not visit.by_token:
            give_form(visit, self.sessions)
        with self.connections.busy(request.protocol):
            if route.kind == STREAM or route.long:
                return await self._handle(visit)
            async with asyncio.timeout(ANSWER_S):
                answer = await self._handle(visit)
        if visit.fresh_nonce:
            cookie(answer, FORM_COOKIE, visit.fresh_nonce)
        if visit.query.get("lang") in LANGUAGES and route.kind == PAGE:
            cookie(answer, LANG_COOKIE, visit.query["lang"], max_age=365 * 86_400)
        return answer

    def whose(self, visit: Visit, *, touch: bool) -> Account | None:
        """Who asks: by a token, an account, or a badge that is still good; None when nobody does."""
        if visit.by_token:
            return self.tokens.of(visit.request.headers["Authorization"])
        visit.session = session = self.sessions.get(visit.token, touch=touch)
        if session is None:
            return None
        if session.badge is None:
            return self.accounts.get(session.name)
        try:
            if self.parts.badges is None:
                return None
            self.parts.badges.judge(session.badge)
        except BadBadge:
            self.sessions.end(visit.token)
            visit.session = None
            return None
        return Account(session.name, session.badge.role, b"", session.badge.begin)

    async def _handle(self, visit: Visit) -> web.StreamResponse:
        """What the handler says; what the hub refuses becomes an answer of 422."""
        try:
            answer: web.StreamResponse = await visit.route.handler(visit)
        except Refused as error:
            return self._said_no(visit, word(error.key, visit.lang), error.key)
        except Busy:
            raise Rejected(429, "busy") from None
        except HubError as error:
            return self._said_no(visit, sentence(error, visit.lang), getattr(error, "reason", ""))
        return answer

    def _said_no(self, visit: Visit, text: str, reason: str) -> web.Response:
        if visit.route.kind == PAGE:
            return self._error_page(visit, 422, text)
        return answers.json({"error": text, "reason": reason}, 422)

    def _error_page(self, visit: Visit, status: int, text: str) -> web.Response:
        """A page that says no: with the menu for who is signed in, and nothing of the building for anybody else."""
        if visit.account is not None:
            return self.page("error", visit, status, status=status, text=text)
        return answers.html(self.render.error(visit, status, text), status)

    async def _stranger(self, visit: Visit) -> web.Response:
        """Nobody is signed in: a page asks for it, in its own place; everything else says so."""
        if visit.route.kind != PAGE:
            raise Rejected(401, "sign-in-first")
        if visit.request.method not in SAFE:
            raise Rejected(401, "sign-in-sent")
        give_form(visit, self.sessions)
        answer = await entrance(self, visit, 401)
        if visit.fresh_nonce:
            cookie(answer, FORM_COOKIE, visit.fresh_nonce)
        return answer

    def _rejected(self, request: web.BaseRequest, visit: Visit | None, no: Rejected) -> web.Response:
        lang = visit.lang if visit else language(request)
        text = word(no.key, lang)
        if visit is not None and visit.route.kind == PAGE and no.status != 421:
            answer = self._error_page(visit, no.status, text)
        elif visit is None and no.status == 404 and "text/html" in request.headers.get("Accept", ""):
            nowhere = Visit(request, Route("GET", "", _nothing, EVERYBODY), {}, lang)
            nowhere.token = request.cookies.get(COOKIE, "")
            nowhere.account = self.whose(nowhere, touch=False)  # who is signed in keeps the menu
            give_form(nowhere, self.sessions)
            answer = self._error_page(nowhere, 404, text)
        else:
            answer = answers.json({"error": text, "reason": no.key}, no.status)
        if no.status in (429, 503):
            answer.headers["Retry-After"] = "60"
        if no.status in (405, 408, 413, 421):
            answer.force_close()
        return answer


async def _nothing(visit: Visit) -> web.StreamResponse:
    raise Rejected(404, "no-page")
