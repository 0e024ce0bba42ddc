"""Radio: margins, losses, batteries, reception of gateways; the LoRa concentrator of this machine."""

from __future__ import annotations

from typing import Any

from aiohttp import web

from hub.page_kit import tables
from hub.page_kit.menu import Entry
from hub.page_kit.request import responses as answers
from hub.page_kit.request.routes import Route
from hub.page_kit.request.visit import Visit
from hub.web.area import Area, get, post, run_form
from hub.web.roles import READS, WORKS
from hub.web.site import Site

ROWS = "10"
"""Rows of a page: as many as three screens of a phone hold."""
ORDER = {"move": 0, "": 1, "enough": 2}
FIELDS = ("model", "eui", "device", "reset", "power", "where", "region", "antenna_gain")
"""Fields of the form of a concentrator, as the call `concentrator.setup` names them."""


class Radio:
    def __init__(self, site: Site) -> None:
        self._site = site

    async def radio(self, visit: Visit) -> Any:
        return await self._site.cached_call("radio")

    async def page(self, visit: Visit) -> web.Response:
        found = await self._site.cached_call("radio")
        devices = sorted(found["devices"], key=lambda one: (ORDER.get(one["margin"], 1), one["id"]))
        shown, number, size = tables.page_of(devices, {"size": ROWS, **visit.query})
        words = {margin: sum(one["margin"] == margin for one in devices) for margin in ORDER}
        return self._site.page(
            "radio",
            visit,
            devices=shown,
            gateways=found["gateways"],
            total=len(devices),
            number_of_page=number,
            pages=max(1, -(-len(devices) // size)),
            words=words,
        )

    async def concentrator(self, visit: Visit) -> Any:
        return await self._site.call("concentrator")

    async def setup(self, visit: Visit) -> Any:
        given = {name: visit.text(name) for name in FIELDS if visit.text(name)}
        dry_run = bool(visit.fields.get("dry_run"))
        return await self._site.call("concentrator.setup", **given, by=visit.who, origin=visit.address, dry_run=dry_run)

    async def concentrator_page(self, visit: Visit, status: int = 200, plan: Any = None) -> web.Response:
        found = await self.concentrator(visit)
        card = found["proposed"]["euis"][0]["eui"] if found["proposed"]["euis"] else ""
        begins = {
            "model": found["proposed"]["model"],
            "device": found["proposed"]["device"],
            "eui": card,
            "where": "FR",
        }
        begins |= {name: value for name, value in (found["plan"] or {}).items() if name in FIELDS and value is not None}
        filled = (
            dict.fromkeys(FIELDS, "") | begins | {name: visit.text(name) for name in FIELDS if name in visit.fields}
        )
        return self._site.page("concentrator", visit, status, found=found, filled=filled, plan=plan, fields=FIELDS)

    async def setup_form(self, visit: Visit) -> web.Response:
        """Show the plan first; the second form, which shows it, carries it out."""
        plan: Any = None

        async def work(visit: Visit) -> Any:
            nonlocal plan
            plan = await self.setup(visit)

        refused = await run_form(visit, work, self.concentrator_page)
        if refused is not None:
            return refused
        if plan["state"] == "planned":
            return await self.concentrator_page(visit, plan=plan)
        taken_back = plan["state"] == "taken-back"
        return answers.redirect(f"/radio/concentrator?said=concentrator-{'taken-back' if taken_back else 'written'}")


def routes(site: Site) -> list[Route]:
    do = Radio(site)
    return [
        Route("GET", "/radio", do.page, READS),
        get("/radio", do.radio, "Margins, losses, data rates and batteries of devices, and the gateways"),
        Route("GET", "/radio/concentrator", do.concentrator_page, READS),
        Route("POST", "/radio/concentrator", do.setup_form, WORKS),
        get("/radio/concentrator", do.concentrator, "The LoRa concentrator of this machine, its forwarder, and faults"),
        post(
            "/radio/concentrator",
            do.setup,
            "Set up the LoRa concentrator of this machine",
            WORKS,
            *FIELDS,
            dry_run={"type": "boolean"},
        ),
    ]


SAID = frozenset({"concentrator-written", "concentrator-taken-back"})
AREA = Area(routes, (Entry("radio", "/radio", "group-field"),), SAID, order=100)
