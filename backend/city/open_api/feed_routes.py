"""Where feeds of others come in: `POST /open/feeds/{name}`, with a token of use feeds."""

from __future__ import annotations

import msgspec
from aiohttp import web

from backend.api.requests import answer, body_of, read
from backend.city.city import City
from backend.city.open_api import feeds
from backend.city.people.viewer import Role, needs, viewer_of
from backend.city.register.sync import areas_of
from backend.storage.city.database import Transaction

WRITERS = frozenset({Role.OPERATOR, Role.HEAD, Role.ADMIN})
USE = "feeds"


class Feeds:
    """Handler."""

    def __init__(self, city: City) -> None:
        self._city = city

    def route(self, router: web.UrlDispatcher) -> None:
        names = "|".join(feeds.KINDS)
        router.add_post(f"/open/feeds/{{name:{names}}}", needs(*WRITERS, use=USE)(self.post))

    async def post(self, request: web.Request) -> web.StreamResponse:
        viewer, name = viewer_of(request), request.match_info["name"]
        message = read(await body_of(request, feeds.MOST_BYTES), feeds.Message)
        now = self._city.clock()

        def write(t: Transaction) -> feeds.Taken:
            return feeds.take(t, viewer.id, name, message, now, areas_of(t).of)

        taken = await self._city.store.write(write)
        return answer(msgspec.to_builtins(taken._asdict()), 200)
