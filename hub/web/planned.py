"""Plans of floors in the hub's store: the one way in, for the pages and for `ilot commission plan`."""

from __future__ import annotations

import asyncio
import secrets
from typing import Any

import apsw

from hub.store import Store
from hub.web import plans
from hub.web.accounts import Refused

MOST = 12
NAME = 60


async def keep(store: Store, data: bytes, name: str, *, now: float, by: str) -> dict[str, Any]:
    """Check a picture, keep it and note it in the audit log → {id}. Raises Refused."""
    plan = await asyncio.to_thread(plans.checked, data)
    name, number = name.strip()[:NAME] or "Plan", secrets.token_hex(4)

    def work(db: apsw.Connection) -> bool:
        if int(db.execute("SELECT count(*) FROM plans").get or 0) >= MOST:
            return False
        db.execute("INSERT INTO plans VALUES (?, ?, ?, ?, ?)", (number, name, plan.kind, plan.data, now))
        return True

    if not await store.call(work):
        raise Refused("plans-full")
    await store.audit(now, by, {"plan": "added", "id": number, "name": name, "bytes": len(plan.data)})
    return {"id": number}
