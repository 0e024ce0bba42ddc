"""Routes of exports: `/open/…`, within the viewer's scope."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from aiohttp import web

from backend.api.guard import Turns, chosen_format, conditional
from backend.api.operations import CSV, JSON, JSON_LINES, PARQUET
from backend.api.parameters import Parameter, parse
from backend.api.requests import refusal
from backend.city.city import City
from backend.city.open_api import ngsi_ld
from backend.city.open_api.catalogues import Catalogues
from backend.city.open_api.exports import JSON_LD, READING_FORMATS, SERIES_FORMATS, THING_FORMATS, Chosen, Exports, File
from backend.city.open_api.model import GEOJSON, MOST_ID
from backend.city.open_api.sensorthings import READERS, error
from backend.city.open_api.times import parse_time
from backend.city.people.viewer import Scope, needs, viewer_of
from hub.core.errors import DecodeError
from hub.core.text import phrase

PATH = "/open"
MOST_LINES, MOST_ROWS, MOST_SERIES = 10_000, 100_000, 50
LONGEST_MS = 366 * 86_400_000
ENDINGS = {"geojson": GEOJSON, "csv": CSV, "parquet": PARQUET, "json": JSON, "ndjson": JSON_LINES, "jsonld": JSON_LD}
CHOSEN = (
    Parameter("kind", "kind of things, as waste-container", longest=64),
    Parameter("layer", "layer of the map, as waste", longest=64),
    Parameter("site", "id of a site", longest=128),
    Parameter("service", "id of a service", longest=128),
    Parameter("after", "id of the last line of the page before, as the header Link says", "number", 0, 0, MOST_ID),
    Parameter("limit", "most lines of the page", "number", 1000, 1, MOST_LINES),
)
READINGS = (
    Parameter(
        "series", "number of a series, repeated for several", "texts", high=MOST_SERIES, longest=10, required=True
    ),
    Parameter("from", "first moment, RFC 3339 with its offset", longest=40, required=True),
    Parameter("to", "moment after the last, at most 366 days later", longest=40, required=True),
    Parameter("limit", "most rows of the page", "number", 10_000, 1, MOST_ROWS),
    Parameter("after", "`Next-Cursor` of the page before", longest=2048),
)
MODEL = Parameter("type", "a Smart Data Model; empty: all but Building", choices=("", *ngsi_ld.TYPES))

Work = Callable[[Scope, dict[str, Any], str], File]


class Files:
    """Handlers of exports."""

    def __init__(self, city: City) -> None:
        self._exports = Exports(city, Catalogues(city.store.database))
        self._turns = Turns()

    def route(self, router: web.UrlDispatcher) -> None:
        self._add(router, "things", THING_FORMATS, CHOSEN, self._things)
        self._add(router, "series", SERIES_FORMATS, CHOSEN, self._series)
        self._add(router, "readings", READING_FORMATS, READINGS, self._readings)
        self._add(router, "ngsi-ld", (JSON_LD,), (*CHOSEN, MODEL), self._entities)

    def _add(
        self,
        router: web.UrlDispatcher,
        name: str,
        formats: tuple[str, ...],
        parameters: tuple[Parameter, ...],
        work: Work,
    ) -> None:
        async def handle(request: web.Request) -> web.StreamResponse:
            try:
                return await self._answered(request, formats, parameters, work)
            except Exception as failure:
                refused = refusal(failure)
                if refused is None:
                    raise
                return error(refused[1], refused[0], refused[2])

        guarded: Callable[[web.Request], Awaitable[web.StreamResponse]] = needs(*READERS, use="open")(handle)
        router.add_get(f"{PATH}/{name}", guarded)
        endings = "|".join(ending for ending, form in ENDINGS.items() if form in formats)
        router.add_get(f"{PATH}/{name}.{{ending:{endings}}}", guarded)

    async def _answered(
        self, request: web.Request, formats: tuple[str, ...], parameters: tuple[Parameter, ...], work: Work
    ) -> web.StreamResponse:
        ending = request.match_info.get("ending", "")
        form = ENDINGS[ending] if ending else chosen_format(request, formats)
        query, scope = parse(request.query, parameters), viewer_of(request).scope
        async with self._turns.turn():
            found = await asyncio.to_thread(work, scope, query, form)
        headers = {}
        if found.next is not None:
            after = request.url.update_query(after=found.next)
            headers = {"Next-Cursor": found.next, "Link": f'<{after}>; rel="next"'}
        return conditional(request, found.body, form, headers)

    def _things(self, scope: Scope, query: dict[str, Any], form: str) -> File:
        return self._exports.things(scope, _chosen(query), form)

    def _series(self, scope: Scope, query: dict[str, Any], form: str) -> File:
        return self._exports.series(scope, _chosen(query), form)

    def _readings(self, scope: Scope, query: dict[str, Any], form: str) -> File:
        start, end = parse_time(query["from"]) // 1000, parse_time(query["to"]) // 1000
        if not start < end <= start + LONGEST_MS:
            raise DecodeError("bad-query", phrase("open-range-wrong", "`to` lies after `from`, at most 366 days"))
        numbers = [int(one) if one.isdigit() else -1 for one in query["series"]]
        return self._exports.readings(scope, sorted(set(numbers)), start, end, query["limit"], query["after"], form)

    def _entities(self, scope: Scope, query: dict[str, Any], form: str) -> File:
        return self._exports.ngsi_ld(scope, _chosen(query), query["type"])


def _chosen(query: dict[str, Any]) -> Chosen:
    return Chosen(query["kind"], query["layer"], query["site"], query["service"], query["after"], query["limit"])
