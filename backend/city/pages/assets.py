"""Static files of all rooms' pages and of the kit, compressed once."""

from __future__ import annotations

import gzip
from functools import lru_cache
from hashlib import sha256
from typing import NamedTuple

from aiohttp import web

from backend.city.pages import kit
from backend.city.people.viewer import public
from hub.page_kit import assets, scanning
from hub.page_kit.request.guard import HEADERS

SCRIPT, STYLE, PICTURE = "text/javascript", "text/css", "image/svg+xml"
FILES = {
    "icon.svg": PICTURE, "icons.svg": PICTURE, "city.svg": PICTURE, "city.css": STYLE, "map.css": STYLE,
    "leaflet/leaflet.css": STYLE, "leaflet/leaflet.js": SCRIPT, "map-policy.js": SCRIPT, "map.js": SCRIPT,
    "plan.js": SCRIPT, "chart.css": STYLE,
}  # fmt: skip
_SMALL = 1024


class File(NamedTuple):
    """A static file, also compressed where that is worth it."""

    kind: str
    tag: str
    data: bytes
    packed: bytes | None


@public
async def static(request: web.Request) -> web.StreamResponse:
    """Return a static file."""
    file = _file(request.match_info["name"], tuple(kit.folders()))
    if file is None:
        raise web.HTTPNotFound
    headers = {**HEADERS, "ETag": file.tag, "Cache-Control": "public, max-age=300", "Vary": "Accept-Encoding"}
    if request.headers.get("If-None-Match", "").removeprefix("W/") == file.tag:
        return web.Response(status=304, headers=headers)
    if file.packed is None or "gzip" not in request.headers.get("Accept-Encoding", ""):
        return web.Response(body=file.data, content_type=file.kind, charset="utf-8", headers=headers)
    headers["Content-Encoding"] = "gzip"
    return web.Response(body=file.packed, content_type=file.kind, charset="utf-8", headers=headers)


@lru_cache(256)
def _file(name: str, folders: tuple[object, ...]) -> File | None:
    kinds = {**assets.FILES, **FILES}
    for area in kit.areas():
        kinds.update(area.files)
    kind = kinds.get(name)
    if kind is None or (name in scanning.DECODER and not scanning.decoder_there()):
        return None
    try:
        data = assets.read(name, kit.folders())
    except OSError:
        return None
    packed = gzip.compress(data, 9, mtime=0) if len(data) > _SMALL else None
    return File(kind, f'"{sha256(data).hexdigest()[:32]}"', data, packed)
