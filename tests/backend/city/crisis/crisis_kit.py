"""What the tests of the crisis room share: a register, what is seen of hubs, and pages that are asked."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from backend.city.city import City
from backend.city.crisis import routes
from backend.city.crisis.hubs import HubSign, Seen
from backend.city.pages import kit as pages
from backend.city.people.viewer import FORM_TOKEN, VIEWER, Role, Scope, Viewer, guard_of
from backend.storage.city.database import Transaction
from backend.storage.postgresql.queries import PostgresQueries

NOW = 1_800_000_000.0
OPERATOR = Viewer("p:1", "Camille", Role.OPERATOR, Scope())
HEAD = Viewer("p:2", "Dominique", Role.HEAD, Scope(services=frozenset({"schools"})))


def put_room(
    t: Transaction, number: int, *, hub: str = "hub-1", site: str = "s1", service: str = "", privacy: str = "internal",
    name: str = "", sector: str = "", value: float | None = None, at: float = NOW, quality: int = 0,
) -> None:  # fmt: skip
    """Put a room with a temperature into the register, with its newest reading where it has one."""
    device, series = f"d{number}", f"{hub}/p{number}/temperature"
    t.run(
        """insert into things (id, hub, device, site, zone, place, kind, layer, service, provider, privacy, mobile, lat,
        lon, name, seen_at, status, given)
        values (?, ?, ?, ?, '', ?, 'room', 'gtb', ?, '', ?, 0, null, null, ?, null, '', '')""",
        number, hub, device, site, f"p{number}", service, privacy, name or f"Salle {number}",
    )  # fmt: skip
    t.run(
        """insert into thing_series (id, thing, metric, unit, series, kind, device_class, state_class, privacy)
        values (?, ?, 'temperature', 'Cel', ?, 'number', '', '', ?)""",
        number, number, series, privacy,
    )  # fmt: skip
    if sector:
        t.run("insert into thing_sectors (thing, sector) values (?, ?)", number, sector)
    if value is not None:
        t.run(
            """insert into latest (series, thing, time_ms, value, number, quality, trust, change)
            values (?, ?, ?, ?, ?, ?, 1, 1)""",
            number, number, int(at * 1000), str(value), value, quality,
        )  # fmt: skip


def put_site(t: Transaction, site: str, name: str) -> None:
    t.run(
        """insert into sites (id, name, address, lat, lon, service, kind, plan, plan_type, changed_at)
        values (?, ?, '', null, null, '', '', null, '', 0)""",
        site, name,
    )  # fmt: skip


def seen(*hubs: tuple[str, float | None], at: float = NOW, alerts: Any = (), every: float = 30.0) -> Seen:
    return Seen(at, tuple(HubSign(hub, hub.title(), ("s1",), when, every, "") for hub, when in hubs), tuple(alerts))


@asynccontextmanager
async def asked(city: City, viewer: Viewer) -> AsyncIterator[TestClient[Any, Any]]:
    """The room's pages, asked by a viewer who is signed in: the guards' work is done by a middleware."""

    @web.middleware
    async def signed_in(request: web.Request, handler: Any) -> web.StreamResponse:
        declared = guard_of(request.match_info.handler)
        assert declared is not None, request.path
        if declared.roles is not None and viewer.role not in declared.roles:
            return web.Response(status=403)
        request[VIEWER] = viewer
        request[FORM_TOKEN] = "t"
        response: web.StreamResponse = await handler(request)
        return response

    app = web.Application(middlewares=[signed_in])
    routes.route(app.router, city)
    async with TestClient(TestServer(app)) as client:
        yield client
    pages._AREAS.pop("crisis")  # its banner would hold this city, and with it sessions of its database
    pages._made.cache_clear()
    city.parts.clear()
    if isinstance(city.queries, PostgresQueries):
        while city.queries._idle:  # the pages hold their city: sessions would wait for the collector of cycles
            city.queries._idle.pop().close()
