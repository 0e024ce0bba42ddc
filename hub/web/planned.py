"""Pictures of a building in the hub's store, plans of its floors and photographs of its sites: the one way in, for the
pages and for `ilot commission plan`."""

from __future__ import annotations

import asyncio
import secrets
from typing import Any

import apsw

from hub.store import Store
from hub.web import plans
from hub.web.accounts import Refused

MOST_PLANS, MOST_PHOTOS = 12, 4
"""Photographs: of one site."""
MOST_TOGETHER = 10 << 20
"""Bytes of all pictures: a backup holds them, and has 16 MiB at most."""
NAME = 60


async def keep(store: Store, data: bytes, name: str, *, now: float, by: str, site: str = "") -> dict[str, Any]:
    """Check a picture, keep it and note it in the audit log → {id}. `site`: it is a photograph of that one, not a plan.
    Raises Refused."""
    picture = await asyncio.to_thread(plans.checked, data)
    name, number = name.strip()[:NAME] or ("Photo" if site else "Plan"), secrets.token_hex(4)
    row = (number, name, picture.kind, picture.data, now, site)

    def work(db: apsw.Connection) -> str:
        there = int(db.execute("SELECT count(*) FROM plans WHERE site = ?", (site,)).get or 0)
        if there >= (MOST_PHOTOS if site else MOST_PLANS):
            return "photos-full" if site else "plans-full"
        if int(db.execute("SELECT coalesce(sum(length(body)), 0) FROM plans").get) + len(picture.data) > MOST_TOGETHER:
            return "pictures-full"
        db.execute("INSERT INTO plans (id, name, kind, body, at, site) VALUES (?, ?, ?, ?, ?, ?)", row)
        return ""

    if no := await store.call(work):
        raise Refused(no)
    what = {"photo": "added", "site": site} if site else {"plan": "added"}
    await store.audit(now, by, {**what, "id": number, "name": name, "bytes": len(picture.data)})
    return {"id": number}
