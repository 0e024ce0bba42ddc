"""Table `plans` of the encrypted store, with pictures of a building: `site` is "" for a floor plan, and names the site
of a photograph."""

from __future__ import annotations

import asyncio
import hashlib
import secrets
from collections.abc import Callable
from typing import Any

import apsw

from hub.core.disk.sqlite import transaction
from hub.core.store import Store, audit
from hub.web.refusals import Refused

MAX_PLANS, MAX_PHOTOS = 12, 4
"""Maximum number of plans, and of photographs of one site."""
MAX_TOTAL_BYTES = 10 << 20
"""Maximum bytes of all pictures: a backup holds them, and has at most 16 MiB."""
NAME = 60
_TOGETHER = """
SELECT (SELECT coalesce(sum(length(body)), 0) FROM plans)
    + (SELECT coalesce(sum(length(body)), 0) FROM device_pictures)
"""


class PictureStore:
    """Pictures of one hub. `now` returns Unix seconds, for new pictures and for the audit log."""

    def __init__(self, store: Store, now: Callable[[], float]) -> None:
        self._store, self._now = store, now

    async def listed(self) -> list[dict[str, Any]]:
        """Return {id, site, name, at} of each, the oldest first. Raises StorageError."""
        rows = await self._store.call(lambda db: list(db.execute("SELECT id, site, name, at FROM plans ORDER BY at")))
        return [{"id": one, "site": site, "name": name, "at": at} for one, site, name, at in rows]

    async def proved(self) -> list[dict[str, Any]]:
        """Return these with bytes and sha256 of each, for the commissioning report. Raises StorageError."""

        def work(db: apsw.Connection) -> list[Any]:
            return list(db.execute("SELECT id, site, name, at, body FROM plans ORDER BY at"))

        return [
            {
                "id": one,
                "site": site,
                "name": name,
                "at": at,
                "bytes": len(body),
                "sha256": hashlib.sha256(body).hexdigest(),
            }
            for one, site, name, at, body in await self._store.call(work)
        ]

    async def show(self, number: str) -> tuple[str, bytes] | None:
        """Return (content type, bytes) of one, or None. Raises StorageError."""
        query = "SELECT kind, body FROM plans WHERE id = ?"
        rows = await self._store.call(lambda db: list(db.execute(query, (number,))))
        return (str(rows[0][0]), bytes(rows[0][1])) if rows else None

    async def add(self, data: bytes, name: str, *, by: str, site: str = "") -> dict[str, Any]:
        """Check a picture, store it and audit that; return {id}. `site`: a photograph of that one, not a plan. Raises
        Refused, StorageError."""
        from hub.page_kit import picture_sanitizer as sanitizer  # imported late: most hubs never receive a picture

        picture = await asyncio.to_thread(sanitizer.sanitize, data)
        name, number, now = name.strip()[:NAME] or ("Photo" if site else "Plan"), secrets.token_hex(4), self._now()
        row = (number, name, picture.kind, picture.data, now, site)
        what = {"photo": "added", "site": site} if site else {"plan": "added"}

        def work(db: apsw.Connection) -> str:
            there = int(db.execute("SELECT count(*) FROM plans WHERE site = ?", (site,)).get or 0)
            if there >= (MAX_PHOTOS if site else MAX_PLANS):
                return "photos-full" if site else "plans-full"
            together = int(db.execute(_TOGETHER).get)
            if together + len(picture.data) > MAX_TOTAL_BYTES:
                return "pictures-full"
            with transaction(db):
                db.execute("INSERT INTO plans (id, name, kind, body, at, site) VALUES (?, ?, ?, ?, ?, ?)", row)
                audit(db, now, by, {**what, "id": number, "name": name, "bytes": len(picture.data)})
            return ""

        if no := await self._store.call(work):
            raise Refused(no)
        return {"id": number}

    async def remove(self, number: str, *, by: str) -> dict[str, Any]:
        """Remove a picture, if it exists; return {id}. Raises StorageError."""

        def work(db: apsw.Connection) -> None:
            with transaction(db):
                site = db.execute("DELETE FROM plans WHERE id = ? RETURNING site", (number,)).get
                if site is not None:
                    audit(db, self._now(), by, {"photo" if site else "plan": "removed", "id": number})

        await self._store.call(work)
        return {"id": number}
