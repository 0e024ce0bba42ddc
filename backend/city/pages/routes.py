"""The room of pages in the API's process."""

from __future__ import annotations

from aiohttp import web

from backend.city.city import City
from backend.city.pages import assets, kit
from backend.city.pages.fleet import FleetPages
from backend.city.pages.history import HistoryPages
from backend.city.pages.live import live_of
from backend.city.pages.map_page import MAY, MapPages
from backend.city.pages.sites import SitePages
from backend.city.pages.things import ThingPages
from backend.city.people.desk import desk_of
from backend.city.people.viewer import SESSION_LEFT, STAFF, Role, needs, stranger_or_viewer, viewer_of
from hub.page_kit.people.sessions import COOKIE
from hub.page_kit.request import responses

EVERY = frozenset(str(role) for role in Role)
SINGLE = frozenset(str(role) for role in MAY)
STAFF_NAMES = frozenset(str(role) for role in STAFF)

kit.add(
    kit.Area(
        "pages",
        menu=(
            kit.Entry("map", "/", "group-city", EVERY, menu=EVERY),
            kit.Entry("things", "/things", "group-city", SINGLE, menu=SINGLE),
            kit.Entry("sites", "/sites", "group-city", SINGLE, menu=SINGLE),
            kit.Entry("hubs", "/hubs", "group-city", STAFF_NAMES, menu=STAFF_NAMES - {"crew"}),
            kit.Entry("gaps", "/gaps", "group-city", STAFF_NAMES, menu=STAFF_NAMES - {"crew"}),
        ),
        said=frozenset({"site-plan-saved", "site-plan-removed", "site-pin-saved"}),
        order=10,
    )
)


def route(router: web.UrlDispatcher, city: City) -> None:
    """Add the routes of the pages, of their static files and of the live events."""
    router.add_get("/static/{name:.+}", assets.static)
    for pages in (MapPages(city), ThingPages(city), SitePages(city), HistoryPages(city), FleetPages(city)):
        pages.route(router)
    router.add_get("/sitemap", needs(*Role)(_sitemap))

    @needs(*Role, stream=True)
    async def left(request: web.Request) -> web.StreamResponse:
        return await _session(request, city)

    @needs(*Role)
    async def stay(request: web.Request) -> web.StreamResponse:
        return await _session(request, city)

    router.add_get("/api/1/session", left)
    router.add_post("/api/1/session", stay)
    city.error_page = _error_page


async def stop(city: City) -> None:
    """End the live events."""
    await live_of(city).stop()


async def _sitemap(request: web.Request) -> web.StreamResponse:
    viewer = viewer_of(request)
    lang, known = kit.lang_of(request, viewer), kit.book().phrases
    keys = [entry.key for area in kit.areas() for entry in area.menu]
    about = {key: kit.word(f"about-{key}", lang) if f"about-{key}" in known else "" for key in keys}
    return kit.render(request, viewer, "sitemap", about=about)


async def _session(request: web.Request, city: City) -> web.StreamResponse:
    """How long the session lasts, for the script that warns before it ends; a POST makes it last again."""
    left, most = request.get(SESSION_LEFT) or (0.0, 0.0)
    token = request.cookies.get(COOKIE, "")
    return responses.json({"left_s": left, "most_s": most, "csrf": (await desk_of(city).signer()).csrf(token)})


async def _error_page(request: web.Request, status: int, sentence: str) -> web.StreamResponse:
    viewer = stranger_or_viewer(request)
    if status == 404:
        return kit.error(request, viewer, 404, "no-page")
    return kit.refusal(request, viewer, status, sentence)
