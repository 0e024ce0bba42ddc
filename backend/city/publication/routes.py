"""The room of publication in the API's process."""

from __future__ import annotations

from aiohttp import web

from backend.city.city import City
from backend.city.publication import worker
from backend.city.publication.desk_pages import DeskPages
from backend.city.publication.public import PublicPages


def route(router: web.UrlDispatcher, city: City) -> None:
    """Add the pages of the desk, and the public's."""
    DeskPages(city).route(router)
    PublicPages(city).route(router)


async def work(city: City) -> None:
    """Make published cells, until cancelled."""
    await worker.work(city)
