"""Where a provider's programs drop files and readings, with a token of use provider.

    PUT    /spaces/{space}/files/{file}     drop a file
    GET    /spaces/{space}/files            what lies there, and what may still come
    GET    /spaces/{space}/files/{file}     download
    DELETE /spaces/{space}/files/{file}
    POST   /spaces/{space}/readings         readings, see `readings`

A refusal is a problem document (RFC 9457, `application/problem+json`).
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from urllib.parse import quote

from aiohttp import StreamReader, web

from backend.api.requests import Handler, answer, body_of
from backend.city.city import CITY, City
from backend.city.open_api.spaces import desk, readings
from backend.city.open_api.spaces.answers import facts_of, problem_of
from backend.city.open_api.spaces.arrivals import HTTPS, USE, arrivals_of
from backend.city.open_api.spaces.desk import SpaceRefused
from backend.city.people.viewer import Role, needs, viewer_of
from backend.storage.city import spaces as tables
from backend.storage.city.database import Reader
from backend.storage.city.spaces import File, Space, Used
from hub.core.errors import DecodeError
from hub.core.text import phrase

SEE = frozenset({Role.OPERATOR, Role.HEAD, Role.PROVIDER})
DROP = frozenset({Role.PROVIDER})
NAME = "{space:[a-z0-9][a-z0-9-]*}"
FILE = r"{file:[\s\S]+}"
"""A path's end, whatever it is: what is no name of a file is told so."""
PROBLEM = "application/problem+json"
DOWNLOAD = {
    "Content-Type": "application/octet-stream",
    "Content-Security-Policy": "default-src 'none'; sandbox",
    "Cache-Control": "private, no-store",
}
"""Headers of what a provider dropped: a browser saves it and never shows it."""
_FORMS = {
    "text/csv": readings.CSV,
    "application/x-ndjson": readings.JSON_LINES,
    "application/jsonl": readings.JSON_LINES,
}


class Spaces:
    """Handlers."""

    def __init__(self, city: City) -> None:
        self._city = city
        self._arrivals = arrivals_of(city)

    def route(self, router: web.UrlDispatcher) -> None:
        of, files = f"/spaces/{NAME}", f"/spaces/{NAME}/files"
        router.add_get(files, needs(*SEE, use=USE)(_told(self.listed)))
        router.add_get(f"{files}/{FILE}", needs(*SEE, use=USE)(_told(self.download)))
        router.add_put(f"{files}/{FILE}", needs(*DROP, use=USE)(_told(self.drop)))
        router.add_delete(f"{files}/{FILE}", needs(*SEE, use=USE)(_told(self.delete)))
        router.add_post(f"{of}/readings", needs(*DROP, use=USE)(_told(self.readings)))

    async def listed(self, request: web.Request) -> web.StreamResponse:
        viewer, name, now = viewer_of(request), request.match_info["space"], self._city.clock()

        def read(reader: Reader) -> tuple[Space | None, list[File], Used]:
            space = tables.space(reader, viewer.scope, name)
            if space is None:
                return None, [], Used(0, 0, 0, 0)
            return space, tables.files(reader, name, desk.MOST_LISTED), tables.used(reader, name, int(now // desk.DAY))

        space, files, used = await self._city.store.read(read)
        if space is None:
            raise desk.gone()
        listed = [facts_of(one, space) for one in files]
        return answer({"space": space._asdict(), "used": used._asdict(), "files": listed})

    async def drop(self, request: web.Request) -> web.StreamResponse:
        viewer, name = viewer_of(request), request.match_info["space"]
        file = desk.file_name(request.match_info["file"])
        if request.headers.get("Content-Encoding", "identity") != "identity":
            raise SpaceRefused(415, phrase("spaces-encoding", "send the file as it is, without Content-Encoding"))
        async with self._arrivals.upload(viewer, name, file, HTTPS, request.content_length or 0) as upload:
            while some := await _next(request.content):
                await upload.write(some)
            dropped = await upload.finish()
        return answer(facts_of(dropped.file, upload.space), 201 if dropped.new else 200)

    async def download(self, request: web.Request) -> web.StreamResponse:
        viewer, name = viewer_of(request), request.match_info["space"]
        file = desk.folded(desk.file_name(request.match_info["file"]))
        await self._arrivals.space(viewer, name)
        found = await self._city.store.read(lambda reader: tables.file(reader, name, file))
        if found is None:
            raise desk.gone()
        response = web.StreamResponse(headers=DOWNLOAD)
        response.headers["Content-Disposition"] = f"attachment; filename*=UTF-8''{quote(found.name, safe='')}"
        response.content_length = found.size
        await response.prepare(request)
        for n in range(-(-found.size // tables.PART) if request.method == "GET" else 0):
            part = await self._city.store.read(lambda reader, n=n: tables.part(reader, found.id, n))  # type: ignore[misc]
            if part is None:
                raise ConnectionResetError  # deleted meanwhile: a shorter file would look whole
            await response.write(part)
        await response.write_eof()
        return response

    async def delete(self, request: web.Request) -> web.StreamResponse:
        viewer, name, file = viewer_of(request), request.match_info["space"], request.match_info["file"]
        now = self._city.clock()
        await self._city.store.write(lambda t: desk.delete(t, viewer, name, file, now))
        return web.Response(status=204)

    async def readings(self, request: web.Request) -> web.StreamResponse:
        viewer, name = viewer_of(request), request.match_info["space"]
        form = _FORMS.get(request.content_type)
        if form is None:
            kinds = list(_FORMS)
            raise SpaceRefused(415, phrase("spaces-form", "readings come as {kinds}", kinds=", ".join(kinds)))
        await self._arrivals.space(viewer, name)
        body = await body_of(request, readings.MOST_BYTES)
        taken = await self._arrivals.readings(viewer, name, body, form, HTTPS)
        return answer(taken._asdict())


async def _next(content: StreamReader) -> bytes:
    """Return the next bytes of a body, none at its end. Raises SpaceRefused when it stands still."""
    try:
        async with asyncio.timeout(desk.IDLE_S):
            return await content.readany()
    except TimeoutError:
        raise desk.too_slow() from None


def _told(handler: Handler) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
    """Answer a refusal as a problem document, and count it."""

    async def telling(request: web.Request) -> web.StreamResponse:
        try:
            with arrivals_of(request.app[CITY]).counting(HTTPS):
                return await handler(request)
        except SpaceRefused as error:
            return problem(error)
        except DecodeError as error:
            if error.reason != "too-large":
                raise
            return problem(SpaceRefused(413, error.detail, most=readings.MOST_BYTES))

    return telling


def problem(error: SpaceRefused) -> web.Response:
    """Return a refusal as a problem document."""
    headers = {"Retry-After": f"{error.again:.0f}"} if error.again else {}
    response = answer(problem_of(error), error.status, headers)
    response.content_type = PROBLEM
    if error.status in (408, 413, 429):
        response.force_close()  # the rest of a body that nobody wants is not waited for
    return response
