"""Routes of the energy room, and the work that reads meters every hour."""

from __future__ import annotations

from aiohttp import web

from backend.city.city import City
from backend.city.energy.pages import ELECTED, EnergyPages, area
from backend.city.energy.service import SEES, room_of
from backend.city.pages import kit as pages
from backend.city.people.viewer import needs


def route(router: web.UrlDispatcher, city: City) -> None:
    pages.add(area())
    do = EnergyPages(room_of(city))
    see = needs(*SEES)
    router.add_get("/energy", see(do.portfolio))
    router.add_get("/energy/buildings.csv", see(do.table))
    router.add_get("/energy/report/{kind}", see(do.report))
    router.add_get("/elected", needs(*ELECTED)(do.elected))


async def work(city: City) -> None:
    """Bring hours, months and drift up to date, until cancelled."""
    await room_of(city).keep()
