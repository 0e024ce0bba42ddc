"""The list of things, which is the map as a table, and the page of one thing."""

from __future__ import annotations

from aiohttp import web

from backend.city.city import City
from backend.city.pages import kit, latest
from backend.city.pages.board import LAYERS, STATES
from backend.city.pages.live import live_of
from backend.city.pages.map_page import MAY
from backend.city.people.viewer import needs, viewer_of
from backend.storage.city import map as tables
from backend.storage.city.register import services
from hub.page_kit.tables import page_of

MOST_LINES = 8
"""Series of one chart."""


class ThingPages:
    """The routes of things."""

    def __init__(self, city: City) -> None:
        self._city, self._live = city, live_of(city)

    def route(self, router: web.UrlDispatcher) -> None:
        router.add_get("/things", needs(*MAY)(self.list))
        router.add_get("/things/{hub}/{device}", needs(*MAY)(self.one))

    async def list(self, request: web.Request) -> web.StreamResponse:
        viewer = viewer_of(request)
        lang = kit.lang_of(request, viewer)
        asked = {name: request.query.get(name, "")[:100] for name in ("q", "layer", "state", "site", "hub")}
        board, seen = await self._live.board(), await self._live.seen(viewer.scope)
        listed = board.listed(seen, **asked)
        numbers, page, size = page_of(listed, request.query)
        lines = await self._city.store.read(lambda r: tables.lines(r, viewer.scope, numbers))
        series = await self._city.store.read(lambda r: tables.series_of(r, viewer.scope, list(lines)))
        main = latest.main_of(series)
        values = await self._city.store.read(lambda r: latest.values(r, list(main.values()), lang))
        of = {one.series: one for one in values}
        layers, states = board.counts(seen)
        return kit.render(
            request, viewer, "things",
            rows=[
                (lines[number], STATES[board.state(number)], of.get(main[number].id) if number in main else None)
                for number in numbers
                if number in lines
            ],
            asked=asked, page_at=page, last=max(1, -(-len(listed) // size)), found=len(listed),
            layers=[name for name in LAYERS if layers[name]], states=[name for name in STATES[::-1] if states[name]],
            address=latest.address, known_layers=LAYERS, site=None,
            ask="&".join(f"series={one.series}" for one in values[:32]),
        )  # fmt: skip

    async def one(self, request: web.Request) -> web.StreamResponse:
        viewer = viewer_of(request)
        lang = kit.lang_of(request, viewer)
        hub, device = request.match_info["hub"], request.match_info["device"]
        line = await self._city.store.read(lambda r: tables.thing_of(r, viewer.scope, hub, device))
        if line is None:
            raise web.HTTPNotFound
        board = await self._live.board()
        series = await self._city.store.read(lambda r: tables.series_of(r, viewer.scope, [line.id]))
        values = await self._city.store.read(lambda r: latest.values(r, series, lang))
        names = await self._city.store.read(services)
        return kit.render(
            request, viewer, "thing",
            thing=line, service=names.get(line.service) or line.service,
            state=STATES[board.state(line.id)], values=values, most=MOST_LINES, known_layers=LAYERS,
            alerts=[latest.sentence(alert, lang) for alert in board.alerts_of({line.id})],
            ask="&".join(f"series={one.series}" for one in values[:32]),
        )  # fmt: skip
