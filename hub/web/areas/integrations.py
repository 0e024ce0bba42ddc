"""Integrations and other plugins: status, last message, and restart."""

from __future__ import annotations

from typing import Any

from aiohttp import web

from hub.page_kit.menu import Entry
from hub.page_kit.request import responses as answers
from hub.page_kit.request.routes import Route
from hub.page_kit.request.visit import Visit
from hub.web.area import TEXT, Area, get, post, run_form
from hub.web.roles import HELPS, READS, WORKS
from hub.web.site import Site

KINDS = ("integration", "exporter", "notifier")
TAIL = 8


class Integrations:
    def __init__(self, site: Site) -> None:
        self._site = site

    async def listed(self, visit: Visit) -> Any:
        """Return {plugins}: the status of each, its `kind`: one of KINDS, or uplink, which cannot be restarted; and how
        its type held the whole hub (`held`: {count, seconds, longest_s}, None where it did not)."""
        status = await self._site.cached_call("status")
        held = (status.get("stalls") or {}).get("by", {})
        rows = [
            {**one, "kind": one["type"] if one["type"] in (*KINDS, "uplink") else KINDS[0],
             "held": held.get(one["type"]) or held.get(one["name"])}
            for one in status["plugins"]
        ]  # fmt: skip
        return {"plugins": sorted(rows, key=lambda one: ((*KINDS, "uplink").index(one["kind"]), one["name"]))}

    async def counted(self, visit: Visit) -> Any:
        subject = visit.query.get("subject")
        return await self._site.call("counted", **({"subject": subject} if subject else {}))

    async def restart(self, visit: Visit) -> Any:
        return await self._site.call(
            "plugin.restart",
            name=visit.parts["name"],
            kind=visit.text("kind"),
            dry_run=bool(visit.fields.get("dry_run")),
            by=visit.who,
        )

    async def page(self, visit: Visit, status: int = 200) -> web.Response:
        plugins, helps = (await self.listed(visit))["plugins"], visit.person.role in HELPS
        for one in plugins:
            told = await self._site.call("logs", source=one["name"], level="info", limit=TAIL) if helps else {}
            one["lines"] = told.get("lines", [])
            one["counted"] = (await self._site.call("counted", subject=one["name"]))["counted"]
        return self._site.page("integrations", visit, status, plugins=plugins, helps=helps)

    async def restart_form(self, visit: Visit) -> web.Response:
        return await run_form(visit, self.restart, self.page) or answers.redirect("/integrations?said=plugin-restarted")


def routes(site: Site) -> list[Route]:
    do = Integrations(site)
    return [
        Route("GET", "/integrations", do.page, READS),
        Route("POST", "/integrations/{name}/restart", do.restart_form, WORKS),
        get("/integrations", do.listed, "Plugins and how they stand"),
        get("/counted", do.counted, "What was refused, left out or noted, each reason in words; of one `subject`, a "
            "device or an instance, or of all", subject=TEXT),
        post("/integrations/{name}/restart", do.restart, "Stop one plugin instance and start it anew", WORKS, "kind",
             dry_run={"type": "boolean"}),
    ]  # fmt: skip


AREA = Area(routes, (Entry("integrations", "/integrations", "group-hub"),), frozenset({"plugin-restarted"}), order=140)
