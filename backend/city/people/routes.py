"""Routes of people, and what runs beside them: heads of the journal are noted outside the database."""

from __future__ import annotations

import asyncio

from aiohttp import web

from backend.city.city import City
from backend.city.people import journal
from backend.city.people.oidc.back_channel import BackChannel
from backend.city.people.pages import PeoplePages
from backend.storage.city.database import Reader

HEAD_S = 300.0
"""Seconds between two notes of the journal's head."""


def route(router: web.UrlDispatcher, city: City) -> None:
    """Add sign-in, accounts, tokens and journal."""
    PeoplePages(city).route(router)
    BackChannel(city).route(router)


async def work(city: City) -> None:
    """Note the head of the journal every few minutes, until cancelled."""

    def note(r: Reader) -> None:
        journal.note_head(city.directory, r, city.clock())

    while True:
        await city.store.read(note)
        await asyncio.sleep(HEAD_S)
