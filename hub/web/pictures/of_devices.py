"""Table `device_pictures` of the encrypted store: one photograph of a device, to find it again."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import apsw

from hub.core.disk.sqlite import transaction
from hub.core.store import Store, audit
from hub.web.pictures.table import MAX_TOTAL_BYTES
from hub.web.refusals import Refused

MOST_BYTES = 512 << 10
"""Of one photograph: pages make it smaller before they send it."""
_TOGETHER = """
SELECT (SELECT coalesce(sum(length(body)), 0) FROM plans) + coalesce(sum(length(body)), 0) FROM device_pictures
WHERE device <> ?
"""


class DevicePictures:
    """Photographs of a hub's devices. `now` returns Unix seconds."""

    def __init__(self, store: Store, now: Callable[[], float]) -> None:
        self._store, self._now = store, now

    async def at(self, device: str) -> float | None:
        """Return when the photograph was taken in; None where there is none. Raises StorageError."""
        query = "SELECT at FROM device_pictures WHERE device = ?"
        rows = await self._store.call(lambda db: list(db.execute(query, (device,))))
        return float(rows[0][0]) if rows else None

    async def show(self, device: str) -> tuple[str, bytes] | None:
        """Return (content type, bytes), or None. Raises StorageError."""
        query = "SELECT kind, body FROM device_pictures WHERE device = ?"
        rows = await self._store.call(lambda db: list(db.execute(query, (device,))))
        return (str(rows[0][0]), bytes(rows[0][1])) if rows else None

    async def put(self, device: str, data: bytes, *, by: str) -> None:
        """Check a photograph, store it in the place of a former one and audit that. Raises Refused, StorageError."""
        from hub.page_kit import picture_sanitizer as sanitizer  # imported late: most hubs never receive a picture

        picture = await asyncio.to_thread(sanitizer.sanitize, data)
        if len(picture.data) > MOST_BYTES:
            raise Refused("picture-large")
        now = self._now()

        def work(db: apsw.Connection) -> str:
            if int(db.execute(_TOGETHER, (device,)).get) + len(picture.data) > MAX_TOTAL_BYTES:
                return "pictures-full"
            with transaction(db):
                db.execute(
                    "INSERT OR REPLACE INTO device_pictures VALUES (?, ?, ?, ?)",
                    (device, picture.kind, picture.data, now),
                )
                audit(db, now, by, {"device": "picture", "id": device, "bytes": len(picture.data)})
            return ""

        if no := await self._store.call(work):
            raise Refused(no)

    async def remove(self, device: str, *, by: str) -> None:
        """Remove a photograph, if there is one. Raises StorageError."""

        def work(db: apsw.Connection) -> None:
            with transaction(db):
                gone = db.execute("DELETE FROM device_pictures WHERE device = ? RETURNING device", (device,)).get
                if gone is not None:
                    audit(db, self._now(), by, {"device": "picture-removed", "id": device})

        await self._store.call(work)
