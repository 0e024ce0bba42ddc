"""The rooms behind the guards of the whole application: real sessions, real forms."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable

import pytest
from aiohttp.test_utils import TestClient, TestServer

from backend.city.city import City
from backend.city.people.viewer import Role, Scope
from backend.city.server import application
from backend.storage.city import crisis as tables
from hub.core.request_log import RequestLog

pytestmark = pytest.mark.real("network")

PAGE = {"Accept": "text/html"}
SignedIn = Callable[..., Awaitable[dict[str, str]]]


async def test_a_drill_that_somebody_began_stands_above_the_pages_of_every_room(
    city: City, signed_in: SignedIn
) -> None:
    app = application(city, RequestLog(logging.getLogger("test")))
    async with TestClient(TestServer(app)) as client:
        operator = await signed_in(Role.OPERATOR)
        head = await signed_in(Role.HEAD, Scope(services=frozenset({"schools"})))
        form = {"title": "Crue de la Loire", "hours": "2"}
        forged = {name: value for name, value in operator.items() if name != "X-CSRF"}
        assert (await client.post("/crisis/drill", data=form, headers=forged)).status == 403
        assert (await client.post("/crisis/drill", data=form, headers=head)).status == 403
        assert await city.store.read(lambda r: tables.drills(r, 9)) == []
        done = await client.post("/crisis/drill", data=form, headers=operator, allow_redirects=False)
        assert done.status == 303, await done.text()
        for path in ("/crisis", "/energy", "/alerts", "/sites", "/elected"):
            answer = await client.get(path, headers=head | PAGE)
            assert answer.status == 200, path
            assert "Crue de la Loire" in await answer.text(), path
        assert (await client.get("/crisis/log", headers=head | PAGE)).status == 403
        assert (await client.get("/crisis", headers=PAGE, allow_redirects=False)).status == 303  # to the sign-in


async def test_an_elected_person_sees_the_month_and_nothing_else_of_these_rooms(
    city: City, signed_in: SignedIn
) -> None:
    app = application(city, RequestLog(logging.getLogger("test")))
    async with TestClient(TestServer(app)) as client:
        elected = await signed_in(Role.ELECTED)
        assert (await client.get("/elected", headers=elected | PAGE)).status == 200
        for path in ("/crisis", "/crisis/board.json", "/crisis/export.zip", "/energy", "/energy/buildings.csv",
                     "/energy/report/operat"):  # fmt: skip
            assert (await client.get(path, headers=elected)).status == 403, path
