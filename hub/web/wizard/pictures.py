"""Pictures of a building as people upload them: plans of its floors, and photographs of its sites. Both are cleaned of
all that is no picture (`hub.web.plans`) and kept in the encrypted store (`hub.web.planned`), in the table `plans`:
`site` is "" for a plan."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import apsw

from hub.web import planned
from hub.web.accounts import Refused
from hub.web.visit import Visit

if TYPE_CHECKING:
    from hub.web.site import Site


class Pictures:
    def __init__(self, site: Site) -> None:
        self._site = site

    async def plans(self) -> list[dict[str, Any]]:
        return await self._of("site = ''")

    async def photos(self) -> list[dict[str, Any]]:
        return await self._of("site != ''")

    async def _of(self, which: str) -> list[dict[str, Any]]:
        query = f"SELECT id, site, name, at FROM plans WHERE {which} ORDER BY at"  # noqa: S608 - one of the two above
        rows = await self._site.store.call(lambda db: list(db.execute(query)))
        return [{"id": one, "site": site, "name": name, "at": at} for one, site, name, at in rows]

    async def add_plan(self, visit: Visit) -> Any:
        """{file, name} → {id}."""
        return await self._add(visit, "")

    async def add_photo(self, visit: Visit) -> Any:
        """{file, name, site} → {id}."""
        site = visit.text("site")
        if site not in {*self._site.parts.sites, *(one for _, one in self._site.parts.zones.values())}:
            raise Refused("site-unknown")
        return await self._add(visit, site)

    async def _add(self, visit: Visit, site: str) -> Any:
        file = visit.files.get("file")
        if file is None:
            raise Refused("file-missing")
        now = self._site.clock.now()
        return await planned.keep(self._site.store, file.data, visit.text("name"), now=now, by=visit.who, site=site)

    async def remove(self, visit: Visit) -> Any:
        """{id}."""
        number = visit.text("id")

        def work(db: apsw.Connection) -> str:
            site = db.execute("DELETE FROM plans WHERE id = ? RETURNING site", (number,)).get
            return str(site or "")

        what = "photo" if await self._site.store.call(work) else "plan"
        await self._site.note(visit.who, {what: "removed", "id": number})
        return {"id": number}

    async def file(self, number: str) -> tuple[str, bytes] | None:
        """(content type, bytes)."""
        query = "SELECT kind, body FROM plans WHERE id = ?"
        rows = await self._site.store.call(lambda db: list(db.execute(query, (number,))))
        return (str(rows[0][0]), bytes(rows[0][1])) if rows else None
