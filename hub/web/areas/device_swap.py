"""Replacement and removal of a device, from its page: looked at first, then made. The replaced one is retired."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import quote

from aiohttp import web

from hub.page_kit import scanning
from hub.page_kit.request import responses as answers
from hub.page_kit.request.routes import Route
from hub.page_kit.request.visit import Rejected, Visit
from hub.web.area import DRY, Area, delete, post, run_form
from hub.web.refusals import Refused
from hub.web.roles import WORKS
from hub.web.site import Site

MOST_CANDIDATES = 5
"""Senders that are not admitted, proposed for the place."""


class DeviceSwap:
    def __init__(self, site: Site) -> None:
        self._site = site

    async def remove(self, visit: Visit) -> Any:
        return await self._site.call(
            "device.remove", device=visit.parts["device"], dry_run=bool(visit.fields.get("dry_run")), by=visit.who
        )

    async def replace(self, visit: Visit) -> Any:
        key = re.sub(r"[\s:-]", "", visit.text("key"))
        if key and not re.fullmatch(r"(?:[0-9a-fA-F]{2}){1,64}", key):
            raise Refused("key-bad")
        return await self._site.call(
            "device.replace",
            old=visit.parts["device"],
            new=visit.text("new"),
            key=key,
            dry_run=bool(visit.fields.get("dry_run")),
            by=visit.who,
        )

    def _known(self, visit: Visit) -> Any:
        known = self._site.parts.devices.get(visit.parts["device"])
        if known is None:
            raise Rejected(404, "no-device")
        return known

    async def replace_page(self, visit: Visit, status: int = 200, found: Any = None) -> web.Response:
        """Show the form; `found`: what the replacement would be, to be looked at."""
        known, listed = self._known(visit), await self._site.cached_call("devices")
        scheme = known.id.partition(":")[0]
        heard = [one for one in listed["quarantine"] if not one["known"] and one["id"].partition(":")[0] == scheme]
        heard.sort(key=lambda one: -one["last"])
        return scanning.with_leave(
            self._site.page(
                "device_replace", visit, status, one=known, found=found, candidates=heard[:MOST_CANDIDATES],
                key_missing=found is not None and known.key is not None and not found["keyed"],
            )
        )  # fmt: skip

    async def look(self, visit: Visit) -> web.Response:
        """Show what would be replaced by {new, key?}, or refuse it."""
        found = list[Any]()

        async def dry(visit: Visit) -> None:
            found.append(await self.replace(visit))

        visit.fields["dry_run"] = "1"
        answer = await run_form(visit, dry, self.replace_page)
        return answer or await self.replace_page(visit, found=found[0])

    async def send(self, visit: Visit) -> web.Response:
        replaced = list[Any]()

        async def replace(visit: Visit) -> None:
            replaced.append(await self.replace(visit))

        visit.fields.pop("dry_run", None)
        answer = await run_form(visit, replace, self.replace_page)
        return answer or answers.redirect(f"/devices/{quote(replaced[0]['device'], safe='')}?said=device-replaced")

    async def remove_page(self, visit: Visit, status: int = 200) -> web.Response:
        known = self._known(visit)
        rows = (await self._site.cached_call("devices"))["devices"]
        adopted = any(one["id"] == known.id and one["adopted"] for one in rows)
        first = self._site.parts.devices.succession(known.id)[0]  # the configuration names that one
        return self._site.page("device_remove", visit, status, one=known, adopted=adopted, first=first)

    async def remove_form(self, visit: Visit) -> web.Response:
        return await run_form(visit, self.remove, self.remove_page) or answers.redirect("/devices?said=device-removed")


def routes(site: Site) -> list[Route]:
    do = DeviceSwap(site)
    return [
        Route("GET", "/devices/{device}/replace", do.replace_page, WORKS),
        Route("POST", "/devices/{device}/replace", do.look, WORKS),
        Route("POST", "/devices/{device}/replace/now", do.send, WORKS),
        Route("GET", "/devices/{device}/remove", do.remove_page, WORKS),
        Route("POST", "/devices/{device}/remove", do.remove_form, WORKS),
        post("/devices/{device}/replace", do.replace, "Let another device stand in its place", WORKS, "new", "key",
             **DRY),
        delete("/devices/{device}", do.remove, "Remove a device that was added", WORKS),
    ]  # fmt: skip


AREA = Area(routes, said=frozenset({"device-removed", "device-replaced"}), order=62)
