"""Every route of the city: it declares its guard, keeps to it, and tells nobody more than their scope.

The last is tried by comparison: two cities, one that holds only what somebody may see and one that holds more, give the
same answer to each question, whether it lists, counts, pages, expands, exports or streams.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import logging
import re
from collections.abc import AsyncIterator, Iterable
from contextlib import AsyncExitStack, asynccontextmanager, closing
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from urllib.parse import quote

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from backend.city.city import City
from backend.city.pages import live
from backend.city.people import accounts, tokens
from backend.city.people.desk import desk_of
from backend.city.people.guards import OPERATOR
from backend.city.people.viewer import Guard, Role, Scope, guard_of, program, viewer_of
from backend.city.server import ROOMS, Room, application
from backend.city.store import CityStore
from backend.owner import directory as owners
from backend.queries.views import Views
from backend.storage.city import scope as scopes
from backend.storage.city import spaces
from backend.storage.city.database import Reader, Transaction, open_city
from backend.storage.city.spaces import File, Space
from backend.storage.engine import Storage
from backend.storage.opening import open_queries, open_storage
from backend.storage.shared import SharedStorage
from backend.storage.tables import AlertChange, Hub
from hub.core.request_log import RequestLog
from hub.page_kit.people.sessions import COOKIE

from ..open_api.open_kit import NOW, Device, a_town, make_town, register, store_readings
from ..probes import NAMES, QUERIES, SAME
from ..waiting import PATIENCE_S

pytestmark = pytest.mark.real("network")

CLOCK = NOW / 1000 + 7200
BEAT = b": beat"
"""The sign of life of a stream that has told what there is to tell at once."""
_GROUP = re.compile(r"\(\?P<(\w+)>((?:[^()]|\([^()]*\))*)\)")
_PART = re.compile(r"\{(\w+)(?::[^{}]*)?\}")


@dataclass
class Served:
    """A city whose routes are asked."""

    city: City
    app: web.Application
    session: aiohttp.ClientSession
    url: str
    headers: dict[str, dict[str, str]] = field(default_factory=dict)

    @property
    def routes(self) -> list[tuple[str, str, Guard | None]]:
        """Return (method, path, guard) of each route."""
        found = [
            ("POST" if one.method == "*" else one.method, _path_of(one), guard_of(one.handler))
            for one in self.app.router.routes()
        ]
        return [one for one in found if not one[1].startswith(OPERATOR)]

    async def enter(self, role: Role, scope: Scope | None = None, name: str = "") -> dict[str, str]:
        """Return the headers of somebody's browser."""
        name = name or role.value
        wanted = scope or Scope(provider="acme" if role is Role.PROVIDER else "")
        desk = desk_of(self.city)

        def begin(t: Transaction) -> str:
            from backend.storage.city import people

            one = people.person_named(t, name) or accounts.add(t, "test", name, role, wanted, b"x", CLOCK)
            return desk._begin(t, one, "127.0.0.1", CLOCK, local=True)

        token = await self.city.store.write(begin)
        signer = await desk.signer()
        return {"Cookie": f"{COOKIE}={token}", "X-CSRF": signer.csrf(token), "Sec-Fetch-Site": "same-origin"}

    async def ask(self, method: str, path: str, headers: dict[str, str]) -> tuple[int, str]:
        """Ask, and return status and text; of a stream what comes before its first sign of life."""
        sent = {"Accept": "text/html, */*", **headers}
        async with self.session.request(method, f"{self.url}{path}", headers=sent, allow_redirects=False) as reply:
            text, streams = bytearray(), "event-stream" in reply.content_type
            async with asyncio.timeout(PATIENCE_S):
                async for part in reply.content.iter_any():
                    text += part
                    if streams and BEAT in text:
                        break
            told = text.partition(BEAT)[0] if streams else text
            return reply.status, told.decode("utf-8", "replace")


@asynccontextmanager
async def serving(directory: Path, shown: list[Device], rooms: tuple[Room, ...] = ROOMS) -> AsyncIterator[Served]:
    """Serve a city that holds these devices and their readings."""
    owners.init(directory, owner="Ville")
    address = directory / "backend.db"
    with closing(open_storage(address)) as storage:
        _of_hubs(storage, shown)
    town = make_town(address)
    store_readings(town, shown)
    town.close()
    async with AsyncExitStack() as parts:
        parts.enter_context(pytest.MonkeyPatch.context()).setattr(live, "BEAT_S", 0.3)
        queries, storage = open_queries(address), SharedStorage(address)
        parts.push_async_callback(storage.close)
        city = City(
            directory=directory, owner=owners.load(directory), address=address,
            store=CityStore(open_city(directory, address)), queries=queries, views=Views(queries), storage=storage,
            clock=lambda: CLOCK, url="https://localhost:8444",
        )  # fmt: skip
        parts.push_async_callback(city.store.close)
        await city.store.write(lambda t: _fill(t, shown))
        app = application(city, RequestLog(logging.getLogger("city-routes")), rooms)
        server = TestServer(app)
        await server.start_server()
        parts.push_async_callback(server.close)
        session = await parts.enter_async_context(aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()))
        yield Served(city, app, session, str(server.make_url("")).rstrip("/"))


def _path_of(route: web.AbstractRoute) -> str:
    if route.resource is None:
        return ""
    if (pattern := route.resource.get_info().get("pattern")) is not None:
        PATTERNS[route.resource.canonical] = pattern
    return route.resource.canonical


def _of_hubs(storage: Storage, shown: list[Device]) -> None:
    """Enrol the hubs of devices, with an open alert of each device."""
    at = NOW / 1000
    with storage.transaction():
        for hub in sorted({one.hub for one in shown}):
            number = int(hub[4:])
            storage.registry.enrol(Hub(hub, number.to_bytes(32, "big"), f"Building {number}", at, None, None))
        for one in shown:
            storage.alerts.add(
                AlertChange(
                    one.hub, f"alert-{one.id}", 1, "hot", f"k{one.id}", "raised", "warning", "", "", "31",
                    f"hot at {one.device}", f"chaud à {one.device}", one.device, one.place, one.site, "zone", "ble",
                    at + one.id, at + one.id, at + one.id,
                )
            )  # fmt: skip


def sector_of(one: Device) -> str:
    return "north" if one.id <= 4 else "south"


def _fill(t: Transaction, shown: list[Device]) -> None:
    register(t, shown)
    for name in ("north", "south"):
        t.run("insert into sectors (id, name, area) values (?, ?, ?)", name, name, "{}")
    for name in ("roads", "parks"):
        t.run("insert into services (id, name) values (?, ?)", name, name)
    pairs = {(one.provider or "nobody", one.service) for one in shown if one.privacy != "personal"}
    for provider, service in sorted(pairs):
        name = f"{provider}-{service}"
        spaces.put(t, Space(name, provider, service, 10, 10, 10, 10, 10, 90, 0, CLOCK))
        spaces.add(t, File(0, name, "report.csv", "report.csv", 2, name, "token:a", CLOCK), [b"ab"])
    for one in shown:
        t.run("insert into thing_sectors (thing, sector) values (?, ?)", one.id, sector_of(one))


@pytest.fixture
async def whole(tmp_path: Path) -> AsyncIterator[Served]:
    async with serving(tmp_path / "whole", a_town()) as found:
        yield found


def filled(path: str, most: int = 12) -> list[str]:
    """Return a route's path with names of the town in the place of its parameters."""
    pattern = PATTERNS.get(path)
    words = dict(_GROUP.findall("" if pattern is None else pattern.pattern))
    found = [_with(path, values) for values in itertools.product(*(_names(one, words) for one in _PART.findall(path)))]
    taken = [one for one in found if pattern is None or pattern.fullmatch(one.partition("?")[0])]
    assert taken, f"no name of the town fits {path}: add one to NAMES"
    return taken[:most]


def _names(parameter: str, words: dict[str, str]) -> tuple[str, ...]:
    if re.fullmatch(r"\w+(\|\w+)*", words.get(parameter, "")):
        return tuple(words[parameter].split("|"))
    return NAMES["path"] if parameter == "path" else (*NAMES.get(parameter, ()), *NAMES[""])


def _with(path: str, values: Iterable[str]) -> str:
    parts = iter(values)
    return _PART.sub(lambda found: quote(next(parts), safe="/()" if found[1] == "path" else ""), path)


PATTERNS: dict[str, re.Pattern[str]] = {}
"""Patterns of the paths that have parameters, by their paths."""


async def test_each_route_declares_who_may_ask(whole: Served) -> None:
    assert len(whole.routes) > 20
    assert [one[:2] for one in whole.routes if one[2] is None] == []


async def test_a_route_that_declares_nothing_is_answered_by_nobody(tmp_path: Path) -> None:
    async def forgotten(request: web.Request) -> web.Response:
        return web.Response(text="secret")

    room = Room("forgotten", lambda router, city: router.add_get("/forgotten", forgotten) and None)
    async with serving(tmp_path / "city", [], (*ROOMS, room)) as served:
        assert [one[:2] for one in served.routes if one[2] is None] == [("HEAD", "/forgotten"), ("GET", "/forgotten")]
        for headers in ({}, await served.enter(Role.ADMIN)):
            status, text = await served.ask("GET", "/forgotten", headers)
            assert (status, "secret" in text) == (500, False)


async def test_each_route_is_closed_to_strangers_and_to_other_roles_and_open_to_its_own(whole: Served) -> None:
    seen = 0
    for method, path, guard in whole.routes:
        if guard is None or guard.roles is None:
            continue
        at = filled(path)[0]
        status, _ = await whole.ask(method, at, {"Sec-Fetch-Site": "same-origin"})
        assert status in ((303,) if method in ("GET", "HEAD") and not guard.use else (303, 401)), (method, path)
        status, _ = await whole.ask(method, at, {"Cookie": f"{COOKIE}={'A' * 43}", "Sec-Fetch-Site": "same-origin"})
        assert status in (303, 401), (method, path)
        for role in Role:
            headers = await whole.enter(role)
            if role in guard.roles:
                if method in ("GET", "HEAD"):
                    status, _ = await whole.ask(method, at, headers)
                    assert status not in (303, 401, 403, 500), (method, path, role)
                continue
            status, _ = await whole.ask(method, at, headers)
            assert status == 403, (method, path, role)
            seen += 1
    assert seen > 50


async def test_no_route_that_changes_something_takes_it_without_the_token_of_a_form(whole: Served) -> None:
    for method, path, guard in whole.routes:
        if guard is None or method in ("GET", "HEAD") or not guard.forms:
            continue
        role = next(iter(guard.roles or Role))
        headers = await whole.enter(role)
        del headers["X-CSRF"]
        status, _ = await whole.ask(method, filled(path)[0], headers)
        assert status == 403, (method, path)
        status, _ = await whole.ask(method, filled(path)[0], {**headers, "X-CSRF": "A" * 43})
        assert status == 403, (method, path)
        other = {**await whole.enter(role), "Sec-Fetch-Site": "cross-site", "Origin": "https://evil.example"}
        status, _ = await whole.ask(method, filled(path)[0], other)
        assert status == 403, (method, path)


async def test_a_public_route_without_forms_looks_at_no_cookie(tmp_path: Path) -> None:
    async def report(request: web.Request) -> web.Response:
        return web.Response(text=viewer_of(request).name)

    room = Room("reports", lambda router, city: router.add_post("/reports", program(report)) and None)
    async with serving(tmp_path / "city", [], (*ROOMS, room)) as served:
        status, _ = await served.ask("POST", "/reports", await served.enter(Role.ADMIN))
        assert status == 401


SCOPES: dict[str, tuple[Role, Scope]] = {
    "of one service": (Role.HEAD, Scope(services=frozenset({"roads"}))),
    "of one sector": (Role.OPERATOR, Scope(sectors=frozenset({"north"}))),
    "of one service in one sector": (Role.CREW, Scope(frozenset({"parks"}), frozenset({"south"}))),
    "of one provider": (Role.PROVIDER, Scope(provider="acme")),
    "of what is public": (Role.ELECTED, Scope(classes=frozenset({"public"}))),
    "of an administrator of one service": (Role.ADMIN, Scope(services=frozenset({"parks"}))),
    "of the data officer in one sector": (
        Role.DPO, Scope(sectors=frozenset({"south"}), classes=frozenset({"public", "internal", "personal"})),
    ),
}  # fmt: skip


def within(one: Device, scope: Scope) -> bool:
    """Say by itself whether a device is in a scope, for comparison with the condition in SQL."""
    return (
        (scope.services is None or one.service in scope.services)
        and (scope.sectors is None or sector_of(one) in scope.sectors)
        and (not scope.provider or one.provider == scope.provider)
        and one.privacy in scope.classes
    )


async def test_the_condition_in_sql_is_the_scope(whole: Served) -> None:
    devices = a_town()
    some = [None, frozenset[str](), frozenset({"roads"}), frozenset({"roads", "parks"}), frozenset({"nothing"})]
    parts = [None, frozenset[str](), frozenset({"north"}), frozenset({"south"})]
    classes = [frozenset[str](), frozenset({"public"}), frozenset({"personal"}), frozenset({"public", "internal"})]

    def check(r: Reader) -> int:
        seen = 0
        for services, sectors, provider, of in itertools.product(some, parts, ("", "acme", "nobody"), classes):
            scope = Scope(services, sectors, provider, of)
            condition, values = scope.things("t")
            rows = r.rows(f"select t.id from things t where {condition} order by t.id", *values)
            assert [row[0] for row in rows] == [one.id for one in devices if within(one, scope)], scope
            seen += bool(rows)
        return seen

    assert await whole.city.store.read(check) > 30


def _questions(routes: list[tuple[str, str, Guard | None]]) -> list[tuple[str, Guard]]:
    found: list[tuple[str, Guard]] = []
    for method, path, guard in routes:
        if method != "GET" or guard is None or path in SAME or path.startswith(("/static", "/signin")):
            continue
        more = QUERIES.get(path, ())
        after = ["", *(query for query in more if query.startswith("?"))]
        found += [(f"{one}{query}", guard) for one in filled(path) for query in after]
        found += [(address, guard) for address in more if address.startswith("/")]
    return found


def _told(text: str) -> str:
    """Return an answer without what differs each time."""
    for each in (r'name="csrf" value="[^"]*"', r"\b[0-9a-f]{12}\b", r"\b[0-9a-f]{64}\b", r'"(stamp|csrf)":"[^"]*"'):
        text = re.sub(each, "", text)
    return re.sub(r"127\.0\.0\.1:\d+", "HOST", text)


def _apart(one: tuple[int, str], other: tuple[int, str]) -> str:
    """Return where two answers begin to differ."""
    if one[0] != other[0]:
        return f"{one[0]} and {other[0]}"
    at = next((n for n, (a, b) in enumerate(zip(one[1], other[1], strict=False)) if a != b), 0)
    return " and ".join(repr(text[max(0, at - 60) : at + 60]) for text in (one[1], other[1]))


async def leaks(tmp_path: Path, what: str) -> tuple[list[str], int, str]:
    """Return the questions whose answers differ between a city of the scope alone and the whole one, how many were
    asked, and all that was answered."""
    role, scope = SCOPES[what]
    devices = a_town()
    own = [one for one in devices if within(one, scope)]
    assert 0 < len(own) < len(devices)
    async with serving(tmp_path / "own", own) as less, serving(tmp_path / "whole", devices) as more:
        questions = [(one, guard) for one, guard in _questions(more.routes) if guard.roles and role in guard.roles]
        if what == "of what is public":  # which is all of it there: pages for everybody show no more
            questions += [(one, guard) for one, guard in _questions(more.routes) if guard.roles is None]
        found, heard = [], []
        headers = {}
        for served in (less, more):
            browser = await served.enter(role, scope)
            holder = accounts.viewer_from(await served.city.store.read(lambda r: accounts.find(r, role.value)))
            text = await served.city.store.write(
                lambda t, holder=holder: tokens.make(t, holder, "test", tokens.USES, CLOCK, quota=100_000)  # type: ignore[misc]
            )
            headers[served.url] = (browser, {"Authorization": f"Bearer {text}"})
        for question, guard in questions:
            ways = [0, 1] if guard.use else [0]
            for way in ways:
                answers = [await served.ask("GET", question, headers[served.url][way]) for served in (less, more)]
                plain = [(status, _told(text)) for status, text in answers]
                if plain[0] != plain[1]:
                    found.append(f"{question} ({'token' if way else 'session'}): {_apart(plain[0], plain[1])}")
                heard.append(plain[1][1])
        return found, len(questions), "\n".join(heard)


@pytest.mark.parametrize("what", SCOPES)
async def test_nobody_is_told_more_than_their_scope(tmp_path: Path, what: str) -> None:
    found, asked, heard = await leaks(tmp_path, what)
    assert found == []
    assert asked > 5
    scope = SCOPES[what][1]
    own = {one.device for one in a_town() if within(one, scope)}
    if SCOPES[what][0] is not Role.ELECTED:  # who sees single things does: the questions do reach them
        assert any(json.dumps(one)[1:-1] in heard for one in own)


async def test_a_condition_that_forgets_the_service_is_found_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = scopes.things

    def forgetful(alias: str, scope: Any) -> Any:
        return plain(alias, replace(scope, services=None))

    monkeypatch.setattr(scopes, "things", forgetful)
    found, _, _ = await leaks(tmp_path, "of one service")
    assert len(found) > 3
