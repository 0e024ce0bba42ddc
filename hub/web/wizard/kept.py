"""Which pictures of its building a hub keeps, for its commissioning report. It loads nothing of the pages."""

from __future__ import annotations

import hashlib
from typing import Any

import apsw

from hub.store import Store


async def listed(store: Store) -> list[dict[str, Any]]:
    """{id, site, name, at, bytes, sha256} of each, the oldest first. Raises StorageError."""

    def work(db: apsw.Connection) -> list[Any]:
        return list(db.execute("SELECT id, site, name, at, body FROM plans ORDER BY at"))

    return [
        {"id": one, "site": site, "name": name, "at": at, "bytes": len(body),
         "sha256": hashlib.sha256(body).hexdigest()}
        for one, site, name, at, body in await store.call(work)
    ]  # fmt: skip
