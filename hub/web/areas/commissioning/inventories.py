"""Upload of keys for many devices: an inventory that the district sealed, or a table (CSV)."""

from __future__ import annotations

import asyncio
import base64
from typing import Any

import msgspec

from hub.i18n.catalogues import translate
from hub.protocol.device_labels.table import read_table
from hub.web.refusals import Refused
from hub.web.request.visit import Visit
from hub.web.site import Site

TABLE_BYTES = 1 << 20


class Inventories:
    def __init__(self, site: Site) -> None:
        self._site = site

    async def load(self, visit: Visit) -> Any:
        """Load an inventory sealed by the district, or a table (CSV); return {kept, added, wrong, rows}."""
        file = visit.files.get("file")
        if file is None:
            raise Refused("file-missing")
        call = self._site.call
        if file.data[4:19] == b"ilot/inventory/":
            document = base64.b64encode(file.data).decode()
            rows = (await call("inventory.load", document=document, by=visit.who))["rows"]
        else:
            rows = await self._table(file.data, visit)
        added = [row["device"] for row in rows if row["state"] in ("added", "already") and row.get("place")]
        await call("roster.expect", devices=added, by=visit.who)
        await call("roster.retry", by=visit.who)
        counts = {
            state: sum(1 for row in rows if row["state"] == state) for state in ("kept", "added", "already", "wrong")
        }
        return {**counts, "rows": [row for row in rows if row["state"] == "wrong"][:100]}

    async def _table(self, data: bytes, visit: Visit) -> list[dict[str, Any]]:
        table = await asyncio.to_thread(read_table, data)  # a whole MiB of it takes a second on a small board
        name = "device.add" if table.placed else "device.keep"
        rows: list[dict[str, Any]] = [
            {
                "line": one.line,
                "device": one.device,
                "state": "wrong",
                "column": one.column,
                "en": one.en,
                "fr": str(translate(one.en, "fr")),
            }
            for one in table.faults
        ]
        for start in range(0, len(table.wishes), 500):
            wishes = msgspec.to_builtins(table.wishes[start : start + 500])
            rows += (await self._site.call(name, wishes=wishes, by=visit.who))["rows"]
        return sorted(rows, key=lambda row: row["line"])
