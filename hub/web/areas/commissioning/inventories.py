"""Upload of keys for many devices: an inventory that the district sealed, or a table (CSV)."""

from __future__ import annotations

import asyncio
import base64
from typing import Any

import msgspec

from hub.devices.place_names import folded, in_order
from hub.i18n.catalogues import translate
from hub.page_kit.request.visit import Visit
from hub.protocol.device_labels.table import read_table
from hub.web.refusals import Refused
from hub.web.site import Site

TABLE_BYTES = 1 << 20
MOST_WRONG, MOST_PLACES, MOST_TOGETHER = 100, 25, 500
"""Wrong rows that are shown, places that are made at a time, devices that are added at a time."""


class Inventories:
    def __init__(self, site: Site) -> None:
        self._site = site

    async def load(self, visit: Visit) -> Any:
        """Load an inventory sealed by the district, or a table (CSV); return {file, kept, added, already, wrong, rows,
        more, missing}: the rows that are wrong, and the places to be made once their zone is chosen ([{place,
        devices}])."""
        file = visit.files.get("file")
        if file is None:
            raise Refused("file-missing")
        call = self._site.call
        if file.data[4:19] == b"ilot/inventory/":
            document = base64.b64encode(file.data).decode()
            rows = (await call("inventory.load", document=document, by=visit.who))["rows"]
        else:
            rows = await self._table(file.data, visit)
        return {"file": file.name or "", **await self._told(rows, visit)}

    async def make_places(self, visit: Visit) -> Any:
        """Make the places that a table named, in the zones {zone-N} or {zone}, and add their devices {devices-N}."""
        wishes = list[dict[str, str]]()
        for n in range(MOST_PLACES):
            zone = visit.text(f"zone-{n}") or visit.text("zone")
            devices = visit.text(f"devices-{n}").split()
            if devices and not zone:
                raise Refused("zone-missing")
            wishes += [{"device": device, "zone": zone} for device in devices[:MOST_TOGETHER]]
        if not wishes or len(wishes) > MOST_TOGETHER:
            raise Refused("file-missing")
        rows = (await self._site.call("device.add", wishes=wishes, by=visit.who))["rows"]
        return {"file": "", **await self._told(rows, visit)}

    async def _told(self, rows: list[dict[str, Any]], visit: Visit) -> dict[str, Any]:
        """Expect the devices that rows added; return what became of all."""
        added = [row["device"] for row in rows if row["state"] in ("added", "already") and row.get("place")]
        await self._site.call("roster.expect", devices=added, by=visit.who)
        await self._site.call("roster.retry", by=visit.who)
        wrong = [row for row in rows if row["state"] == "wrong"]
        missing: dict[str, dict[str, Any]] = {}
        for row in rows:
            if row["state"] == "kept" and row.get("why") == "no-such-place":
                one = missing.setdefault(folded(row["place"]), {"place": row["place"], "devices": []})
                one["devices"].append(row["device"])
        return {
            **{state: sum(row["state"] == state for row in rows) for state in ("kept", "added", "already", "wrong")},
            "rows": wrong[:MOST_WRONG],
            "more": len(wrong[MOST_WRONG:]),
            "missing": sorted(missing.values(), key=lambda one: in_order(one["place"]))[:MOST_PLACES],
        }

    async def _table(self, data: bytes, visit: Visit) -> list[dict[str, Any]]:
        table = await asyncio.to_thread(read_table, data)  # a whole MiB of it takes a second on a small board
        name = "device.add" if table.placed else "device.keep"
        rows: list[dict[str, Any]] = [
            {
                "line": one.line,
                "device": one.device,
                "place": "",
                "why": "",
                "state": "wrong",
                "column": one.column,
                "en": one.en,
                "fr": str(translate(one.en, "fr")),
            }
            for one in table.faults
        ]
        for start in range(0, len(table.wishes), 500):
            wishes = msgspec.to_builtins(table.wishes[start : start + 500])
            rows += (await self._site.call(name, wishes=wishes, keep=True, by=visit.who))["rows"]
        for row in rows:
            row["column"] = table.columns.get(row["column"], row["column"])
        return sorted(rows, key=lambda row: row["line"])
