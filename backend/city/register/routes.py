"""The register's part in the API's process: it is filled beside, and has no pages of its own."""

from __future__ import annotations

from aiohttp import web

from backend.city.city import City
from backend.city.register.sync import Synchroniser


def route(router: web.UrlDispatcher, city: City) -> None:
    """Add nothing: other rooms show the register."""


async def work(city: City) -> None:
    """Keep the register as the backend's hubs are, until cancelled."""
    await Synchroniser(city).run()
