"""The network of this machine: interfaces, Wi-Fi, access point, modem, time servers."""

from __future__ import annotations

from typing import Any

from aiohttp import web

from hub.core.errors import HubError
from hub.page_kit.menu import Entry
from hub.page_kit.request import responses as answers
from hub.page_kit.request.routes import Route
from hub.page_kit.request.visit import Visit
from hub.web.area import DRY, TEXT, TRUTH, Area, Operation, error_text, get, post, run_form
from hub.web.roles import HELPS, RULES
from hub.web.site import Site

INTERFACE = (
    "interface", "ipv4", "address", "gateway", "ipv6", "address6", "gateway6", "dns", "ssid", "key", "security",
)  # fmt: skip
MODEM = ("interface", "apn", "user", "password", "pin")


class Network:
    def __init__(self, site: Site) -> None:
        self._site = site

    async def show(self, visit: Visit) -> Any:
        return await self._site.call("network.show")

    async def scan(self, visit: Visit) -> Any:
        return await self._site.call("network.scan", interface=visit.query.get("interface", ""))

    async def set(self, visit: Visit) -> Any:
        return await self._with_fields("network.set", visit, *INTERFACE, "default_route", "hidden", "dry_run")

    async def modem(self, visit: Visit) -> Any:
        return await self._with_fields("network.modem", visit, *MODEM, "dry_run")

    async def time(self, visit: Visit) -> Any:
        return await self._with_fields("network.time", visit, "servers", "dry_run")

    async def access_point(self, visit: Visit) -> Any:
        return await self._with_fields("network.access-point", visit, "on", "new_key")

    async def confirm(self, visit: Visit) -> Any:
        return await self._with_fields("network.confirm", visit, "id")

    async def revert(self, visit: Visit) -> Any:
        return await self._with_fields("network.revert", visit, "id")

    async def key(self, visit: Visit) -> Any:
        return await self._site.call("network.key", by=visit.who)

    async def _with_fields(self, call: str, visit: Visit, *names: str) -> Any:
        given = {name: visit.fields[name] for name in names if name in visit.fields}
        return await self._site.call(call, by=visit.who, **given)

    # pages

    async def page(self, visit: Visit, status: int = 200, key: Any = None) -> web.Response:
        points = None
        if (asked := visit.query.get("scan")) is not None and visit.person.role in HELPS:
            try:
                points = (await self._site.call("network.scan", interface=asked))["points"]
            except HubError as error:
                visit.error, status = error_text(error, visit.lang), max(status, 422)
        return self._site.page(
            "network",
            visit,
            status,
            net=await self.show(visit),
            points=points,
            enrolled=self._site.parts.enrolled,
            point_key=key,
            code=_qr(key["code"]) if key else "",
        )

    async def key_form(self, visit: Visit) -> web.Response:
        """Show the key on this answer alone: no redirection, no cache."""
        found = list[Any]()

        async def read(visit: Visit) -> None:
            found.append(await self.key(visit))

        return await run_form(visit, read, self.page) or await self.page(visit, key=found[0])

    async def set_form(self, visit: Visit) -> web.Response:
        return await self._done(visit, self.set, "")

    async def modem_form(self, visit: Visit) -> web.Response:
        return await self._done(visit, self.modem, "")

    async def confirm_form(self, visit: Visit) -> web.Response:
        return await self._done(visit, self.confirm, "network-confirmed")

    async def revert_form(self, visit: Visit) -> web.Response:
        return await self._done(visit, self.revert, "network-reverted")

    async def time_form(self, visit: Visit) -> web.Response:
        return await self._done(visit, self.time, "network-time-saved")

    async def access_point_form(self, visit: Visit) -> web.Response:
        return await self._done(visit, self.access_point, "network-point-switched")

    async def _done(self, visit: Visit, work: Operation, said: str) -> web.Response:
        to = f"/network?said={said}" if said else "/network"
        return await run_form(visit, work, self.page) or answers.redirect(to)


def _qr(text: str) -> str:
    import segno  # 1.7 MiB, for what few people ever look at

    return str(segno.make(text, error="m", micro=False).svg_data_uri(scale=5, border=4, light="#fff"))


def routes(site: Site) -> list[Route]:
    do = Network(site)
    return [
        Route("GET", "/network", do.page, HELPS),
        Route("POST", "/network/set", do.set_form, RULES),
        Route("POST", "/network/modem", do.modem_form, RULES),
        Route("POST", "/network/confirm", do.confirm_form, RULES),
        Route("POST", "/network/revert", do.revert_form, RULES),
        Route("POST", "/network/time", do.time_form, RULES),
        Route("POST", "/network/access-point", do.access_point_form, RULES),
        Route("POST", "/network/key", do.key_form, RULES),
        get("/network", do.show, "Interfaces, access point, modems, time servers, and a change that waits", HELPS),
        get("/network/scan", do.scan, "Wi-Fi networks that are heard", HELPS, interface=TEXT),
        post("/network/interface", do.set, "Change an interface; it comes back unless it is confirmed within 120 s",
             RULES, *INTERFACE, people=True, default_route=TRUTH, hidden=TRUTH, **DRY),
        post("/network/modem", do.modem, "Set a modem's APN and PIN", RULES, *MODEM, people=True, **DRY),
        post("/network/confirm", do.confirm, "Keep the change that waits", RULES, "id", people=True),
        post("/network/revert", do.revert, "Take the change that waits back now", RULES, "id", people=True),
        post("/network/time", do.time, "Use these time servers", RULES, "servers", people=True, **DRY),
        post("/network/access-point", do.access_point, "Switch the hub's own access point for 15 minutes", RULES,
             people=True, on=TRUTH, new_key=TRUTH),
        post("/network/access-point/key", do.key, "Name and key of the access point, for its label", RULES,
             people=True),
    ]  # fmt: skip


AREA = Area(
    routes,
    (Entry("network", "/network", "group-hub", HELPS),),
    frozenset({"network-confirmed", "network-reverted", "network-time-saved", "network-point-switched"}),
    {"network.js": "text/javascript"},
    order=125,
    unenrolled=True,
)
