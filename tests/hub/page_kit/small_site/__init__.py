"""A whole site made of the kit, about what no hub knows: the tide at a harbour, and the log of its master."""

from __future__ import annotations

import contextlib
import logging
import ssl
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any, NamedTuple

from aiohttp import web

from hub.core.errors import HubError
from hub.page_kit import tables
from hub.page_kit.assets import Assets
from hub.page_kit.menu import Entry
from hub.page_kit.people.passwords import Passwords
from hub.page_kit.people.sessions import COOKIE, Sessions
from hub.page_kit.people.throttle import Throttle
from hub.page_kit.phrasebook import Phrasebook
from hub.page_kit.refusals import Refused
from hub.page_kit.renderer import PageRenderer
from hub.page_kit.request import responses as answers
from hub.page_kit.request.routes import EVERYBODY, FILE, Route, Table
from hub.page_kit.request.visit import Visit
from hub.page_kit.server import PageServer

HERE = Path(__file__).parent
NAME, PASSWORD = "ewen", "trois bateaux et un phare"
EVERY, MASTERS = frozenset({"reader", "master"}), frozenset({"master"})
WORDS = {
    "host": "This is not a name of the harbour's server.", "no-page": "No such page.",
    "session-silent": "The harbour does not answer.", "cam-lost": "The harbour does not answer: the code waits.",
    "cam-private": "No picture leaves this phone.", "overview": "Tide", "log": "Log", "role-master": "harbour master",
    "height": "Height", "log-empty": "Write something first.", "log-said": "Written.",
    "text": "Text", "write": "Write",
}  # fmt: skip
TIDE: dict[str, Any] = {
    "unit": "m", "counter": False, "from": 1_790_000_000, "to": 1_790_010_800, "timezone": "Europe/Paris",
    "cells": [[1_790_000_000, 3.5, 3.0, 4.0, 0, 100.0], [1_790_003_600, None, None, None, 0, 0.0],
              [1_790_007_200, 5.25, 5.0, 5.5, 0, 100.0]],
}  # fmt: skip


class Somebody(NamedTuple):
    name: str
    role: str


class Harbour:
    """The site: one person, two pages, a table as CSV."""

    def __init__(self) -> None:
        self.book = Phrasebook("harbour", [WORDS])
        self.sessions = Sessions(time.monotonic, b"a secret of 32 bytes for cookies")
        self.passwords, self.throttle = Passwords(), Throttle(time.monotonic)
        self.refused, self.seen = Counter[str](), Counter[str]()
        self.log: list[str] = []
        self.secret = b""
        menu = (Entry("overview", "/", "", menu=EVERY), Entry("log", "/log", "", MASTERS, menu=MASTERS))
        self.pages = PageRenderer(
            "harbour-1",
            self.book,
            [HERE / "templates"],
            menu=menu,
            said=frozenset({"log-said"}),
        )
        assets = Assets([HERE / "static"], {"icon.svg": "image/svg+xml", "icons.svg": "image/svg+xml"})
        self.table = Table(
            [
                Route("GET", "/", self.tide, EVERY),
                Route("GET", "/tide.csv", self.csv, EVERY),
                Route("GET", "/log", self.written, MASTERS),
                Route("POST", "/log", self.write, MASTERS),
                Route("POST", "/signin", self.sign_in, EVERYBODY),
                Route("GET", "/static/{name}", assets.answer, EVERYBODY, FILE),
            ]
        )

    @property
    def connections(self) -> Harbour:
        return self

    def busy(self, protocol: object) -> AbstractContextManager[None]:
        return nullcontext()

    def account_of(self, visit: Visit, *, touch: bool) -> Somebody | None:
        visit.session = self.sessions.get(visit.token, touch=touch)
        return Somebody(visit.session.name, "master") if visit.session else None

    async def refuse(self, why: str, visit: Visit | None, address: str) -> None:
        self.refused[why] += 1

    async def before(self, visit: Visit) -> None:
        self.seen[visit.route.path] += 1

    def refusal(self, error: HubError, lang: str) -> tuple[str, str]:
        return (self.book.word(error.key, lang), error.key) if isinstance(error, Refused) else (str(error), "")

    def shown(self, name: str, visit: Visit, status: int = 200, **what: Any) -> web.Response:
        lasts = self.sessions.left(visit.session) if visit.session else None
        return answers.html(self.pages.page(name, visit, lasts=lasts, **what), status)

    def error_page(self, visit: Visit, status: int, text: str) -> web.Response:
        return answers.html(self.pages.error(visit, status, text), status)

    async def entrance(self, visit: Visit, status: int) -> web.Response:
        return self.shown("signin", visit, status)

    async def sign_in(self, visit: Visit) -> web.Response:
        if self.throttle.take(NAME, visit.address, known=False):
            return self.shown("signin", visit, 429)
        if visit.text("name") != NAME or not await self.passwords.fits(self.secret, visit.text("password")):
            visit.error = "no"
            return self.shown("signin", visit, 422)
        answer = answers.redirect("/")
        answers.cookie(answer, COOKIE, self.sessions.begin(NAME)[0])
        return answer

    async def tide(self, visit: Visit) -> web.Response:
        return self.shown("tide", visit, tide=TIDE)

    async def csv(self, visit: Visit) -> web.Response:
        rows = [("=1+1", 3.5)]
        return web.Response(body=tables.rows_of_csv(rows, visit.lang, first=True), content_type="text/csv")

    async def written(self, visit: Visit) -> web.Response:
        return self.shown("log", visit, lines=self.log)

    async def write(self, visit: Visit) -> web.Response:
        if not visit.text("text"):
            raise Refused("log-empty")
        self.log.append(visit.text("text"))
        return answers.redirect("/log?said=log-said")


@contextlib.asynccontextmanager
async def harbour(tls: ssl.SSLContext) -> AsyncIterator[tuple[Harbour, str]]:
    """Serve the site in this scope; yields it and its address."""
    site = Harbour()
    site.secret = await site.passwords.make(PASSWORD)
    with contextlib.closing(_socket()) as listener:
        port = listener.getsockname()[1]
        server = PageServer(site, frozenset({"localhost"}), port, logging.getLogger("harbour"))
        runner = web.ServerRunner(server.server)
        await runner.setup()
        try:
            await web.SockSite(runner, listener, ssl_context=tls).start()
            yield site, f"https://localhost:{port}"
        finally:
            await runner.cleanup()


def _socket() -> Any:
    import socket

    return socket.create_server(("127.0.0.1", 0))
