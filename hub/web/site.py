"""Services for the handlers of the pages: the hub's calls, live data, the visitor's account, and rendering.

The server (`hub.web.server`) is above the areas; this is below them. Nothing here changes the hub: changes are calls,
so that a read-only crisis and the audit log see all of them. Only the audit log is written to from here.
"""

from __future__ import annotations

import logging
import time
from collections import Counter, deque
from collections.abc import Awaitable, Callable, Iterable, Mapping
from contextlib import suppress
from typing import Any, NamedTuple, Protocol
from urllib.parse import parse_qsl, urlsplit
from zoneinfo import ZoneInfo

from aiohttp import web

from hub.core.calls import Call
from hub.core.clock import Clock
from hub.core.errors import HubError
from hub.core.metric_catalogue import METRICS
from hub.core.text import phrase
from hub.i18n.catalogues import translate
from hub.i18n.metric_names import metric_name
from hub.i18n.reasons import meaning
from hub.i18n.typography import Dated
from hub.operations.crisis.readonly import is_refused
from hub.page_kit import formatting
from hub.page_kit.menu import Entry
from hub.page_kit.people.throttle import Throttle
from hub.page_kit.renderer import same_page
from hub.page_kit.request import responses as answers
from hub.page_kit.request.guard import SAFE
from hub.page_kit.request.routes import Route, Table
from hub.page_kit.request.visit import Visit
from hub.protocol.documents.badges import BadBadge
from hub.sdk.connections import Connections
from hub.web.live_feed import Feed
from hub.web.people.accounts import Account
from hub.web.people.stores import People
from hub.web.presentation.flags import flag_words
from hub.web.presentation.views import summary
from hub.web.refusals import Refused
from hub.web.render import Renderer
from hub.web.roles import LECTEUR
from hub.web.services import PageServices, ServerAddress
from hub.web.words import BOOK, WORDS, word

_log = logging.getLogger("hub.web")

REFUSALS = 30
SCREEN_COOKIE = "__Host-ilot-screen"
ADDRESSES = 256
"""Reasons and addresses that are counted apart."""
LEAN: Mapping[str, Mapping[str, Any]] = {"status": {"values": False}}
"""Arguments of calls that are kept for a moment: without what no page shows."""
MOST_KEPT = 500
"""Answers that are kept for a moment."""
TODO_S = 5.0
"""Seconds for which the menu's figure is kept; an open page follows the stream (`static/live.js`)."""
WORDS_OF = {"step": "step-", "role": "role-", "refusal": ""}
"""Kinds of names in the catalogue: prefix of their keys."""


class KnownAccounts(Protocol):
    """The part of `hub.web.people.accounts.Accounts` that is read here; calls change it."""

    @property
    def claimed(self) -> bool: ...
    @property
    def claimable(self) -> bool: ...
    def get(self, name: str) -> Account | None: ...
    async def fits(self, name: str, password: str) -> Account | None: ...


class AreaParts(NamedTuple):
    """What all areas together bring to every page: lines of the menu, values of `?said=`, and static files with their
    content types."""

    menu: tuple[Entry, ...]
    said: frozenset[str]
    files: Mapping[str, str]


class Site:
    """Services of the handlers. `calls` are those of the control socket; `audit` writes (when, who, what) into the
    audit chain."""

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
        areas: AreaParts,
    ) -> None:
        self.place, self.calls, self.parts, self.clock = place, calls, parts, clock
        self.accounts: KnownAccounts = people.accounts
        self.passwords, self.sessions, self.tokens, self.broken, self.kept_sessions = people[1:]
        self.connections, self.files, self._audit = connections, areas.files, audit
        self.menu = areas.menu
        self.book = BOOK
        self.throttle = Throttle(clock.monotonic)
        self.render = Renderer(place.hub, areas.menu, areas.said)
        self.feed = Feed(self)
        self.table = Table(())
        self._zone = ZoneInfo(parts.timezone)
        self.refused: Counter[tuple[str, str]] = Counter()  # by reason and address
        self._noted: dict[str, deque[float]] = {}
        self._kept: dict[str, tuple[float, Any]] = {}
        self._todo = 0

    def mount(self, routes: Iterable[Route]) -> None:
        """Set the routes."""
        self.table = Table(routes)

    def set_services(self, parts: PageServices) -> None:
        """Replace the services."""
        self.parts, self._zone = parts, ZoneInfo(parts.timezone)

    async def call(self, name: str, /, **arguments: Any) -> Any:
        """Make a call of the control socket. Raises HubError, also where this hub has no such call: the set of calls
        depends on its configuration."""
        call = self.calls.get(name)
        if call is None:
            _log.error(
                phrase("page-asks-call", "a page asks for the call {name!r}, which this hub does not have", name=name)
            )
            raise Refused("no-call")
        try:
            return await call(arguments)
        finally:
            if is_refused(name):  # it changes something: the page that follows shows it, however soon
                self._kept.clear()

    async def cached_call(self, name: str) -> Any:
        """Return a call's answer that is at most a second old: many tabs ask at once."""
        return await self.kept(name, 1.0, lambda: self.call(name, **LEAN.get(name, {})))

    async def kept(self, name: str, seconds: float, make: Callable[[], Awaitable[Any]]) -> Any:
        """Return what `make` made at most `seconds` ago. None is not kept."""
        at, value = self._kept.get(name, (0.0, None))
        if value is None or time.monotonic() - at > seconds:
            value = await make()
            if len(self._kept) >= MOST_KEPT:
                self._kept.clear()
            self._kept[name] = (time.monotonic(), value)
        return value

    async def count_todo(self) -> None:
        """Count what there is to do, for the menu; a hub that refuses leaves the last figure."""
        with suppress(HubError):
            status = await self.kept("todo", TODO_S, lambda: self.cached_call("status"))
            self._todo = summary(status)["todo"]

    def metric_name(self, device: str, key: str, lang: str) -> str:
        """Return the name of a metric for people."""
        metric = self.parts.metric(device, key) or METRICS.get(key)
        return metric_name(metric, lang) if metric is not None else key.replace("_", " ")

    def flag_words(self, device: str, key: str) -> tuple[str, str]:
        """Return the keys of the catalogue for true and false of a metric."""
        metric = self.parts.metric(device, key) or METRICS.get(key)
        return flag_words(metric.device_class if metric is not None else "")

    def metric_unit(self, device: str, key: str) -> str:
        """Return the unit in UCUM; "" for an unknown metric."""
        metric = self.parts.metric(device, key) or METRICS.get(key)
        return metric.unit if metric is not None else ""

    def place_name(self, place: str) -> str:
        """Return the name of a place, or its id."""
        known = self.parts.places.get(place)
        return (known.name if known is not None else "") or place

    def device_name(self, device: str) -> str:
        """Return the name of a device, or its place's, or its id."""
        known = self.parts.devices.get(device)
        return (known.name or self.place_name(known.place) if known is not None else "") or device

    def name_of(self, kind: str, one: str, device: str, lang: str) -> str:
        """Return the name of a device, place, site, zone, metric (of `device`), step of commissioning, role, or reason
        of a refused command; "" without one."""
        if kind == "device":
            return self.device_name(one)
        if kind == "place":
            return self.place_name(one)
        if kind == "metric":
            return self.metric_name(device, one, lang)
        if kind == "reason":
            return translate(meaning(f"write-{one}") or "", lang)
        if kind in WORDS_OF:
            key = WORDS_OF[kind] + one
            return word(key, lang) if key in WORDS else ""
        if kind == "site":
            return self.parts.sites.get(one, "")
        return self.parts.zones.get(one, ("",))[0] if kind == "zone" else ""

    def page(self, name: str, visit: Visit, code: int = 200, /, **what: Any) -> web.Response:
        """Render a page of `templates/`, with the common parts for somebody who is signed in."""
        text = self.render.page(
            name,
            visit,
            lasts=self.sessions.left(visit.session) if visit.session else None,
            counts={"raised": self.parts.raised(), "todo": self._todo},
            title=self.parts.title,
            timezone=self.parts.timezone,
            zone_said=formatting.zone_text(self.clock.now(), visit.lang, self._zone),
            now_said=Dated(
                word("board-at", visit.lang, when=formatting.moment_text(self.clock.now(), visit.lang, self._zone))
            ),
            place_name=self.place_name,
            device_name=self.device_name,
            metric_name=lambda device, key: self.metric_name(device, key, visit.lang),
            metric_unit=self.metric_unit,
            flag_words=self.flag_words,
            zones={zone: title or zone for zone, (title, _) in self.parts.zones.items()},
            date=lambda at: Dated(formatting.moment_text(at, visit.lang, self._zone).partition(" ")[0]),
            moment=lambda at: Dated(formatting.moment_text(at, visit.lang, self._zone)),
            **{**self._same_page(visit), **what},
        )
        return answers.html(text, code)

    def _same_page(self, visit: Visit) -> dict[str, Any]:
        """Return the addresses of the page in other languages after a form was sent: those of the page with the
        form."""
        path = visit.request.rel_url.raw_path
        if visit.request.method in SAFE or self.table.find("GET", path)[0] is not None:
            return {}
        came = urlsplit(visit.request.headers.get("Referer", "") if visit.account else "")
        path = came.path if self.table.find("GET", came.path)[0] is not None else "/"
        return {"languages": same_page(dict(parse_qsl(came.query)), visit.lang, path)}

    async def note(self, who: str, what: Mapping[str, object]) -> None:
        """Write an entry into the audit chain."""
        await self._audit(self.clock.now(), who, what)

    async def refuse(self, why: str, visit: Visit | None, address: str) -> None:
        """Count a refusal, and audit a limited number of its kind."""
        one = why, address
        self.refused[one if one in self.refused or len(self.refused) < ADDRESSES else (why, "")] += 1
        noted, now = self._noted.setdefault(why, deque()), time.monotonic()
        while noted and now - noted[0] > 3600.0:
            noted.popleft()
        if len(noted) < REFUSALS:
            noted.append(now)
            who = visit.who if visit is not None else f"web:?{address}"
            path = visit.route.path if visit is not None else ""
            await self.note(who, {"web": "refused", "why": why, "path": path})

    def account_of(self, visit: Visit, *, touch: bool) -> Account | None:
        """Return the account of a token, a session, or a valid badge; None for anonymous visitors."""
        if visit.by_token:
            return self.tokens.of(visit.request.headers["Authorization"])
        visit.session = session = self.sessions.get(visit.token, touch=touch)
        if session is None:
            return self._screen(visit)
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

    def _screen(self, visit: Visit) -> Account | None:
        """Return the account of a screen on a wall: a reader's token in a cookie, on the routes that a screen shows."""
        token = visit.request.cookies.get(SCREEN_COOKIE, "")
        if not visit.route.screen or not token:
            return None
        found = self.tokens.of(f"Bearer {token}")
        return found if found is not None and found.role == LECTEUR else None

    async def guessed(
        self, visit: Visit, purse: str, wrong: str, name: str, /, *, known: bool, **arguments: Any
    ) -> Any:
        """Make the call `name`, which checks a typed secret. A guess was taken from `purse` before: it is given back
        unless the secret was wrong, which the call reports by the key `wrong`. Raises as the call does."""
        try:
            answer = await self.call(name, **arguments)
        except HubError as error:
            if isinstance(error, Refused) and error.key == wrong:
                await self.refuse(wrong, visit, visit.address)
            else:
                self.throttle.give_back(purse, visit.address, known=known)
            raise
        self.throttle.give_back(purse, visit.address, known=known)
        return answer

    def error_page(self, visit: Visit, status: int, text: str) -> web.Response:
        """Render an error page: with the menu for somebody who is signed in, and nothing of the building for anybody
        else."""
        if visit.account is not None:
            return self.page("error", visit, status, status=status, text=text)
        return answers.html(self.render.error(visit, status, text), status)
