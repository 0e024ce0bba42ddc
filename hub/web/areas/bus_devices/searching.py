"""Calls of a search, and the way of reading a device that a request names."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from hub.page_kit.request.visit import Rejected, Visit
from hub.web.site import Site

SERIAL = ("port", "baudrate", "parity", "name")


class Way(NamedTuple):
    """A device of a search, and a way to read it: `settings` without the map of the `pack`."""

    one: dict[str, Any]
    settings: dict[str, Any]
    pack: str
    title: str
    why: str


class Searching:
    def __init__(self, site: Site) -> None:
        self._site = site

    async def lines(self, visit: Visit) -> Any:
        """Return the lines that can be searched; with `new`, also what a new one may be."""
        return await self._site.call("find.lines", new=bool(visit.query.get("new")))

    async def start(self, visit: Visit) -> Any:
        """Start a search: of {line}, or of a new one, {type, o.NAME…, port, baudrate, parity, name}; {addresses}."""
        fields = visit.fields
        options = {name[2:]: str(value).strip() for name, value in fields.items() if name.startswith("o.")}
        bus = {name: visit.text(name) for name in SERIAL if fields.get(name)}
        bus = bus if bus.get("port") or bus.get("name") else {}
        return await self._site.call(
            "find.start",
            line=visit.text("line"),
            type=visit.text("type"),
            options={name: value for name, value in options.items() if value},
            bus=bus,
            addresses=visit.text("addresses"),
            by=visit.who,
        )

    async def state(self, visit: Visit) -> Any:
        return await self._site.call("find.state", id=visit.parts["id"])

    async def stop(self, visit: Visit) -> Any:
        return await self._site.call("find.stop", id=visit.parts["id"])

    async def read(self, visit: Visit) -> Any:
        """Return what a device says now: that {at} an address, read {as} one of its matches, or by a {pack}, or by
        {settings}."""
        settings = visit.fields.get("settings")
        if isinstance(settings, dict):
            return await self.read_by(visit, settings, visit.text("pack"))
        way = self.way(await self.state(visit), visit.fields)
        return await self.read_by(visit, way.settings, way.pack)

    async def read_by(self, visit: Visit, settings: Mapping[str, Any], pack: str = "") -> Any:
        return await self._site.call("find.read", id=visit.parts["id"], settings=dict(settings), pack=pack)

    def way(self, state: Mapping[str, Any], asked: Mapping[str, Any]) -> Way:
        """Return the device and the way that {at, as, pack} name. Raises Rejected."""
        at, which, pack = (str(asked.get(name) or "") for name in ("at", "as", "pack"))
        one = next((found for found in state["found"] if found["address"] == at), None)
        if one is None:
            raise Rejected(404, "no-page")
        if pack:
            known = next((offer for offer in state["packs"] if offer["pack"] == pack), None)
            if known is None:
                raise Rejected(404, "no-page")
            return Way(one, one["settings"], pack, f"{known['vendor']} {known['models'][0]}", "")
        number = int(which) if which.isdecimal() and len(which) < 3 else 0
        if number >= len(one["matches"]):
            return Way(one, one["settings"], "", one["title"], "")
        match = one["matches"][number]
        return Way(one, match["settings"], match["pack"], match["title"] or one["title"], match["why"])
