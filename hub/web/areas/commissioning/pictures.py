"""Operations on plans of floors and photographs of sites."""

from __future__ import annotations

from typing import Any

from hub.page_kit.request.visit import Visit
from hub.web.refusals import Refused
from hub.web.site import Site


class Pictures:
    def __init__(self, site: Site) -> None:
        self._site = site

    async def listed(self, visit: Visit) -> Any:
        return await self._site.call("picture.list")

    async def plans(self) -> list[dict[str, Any]]:
        return [one for one in (await self._site.call("picture.list"))["pictures"] if not one["site"]]

    async def photos(self) -> list[dict[str, Any]]:
        return [one for one in (await self._site.call("picture.list"))["pictures"] if one["site"]]

    async def add_plan(self, visit: Visit) -> Any:
        """Add a plan, {file, name}; return {id}."""
        return await self._add(visit)

    async def add_photo(self, visit: Visit) -> Any:
        """Add a photograph, {file, name, site}; return {id}."""
        if not visit.text("site"):
            raise Refused("site-unknown")
        return await self.add(visit)

    async def add(self, visit: Visit) -> Any:
        """Add {file, name, site}; return {id}: a photograph of a site, or a plan where no site is named."""
        return await self._add(visit, site=visit.text("site"))

    async def _add(self, visit: Visit, **which: str) -> Any:
        file = visit.files.get("file")
        if file is None:
            raise Refused("file-missing")
        return await self._site.call("picture.add", data=file.data, name=visit.text("name"), by=visit.who, **which)

    async def remove(self, visit: Visit) -> Any:
        """Remove a picture, {id}."""
        number = visit.parts.get("id") or visit.text("id")
        return await self._site.call("picture.remove", id=number, by=visit.who)

    async def file(self, number: str) -> tuple[str, bytes] | None:
        """Return (content type, bytes), or None."""
        found = await self._site.call("picture.show", id=number)
        return (found["type"], found["data"]) if found["data"] else None
