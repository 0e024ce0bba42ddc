"""Pages of provider spaces: for the service they are for, and for the provider's people."""

from __future__ import annotations

import os
from hashlib import file_digest
from pathlib import Path

from aiohttp import web

from backend.city.city import City
from backend.city.open_api.spaces import desk, words
from backend.city.open_api.spaces.arrivals import USE
from backend.city.open_api.spaces.desk import Received, SpaceRefused
from backend.city.open_api.spaces.routes import DROP, NAME, SEE
from backend.city.pages import kit as pages
from backend.city.pages.kit import Area, Entry
from backend.city.people import scopes
from backend.city.people.viewer import Role, Viewer, needs, require, viewer_of
from backend.storage.city import people
from backend.storage.city import spaces as tables
from backend.storage.city.database import Reader, Transaction
from backend.storage.city.people import TokenRow
from backend.storage.city.spaces import File, Space, Used
from hub.i18n.catalogues import translate
from hub.page_kit.request.responses import redirect

HERE = Path(__file__).parent

pages.add(
    Area(
        "spaces",
        menu=(Entry("spaces", "/spaces", "group-work", SEE, menu=SEE),),
        words=(words.PHRASES,),
        templates=HERE / "templates",
        said=frozenset({"spaces-dropped", "spaces-deleted"}),
        order=65,
    )
)


class SpacePages:
    """Handlers."""

    def __init__(self, city: City) -> None:
        self._city = city

    def route(self, router: web.UrlDispatcher) -> None:
        router.add_get("/spaces", needs(*SEE)(self.listed))
        router.add_get(f"/spaces/{NAME}", needs(*SEE)(self.one))
        router.add_post(f"/spaces/{NAME}/drop", needs(*DROP)(self.drop))
        router.add_post(f"/spaces/{NAME}/remove", needs(*SEE)(self.remove))

    async def listed(self, request: web.Request) -> web.StreamResponse:
        viewer, day = viewer_of(request), int(self._city.clock() // desk.DAY)

        def read(reader: Reader) -> list[tuple[Space, Used, float]]:
            found = []
            for one in tables.spaces(reader, viewer.scope):
                newest = tables.files(reader, one.name, 1)
                found.append((one, tables.used(reader, one.name, day), newest[0].made if newest else 0.0))
            return found

        return pages.render(request, viewer, "spaces", rows=await self._city.store.read(read))

    async def one(self, request: web.Request) -> web.StreamResponse:
        return await self._one(request, viewer_of(request))

    async def _one(
        self, request: web.Request, viewer: Viewer, problem: str = "", status: int = 200
    ) -> web.StreamResponse:
        name, now = request.match_info["space"], self._city.clock()

        def read(reader: Reader) -> tuple[Space, Used, list[File], list[TokenRow]]:
            space = tables.space(reader, viewer.scope, name)
            if space is None:
                raise web.HTTPNotFound
            used = tables.used(reader, name, int(now // desk.DAY))
            return space, used, tables.files(reader, name, desk.MOST_LISTED), keys_of(reader, space, now)

        space, used, files, keys = await self._city.store.read(read)
        return pages.render(
            request, viewer, "space", http_status=status, one=space, used=used, files=files, keys=keys,
            most_listed=desk.MOST_LISTED, may_drop=viewer.role in DROP, address=self._city.url,
            problem=translate(problem, pages.lang_of(request, viewer)) if problem else "",
        )  # fmt: skip

    async def drop(self, request: web.Request) -> web.StreamResponse:
        viewer, name, form, now = (
            viewer_of(request),
            request.match_info["space"],
            await request.post(),
            self._city.clock(),
        )
        sent = form.get("file")
        if not isinstance(sent, web.FileField) or not sent.filename:
            said = pages.word("spaces-choose", pages.lang_of(request, viewer))
            return await self._one(request, viewer, said, 400)

        def write(t: Transaction) -> None:
            size = sent.file.seek(0, os.SEEK_END)
            sent.file.seek(0)
            desk.check_disk(self._city.directory, size)
            came = Received(sent.file, size, file_digest(sent.file, "sha256").hexdigest())  # type: ignore[arg-type]
            desk.drop(t, viewer, name, desk.file_name(sent.filename), came, now)

        try:
            await self._city.store.write(write)
        except SpaceRefused as error:
            return await self._one(request, viewer, error.said, error.status)
        return redirect(f"/spaces/{name}?said=spaces-dropped")

    async def remove(self, request: web.Request) -> web.StreamResponse:
        viewer, name, form, now = (
            viewer_of(request),
            request.match_info["space"],
            await request.post(),
            self._city.clock(),
        )
        require(viewer, *SEE)
        file = str(form.get("file", ""))
        try:
            await self._city.store.write(lambda t: desk.delete(t, viewer, name, file, now))
        except SpaceRefused as error:
            return await self._one(request, viewer, error.said, error.status)
        return redirect(f"/spaces/{name}?said=spaces-deleted")


def keys_of(reader: Reader, space: Space, now: float) -> list[TokenRow]:
    """Return the tokens that may drop into a space now."""
    found = []
    for one in people.tokens(reader):
        scope = scopes.seen_as(Role(one.role), one.scope)
        if (
            now < one.expires
            and USE in one.uses.split()
            and scope.provider == space.provider
            and (scope.services is None or space.service in scope.services)
        ):
            found.append(one)
    return found
