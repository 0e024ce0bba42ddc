"""Search over places, devices, pages, settings and guides, by one question; each result says where it is, and its
value."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any
from urllib.parse import quote

from aiohttp import web

from hub.core.errors import HubError
from hub.core.model import LastValue
from hub.page_kit.menu import opened_by
from hub.page_kit.request.routes import Route
from hub.page_kit.request.visit import Visit
from hub.web.area import TEXT, Area, get
from hub.web.config_wording import encode_path, names
from hub.web.presentation import guides, tiles
from hub.web.presentation.searching import LONGEST, Item, found
from hub.web.roles import READS
from hub.web.site import Site
from hub.web.words import word
from hub.web.words.options import about, title

MOST = 5
"""Results of a kind that are shown."""
VALUES = 2


class Search:
    def __init__(self, site: Site) -> None:
        self._site = site
        self._digest = ""
        self._options: list[dict[str, Any]] = []
        self._settings: dict[str, list[Item]] = {}  # by language

    async def search(self, visit: Visit) -> Any:
        """Return the results of ?q=, by kind: {total, shown} of each."""
        asked = visit.query.get("q", "")[:LONGEST]
        kinds: dict[str, tuple[Iterable[Item], Callable[[Any], dict[str, Any]]]] = {
            "places": (self._places(), self._place),
            "devices": (self._devices(), self._device),
            "pages": (self._pages(visit), dict),
            "settings": (await self._all_settings(visit.lang) if asked.strip() else (), dict),
            "guides": (
                guides.items(visit.lang) if asked.strip() else (),
                lambda one: guides.shown(one, asked, visit.lang),
            ),
        }
        answer: dict[str, Any] = {"q": asked}
        for kind, (items, shown) in kinds.items():
            some = found(items, asked)
            answer[kind] = {"total": len(some), "shown": [shown(one.what) for one in some[:MOST]]}
        return answer

    async def page(self, visit: Visit) -> web.Response:
        answer = await self.search(visit)
        kinds = ("places", "devices", "pages", "settings", "guides")
        return self._site.page(
            "search", visit, found=answer, kinds=kinds, total=sum(answer[kind]["total"] for kind in kinds)
        )

    # places and devices

    def _places(self) -> Iterable[Item]:
        for place in self._site.parts.places:
            yield Item(place.name or place.id, f"{place.id} {self._zone(place.zone)}", place.id)

    def _devices(self) -> Iterable[Item]:
        site = self._site
        for one in site.parts.devices:
            place = site.parts.places.get(one.place)
            where = f"{place.name} {self._zone(place.zone)}" if place is not None else ""
            other = f"{one.id} {one.name} {one.place} {where} {one.model} {one.integration}"
            yield Item(site.device_name(one.id), other, one.id)

    def _zone(self, zone: str) -> str:
        return self._site.parts.zones.get(zone, ("",))[0] or zone

    def _place(self, place: str) -> dict[str, Any]:
        known = self._site.parts.places.get(place)
        here = [one.id for one in self._site.parts.devices if one.place == place]
        values = [value for device in here for value in self._site.parts.live.of(device)]
        href = f"/devices/{quote(here[0], safe='')}" if len(here) == 1 else f"/devices?q={quote(place, safe='')}"
        return {
            "title": self._site.place_name(place), "id": place, "href": href, "devices": len(here),
            "where": self._zone(known.zone) if known is not None else "", "values": self._values(values),
        }  # fmt: skip

    def _device(self, device: str) -> dict[str, Any]:
        known = self._site.parts.devices.get(device)
        place = self._site.parts.places.get(known.place) if known is not None else None
        where = [] if place is None else [place.name or place.id, self._zone(place.zone)]
        return {
            "title": self._site.device_name(device), "id": device, "href": f"/devices/{quote(device, safe='')}",
            "where": " · ".join(part for part in where if part),
            "values": self._values(self._site.parts.live.of(device)),
        }  # fmt: skip

    def _values(self, values: Sequence[LastValue]) -> list[dict[str, Any]]:
        shown = tiles.main_values(values, VALUES)
        return tiles.told(shown, self._site.clock.now(), said=self._site.flag_words)

    # pages and settings

    def _pages(self, visit: Visit) -> Iterable[Item]:
        """Return the pages that this role may open."""
        lang = visit.lang
        for one in opened_by(self._site.menu, visit.person.role):
            name, line = word(one.key, lang), word(f"about-{one.key}", lang)
            yield Item(name, line, {"title": name, "href": one.href, "where": line})
        name, line = word("account", lang), word("settings-account", lang)
        yield Item(name, line, {"title": name, "href": "/account", "where": line})

    async def _all_settings(self, lang: str) -> list[Item]:
        """Return the options of the configuration; none while its file cannot be read, which the page of the
        configuration says."""
        try:
            answer = await self._site.call("config.options", digest=self._digest)
        except HubError:
            return []
        if "options" in answer:
            self._digest, self._options, self._settings = answer["digest"], answer["options"], {}
        if lang not in self._settings:
            self._settings[lang] = [_setting(one, lang) for one in self._options]
        return self._settings[lang]


def _setting(one: dict[str, Any], lang: str) -> Item:
    own, at = one["french"], one["at"]
    name = title(one["name"], lang, at, own.get("title", ""))
    text, said_in = about(one["about"], lang, own.get("help", ""))
    within = " › ".join(names(at, lang, one["titles"]))
    what = {
        "title": name, "option": ".".join((*at, one["name"]) if at[-1:] != [one["name"]] else at), "where": within,
        "about": text, "lang": said_in,
        "href": f"/configuration/form?at={quote(encode_path(at), safe='')}#f-{one['name']}",
    }  # fmt: skip
    return Item(name, f"{one['name']} {within} {text}", what)


def routes(site: Site) -> list[Route]:
    do = Search(site)
    return [
        Route("GET", "/search", do.page, READS),
        get(
            "/search",
            do.search,
            "Places, devices, pages, settings and sections of guides that hold all words of `q`",
            READS,
            q=TEXT,
        ),
    ]


AREA = Area(routes, order=910)
