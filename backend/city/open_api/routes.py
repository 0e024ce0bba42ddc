"""Routes of the open API, and what it does beside requests."""

from __future__ import annotations

import asyncio
from importlib.metadata import version

import msgspec
from aiohttp import web

from backend.city.city import City
from backend.city.open_api import feeds, reports
from backend.city.open_api.document import document
from backend.city.open_api.feed_routes import Feeds
from backend.city.open_api.files import Files
from backend.city.open_api.open311 import Open311
from backend.city.open_api.open311_out import Passing
from backend.city.open_api.report_pages import ReportPages
from backend.city.open_api.sensorthings import SensorThings
from backend.city.open_api.spaces import desk as spaces
from backend.city.open_api.spaces.pages import SpacePages
from backend.city.open_api.spaces.routes import Spaces
from backend.city.people.viewer import public
from backend.storage.city import open_api as tables
from backend.storage.city.database import Transaction

_EVERY_S = 3600.0


def route(router: web.UrlDispatcher, city: City) -> None:
    """Add the routes."""
    SensorThings(city).route(router)
    Files(city).route(router)
    Open311(city).route(router)
    ReportPages(city).route(router)
    Feeds(city).route(router)
    Spaces(city).route(router)
    SpacePages(city).route(router)
    text = msgspec.json.encode(document(version("ilot")))

    async def described(request: web.Request) -> web.StreamResponse:
        return web.Response(body=text, content_type="application/json")

    router.add_get("/open/openapi.json", public(described))


async def work(city: City) -> None:
    """Pass reports on, and forget what is kept for a while alone, until cancelled. Raises StorageError."""
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(Passing(city).run())
        tasks.create_task(_forget(city))


async def _forget(city: City) -> None:
    """Forget pictures of reports closed long ago, who wrote in the last hour, old readings of feeds, and files of
    providers that were kept long enough."""

    def forget(t: Transaction) -> None:
        tables.forget_writers(t, city.clock() - reports.HOUR)
        tables.forget_pictures(t, city.clock() - reports.PICTURES_S)
        tables.forget_feeds(t, int((city.clock() - feeds.KEPT_S) * 1000))
        spaces.forget(t, city.clock())

    while True:
        await city.store.write(forget)
        await asyncio.sleep(_EVERY_S)
