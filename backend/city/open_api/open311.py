"""Open311 GeoReport v2 at `/open311/v2`, in JSON and XML: services, new requests, and what became of them.

    GET  services.json|xml · services/{code}.json|xml · requests.json|xml · requests/{id}.json|xml
    POST requests.json|xml       as a form, by anybody within the limits for strangers, or with a token (`api_key` or
                                 Authorization) of use open311 within its quota

Names, addresses and telephones that a client sends are not stored. `service_request_id` is the number that its writer
is given; a request that repeats another one is answered with its own. Public answers hold no picture.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any
from xml.sax.saxutils import escape

import msgspec
from aiohttp import web

from backend.api.requests import refusal
from backend.city.city import City
from backend.city.open_api import reports
from backend.city.open_api.times import parse_time
from backend.city.people.desk import QuotaSpent, TokenWrong, address_of, desk_of
from backend.city.people.viewer import program
from backend.queries.views import NotFound
from backend.storage.city import open_api as tables
from backend.storage.city.database import Reader, Transaction
from backend.storage.city.open_api import Category, Report
from backend.storage.city.people import secret
from hub.core.errors import DecodeError
from hub.core.text import phrase
from hub.page_kit.picture_sanitizer import MOST_BYTES

PATH = "/open311/v2"
USE = "open311"
JURISDICTION = "jurisdiction_id"
MOST_ASKED, LONGEST_S = 50, 90 * 86_400.0
_STATUS = {state: "open" if state in reports.OPEN else "closed" for state in reports.STATES}


class Open311:
    """Handlers."""

    def __init__(self, city: City) -> None:
        self._city = city

    def route(self, router: web.UrlDispatcher) -> None:
        for path, handler in (
            ("/services.{form:json|xml}", self.services), ("/services/{code}.{form:json|xml}", self.definition),
            ("/requests.{form:json|xml}", self.requests), ("/requests/{number}.{form:json|xml}", self.request),
        ):  # fmt: skip
            router.add_get(PATH + path, program(self._answering(handler)))
        router.add_post(PATH + "/requests.{form:json|xml}", program(self._answering(self.post)))

    def _answering(self, handler: Any) -> Any:
        async def answering(request: web.Request) -> web.StreamResponse:
            form = request.match_info["form"]
            try:
                name, item, rows = await handler(request)
                return _response(form, name, item, rows, 201 if request.method == "POST" else 200)
            except QuotaSpent as error:
                return _refusal(form, str(error), 429, {"Retry-After": f"{error.seconds:.0f}"})
            except TokenWrong as error:
                return _refusal(form, str(error), 403)
            except Exception as error:
                refused = refusal(error)
                if refused is None:
                    raise
                return _refusal(form, refused[0], refused[1], refused[2])

        return answering

    async def services(self, request: web.Request) -> tuple[str, str, list[dict[str, Any]]]:
        found = await self._city.store.read(reports.categories)
        return "services", "service", [_service(one) for one in found]

    async def definition(self, request: web.Request) -> tuple[str, str, list[dict[str, Any]]]:
        code = request.match_info["code"]
        found = await self._city.store.read(reports.categories)
        if code not in [one.code for one in found]:
            raise _nothing()
        return "service_definition", "", [{"service_code": code, "attributes": []}]

    async def requests(self, request: web.Request) -> tuple[str, str, list[dict[str, Any]]]:
        query, now = request.query, self._city.clock()
        numbers = [one for one in query.get("service_request_id", "").split(",") if one][:MOST_ASKED]
        until = parse_time(query["end_date"]) / 1e6 if "end_date" in query else now + 1
        since = parse_time(query["start_date"]) / 1e6 if "start_date" in query else until - LONGEST_S
        if not since <= until <= since + LONGEST_S + 1:
            raise DecodeError("bad-query", phrase("open311-range", "start_date to end_date are at most 90 days"))
        codes = [one for one in query.get("service_code", "").split(",") if one]
        asked = [one for one in query.get("status", "").split(",") if one]
        if set(asked) - {"open", "closed"}:
            raise DecodeError("bad-query", phrase("open311-status", "status is open or closed"))
        states = [state for state in reports.STATES if _STATUS[state] in asked]

        def read(reader: Reader) -> tuple[list[Report], list[Category]]:
            if numbers:
                some = [tables.report(reader, one) for one in numbers]
                return [one for one in some if one is not None], reports.categories(reader)
            chosen = {"categories": codes, "states": states, "since": since, "until": until, "limit": 1000}
            return tables.reports(reader, **chosen), reports.categories(reader)  # type: ignore[arg-type]

        found, known = await self._city.store.read(read)
        names = {one.code: one for one in known}
        return "service_requests", "request", [_request(one, names) for one in found]

    async def request(self, request: web.Request) -> tuple[str, str, list[dict[str, Any]]]:
        number = request.match_info["number"]

        def read(reader: Reader) -> tuple[Report | None, list[Category]]:
            return tables.report(reader, number), reports.categories(reader)

        found, known = await self._city.store.read(read)
        if found is None:
            raise _nothing()
        return "service_requests", "request", [_request(found, {one.code: one for one in known})]

    async def post(self, request: web.Request) -> tuple[str, str, list[dict[str, Any]]]:
        form = await request.post()
        given = {name: value for name, value in form.items() if isinstance(value, str)}
        bearer = request.headers.get("Authorization", "")
        if not bearer and given.get("api_key"):
            bearer = f"Bearer {given['api_key']}"
        source, known = "open311", False
        if bearer:
            viewer = await desk_of(self._city).program(bearer, USE)
            source, known = viewer.id, True
        media = form.get("media")
        data = media.file.read(MOST_BYTES + 1) if isinstance(media, web.FileField) else b""
        draft = reports.Draft(
            given.get("service_code", ""), given.get("description", ""), _degrees(given, "lat"),
            _degrees(given, "long"), given.get("address_string", ""), data,
        )  # fmt: skip
        taken = await take(self._city, draft, source, "" if known else address_of(request))
        told = {"service_request_id": taken.report.number, "service_notice": _notice(taken), "account_id": ""}
        return "service_requests", "request", [told]


async def take(city: City, draft: reports.Draft, source: str, address: str) -> reports.Taken:
    """Store a report; `address` is that of a writer without a token, "" of one with. Raises DecodeError, NotReady."""
    picture = await city.store.run(lambda: reports.checked_picture(draft.picture))
    now = city.clock()

    def write(t: Transaction) -> reports.Taken:
        purse = reports.purse_of(secret(t, "open-reports", _fresh_secret()), address) if address else ""
        return reports.take(t, draft, source, now, picture=picture, purse=purse)

    return await city.store.write(write)


def _fresh_secret() -> bytes:
    import secrets

    return secrets.token_bytes(32)


def _service(one: Category) -> dict[str, Any]:
    return {
        "service_code": one.code, "service_name": one.french, "description": one.english, "metadata": False,
        "type": "realtime", "keywords": one.part, "group": one.part,
    }  # fmt: skip


def _request(one: Report, known: Mapping[str, Category]) -> dict[str, Any]:
    category = known.get(one.category)
    return {
        "service_request_id": one.number, "status": _STATUS[one.state], "status_notes": one.answer,
        "service_name": one.category if category is None else category.french, "service_code": one.category,
        "description": reports.told_to_all(one), "agency_responsible": one.service, "service_notice": one.state,
        "requested_datetime": _date(one.made), "updated_datetime": _date(one.changed), "expected_datetime": None,
        "address": one.address, "address_id": None, "zipcode": None, "lat": one.lat, "long": one.lon, "media_url": None,
    }  # fmt: skip


def _notice(taken: reports.Taken) -> str:
    if taken.first.id == taken.report.id:
        return ""
    return "Déjà signalé : votre signalement a été joint au premier. / Already reported: joined to the first report."


def _date(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def _degrees(given: Mapping[str, str], name: str) -> float:
    try:
        found = float(given.get(name, "")[:32])
    except ValueError:
        found = math.nan
    return found


def _response(form: str, name: str, item: str, rows: Sequence[Mapping[str, Any]], status: int) -> web.Response:
    headers = {"Cache-Control": "no-store"}
    if form == "json":
        body = msgspec.json.encode(rows if item else rows[0])
        return web.Response(body=body, status=status, headers=headers, content_type="application/json")
    inner = "".join(_element(item, row) for row in rows) if item else "".join(_fields(rows[0]))
    text = f'<?xml version="1.0" encoding="utf-8"?>\n<{name}>{inner}</{name}>'
    return web.Response(text=text, status=status, headers=headers, content_type="text/xml")


def _element(name: str, row: Mapping[str, Any]) -> str:
    return f"<{name}>{''.join(_fields(row))}</{name}>"


def _fields(row: Mapping[str, Any]) -> list[str]:
    return [f"<{name}>{_plain(value)}</{name}>" for name, value in row.items()]


def _plain(value: Any) -> str:
    if value is None or isinstance(value, list):
        return ""
    return escape(str(value).lower() if isinstance(value, bool) else str(value))


def _refusal(form: str, said: str, status: int, headers: Mapping[str, str] | None = None) -> web.Response:
    row = {"code": status, "description": str(said)}
    response = _response(form, "errors", "error", [row], status)
    response.headers.update(headers or {})
    return response


def _nothing() -> NotFound:
    return NotFound(phrase("open311-nothing", "there is no such service or request"))
