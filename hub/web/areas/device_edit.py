"""Rename a device and move it to another place: the change is looked at first, and taken back from the same page.

A device that a command added lies in the store: its history is the audit log. One of the configuration is changed by
the form of the configuration, with the file's difference and history.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from aiohttp import web

from hub.web.area import DRY, Area, post, run_form
from hub.web.refusals import Refused
from hub.web.request import responses as answers
from hub.web.request.routes import ADMINISTRATEUR, WORKS, Route
from hub.web.request.visit import Rejected, Visit
from hub.web.site import Site

MOST_ENTRIES, MOST_CHANGES = 1000, 5
"""Entries of the audit log that are searched, and changes that are shown."""


class DeviceEdit:
    def __init__(self, site: Site) -> None:
        self._site = site

    async def amend(self, visit: Visit) -> Any:
        """Change {name, place}; with {was_name, was_place}, only while these are still its own."""
        known = self._known(visit)
        for field, now in (("was_name", known.name), ("was_place", known.place)):
            if field in visit.fields and visit.text(field) != now:
                raise Refused("edit-else")
        return await self._site.call(
            "device.amend",
            device=known.id,
            name=visit.text("name"),
            place=visit.text("place"),
            dry_run=bool(visit.fields.get("dry_run")),
            by=visit.who,
        )

    def _known(self, visit: Visit) -> Any:
        known = self._site.parts.devices.get(visit.parts["device"])
        if known is None:
            raise Rejected(404, "no-device")
        return known

    async def page(self, visit: Visit, status: int = 200, change: Any = None) -> web.Response:
        """Show the form; `change`: what it would change, to be looked at."""
        known = self._known(visit)
        rows = (await self._site.call("devices"))["devices"]
        adopted = any(one["id"] == known.id and one["adopted"] for one in rows)
        may = adopted or (
            visit.person.role == ADMINISTRATEUR and (await self._site.call("config.show")).get("mode") != "managed"
        )
        first = self._site.parts.devices.succession(known.id)[0]
        return self._site.page(
            "device_edit",
            visit,
            status,
            one=known,
            adopted=adopted,
            may=may,
            change=change,
            at=f"devices/{quote(first, safe='')}",
            groups=self._places(),
            past=await self._past(known.id) if adopted else [],
        )

    def _places(self) -> list[tuple[str, list[tuple[str, str]]]]:
        """Return (name of a zone, its places as (id, name)), both in the order of their names."""
        zones: dict[str, list[tuple[str, str]]] = {}
        for place in self._site.parts.places:
            title = self._site.parts.zones.get(place.zone, ("",))[0] or place.zone
            zones.setdefault(title, []).append((place.id, place.name or place.id))
        return [(zone, sorted(zones[zone], key=lambda one: one[1].casefold())) for zone in sorted(zones)]

    async def _past(self, device: str) -> list[dict[str, Any]]:
        """Return the last changes of a device's name and place, the newest first."""
        entries = (await self._site.call("audit.list", limit=MOST_ENTRIES))["entries"]
        return [
            {"at": one["at"], "who": one["who"], **one["what"]}
            for one in entries
            if one["what"].get("device") == "amend" and one["what"].get("id") == device
        ][:MOST_CHANGES]

    async def look(self, visit: Visit) -> web.Response:
        """Show what {name, place} would change, or refuse it."""
        known, name, place = self._known(visit), visit.text("name"), visit.text("place")
        visit.fields["dry_run"] = "1"
        answer = await run_form(visit, self.amend, self.page)
        return answer or await self.page(
            visit, change={"name": name, "place": place, "same": (name, place) == (known.name, known.place)}
        )

    async def send(self, visit: Visit) -> web.Response:
        visit.fields.pop("dry_run", None)
        answer = await run_form(visit, self.amend, self.page)
        return answer or answers.redirect(f"/devices/{quote(visit.parts['device'], safe='')}?said=device-amended")


def routes(site: Site) -> list[Route]:
    do = DeviceEdit(site)
    return [
        Route("GET", "/devices/{device}/edit", do.page, WORKS),
        Route("POST", "/devices/{device}/edit", do.look, WORKS),
        Route("POST", "/devices/{device}/edit/now", do.send, WORKS),
        post("/devices/{device}/amend", do.amend, "Rename a device that was added, or move it to a known place", WORKS,
             "name", "place", "was_name", "was_place", **DRY),
    ]  # fmt: skip


AREA = Area(routes, said=frozenset({"device-amended"}), order=61)
