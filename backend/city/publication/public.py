"""Pages and files for everybody: data sets, catalogue, register of sensors. They read `Published` and nothing else."""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import quote
from zoneinfo import ZoneInfo

import msgspec
from aiohttp import web

from backend.city.city import City
from backend.city.pages import kit as pages
from backend.city.people.viewer import program, public, stranger_or_viewer
from backend.city.publication import catalog, files, worker
from backend.city.publication.calendar import Calendar
from backend.city.publication.catalog import Entry, Publisher
from backend.city.publication.definition import LICENCES
from backend.storage.city.publication import Cell, Published, PublishedSet
from hub.core.errors import NotReady
from hub.core.metric_catalogue import METRICS, metric_phrase
from hub.core.text import phrase
from hub.i18n.catalogues import translate
from hub.page_kit import formatting

MOST_ROWS = 2_000_000
"""Cells of one file at most."""
AT_ONCE = 2
"""Files that are made at the same time; WAITING more wait, and others are told to come again."""
WAITING = 20
CHART_CELLS = 168
AGE_S = 60
FOREVER_S = 86_400
_ID = "{id:[a-z0-9-]{1,60}}"


class PublicPages:
    """Handlers for everybody."""

    def __init__(self, city: City) -> None:
        self._city, self._store = city, city.store
        self._making = asyncio.Semaphore(AT_ONCE)
        self._waiting = 0

    def route(self, router: web.UrlDispatcher) -> None:
        router.add_get("/data", public(self.list_page))
        router.add_get("/data/catalog.ttl", program(self.turtle))
        router.add_get("/data/catalog.jsonld", program(self.json_ld))
        router.add_get("/data/catalog", program(self.negotiated))
        router.add_get("/data/sensors", public(self.sensors_page))
        router.add_get("/data/sensors/{site}", public(self.site_page))
        router.add_get(f"/data/{_ID}", public(self.set_page))
        router.add_get(f"/data/{_ID}/latest.geojson", program(self.latest))
        router.add_get(f"/data/{_ID}/{{month:\\d{{4}}-\\d{{2}}}}.{{format:csv|parquet}}", program(self.file))

    # pages

    async def list_page(self, request: web.Request) -> web.StreamResponse:
        sets = await self._store.read(lambda r: Published(r).sets())
        lang = pages.lang_of(request, stranger_or_viewer(request))
        shown = [(one, *_texts(worker.read_about(one), lang), worker.read_about(one)) for one in sets]
        return pages.render(request, stranger_or_viewer(request), "data", sets=shown, licences=LICENCES)

    async def set_page(self, request: web.Request) -> web.StreamResponse:
        id, viewer = request.match_info["id"], stranger_or_viewer(request)
        lang = pages.lang_of(request, viewer)
        entry, latest, releases = await self._store.read(lambda r: _set(r, id))
        base = base_url(await self._store.read(lambda r: Published(r).about()), self._city)
        about = entry.about
        title, summary = _texts(about, lang)
        if entry.line.state != "published":
            return pages.render(
                request,
                viewer,
                "data_gone",
                http_status=410,
                title_of=title,
                releases=releases,
                moment=moment_text(lang, about["zone"]),
            )
        chosen_area, chosen_metric = _chosen(request, entry, latest)
        bounds, calendar = entry.bounds or (0.0, 0.0), Calendar.of(about)
        since = bounds[1] - CHART_CELLS * about["cell_s"]
        cells = await self._store.read(
            lambda r: Published(r).cells(id, since, bounds[1] + 1, area=chosen_area, metric=chosen_metric)
        )
        return pages.render(
            request, viewer, "data_set",
            formats=files.month_formats(), entry=entry, about=about, title_of=title, summary=summary,
            latest=_by_area(latest), cells=cells,
            areas=entry.areas, area=chosen_area, metric=chosen_metric, metric_name=lambda key: metric_name(key, lang),
            units=worker.units(about), licence=LICENCES[about["licence"]], how=catalog.provenance(about, lang),
            releases=releases, moment=moment_text(lang, calendar.zone), date=date_text(lang, calendar.zone),
            identifier=f"{base}/data/{id}#dataset",
            begin=int(since), end=int(calendar.end(bounds[1])), zone=calendar.zone,
        )  # fmt: skip

    async def sensors_page(self, request: web.Request) -> web.StreamResponse:
        sites, sensors = await self._store.read(lambda r: (Published(r).sites(), Published(r).sensors()))
        kinds: dict[str, list[str]] = {}
        for site, kind, _ in sensors:
            kinds.setdefault(site, []).append(kind)
        shown = [(site, kinds[site.id]) for site in sites if site.id in kinds]
        viewer = stranger_or_viewer(request)
        named = kind_name(pages.lang_of(request, viewer))
        return pages.render(request, viewer, "data_sensors", sites=shown, kind_name=named)

    async def site_page(self, request: web.Request) -> web.StreamResponse:
        id, viewer = request.match_info["site"], stranger_or_viewer(request)
        lang = pages.lang_of(request, viewer)
        site, sensors = await self._store.read(lambda r: (Published(r).site(id), Published(r).sensors(id)))
        if site is None or not sensors:
            raise web.HTTPNotFound
        shown = [(kind, msgspec.json.decode(about)) for _, kind, about in sensors]
        base = base_url(await self._store.read(lambda r: Published(r).about()), self._city)
        address = f"{base}/data/sensors/{quote(id, safe='')}"
        return pages.render(
            request, viewer, "data_site", site=site, sensors=shown, address=address, code=_code(address),
            metric_name=lambda key: metric_name(key, lang), kind_name=kind_name(lang),
        )  # fmt: skip

    # files

    async def turtle(self, request: web.Request) -> web.StreamResponse:
        return await self._catalog(request, "ttl", "text/turtle; charset=utf-8", catalog.turtle)

    async def json_ld(self, request: web.Request) -> web.StreamResponse:
        return await self._catalog(request, "jsonld", "application/ld+json", catalog.json_ld)

    async def negotiated(self, request: web.Request) -> web.StreamResponse:
        wanted = request.headers.get("Accept", "")
        raise web.HTTPSeeOther("/data/catalog.jsonld" if "ld+json" in wanted else "/data/catalog.ttl")

    async def latest(self, request: web.Request) -> web.StreamResponse:
        id = request.match_info["id"]
        entry, cells, _ = await self._store.read(lambda r: _set(r, id))
        _refuse_withdrawn(entry.line)
        body = files.geojson_bytes(cells, entry.areas, worker.units(entry.about), Calendar.of(entry.about))
        return _answer(request, body, files.FORMATS["geojson"], f"{id}-latest.geojson", AGE_S)

    async def file(self, request: web.Request) -> web.StreamResponse:
        id, month, format = (request.match_info[name] for name in ("id", "month", "format"))
        entry, _, _ = await self._store.read(lambda r: _set(r, id))
        _refuse_withdrawn(entry.line)
        try:
            Calendar.of(entry.about).month_span(month)
        except ValueError:
            raise web.HTTPNotFound from None
        if format not in files.month_formats():
            raise web.HTTPNotFound
        noted = {one.sha256 for one in entry.months if (one.month, one.format) == (month, format)}
        if _wanted(request) & noted:
            return web.Response(status=304)
        if not noted and month not in entry.open_months:
            raise web.HTTPNotFound
        if self._waiting >= WAITING:
            raise NotReady(phrase("publication-busy", "many files are asked for just now: come again in a moment"))
        self._waiting += 1
        try:
            async with self._making:
                body = await self._store.read(lambda r: worker.month_file(r, id, month, format, MOST_ROWS))
        finally:
            self._waiting -= 1
        return _answer(request, body, files.FORMATS[format], f"{id}-{month}.{format}", FOREVER_S if noted else AGE_S)

    async def _catalog(
        self, request: web.Request, ending: str, kind: str, written: Callable[[list[catalog.Node]], str]
    ) -> web.StreamResponse:
        text = request.query.get("page", "1")
        if not text.isascii() or not text.isdigit() or not 1 <= int(text[:7]) <= 100_000:
            raise web.HTTPNotFound
        page = int(text[:7])
        about, entries, count, modified = await self._store.read(lambda r: _page(r, page))
        if page > max(1, -(-count // catalog.PAGE)):
            raise web.HTTPNotFound
        nodes = catalog.catalog(
            base_url(about, self._city), publisher(about, self._city), entries, page=page, count=count,
            modified=modified or time.time(), path=f"/data/catalog.{ending}",
        )  # fmt: skip
        return _answer(request, written(nodes).encode(), kind, "", AGE_S)


def metric_name(key: str, lang: str) -> str:
    """Return the name of a metric in a language."""
    return translate(metric_phrase(METRICS[key]), lang) if key in METRICS else key


def publisher(about: dict[str, str], city: City) -> Publisher:
    return Publisher(
        about.get("name") or city.owner.settings.owner,
        about.get("homepage") or f"{base_url(about, city)}/data",
        about.get("place", ""),
    )


def base_url(about: dict[str, str], city: City) -> str:
    """Return the public's address of this server: the officer's word, else the server's own."""
    return about.get("url") or city.url


def _set(r: Any, id: str) -> tuple[Entry, list[Cell], list[Any]]:
    shown = Published(r)
    line = shown.set(id)
    if line is None:
        raise web.HTTPNotFound
    return entry_of(shown, line), shown.latest(id), shown.releases(id)


def entry_of(shown: Published, line: PublishedSet) -> Entry:
    """Return a data set with all that its page and the catalogue say."""
    bounds, months = shown.bounds(line.id), shown.months(line.id)
    noted = {(one.month, one.format) for one in months}
    about = worker.read_about(line)
    calendar = Calendar.of(about)
    every = calendar.months_between(*bounds) if bounds else []
    having = [month for month, _ in shown.in_months(line.id, ((one, *calendar.month_span(one)) for one in every))]
    still = [
        month for month in reversed(having) if not all((month, format) in noted for format in files.month_formats())
    ]
    months = [one for one in months if one.month not in still]
    return Entry(line, about, shown.areas(line.id), months, still, bounds)


def _page(r: Any, page: int) -> tuple[dict[str, str], list[Entry], int, float]:
    shown = Published(r)
    sets = shown.sets(limit=page * catalog.PAGE)[(page - 1) * catalog.PAGE :]
    entries = [entry_of(shown, one) for one in sets]
    return shown.about(), entries, shown.count(), shown.modified()


def _texts(about: Mapping[str, Any], lang: str) -> tuple[str, str]:
    title, summary = about["title"], about["summary"]
    return title.get(lang) or title["fr"], summary.get(lang) or summary["fr"]


def _chosen(request: web.Request, entry: Entry, latest: list[Cell]) -> tuple[str, str]:
    """Return the area and metric of the chart: as asked for, else the first that has a value."""
    areas, metrics = {one.id for one in entry.areas}, list(worker.units(entry.about))
    first = next((cell for cell in latest if cell.value is not None), latest[0] if latest else None)
    area, metric = request.query.get("area", ""), request.query.get("metric", "")
    if area not in areas:
        area = first.area if first else next(iter(sorted(areas)), "")
    return area, metric if metric in metrics else (first.metric if first else metrics[0])


def _by_area(cells: list[Cell]) -> dict[str, list[Cell]]:
    found: dict[str, list[Cell]] = {}
    for cell in cells:
        found.setdefault(cell.area, []).append(cell)
    return found


def moment_text(lang: str, zone: str) -> Callable[[float], str]:
    """Return what writes moments (Unix s) in a language and a zone, to the minute."""
    return lambda at: formatting.minute_text(at, lang, ZoneInfo(zone))


def date_text(lang: str, zone: str) -> Callable[[float], str]:
    """Return what writes days (Unix s) in a language and a zone."""
    return lambda at: formatting.minute_text(at, lang, ZoneInfo(zone))[:10]


def kind_name(lang: str) -> Callable[[str], str]:
    """Return what names a kind of things, where the pages have a word for it."""
    known = pages.book().phrases
    return lambda kind: pages.word(f"pub-kind-{kind}", lang) if f"pub-kind-{kind}" in known else kind


def _refuse_withdrawn(line: PublishedSet) -> None:
    if line.state != "published":
        raise web.HTTPGone


def _wanted(request: web.Request) -> set[str]:
    return {one.strip().removeprefix("W/").strip('"') for one in request.headers.get("If-None-Match", "").split(",")}


def _answer(request: web.Request, body: bytes, kind: str, name: str, age_s: int) -> web.Response:
    """Return a file, which any site's pages may read."""
    tag = hashlib.sha256(body).hexdigest()
    headers = {
        "ETag": f'"{tag}"', "Cache-Control": f"public, max-age={age_s}", "Access-Control-Allow-Origin": "*",
        "X-Content-Type-Options": "nosniff",
    }  # fmt: skip
    if tag in _wanted(request):
        return web.Response(status=304, headers=headers)
    if name:
        headers["Content-Disposition"] = f'attachment; filename="{name}"'
    return web.Response(body=body, headers={**headers, "Content-Type": kind})


def _code(text: str) -> str:
    import segno  # 1.7 MiB, for one page

    return str(segno.make(text, error="m", micro=False).svg_data_uri(scale=5, border=4, light="#fff"))
