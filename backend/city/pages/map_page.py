"""The map: its page, and what its script asks for."""

from __future__ import annotations

import asyncio
import gzip
from collections import OrderedDict
from collections.abc import Callable
from hashlib import sha256
from typing import Any, NamedTuple

import msgspec
from aiohttp import web

from backend.city.city import City
from backend.city.pages import columns, kit, latest
from backend.city.pages.board import LAYERS, STATES
from backend.city.pages.columns import Columns
from backend.city.pages.ground import Grounds, Unfit
from backend.city.pages.live import live_of
from backend.city.pages.position import is_coarse
from backend.city.people.viewer import STAFF, Role, Scope, needs, viewer_of
from backend.storage.city import map as tables
from hub.core.text import with_codes

MAY = (*sorted(STAFF), Role.PROVIDER)
"""Roles that see single things."""
MOST_NAMES, MOST_MEMBERS, MOST_FOUND = 300, 60, 12
_KEPT = 32
_KIND = "application/octet-stream"


class Body(NamedTuple):
    """An answer that many ask for: its stamp, its entity tag, and itself compressed."""

    stamp: str
    tag: str
    data: bytes


class MapPages:
    """The routes of the map."""

    def __init__(self, city: City) -> None:
        self._city, self._live = city, live_of(city)
        self._grounds = Grounds(city.directory)
        self._bodies: OrderedDict[tuple[Scope, bool], tuple[frozenset[int], Body]] = OrderedDict()

    def route(self, router: web.UrlDispatcher) -> None:
        every, single = needs(*Role), needs(*MAY)
        router.add_get("/", every(self.page))
        router.add_get("/map/things", single(self.things))
        router.add_get("/map/exact", single(self.exact))
        router.add_get("/map/names", single(self.names))
        router.add_get("/map/find", single(self.find))
        router.add_get("/map/things/{number:[0-9]{1,10}}", single(self.thing))
        router.add_get("/map/sectors", every(self.sectors))
        router.add_get("/map/ground/{zoom:[0-9]{1,2}}/{x:[0-9]{1,8}}/{y:[0-9]{1,8}}", single(self.tile))
        router.add_get("/events", needs(*Role, stream=True)(self.events))

    async def page(self, request: web.Request) -> web.StreamResponse:
        viewer = viewer_of(request)
        board, seen = await self._live.board(), await self._live.seen(viewer.scope)
        layers, states = board.counts(seen)
        ground = await self._city.store.run(self._grounds.open)
        return kit.render(
            request, viewer, "map", ground=ground,
            layers=[(name, layers[name]) for name in LAYERS if layers[name]],
            states=[(name, states[name]) for name in reversed(STATES)],
            nowhere=board.nowhere(seen), single=viewer.role in MAY, total=len(seen),
        )  # fmt: skip

    async def things(self, request: web.Request) -> web.StreamResponse:
        """All things of the viewer with a position, by columns; unchanged ones are not sent again."""
        return await self._columns(
            request, False, lambda stamp, told: columns.things({"stamp": stamp, "layers": LAYERS}, told)
        )

    async def exact(self, request: web.Request) -> web.StreamResponse:
        """Where within their cells these things are."""
        return await self._columns(request, True, lambda _, told: columns.exact(told))

    async def _columns(
        self, request: web.Request, exact: bool, pack: Callable[[str, Columns], bytes]
    ) -> web.StreamResponse:
        viewer = viewer_of(request)
        board, seen = await self._live.board(), await self._live.seen(viewer.scope)
        stamp, key = self._live.stamp, (viewer.scope, exact)
        kept = self._bodies.get(key)
        if kept is None or kept[0] != seen or kept[1].stamp != stamp:
            classes = viewer.scope.classes
            body = await asyncio.to_thread(lambda: _body(stamp, pack(stamp, board.columns(seen, classes))))
            kept = self._bodies[key] = seen, body
            while len(self._bodies) > _KEPT:
                self._bodies.popitem(last=False)
        body = kept[1]
        headers = {"ETag": body.tag, "Cache-Control": "private, no-cache", "Vary": "Cookie"}
        if request.headers.get("If-None-Match", "").removeprefix("W/") == body.tag:
            return web.Response(status=304, headers=headers)
        if "gzip" not in request.headers.get("Accept-Encoding", ""):
            return web.Response(body=gzip.decompress(body.data), content_type=_KIND, headers=headers)
        headers["Content-Encoding"] = "gzip"
        return web.Response(body=body.data, content_type=_KIND, headers=headers)

    async def names(self, request: web.Request) -> web.StreamResponse:
        """The names of things that are shown singly."""
        viewer = viewer_of(request)
        numbers = _numbers(request.query.get("n", ""), MOST_NAMES)
        found = await self._city.store.read(lambda r: tables.lines(r, viewer.scope, numbers))
        return _json({"names": [[number, line.name] for number, line in found.items()]})

    async def find(self, request: web.Request) -> web.StreamResponse:
        """The first things whose names, sites, addresses or numbers contain the words."""
        viewer = viewer_of(request)
        board, seen = await self._live.board(), await self._live.seen(viewer.scope)
        listed = board.listed(seen, q=request.query.get("q", "")[:100])
        found = []
        for number in listed[:MOST_FOUND]:
            pin = board.pins[number]
            found.append([number, pin.name, pin.site_name, STATES[board.state(number)], pin.lat is not None])
        return _json({"found": found, "left": max(0, len(listed) - MOST_FOUND)})

    async def thing(self, request: web.Request) -> web.StreamResponse:
        """The map's details of a thing that is chosen."""
        viewer = viewer_of(request)
        lang = kit.lang_of(request, viewer)
        number = int(request.match_info["number"])
        board = await self._live.board()
        line = await self._city.store.read(lambda r: tables.thing(r, viewer.scope, number))
        if line is None:
            raise web.HTTPNotFound
        series = await self._city.store.read(lambda r: tables.series_of(r, viewer.scope, [number]))
        values = await self._city.store.read(lambda r: latest.values(r, series, lang))
        alerts = board.alerts_of({number})
        return _json({
            "number": number, "name": line.name, "state": STATES[board.state(number)], "site": line.site_name,
            "layer": line.layer if line.layer in LAYERS else "other", "href": latest.address(line.hub, line.device),
            "coarse": is_coarse(line.privacy, line.mobile, viewer.scope.classes),
            "values": [[one.label, one.text, one.unit, one.time_s] for one in values[:6]],
            "alerts": [latest.sentence(one, lang) for one in alerts[:5]], "now": self._city.clock(),
        })  # fmt: skip

    async def sectors(self, request: web.Request) -> web.StreamResponse:
        """The areas of the sectors, as GeoJSON."""
        rows = await self._city.store.read(tables.sectors)
        features = [
            {"type": "Feature", "id": number, "properties": {"name": name}, "geometry": msgspec.Raw(area.encode())}
            for number, name, area in rows
        ]
        return _json({"type": "FeatureCollection", "features": features}, coded=False)

    async def tile(self, request: web.Request) -> web.StreamResponse:
        """A picture of the background; nothing where the operator's file has none."""
        zoom, x, y = (int(request.match_info[name]) for name in ("zoom", "x", "y"))
        ground = await self._city.store.run(self._grounds.open)
        try:
            data = None if ground is None else await self._city.store.run(lambda: ground.tile(zoom, x, y))
        except (Unfit, OSError):
            data = None
        headers = {"Cache-Control": "private, max-age=86400"}
        if ground is None or data is None:
            return web.Response(status=204, headers=headers)
        return web.Response(body=data, content_type=ground.kind, headers=headers)

    async def events(self, request: web.Request) -> web.StreamResponse:
        return await self._live.stream(request, viewer_of(request))


def _body(stamp: str, data: bytes) -> Body:
    return Body(stamp, f'"{sha256(data).hexdigest()[:32]}"', data)


def _json(what: Any, *, coded: bool = True) -> web.Response:
    answer = web.Response(
        body=msgspec.json.encode(with_codes(what) if coded else what),
        content_type="application/json",
        headers={"Cache-Control": "no-store"},
    )
    answer.enable_compression()
    return answer


def _numbers(text: str, most: int) -> list[int]:
    found = [int(one) for one in text[:4000].split(",") if one.isascii() and one.isdigit() and len(one) <= 10]
    return found[:most]
