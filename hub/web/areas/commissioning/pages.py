"""Commissioning: from the site to the report, step by step, interrupted and resumed on any phone. Its state is the
hub's."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any
from urllib.parse import urlencode

from aiohttp import web

from hub.core.errors import DecodeError, HubError
from hub.onboarding import qr_photos
from hub.page_kit import scanning
from hub.page_kit.menu import Entry
from hub.page_kit.picture_sanitizer import MOST_BYTES
from hub.page_kit.request import responses as answers
from hub.page_kit.request.routes import API, Route
from hub.page_kit.request.visit import Rejected, Visit
from hub.protocol.device_labels import Unreadable
from hub.web.area import TEXT, Area, Operation, delete, error_text, get, json_endpoint, post, run_form
from hub.web.areas.commissioning.inventories import TABLE_BYTES, Inventories
from hub.web.areas.commissioning.pictures import Pictures
from hub.web.areas.commissioning.rows import SCAN, Rows
from hub.web.areas.commissioning.steps import STEPS, Steps
from hub.web.refusals import Refused
from hub.web.roles import AMENDS, READS, WORKS
from hub.web.site import Site

FILES = {"commissioning.js": "text/javascript", "commissioning.css": "text/css"}
FILE = {"type": "string", "contentMediaType": "image/*"}
PHOTO_FAULTS = ("photo-large", "photo-time", "photo-crash", "photo-pixels", "photo-unreadable")


class Commissioning:
    """Pages of commissioning, and their forms."""

    def __init__(self, site: Site, rows: Rows, pictures: Pictures) -> None:
        self._site, self._rows, self._pictures = site, rows, pictures
        self._steps = Steps(site, rows, pictures)
        self._looking = asyncio.Lock()

    async def start(self, visit: Visit, status: int = 200) -> web.Response:
        shown = await self._rows.sorted(visit)
        passed = {*shown["done_steps"], *shown["skipped"]}
        undone = next((step for step in STEPS if step not in passed), "report")
        return self._page(visit, "", status, shown, undone=undone)

    async def step(self, visit: Visit, status: int = 200, *, name: str = "", **more: Any) -> web.Response:
        step = name or visit.parts.get("step", "")
        if step not in STEPS:
            raise Rejected(404, "no-page")
        shown = await self._rows.sorted(visit)
        page = self._page(visit, step, status, shown, **{**await self._steps.of(step, visit), **more})
        return scanning.with_leave(page, camera=step == "scan", geolocation=step == "site")

    def _page(self, visit: Visit, step: str, status: int, shown: dict[str, Any], **more: Any) -> web.Response:
        after = STEPS[STEPS.index(step) + 1] if step and step != STEPS[-1] else ""
        return self._site.page(
            "commissioning",
            visit,
            status,
            step=step,
            names=STEPS,
            after=after,
            shown=shown,
            zone_sites=self._site.parts.zones,
            **{"undone": "", "told": None, "loaded": None, **more},
        )

    async def picture(self, visit: Visit) -> web.Response:
        found = await self._pictures.file(visit.parts["id"])
        if found is None:
            raise Rejected(404, "no-page")
        headers = {"Cache-Control": "private, max-age=3600"}
        return web.Response(body=found[1], content_type=found[0], headers=headers)

    async def step_form(self, visit: Visit) -> web.Response:
        """Mark {step} as done, or as skipped where {skip} says so; go to the next."""
        step = visit.text("step")
        if step not in STEPS:
            raise Rejected(404, "no-page")
        await self._site.call("roster.step", step=step, skip=bool(visit.fields.get("skip")), by=visit.who)
        after = STEPS[min(STEPS.index(step) + 1, len(STEPS) - 1)]
        return answers.redirect(f"/commissioning/{after}")

    async def scan_form(self, visit: Visit) -> web.Response:
        """Add one label typed in, or all those on a photograph."""
        photo = visit.files.get("photo")
        texts = [visit.text("label")]
        told: list[Any] = []
        try:
            if photo is not None:
                if self._looking.locked():
                    raise Rejected(429, "busy")
                async with self._looking:  # one at a time: a picture is large when it is decoded
                    texts = await qr_photos.codes(photo.data)
                if not texts:
                    raise Refused("photo-nothing")
            for text in texts:
                visit.fields["label"] = text
                told.append(await self._rows.scan(visit, "photo" if photo is not None else "manual"))
        except DecodeError as error:
            known = error.reason if error.reason in PHOTO_FAULTS else "photo-unreadable"
            visit.error = error_text(error if isinstance(error, Unreadable) else Refused(known), visit.lang)
        except HubError as error:
            visit.error = error_text(error, visit.lang)
        if visit.error:
            return await self.step(visit, 422, name="scan")
        for name in ("label", "place", "name", "key"):
            visit.fields.pop(name, None)
        return await self.step(visit, name="scan", told=told)

    def inventory_form(self, work: Operation) -> Any:
        """Return the handler of a form whose answer is shown with the step of the inventory."""

        async def again(visit: Visit, status: int) -> web.Response:
            return await self.step(visit, status, name="inventory")

        async def handler(visit: Visit) -> web.Response:
            loaded = list[Any]()

            async def load(visit: Visit) -> None:
                loaded.append(await work(visit))

            return await run_form(visit, load, again) or await self.step(visit, name="inventory", loaded=loaded[0])

        return handler

    def form(self, work: Operation, step: str, said: str = "saved") -> Any:
        """Return the handler of one step's form, which leads back to that step."""

        async def again(visit: Visit, status: int) -> web.Response:
            return await self.step(visit, status, name=step)

        async def handler(visit: Visit) -> web.Response:
            zone = {"zone": visit.text("zone")} if visit.fields.get("zone") else {}
            query = urlencode({"said": said, **zone})
            return await run_form(visit, work, again) or answers.redirect(f"/commissioning/{step}?{query}")

        return handler


def routes(site: Site) -> list[Route]:
    rows, pictures, inventories = Rows(site), Pictures(site), Inventories(site)
    do = Commissioning(site, rows, pictures)
    form = do.form

    def page(path: str, handler: Any, upload: int = 0) -> Route:
        return Route("POST", f"/commissioning{path}", handler, WORKS, upload=upload)

    return [
        Route("GET", "/commissioning", do.start, READS),
        Route("GET", "/commissioning/{step}", do.step, READS),
        Route("GET", "/plans/{id}", do.picture, READS, screen=True),
        page("/step", do.step_form),
        page("/position", form(rows.position, "site")),
        page("/photo", form(pictures.add_photo, "site"), MOST_BYTES),
        page("/photo/remove", form(pictures.remove, "site")),
        Route("POST", "/commissioning/zones", form(rows.add_zone, "zones"), AMENDS),
        page("/plan", form(pictures.add_plan, "plan"), MOST_BYTES),
        page("/plan/remove", form(pictures.remove, "plan")),
        page("/pin", form(rows.pin, "plan")),
        page("/inventory", do.inventory_form(inventories.load), TABLE_BYTES),
        page("/inventory/places", do.inventory_form(inventories.make_places)),
        page("/scan", do.scan_form, qr_photos.MOST_BYTES),
        page("/unreadable", form(rows.unreadable, "scan")),
        page("/retry", form(rows.retry, "scan")),
        page("/rows/{n}/forget", form(rows.forget, "scan")),
        page("/rows/{n}/replace", form(rows.replace, "scan", said="device-replaced")),
        page("/rows/{n}/place", form(rows.place, "scan")),
        page("/rows/{n}/key", form(rows.key, "scan")),
        page("/end", form(rows.end, "report")),
        page("/begin", form(rows.begin, "site")),
        replace(get("/commissioning", rows.roster, "How commissioning stands: every expected device, and what is to "
                    "be done"), quiet=True),  # polled by pages
        get("/pictures", pictures.listed, "Plans of floors and photographs of sites: `site` is empty of a plan"),
        Route("POST", "/api/1/pictures", json_endpoint(pictures.add), WORKS, API,
              "Add a photograph of a site, or a plan of a floor where no site is named: PNG or JPEG",
              body={"file": FILE, "name": TEXT, "site": TEXT}, upload=MOST_BYTES),
        delete("/pictures/{id}", pictures.remove, "Remove a plan or a photograph", WORKS),
        get("/commissioning/report", rows.report, "The commissioning report, signed by this hub"),
        post("/commissioning/scan", rows.scan, "A scanned label: its device is expected and, if it can be, added",
             WORKS, *SCAN, "how"),
        post("/commissioning/unreadable", rows.unreadable, "A device whose label nobody can read", WORKS, "note",
             "zone"),
        post("/commissioning/zones", rows.add_zone, "A zone that was not there, of a site that is", AMENDS, "id",
             "name", "site"),
        post("/commissioning/position", rows.position, "Where a site is: degrees, WGS 84, and metres of accuracy",
             WORKS, "site", "latitude", "longitude", "accuracy"),
        post("/commissioning/rows/{n}/place", rows.place, "The place of an expected device, by its id or its name",
             WORKS, "place", "instead"),
        post("/commissioning/rows/{n}/replace", rows.replace, "Another device in the place of this one", WORKS, "label",
             "device", "key"),
    ]  # fmt: skip


AREA = Area(
    routes,
    (Entry("commissioning", "/commissioning", "group-field", menu=WORKS),),
    frozenset({"device-replaced", "saved"}),
    FILES,
    order=70,
)
