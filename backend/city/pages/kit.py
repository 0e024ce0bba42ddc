"""Layout, menu and sentences of every page of the city's view, whichever room it belongs to.

A room hands in its part once, when its module of pages is imported, and answers with `render`:

    from backend.city.pages import kit as pages
    from backend.city.pages.kit import Area, Entry

    pages.add(Area("crisis", menu=(Entry("crisis", "/crisis", "group-work", ROLES, menu=ROLES),),
                   words=(PHRASES,), templates=HERE / "templates", static=HERE / "static",
                   files={"crisis.css": "text/css"}))
    …
    return pages.render(request, viewer, "crisis", rooms=rooms)

The table of sentences stands in a module with `PREFIX = "city-"`; a template says `{{ _("crisis-title") }}`, extends
`base.html`, and finds badges, tables and cards in `pieces.html`.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple, Protocol
from zoneinfo import ZoneInfo

from aiohttp import web

from backend.city.city import CITY, City
from backend.city.pages import words
from backend.city.pages.phrases import CityBook
from backend.city.people.viewer import FORM_TOKEN, SESSION_LEFT
from backend.city.zone import zone_of
from backend.queries.intervals import DEFAULT_ZONE
from hub.i18n.catalogues import translate
from hub.i18n.typography import Dated
from hub.page_kit.formatting import moment_text
from hub.page_kit.menu import Entry
from hub.page_kit.phrasebook import LANGUAGES
from hub.page_kit.renderer import PageRenderer
from hub.page_kit.request import responses
from hub.page_kit.request.checks import LANG_COOKIE, language
from hub.page_kit.request.guard import HEADERS, policy_with_style
from hub.page_kit.request.routes import EVERYBODY, Route
from hub.page_kit.request.visit import Visit

HERE = Path(__file__).parent
EVENTS = "/events"

__all__ = ["Area", "Banner", "Entry", "add", "areas", "book", "error", "lang_of", "refusal", "render", "word"]


class Banner(NamedTuple):
    """A line above every page: `level` is `bad`, `wait` or `good`; `text` is in the reader's language."""

    level: str
    text: str
    href: str = ""


@dataclass(frozen=True)
class Area:
    """Part of the pages that a room hands in. `words`: tables of sentences; `templates`, `static`: folders; `files`:
    content types of its static files by name; `said`: keys of sentences that `?said=` may show after a form; `banner`:
    what stands above every page just now, None mostly."""

    name: str
    menu: tuple[Entry, ...] = ()
    words: tuple[Mapping[str, str], ...] = ()
    templates: Path | None = None
    static: Path | None = None
    files: Mapping[str, str] = field(default_factory=dict)
    said: frozenset[str] = frozenset()
    banner: Callable[[web.Request, str], Banner | None] | None = None
    order: int = 50
    """Place of its lines in the menu."""
    live: Mapping[str, Callable[[City, Any], Awaitable[Any]]] = field(default_factory=dict)
    """Kinds of events that every open page is sent when they change: asked anew for its viewer every two seconds. A
    script hears of one as the event `ilot:<kind>` of the document."""


class Reader(Protocol):
    """Somebody who is signed in: a `backend.city.people.viewer.Viewer`."""

    @property
    def name(self) -> str: ...
    @property
    def role(self) -> str: ...
    @property
    def language(self) -> str: ...


class _Person(NamedTuple):
    name: str
    role: str


_AREAS: dict[str, Area] = {}


def add(area: Area) -> None:
    """Hand in a part of the pages. One of the same name replaces it."""
    _AREAS[area.name] = area
    _made.cache_clear()


def areas() -> list[Area]:
    """Return the parts, in the order of the menu."""
    return sorted(_AREAS.values(), key=lambda one: (one.order, one.name))


def render(
    request: web.Request, viewer: Reader | None, template: str, /, *, http_status: int = 200, **values: Any
) -> web.Response:
    """Return a page in the language of its reader. `viewer` is None where nobody has to be signed in."""
    visit = visit_of(request, viewer)
    city = request.app.get(CITY)
    zone = ZoneInfo(DEFAULT_ZONE) if city is None else zone_of(city)
    shown = {
        "own": "" if city is None else city.owner.settings.owner,
        "events": EVENTS if viewer is not None else "",
        "viewer": viewer,
        "lasts": request.get(SESSION_LEFT),
        "banners": [] if viewer is None else banners(request, visit.lang),
        "zone": zone.key,
        "now": time.time() if city is None else city.clock(),
        "moment": lambda at: Dated(moment_text(at, visit.lang, zone)),
        **values,
    }
    text = _made().renderer.page(template, visit, **shown)
    answer = responses.html(text, http_status)
    for name, value in HEADERS.items():
        answer.headers.setdefault(name, value)
    if "<style>" in text:
        answer.headers["Content-Security-Policy"] = policy_with_style(text)
    if request.query.get("lang") in LANGUAGES:
        responses.cookie(answer, LANG_COOKIE, request.query["lang"], max_age=365 * 86_400)
    return answer


def error(request: web.Request, viewer: Reader | None, status: int, key: str, **filled: object) -> web.Response:
    """Return a page that says by a sentence of the tables why something was refused."""
    return refusal(request, viewer, status, book().word(key, lang_of(request, viewer), **filled))


def refusal(request: web.Request, viewer: Reader | None, status: int, sentence: str) -> web.Response:
    """Return a page that says why something was refused; a phrase is translated."""
    text = translate(sentence, lang_of(request, viewer))
    return render(request, viewer, "error", http_status=status, status=status, text=text)


def word(key: str, lang: str, **filled: object) -> str:
    """Return a sentence in a language. Raises KeyError."""
    return book().word(key, lang, **filled)


def lang_of(request: web.Request, viewer: Reader | None) -> str:
    """Return the language that was asked for by address or cookie, else the viewer's, else the browser's."""
    asked = (request.query.get("lang", ""), request.cookies.get(LANG_COOKIE, ""))
    of_viewer = viewer.language if viewer is not None else ""
    return next((one for one in (*asked, of_viewer) if one in LANGUAGES), "") or language(request)


def visit_of(request: web.Request, viewer: Reader | None) -> Visit:
    """Return a request as the kit of pages knows it."""
    visit = Visit(request, _ROUTE, dict(request.match_info), lang_of(request, viewer))
    visit.account = None if viewer is None else _Person(viewer.name, str(viewer.role))
    visit.form_token = request.get(FORM_TOKEN, "")
    return visit


def banners(request: web.Request, lang: str) -> list[Banner]:
    """Return what stands above every page just now."""
    found = (one.banner(request, lang) for one in areas() if one.banner is not None)
    return [one for one in found if one is not None]


def book() -> CityBook:
    """Return the sentences of all parts."""
    return _made().book


def folders() -> Sequence[Path]:
    """Return the folders of static files of all parts."""
    return _made().static


class _Made(NamedTuple):
    book: CityBook
    renderer: PageRenderer
    static: tuple[Path, ...]


@cache
def _made() -> _Made:
    """Return renderer and sentences, made of the parts that there are."""
    parts = areas()
    sentences = CityBook([words.PHRASES, *(table for one in parts for table in one.words)])
    renderer = PageRenderer(
        "",
        sentences,
        [HERE / "templates", *(one.templates for one in parts if one.templates is not None)],
        menu=[entry for one in parts for entry in one.menu],
        said=frozenset().union(*(one.said for one in parts)),
    )
    static = (HERE / "static", *(one.static for one in parts if one.static is not None))
    return _Made(sentences, renderer, static)


async def _nowhere(visit: Visit) -> web.StreamResponse:
    raise web.HTTPNotFound


_ROUTE = Route("GET", "", _nowhere, EVERYBODY)
