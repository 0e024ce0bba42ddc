"""Pages of citizens' reports: the public one, and the desk of those who answer."""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
from aiohttp import web

from backend.city.city import City
from backend.city.open_api import reports, words
from backend.city.open_api.open311 import take
from backend.city.pages import kit as pages
from backend.city.pages.kit import Area, Entry
from backend.city.people.desk import address_of
from backend.city.people.viewer import Role, Viewer, needs, public, stranger_or_viewer, viewer_of
from backend.city.register.geometry import read_area
from backend.city.zone import zone_of
from backend.storage.city import open_api as tables
from backend.storage.city.database import Reader
from backend.storage.city.open_api import Category, Report
from hub.core.errors import DecodeError, NotReady
from hub.core.text import reason_of
from hub.i18n.catalogues import translate
from hub.page_kit.picture_sanitizer import MOST_BYTES
from hub.page_kit.request.guard import permissions
from hub.page_kit.request.responses import redirect

HERE = Path(__file__).parent
DESK = frozenset({Role.OPERATOR, Role.HEAD, Role.CREW, Role.ADMIN})
MOST_LISTED = 500

pages.add(
    Area(
        "reports",
        menu=(Entry("reports", "/reports", "group-work", DESK, menu=frozenset({Role.OPERATOR, Role.HEAD})),),
        words=(words.PHRASES,),
        templates=HERE / "templates",
        static=HERE / "static",
        files={"report.css": "text/css", "report.js": "text/javascript"},
        said=frozenset({"report-taken", "report-decided"}),
        order=60,
    )
)


class Kept(NamedTuple):
    """Contents of a form that was refused."""

    category: str = ""
    text: str = ""
    lat: str = ""
    lon: str = ""
    address: str = ""


class ReportPages:
    """Handlers."""

    def __init__(self, city: City) -> None:
        self._city = city

    def route(self, router: web.UrlDispatcher) -> None:
        router.add_get("/report", public(self.form))
        router.add_post("/report", public(self.post))
        router.add_get("/report/areas.json", public(self.areas))
        router.add_get("/report/{number:[A-Za-z0-9_-]{16}}", public(self.state))
        router.add_get("/reports", needs(*DESK)(self.listed))
        router.add_get("/reports/{number:[A-Za-z0-9_-]{16}}", needs(*DESK)(self.one))
        router.add_post("/reports/{number:[A-Za-z0-9_-]{16}}", needs(*DESK)(self.answer))
        router.add_get("/reports/{number:[A-Za-z0-9_-]{16}}/picture", needs(*DESK)(self.picture))

    async def form(self, request: web.Request) -> web.StreamResponse:
        return await self._form(
            request, Kept(lat=request.query.get("lat", "")[:20], lon=request.query.get("lon", "")[:20])
        )

    async def _form(self, request: web.Request, kept: Kept, problem: str = "", status: int = 200) -> web.StreamResponse:
        known = await self._city.store.read(reports.categories)
        viewer = stranger_or_viewer(request)
        said = translate(problem, pages.lang_of(request, viewer)) if problem else ""
        page = pages.render(request, viewer, "report", http_status=status, categories=known, kept=kept, problem=said)
        page.headers["Permissions-Policy"] = permissions(geolocation=True)
        return page

    async def post(self, request: web.Request) -> web.StreamResponse:
        form = await request.post()
        given = {name: value for name, value in form.items() if isinstance(value, str)}
        kept = Kept(*(given.get(name, "")[: reports.LONGEST + 1] for name in Kept._fields))
        file = form.get("picture")
        data = file.file.read(MOST_BYTES + 1) if isinstance(file, web.FileField) else b""
        draft = reports.Draft(kept.category, kept.text, _degrees(kept.lat), _degrees(kept.lon), kept.address, data)
        try:
            taken = await take(self._city, draft, "page", address_of(request) or "?")
        except DecodeError as error:
            return await self._form(request, kept, error.detail, 400)
        except NotReady as error:
            return await self._form(request, kept, reason_of(error), 503)
        return redirect(f"/report/{taken.report.number}?said=report-taken")

    async def areas(self, request: web.Request) -> web.StreamResponse:
        """Return the outlines of the sectors, and the box around everything."""

        def read(reader: Reader) -> tuple[list[tuple[str, str]], tuple[float, float, float, float] | None]:
            return tables.sector_areas(reader), tables.extent(reader)

        found, box = await self._city.store.read(read)
        features = [
            {"type": "Feature", "properties": {}, "geometry": reports.geometry(msgspec.json.decode(area))}
            for _, area in found
        ]
        shapes = [read_area(one["geometry"]) for one in features]
        if shapes:
            box = (
                min(one.west for one in shapes), min(one.south for one in shapes), max(one.east for one in shapes),
                max(one.north for one in shapes),
            )  # fmt: skip
        body = {"areas": {"type": "FeatureCollection", "features": features}, "bounds": box}
        return web.Response(body=msgspec.json.encode(body), content_type="application/json")

    async def state(self, request: web.Request) -> web.StreamResponse:
        found, known = await self._found(request)
        viewer = stranger_or_viewer(request)
        if found is None:
            return pages.error(request, viewer, 404, "report-gone")
        lang = pages.lang_of(request, viewer)
        return pages.render(
            request, viewer, "report_state", one=found, category=_name(found, known, lang),
            text=reports.told_to_all(found), made=self._moment(found.made), changed=self._moment(found.changed),
        )  # fmt: skip

    async def listed(self, request: web.Request) -> web.StreamResponse:
        viewer = viewer_of(request)
        chosen = request.query.get("state", "")
        states = [chosen] if chosen in reports.STATES else []

        def read(reader: Reader) -> tuple[list[Report], list[Category]]:
            found = tables.reports(reader, states=states, scope=viewer.scope, limit=MOST_LISTED)
            return [one for one in found if not one.of], reports.categories(reader)

        found, known = await self._city.store.read(read)
        lang = pages.lang_of(request, viewer)
        rows = [(one, _name(one, known, lang), self._moment(one.made)) for one in found]
        return pages.render(request, viewer, "reports", rows=rows, states=reports.STATES, chosen=chosen)

    async def one(self, request: web.Request) -> web.StreamResponse:
        return await self._desk(request, viewer_of(request))

    async def _desk(
        self, request: web.Request, viewer: Viewer, problem: str = "", status: int = 200
    ) -> web.StreamResponse:
        found, known = await self._found(request)
        if found is None or not reports.visible(found, viewer.scope):
            return pages.error(request, viewer, 404, "report-gone")
        lang = pages.lang_of(request, viewer)
        return pages.render(
            request, viewer, "report_desk", http_status=status, one=found, category=_name(found, known, lang),
            made=self._moment(found.made), states=[one for one in reports.STATES if one != "received"],
            place=f"{found.lat:.5f}, {found.lon:.5f}", problem=translate(problem, lang) if problem else "",
        )  # fmt: skip

    async def answer(self, request: web.Request) -> web.StreamResponse:
        viewer, form = viewer_of(request), await request.post()
        found, _ = await self._found(request)
        if found is None or not reports.visible(found, viewer.scope):
            return pages.error(request, viewer, 404, "report-gone")
        state, said, now = str(form.get("state", "")), str(form.get("answer", "")), self._city.clock()
        number = found.number
        try:
            await self._city.store.write(lambda t: reports.answer(t, viewer.id, number, state, said, now))
        except DecodeError as error:
            return await self._desk(request, viewer, error.detail, 400)
        return redirect(f"/reports/{number}?said=report-decided")

    async def picture(self, request: web.Request) -> web.StreamResponse:
        viewer = viewer_of(request)
        found, _ = await self._found(request)
        data = None
        if found is not None and reports.visible(found, viewer.scope):
            number = found.number
            data = await self._city.store.read(lambda reader: tables.picture(reader, number))
        if found is None or data is None:
            raise web.HTTPNotFound
        headers = {"Cache-Control": "private, no-store", "Content-Disposition": "inline"}
        return web.Response(body=data, content_type=found.picture_kind, headers=headers)

    async def _found(self, request: web.Request) -> tuple[Report | None, list[Category]]:
        number = request.match_info["number"]

        def read(reader: Reader) -> tuple[Report | None, list[Category]]:
            return tables.report(reader, number), reports.categories(reader)

        return await self._city.store.read(read)

    def _moment(self, at: float) -> str:
        return f"{datetime.fromtimestamp(at, zone_of(self._city)):%d/%m/%Y %H:%M}"


def _name(one: Report, known: Any, lang: str) -> str:
    by_code: Mapping[str, Category] = {each.code: each for each in known}
    found = by_code.get(one.category)
    return one.category if found is None else (found.french if lang == "fr" else found.english)


def _degrees(text: str) -> float:
    try:
        return float(text.strip().replace(",", "."))
    except ValueError:
        return math.nan
