"""Files with which a phone keeps the hub among its apps: the manifest, the service worker, and the page that it shows
while the hub does not answer. All three are public and hold nothing of the building but the name of the hub."""

from __future__ import annotations

import json
from hashlib import sha256

from aiohttp import web

from hub.page_kit.assets import read
from hub.page_kit.phrasebook import LANGUAGES
from hub.page_kit.request.routes import EVERYBODY, FILE, Route
from hub.page_kit.request.visit import Rejected, Visit
from hub.web.area import Area
from hub.web.render import HERE
from hub.web.site import Site
from hub.web.words import word

WORKER = "service-worker.js"
BRAND = "#0b5c6b"
ICONS = {"icon-192.png": (192, "any"), "icon-512.png": (512, "any"), "icon-full-512.png": (512, "maskable")}
"""Made from `static/icon.svg` by `tools/make_icons.py`: file → (width, purpose)."""
FILES = {"shell.js": "text/javascript", **dict.fromkeys(ICONS, "image/png")}
KEPT = ("style.css", "shell.js", "icon.svg")
"""Static files of the page that is shown without the hub."""
NEW = {"Cache-Control": "no-cache"}


class Offline:
    def __init__(self, site: Site) -> None:
        self._site = site
        self._static = {name: read(name, [HERE / "static"]) for name in (*KEPT, WORKER)}

    async def manifest(self, visit: Visit) -> web.Response:
        """Return the web app manifest (W3C), in the language of the page that names it."""
        title = self._site.parts.title or self._site.place.hub
        icons = [
            {"src": f"/static/{name}", "sizes": f"{size}x{size}", "type": "image/png", "purpose": purpose}
            for name, (size, purpose) in ICONS.items()
        ]
        vector = {"src": "/static/icon.svg", "sizes": "any", "type": "image/svg+xml", "purpose": "any"}
        text = json.dumps(
            {
                "id": "/", "name": f"{title} · Îlot", "short_name": title[:24], "lang": visit.lang, "dir": "ltr",
                "description": word("offline-app", visit.lang), "start_url": "/", "scope": "/",
                "display": "standalone", "theme_color": BRAND, "background_color": "#ffffff",
                "icons": [*icons, vector],
            },
            ensure_ascii=False,
        )  # fmt: skip
        return web.Response(text=text, content_type="application/manifest+json", headers=NEW)

    async def worker(self, visit: Visit) -> web.Response:
        """Return the service worker. It stands at the root, so that it may answer for every page without a header that
        widens its scope; its text changes with what it keeps, so that browsers fetch that again."""
        shells = [self._shell(visit, lang) for lang in LANGUAGES]
        digest = sha256(b"\0".join([*self._static.values(), *(one.encode() for one in shells)])).hexdigest()[:16]
        kept = [*(f"/offline/{lang}" for lang in LANGUAGES), *(f"/static/{name}" for name in KEPT)]
        head = f"const VERSION = {json.dumps(digest)}, KEPT = {json.dumps(kept)};\n"
        return web.Response(
            body=head.encode() + self._static[WORKER], content_type="text/javascript", charset="utf-8", headers=NEW
        )

    async def shell(self, visit: Visit) -> web.Response:
        """Return the page that is shown while the hub does not answer."""
        lang = visit.parts["lang"]
        if lang not in LANGUAGES:
            raise Rejected(404, "no-page")
        return web.Response(text=self._shell(visit, lang), content_type="text/html", charset="utf-8", headers=NEW)

    def _shell(self, visit: Visit, lang: str) -> str:
        site = self._site
        anonymous = Visit(visit.request, visit.route, {}, lang)
        return site.render.page("offline", anonymous, title=site.parts.title)


def routes(site: Site) -> list[Route]:
    do = Offline(site)
    return [
        Route("GET", "/manifest.webmanifest", do.manifest, EVERYBODY, FILE),
        Route("GET", f"/{WORKER}", do.worker, EVERYBODY, FILE),
        Route("GET", "/offline/{lang}", do.shell, EVERYBODY, FILE),
    ]


AREA = Area(routes, files=FILES, order=15, unenrolled=True)
