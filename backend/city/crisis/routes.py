"""Routes of the crisis room, and the task that writes its snapshots."""

from __future__ import annotations

from aiohttp import web

from backend.city.city import City
from backend.city.crisis.pages import CrisisPages, area
from backend.city.crisis.service import CELL, READS, room_of
from backend.city.pages import kit as pages
from backend.city.people.viewer import Role, needs


def route(router: web.UrlDispatcher, city: City) -> None:
    room = room_of(city)
    pages.add(area(room))
    do = CrisisPages(room)
    see, act, sheets = needs(*READS), needs(*CELL), needs(*READS, Role.CREW)
    router.add_get("/crisis", see(do.board))
    router.add_get("/crisis/board.json", see(do.figures))
    router.add_get("/crisis/log", act(do.log_page))
    router.add_get("/crisis/situation.pdf", see(do.document))
    router.add_get("/crisis/export.zip", see(do.export))
    router.add_get("/crisis/snapshot", act(do.snapshot))
    router.add_get("/crisis/sheets", sheets(do.sheets))
    router.add_post("/crisis/log", act(do.write_line))
    router.add_post("/crisis/measure", act(do.take_measure))
    router.add_post("/crisis/crew", act(do.engage_crew))
    router.add_post("/crisis/heat", act(do.watch_heat))
    router.add_post("/crisis/end", act(do.end))
    router.add_post("/crisis/isolated", act(do.declare))
    router.add_post("/crisis/heard", act(do.undeclare))
    router.add_post("/crisis/drill", act(do.begin_drill))
    router.add_post("/crisis/drill/end", act(do.end_drill))


async def work(city: City) -> None:
    """Write the last snapshot every minute, until cancelled."""
    await room_of(city).keep()
