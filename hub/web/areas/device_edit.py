"""Rename a device, move it to a place, which may be new, and keep its photograph: a change is looked at first, and
taken back from the device's own page.

A device that a command added lies in the store: its history is the audit log. One of the configuration is changed by
the form of the configuration, with the file's difference and history.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from aiohttp import web

from hub.page_kit.picture_sanitizer import MOST_BYTES
from hub.page_kit.request import responses as answers
from hub.page_kit.request.routes import API, Route
from hub.page_kit.request.visit import Rejected, Visit
from hub.web import placing
from hub.web.amendments import amendments
from hub.web.area import DRY, Area, Operation, delete, json_endpoint, post, run_form
from hub.web.refusals import Refused
from hub.web.roles import ADMINISTRATEUR, READS, WORKS
from hub.web.site import Site
from hub.web.words import word

PICTURE = {"type": "string", "contentMediaType": "image/*"}
PHOTO_SIDE, PHOTO_BYTES = 1000, 200 << 10
"""Pixels to which a browser makes a photograph smaller, and bytes up to which it leaves one alone."""


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
            **({"zone": visit.text("zone")} if visit.fields.get("zone") else {}),
            dry_run=bool(visit.fields.get("dry_run")),
            by=visit.who,
        )

    async def put_picture(self, visit: Visit) -> Any:
        """Keep {file} as the photograph of the device."""
        file = visit.files.get("file")
        if file is None:
            raise Refused("file-missing")
        known = self._known(visit)
        return await self._site.call("device.picture.put", device=known.id, data=file.data, by=visit.who)

    async def remove_picture(self, visit: Visit) -> Any:
        return await self._site.call("device.picture.remove", device=self._known(visit).id, by=visit.who)

    async def picture(self, visit: Visit) -> web.Response:
        """Answer the photograph itself."""
        found = await self._site.call("device.picture", device=self._known(visit).id)
        if not found["data"]:
            raise Rejected(404, "no-page")
        headers = {"Cache-Control": "private, max-age=3600"}
        return web.Response(body=found["data"], content_type=found["type"], headers=headers)

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
            past=await amendments(self._site, known.id) if adopted else [],
            pictured=(await self._site.call("device.picture", device=known.id, bare=True))["at"],
            side=PHOTO_SIDE,
            spared=PHOTO_BYTES,
            **placing.form(self._site, visit),
        )

    async def look(self, visit: Visit) -> web.Response:
        """Show what {name, place} would change, or refuse it. A new zone is made by the change itself."""
        known, name = self._known(visit), visit.text("name")
        try:
            choice = placing.chosen(self._site, visit)
        except Refused as error:
            visit.error = word(error.key, visit.lang)
            return await self.page(visit, 422)
        if not choice.new_zone:
            visit.fields.update(dry_run="1", place=choice.place, zone=choice.zone if choice.new else "")
            if (answer := await run_form(visit, self.amend, self.page)) is not None:
                return answer
        same = (name, choice.place) == (known.name, known.place)
        return await self.page(visit, change={"name": name, "choice": choice, "same": same})

    async def send(self, visit: Visit) -> web.Response:
        """Make the change that was looked at, and its new zone before that."""
        visit.fields.pop("dry_run", None)
        answer = await run_form(visit, self._with_zone, self.page)
        return answer or answers.redirect(f"/devices/{quote(visit.parts['device'], safe='')}?said=device-amended")

    async def _with_zone(self, visit: Visit) -> Any:
        choice = await placing.with_zone(self._site, visit, placing.chosen(self._site, visit))
        visit.fields.update(place=choice.place, zone=choice.zone if choice.new else "")
        return await self.amend(visit)

    def picture_form(self, work: Operation) -> Operation:
        async def handler(visit: Visit) -> web.Response:
            back = f"/devices/{quote(visit.parts['device'], safe='')}?said=device-picture"
            return await run_form(visit, work, self.page) or answers.redirect(back)

        return handler


def routes(site: Site) -> list[Route]:
    do = DeviceEdit(site)
    return [
        Route("GET", "/devices/{device}/edit", do.page, WORKS),
        Route("POST", "/devices/{device}/edit", do.look, WORKS),
        Route("POST", "/devices/{device}/edit/now", do.send, WORKS),
        Route("GET", "/devices/{device}/picture", do.picture, READS),
        Route("POST", "/devices/{device}/picture", do.picture_form(do.put_picture), WORKS, upload=MOST_BYTES),
        Route("POST", "/devices/{device}/picture/remove", do.picture_form(do.remove_picture), WORKS),
        post("/devices/{device}/amend", do.amend,
             "Rename a device that was added, or move it; with a zone, a place that there is not yet is made", WORKS,
             "name", "place", "zone", "was_name", "was_place", **DRY),
        Route("POST", "/api/1/devices/{device}/picture", json_endpoint(do.put_picture), WORKS, API,
              "Keep a photograph of a device: PNG or JPEG, 512 KiB at most", body={"file": PICTURE}, upload=MOST_BYTES),
        delete("/devices/{device}/picture", do.remove_picture, "Remove the photograph of a device", WORKS),
    ]  # fmt: skip


AREA = Area(
    routes,
    said=frozenset({"device-amended", "device-picture"}),
    files={"shrink.js": "text/javascript"},
    order=61,
)
