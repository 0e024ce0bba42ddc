"""The application of the city's rooms: how it answers errors, beside the operator's API and at its own port alone."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from backend.city import server
from backend.city.city import City
from backend.city.people.viewer import public
from backend.city.server import Room, mount
from backend.queries.views import NotFound
from hub.core.errors import StorageError
from hub.core.request_log import RequestLog
from hub.core.text import phrase

from .waiting import PATIENCE_S


def _room(raised: Exception) -> Room:
    @public
    async def failing(request: web.Request) -> web.Response:
        raise raised

    return Room("failing", lambda router, city: router.add_get("/page", failing) and None)


@asynccontextmanager
async def _served(city: City, room: Room, tmp_path: Path) -> AsyncIterator[Callable[..., Awaitable[tuple[int, Any]]]]:
    app = web.Application()

    async def operators(request: web.Request) -> web.Response:
        return web.Response(text="of the operator")

    app.router.add_get("/v1/hubs", operators)
    mount(app, city, RequestLog(logging.getLogger("test")), (room,))
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    await web.UnixSite(runner, tmp_path / "socket").start()
    port = runner.addresses[0][1]

    async def ask(path: str, *, unix: bool = False, **headers: str) -> tuple[int, Any]:
        connector = aiohttp.UnixConnector(str(tmp_path / "socket")) if unix else aiohttp.TCPConnector()
        async with aiohttp.ClientSession(connector=connector) as session:
            url = f"http://127.0.0.1:{port}{path}"
            async with session.get(url, headers=headers, allow_redirects=False) as reply:
                json = "json" in reply.headers.get("Content-Type", "")
                return reply.status, await reply.json() if json else reply.headers.get("Location", await reply.text())

    try:
        yield ask
    finally:
        await runner.cleanup()


@pytest.mark.real("network")
@pytest.mark.parametrize(
    ("raised", "status", "said"),
    [
        (web.HTTPSeeOther("/signin"), 303, "/signin"),
        (NotFound(phrase("no-such-series", "there is no series {series}", series="x")), 404, "there is no series x"),
        (StorageError(phrase("city-right-lost", "another process may do this work now")), 503, "another process"),
        (ZeroDivisionError("secret"), 500, "a fault in this backend"),
    ],
)
async def test_each_error_is_answered_with_its_status(
    city: City, tmp_path: Path, raised: Exception, status: int, said: str
) -> None:
    async with _served(city, _room(raised), tmp_path) as ask:
        found, answer = await ask("/page")
        text = answer["error"] if isinstance(answer, dict) else answer
        assert (found, said in text, "secret" in text) == (status, True, False)


@pytest.mark.real("network")
async def test_whoever_reads_pages_gets_an_error_as_a_page(city: City, tmp_path: Path) -> None:
    async def page(request: web.Request, status: int, said: str) -> web.Response:
        return web.Response(status=status, text=f"<p>{said}", content_type="text/html")

    city.error_page = page
    async with _served(city, _room(NotFound("nothing here")), tmp_path) as ask:
        assert await ask("/page", Accept="text/html,*/*") == (404, "<p>nothing here")
        assert await ask("/page") == (404, {"error": "nothing here"})
        assert (await ask("/nowhere", Accept="text/html"))[0] == 404


@pytest.mark.real("network")
async def test_what_the_hubs_port_passes_on_reaches_the_operators_api_and_no_page(city: City, tmp_path: Path) -> None:
    async with _served(city, _room(web.HTTPSeeOther("/signin")), tmp_path) as ask:
        assert (await ask("/page", unix=True))[0] == 404
        assert await ask("/v1/hubs", unix=True) == (200, "of the operator")


async def test_work_that_fails_is_begun_again(city: City, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "AGAIN_S", 0.01)
    began: list[int] = []
    done = asyncio.Event()

    async def work(city: City) -> None:
        began.append(1)
        if len(began) == 1:
            raise StorageError(phrase("city-right-lost", "another process may do this work now"))
        if len(began) == 2:
            raise ZeroDivisionError
        done.set()
        await asyncio.sleep(60)

    task = asyncio.create_task(server.work(city, (Room("one", lambda router, city: None, work),)))
    await asyncio.wait_for(done.wait(), PATIENCE_S)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert len(began) == 3
