"""OGC SensorThings API 1.1, reading, at `/sta/v1.1`: within the viewer's scope, each question bounded.

Only GET and HEAD; anything else is 405. Errors are {"code", "type": "error", "message", "error", "error_text"}.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from contextlib import ExitStack
from typing import Any, NamedTuple
from urllib.parse import parse_qsl, unquote

import msgspec
from aiohttp import web

from backend.api.guard import Turns, conditional
from backend.api.requests import refusal
from backend.city.city import City
from backend.city.open_api.answers import Answers, written
from backend.city.open_api.catalogues import Catalogues
from backend.city.open_api.model import SETS, Catalogue
from backend.city.open_api.observations import Budget, Observations
from backend.city.open_api.options import goes_to_others, parse_query
from backend.city.open_api.resources import Found, Segment, observation_id, parse_path, resolve, root, target
from backend.city.people.viewer import STAFF, Role, Scope, needs, viewer_of
from backend.storage.city.open_api import LatestRow
from hub.core.errors import DecodeError
from hub.core.text import as_data, phrase

PATH = "/sta/v1.1"
USE = "sensorthings"
"""Use of a program's token."""
READERS = frozenset({*STAFF, Role.PROVIDER})
JSON = "application/json"
MOST_EACH = 4
"""Questions of one viewer at a time."""
_CONFORMANCE = "http://www.opengis.net/spec/iot_sensing/1.1/req/"
CONFORMS = tuple(
    _CONFORMANCE + one
    for one in (
        "datamodel/thing", "datamodel/thing/properties", "datamodel/thing/relations", "datamodel/location",
        "datamodel/location/properties", "datamodel/location/relations", "datamodel/historical-location",
        "datamodel/historical-location/properties", "datamodel/historical-location/relations", "datamodel/datastream",
        "datamodel/datastream/properties", "datamodel/datastream/relations", "datamodel/sensor",
        "datamodel/sensor/properties", "datamodel/sensor/relations", "datamodel/observed-property",
        "datamodel/observed-property/properties", "datamodel/observed-property/relations", "datamodel/observation",
        "datamodel/observation/properties", "datamodel/observation/relations", "datamodel/feature-of-interest",
        "datamodel/feature-of-interest/properties", "datamodel/feature-of-interest/relations",
        "datamodel/entity-control-information/common-control-information", "resource-path/resource-path-to-entities",
        "request-data/order", "request-data/expand", "request-data/select", "request-data/status-code",
        "request-data/query-status-code", "request-data/orderby", "request-data/top", "request-data/skip",
        "request-data/count", "request-data/filter", "request-data/pagination",
    )
)  # fmt: skip
"""Requirements that are met; `built-in-filter-operations` and `built-in-query-functions` are not wholly, so they are
not here."""


class Answer(NamedTuple):
    """Status, body and content type."""

    status: int
    body: bytes
    form: str = JSON


class SensorThings:
    """Handlers."""

    def __init__(self, city: City) -> None:
        self._city = city
        self._catalogues = Catalogues(city.store.database)
        self._turns = Turns()
        self._asking: dict[str, int] = {}

    def route(self, router: web.UrlDispatcher) -> None:
        guard = needs(*READERS, use=USE)
        router.add_route("*", PATH + "{path:(?:/.*)?}", guard(self.handle))

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Answer one question."""
        if request.method not in ("GET", "HEAD"):
            said = phrase(
                "open-read-only", "SensorThings is read only here: {method} is not offered", method=request.method
            )
            return error(405, said, {"Allow": "GET, HEAD"})
        viewer = viewer_of(request)
        if self._asking.get(viewer.id, 0) >= MOST_EACH:
            said = phrase(
                "open-many-at-once", "{count} questions of yours are being answered: wait for one", count=MOST_EACH
            )
            return error(429, said, {"Retry-After": "1"})
        self._asking[viewer.id] = self._asking.get(viewer.id, 0) + 1
        try:
            base = f"{request.url.origin()}{PATH}"
            async with self._turns.turn():
                found = await asyncio.to_thread(self.answer, viewer.scope, base, request.raw_path)
        except Exception as failure:
            refused = refusal(failure)
            if refused is None:
                raise
            return error(refused[1], refused[0], refused[2])
        finally:
            self._asking[viewer.id] -= 1
            if not self._asking[viewer.id]:
                del self._asking[viewer.id]
        if found.status == 204:
            return web.Response(status=204)
        return conditional(request, found.body, found.form)

    def answer(self, scope: Scope, base: str, raw: str) -> Answer:
        """Return the answer to a path with its query. Blocking. Raises DecodeError, NotFound, StorageError."""
        path, _, query = raw.partition("?")
        try:
            pairs = parse_qsl(
                query, keep_blank_values=True, strict_parsing=bool(query), max_num_fields=20, errors="strict"
            )
            plain = unquote(path, errors="strict").removeprefix(PATH).strip("/")
        except ValueError as wrong:
            raise DecodeError(
                "bad-query", phrase("open-query-unreadable", "the query cannot be read: name=value, joined by &")
            ) from wrong
        if not plain:
            return Answer(200, msgspec.json.encode(_root(base)))
        segments = parse_path(plain)
        options = parse_query(target(segments), pairs)
        budget = Budget()
        with ExitStack() as opened:
            readings: list[Observations] = []

            def observations() -> Observations:
                if not readings:
                    now = opened.enter_context(self._city.queries.snapshot())
                    readings.append(Observations(now, budget, self._city.store.database.snapshot))
                return readings[0]

            catalogue, thing = self._catalogue(scope, segments, f"{plain}?{query}")
            newest: list[Mapping[int, LatestRow]] = []

            def latest() -> Mapping[int, LatestRow]:
                if not newest:
                    newest.append(self._catalogues.latest(scope, thing))
                return newest[0]

            needed = any(one.name == "Observations" and one.id for one in segments)
            found = resolve(segments, catalogue, observations() if needed else None)
            answers = Answers(base, budget, observations, latest)
            return _answered(answers, found, options, f"{base}/{plain.removesuffix('/$ref')}")

    def _catalogue(self, scope: Scope, segments: list[Segment], whole: str) -> tuple[Catalogue, int | None]:
        """Return the catalogue that a question needs, and the thing that it is of, where it is of one."""
        first = segments[0]
        of = root(segments)
        if first.id and of.name != "ObservedProperties" and not goes_to_others(whole):
            if of.name == "Observations":
                catalogue = self._catalogues.of_series(scope, observation_id(first.id)[0])
            elif of.name == "Datastreams" and first.id.isdigit():
                catalogue = self._catalogues.of_series(scope, min(int(first.id), 1 << 40))
            else:
                catalogue = self._catalogues.of_thing(scope, min(int(first.id), 1 << 40) if first.id.isdigit() else -1)
            return catalogue, next(iter(catalogue.things), -1)
        return self._catalogues.whole(scope), None


def error(status: int, said: str, headers: Mapping[str, str] | None = None) -> web.Response:
    """Return a refusal as JSON."""
    body = {"code": status, "type": "error", "message": str(said), "error": str(said)}
    coded = as_data(said)
    return web.Response(
        body=msgspec.json.encode(body | ({} if coded is None else {"error_text": coded})),
        status=status,
        headers={"Cache-Control": "no-store"} | dict(headers or {}),
        content_type=JSON,
    )


def _root(base: str) -> dict[str, Any]:
    return {
        "value": [{"name": name, "url": f"{base}/{name}"} for name in SETS],
        "serverSettings": {"conformance": list(CONFORMS)},
    }


def _answered(answers: Answers, found: Found, query: Any, address: str) -> Answer:
    if found.property:
        value = written(found.property, found.kind, found.value)
        if value is None:
            return Answer(204, b"")
        if found.form == "$value":
            plain = value if isinstance(value, str) else msgspec.json.encode(value).decode()
            return Answer(200, plain.encode(), "text/plain")
        return Answer(200, msgspec.json.encode({found.property: value}))
    if found.source is None:
        if found.form == "$ref":
            return Answer(200, msgspec.json.encode({"@iot.selfLink": answers.link(found.of, found.one)}))
        return Answer(200, msgspec.json.encode(answers.entity(found.of, found.one, query)))
    if found.form == "$ref":
        told = answers.references(found.of, found.source, query, address)
        if "@iot.nextLink" in told:
            told["@iot.nextLink"] = told["@iot.nextLink"].replace("?", "/$ref?", 1)
        return Answer(200, msgspec.json.encode(told))
    return Answer(200, msgspec.json.encode(answers.collection(found.of, found.source, query, address)))
