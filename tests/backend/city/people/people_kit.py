"""Browsers, a city over TLS, and an independent sign-in provider, for tests of who may do what."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import re
import ssl
import subprocess
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field, replace
from http.cookies import SimpleCookie
from pathlib import Path
from typing import Any, Self
from urllib.parse import urljoin, urlsplit

import aiohttp
from aiohttp import web

from backend.city.city import City
from backend.city.people import accounts
from backend.city.people.viewer import Role, Scope
from backend.city.server import ROOMS, Room, application
from hub.core import password_hash
from hub.core.request_log import RequestLog
from hub.page_kit.people.passwords import new_code, normalised_code
from tests import certificates
from tests.journeys.patience import PATIENCE_S
from tests.ports import free_port

NODE = Path(__file__).parents[3] / "peers" / "node"
PASSWORD = "quatre chevaux gris"
HTML = {"Accept": "text/html"}
SECRET = "a-client-secret-of-the-test"


@dataclass
class Answer:
    """An answer as a test reads it."""

    status: int
    headers: Any
    text: str
    url: str
    body: bytes = b""

    @property
    def location(self) -> str:
        return str(self.headers.get("Location", ""))


class Browser:
    """What a browser does with cookies and forms, for one or several sites; it follows nothing by itself."""

    def __init__(self, session: aiohttp.ClientSession, url: str) -> None:
        self._session, self.url = session, url
        self.cookies: dict[str, dict[str, str]] = {}
        self.raw_cookies: list[str] = []

    async def ask(self, method: str, path: str, **options: Any) -> Answer:
        """Ask; `headers` and `data` as of aiohttp."""
        url = urljoin(f"{self.url}/", path)
        site = urlsplit(url).netloc
        headers = {**HTML, **options.pop("headers", {})}
        if own := self.cookies.get(site):
            headers.setdefault("Cookie", "; ".join(f"{name}={value}" for name, value in own.items()))
        async with self._session.request(method, url, headers=headers, allow_redirects=False, **options) as reply:
            for line in reply.headers.getall("Set-Cookie", []):
                self.raw_cookies.append(line)
                for name, morsel in SimpleCookie(line).items():
                    jar = self.cookies.setdefault(site, {})
                    if morsel["max-age"] == "0" or "1970" in morsel["expires"]:
                        jar.pop(name, None)
                    else:
                        jar[name] = morsel.value
            return Answer(reply.status, reply.headers, await reply.text(errors="replace"), url, await reply.read())

    async def get(self, path: str, **headers: str) -> Answer:
        return await self.ask("GET", path, headers=headers)

    async def post(self, path: str, form: dict[str, Any], *, csrf: str | None = None, **headers: str) -> Answer:
        """Send a form as a page of the site does; without `csrf` the token comes from the page at `path`'s start."""
        token = csrf if csrf is not None else await self.form_token(path)
        sent = {"Sec-Fetch-Site": "same-origin", "Origin": self.url, **headers}
        fields = [
            (name, one) for name, value in form.items() for one in (value if isinstance(value, list) else [value])
        ]
        return await self.ask("POST", path, headers=sent, data=aiohttp.FormData([*fields, ("csrf", token)]))

    async def form_token(self, path: str) -> str:
        for page in (path, path.rpartition("/")[0] or "/signin", "/account", "/signin"):
            found = re.search(r'name="csrf" value="([^"]+)"', (await self.get(page)).text)
            if found:
                return found[1]
        raise AssertionError(f"no page with a form for {path}")

    def cookie(self, name: str, site: str = "") -> str:
        return self.cookies.get(site or urlsplit(self.url).netloc, {}).get(name, "")


@dataclass
class Town:
    """A city that is served over TLS."""

    city: City
    url: str
    app: web.Application
    session: aiohttp.ClientSession
    authority: Path
    directory: Path
    now: list[float] = field(default_factory=list)

    def browser(self) -> Browser:
        return Browser(self.session, self.url)

    def catch_up(self) -> None:
        """Move the clock to the machine's, by which an independent provider says when it made a token."""
        self.now[0] = max(self.now[0], time.time())

    async def add(self, name: str, role: Role = Role.ADMIN, scope: Scope | None = None) -> str:
        """Add a local account; return its code."""
        code = new_code()
        hashed = password_hash.make(normalised_code(code))
        wanted = scope or Scope(provider="acme" if role is Role.PROVIDER else "")
        await self.city.store.write(lambda t: accounts.add(t, "test", name, role, wanted, hashed, self.city.clock()))
        return code

    async def enter(self, name: str, role: Role = Role.ADMIN, scope: Scope | None = None) -> Browser:
        """Add an account, choose its password in a browser, and return that."""
        code, browser = await self.add(name, role, scope), self.browser()
        form = {"name": name, "code": code, "password": PASSWORD, "again": PASSWORD}
        answer = await browser.post("/signin/code", form)
        assert answer.status == 303, (answer.status, answer.text)
        return browser

    async def lines(self) -> list[Any]:
        from backend.storage.city import journal

        return await self.city.store.read(lambda r: list(journal.all_lines(r)))


@asynccontextmanager
async def served(
    city: City, directory: Path, rooms: tuple[Room, ...] = ROOMS, name: str = "localhost"
) -> AsyncIterator[Town]:
    """Serve a city over TLS at `name`, with a clock that the test moves."""
    directory.mkdir(exist_ok=True)
    authority = certificates.made("District", ca=True, may_sign=True)
    leaf = certificates.made("city", authority, names=("127.0.0.1", "localhost"))
    shown, key = certificates.files(leaf, directory)
    trusted = directory / "authority.pem"
    trusted.write_text(authority.pem)
    now = [city.clock()]
    moved = replace(city, clock=lambda: now[0], parts={})
    app = application(moved, RequestLog(logging.getLogger("city-test")), rooms)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(shown, key)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context)
    await site.start()
    port = runner.addresses[0][1]
    moved.url = f"https://{name}:{port}"
    trust = ssl.create_default_context(cafile=str(trusted))
    connector = aiohttp.TCPConnector(ssl=trust, resolver=_Here())
    try:
        async with aiohttp.ClientSession(connector=connector, cookie_jar=aiohttp.DummyCookieJar()) as session:
            yield Town(moved, moved.url, app, session, trusted, directory, now)
    finally:
        await runner.cleanup()


class _Here(aiohttp.abc.AbstractResolver):
    """Every name is this machine."""

    async def resolve(self, host: str, port: int = 0, family: Any = 0) -> list[Any]:
        return [{"hostname": host, "host": "127.0.0.1", "port": port, "family": 2, "proto": 0, "flags": 0}]

    async def close(self) -> None: ...


PEOPLE = {
    "alice": {
        "name": "Alice Martin", "preferred_username": "alice", "email": "alice@ville.example", "email_verified": True,
        "realm_access": {"roles": ["offline_access", "ilot-head-waste"]}, "given_name": "Alice", "usual_name": "Martin",
        "uid": "u-alice", "siret": "21590350100017",
    },
    "bob": {
        "name": "Bob", "preferred_username": "bob", "email": "bob@ville.example", "email_verified": False,
        "realm_access": {"roles": ["offline_access"]}, "given_name": "Bob", "usual_name": "Petit", "uid": "u-bob",
        "siret": "21590350100017",
    },
}  # fmt: skip


class Peer:
    """The independent provider as a process."""

    def __init__(
        self, town: Town, form: str, people: dict[str, Any] | None = None, port: int = 0, *, names_session: bool = True
    ) -> None:
        self._town, self._form, self._people = town, form, people or PEOPLE
        self._port = port or free_port()  # it takes the same one when it starts again
        self._names_session = names_session
        self.issuer = ""
        self._process: subprocess.Popen[str] | None = None

    def start(self) -> Self:
        if not (NODE / "node_modules" / "oidc-provider").is_dir():
            raise RuntimeError("the peers in JavaScript are not installed: run `make setup`")
        options = {
            "cert": str(self._town.directory / "server.crt"), "key": str(self._town.directory / "server.key"),
            "port": self._port, "form": self._form, "people": self._people,
            "client": {
                "id": "ilot", "secret": SECRET, "redirect": f"{self._town.url}/signin/callback",
                "left": f"{self._town.url}/signin", "out": f"{self._town.url}/signin/backchannel",
                "named": self._names_session,
            },
        }  # fmt: skip
        log = self._town.directory / "provider.log"
        with log.open("a") as errors:
            self._process = subprocess.Popen(
                ["node", NODE / "oidc.mjs", json.dumps(options)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
                env={**os.environ, "NODE_EXTRA_CA_CERTS": str(self._town.authority)},
            )
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        assert line, log.read_text()
        self.issuer = json.loads(line)["issuer"]
        self._town.catch_up()
        return self

    def stop(self) -> None:
        if self._process is not None:
            assert self._process.stdin is not None
            assert self._process.stdout is not None
            self._process.stdin.close()
            self._process.wait(PATIENCE_S)
            self._process.stdout.close()
            self._process = None

    def settings(self, **more: Any) -> None:
        """Write the city's settings for it."""
        rule = (
            '{ claim = "email", value = "alice@ville.example", role = "head", services = ["waste"] }'
            if self._form == "proconnect"
            else '{ claim = "realm_access.roles", value = "ilot-head-waste", role = "head", services = ["waste"] }'
        )
        fields = {
            "issuer": self.issuer, "client_id": "ilot", "secret_file": "oidc.secret", "url": self._town.url,
            "label": "Compte Ville", "form": "proconnect" if self._form == "proconnect" else "standard",
            "ca_file": str(self._town.authority), **more,
        }  # fmt: skip
        directory = self._town.city.directory
        (directory / "oidc.secret").write_text(f"{SECRET}\n")
        lines = [f"{name} = {json.dumps(value)}" for name, value in fields.items() if name != "rules"]
        (directory / "oidc.toml").write_text("\n".join([*lines, f"rules = [{fields.get('rules', rule)}]", ""]))


@contextmanager
def provider(
    town: Town, form: str, people: dict[str, Any] | None = None, *, names_session: bool = True
) -> Iterator[Peer]:
    """Run the provider, and tell the city of it."""
    peer = Peer(town, form, people, names_session=names_session).start()
    peer.settings()
    try:
        yield peer
    finally:
        peer.stop()


async def go_to_provider(browser: Browser, to: str = "/account") -> str:
    """Leave for the provider; return its address."""
    answer = await browser.get(f"/signin/provider?to={to}")
    assert answer.status == 303, (answer.status, answer.text)
    return answer.location


async def sign_in_there(browser: Browser, where: str, login: str) -> str:
    """Sign in at the provider and agree; return the address to which it sends the browser back."""
    for _ in range(12):
        if where.startswith(browser.url):
            return where
        answer = await browser.get(where)
        if answer.status in (302, 303):
            where = urljoin(where, answer.location)
            continue
        assert answer.status == 200, (answer.status, answer.text)
        action = re.search(r'action="([^"]+)"', answer.text)
        prompt = re.search(r'name="prompt" value="([^"]+)"', answer.text)
        assert action, answer.text
        assert prompt, answer.text
        form = {"prompt": prompt[1], "login": login, "password": "any"}
        answer = await browser.ask("POST", urljoin(where, action[1]), data=form)
        assert answer.status in (302, 303), (answer.status, answer.text)
        where = urljoin(where, answer.location)
    raise AssertionError("the provider goes round in circles")


async def through_provider(browser: Browser, login: str, to: str = "/account") -> Answer:
    """Sign in by the provider; return the answer to coming back."""
    back = await sign_in_there(browser, await go_to_provider(browser, to), login)
    return await browser.get(back, **{"Sec-Fetch-Site": "cross-site"})


async def sign_out_there(browser: Browser, issuer: str) -> None:
    """Sign out on the provider's own pages, without a word to the city by this browser."""
    page = await browser.get(f"{issuer}/session/end")
    secret = re.search(r'name="xsrf" value="([^"]+)"', page.text)
    assert secret, page.text
    form = {"xsrf": secret[1], "logout": "yes"}
    answer = await browser.ask("POST", f"{issuer}/session/end/confirm", data=form)
    assert answer.status in (200, 302, 303), (answer.status, answer.text)


__all__ = ["Answer", "Browser", "Peer", "Town", "asyncio", "provider", "served", "sign_out_there", "through_provider"]
