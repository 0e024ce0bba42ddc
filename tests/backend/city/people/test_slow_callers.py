"""A crowd that opens connections to the city's port, and says nothing or little: people sign in and work meanwhile."""

from __future__ import annotations

import asyncio
import ssl
import time
from pathlib import Path

import aiohttp
import pytest

from backend.city.people import accounts
from backend.city.people.viewer import Role, Scope
from backend.owner import directory as owners
from backend.processes import connections
from backend.processes.api_process import answering_operators
from backend.storage.city.database import open_city
from hub.core import password_hash
from hub.page_kit.people.passwords import new_code, normalised_code

from ..waiting import PATIENCE_S
from .people_kit import PASSWORD, Browser

pytestmark = pytest.mark.real("network")

MANY = connections.MOST + 144
FORM = b"Host: localhost:%d\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: 9000\r\n\r\n"
HALF = (
    b"POST /signin/backchannel HTTP/1.1\r\n" + FORM + b"logout_token=",
    b"POST /signin HTTP/1.1\r\n" + FORM + b"name=",
    b"GET / HTTP/1.1\r\nHo",
    b"",
)


async def test_hundreds_of_slow_callers_keep_nobody_from_the_citys_pages(tmp_path: Path) -> None:
    directory, code = tmp_path / "owner", new_code()
    owners.init(directory, owner="Ville")
    database = open_city(directory, directory / "backend.db")
    with database.transaction() as t:
        hashed = password_hash.make(normalised_code(code))
        accounts.add(t, "test", "anne", Role.OPERATOR, Scope(), hashed, time.time())
    database.close()
    async with answering_operators(directory, port=0) as api:
        trust = ssl.create_default_context(cafile=str(directory / "ca.pem"))
        writers = []
        for n in range(MANY):
            _, writer = await asyncio.open_connection("localhost", api.port, ssl=trust)
            half = HALF[n % len(HALF)]
            writer.write(half % api.port if b"%d" in half else half)
            writers.append(writer)
        connector = aiohttp.TCPConnector(ssl=trust)
        async with aiohttp.ClientSession(connector=connector, cookie_jar=aiohttp.DummyCookieJar()) as session:
            browser = Browser(session, api.url)
            form = {"name": "anne", "code": code, "password": PASSWORD, "again": PASSWORD}
            async with asyncio.timeout(PATIENCE_S):
                assert (await browser.post("/signin/code", form)).status == 303
                assert (await browser.get("/things")).status == 200
        gone = sum(writer.transport.is_closing() for writer in writers)
        assert gone >= MANY - connections.MOST  # those that were open longest gave way
        for writer in writers:
            writer.transport.abort()
