"""Server of the hub's pages: the areas mounted on a site, answered by the kit's server.

A limited number of refusals of each kind an hour is written into the audit chain: a flood must not fill the store.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping

from aiohttp import web

from hub.core.calls import Call
from hub.core.clock import Clock
from hub.core.errors import HubError
from hub.page_kit.refusals import Refused
from hub.page_kit.request.visit import Visit
from hub.page_kit.server import PageServer
from hub.sdk.connections import Connections
from hub.sdk.http_handler import Handler
from hub.web.area import error_text
from hub.web.areas import AREAS, FILES, MENU, SAID
from hub.web.areas.entrance import entrance
from hub.web.people.stores import People
from hub.web.services import PageServices, ServerAddress
from hub.web.site import AreaParts, Site

LINE, FIELD, MOST_HEADERS = 4096, 4096, 64

_log = logging.getLogger("hub.web")


class _Pages(Site):
    """The hub's site, with its sign-in and the words of its refusals."""

    async def entrance(self, visit: Visit, status: int) -> web.Response:
        return await entrance(self, visit, status)

    async def before(self, visit: Visit) -> None:
        if self.parts.enrolled:
            await self.count_todo()

    def refusal(self, error: HubError, lang: str) -> tuple[str, str]:
        reason = error.key if isinstance(error, Refused) else getattr(error, "reason", "")
        return error_text(error, lang), reason


class Server(PageServer):
    """Server on `connections`, whose port is `port`; the areas are mounted here. `calls` are those of the control
    socket."""

    def __init__(
        self,
        *,
        place: ServerAddress,
        calls: Mapping[str, Call],
        parts: PageServices,
        clock: Clock,
        people: People,
        connections: Connections,
        audit: Callable[[float, str, Mapping[str, object]], Awaitable[None]],
        port: int,
    ) -> None:
        self.site = site = _Pages(
            place=place,
            calls=calls,
            parts=parts,
            clock=clock,
            people=people,
            connections=connections,
            audit=audit,
            areas=AreaParts(MENU if parts.enrolled else (), SAID, FILES),
        )
        areas = [area for area in AREAS if parts.enrolled or area.unenrolled]
        site.mount([route for area in areas for route in area.routes(site)])
        super().__init__(site, place.names, port, _log)

    async def run(self) -> None:
        """Run the background work."""
        await self.site.feed.run()

    def protocol(self) -> Handler:
        """Return the protocol of one connection."""
        loop = asyncio.get_running_loop()
        return Handler(
            self.server,
            loop=loop,
            keepalive_timeout=10.0,
            max_line_size=LINE,
            max_field_size=FIELD,
            max_headers=MOST_HEADERS,
            logger=self.log,  # type: ignore[arg-type]
            access_log=None,  # type: ignore[arg-type]
            lingering_time=0.0,
            auto_decompress=False,
        )
