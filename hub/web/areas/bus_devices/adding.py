"""A device that was looked at becomes one of the hub's; its line is added to the configuration first, where it is
new."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

from hub.core.errors import HubError
from hub.page_kit.request.visit import Visit
from hub.web import placing
from hub.web.areas.bus_devices.searching import Searching, Way
from hub.web.refusals import Refused
from hub.web.site import Site

STEP_S, STEPS = 0.2, 150
"""How often is looked whether the new line runs, in seconds, and how many times."""
FIRST_STEPS = 20
"""How many times is looked whether a new device has reported."""
RUNS = ("", "watching", "waiting")
"""Stages of a change of the configuration at which the new line is there."""


class BusAdding:
    def __init__(self, site: Site, searching: Searching) -> None:
        self._site, self._searching = site, searching

    async def add(self, visit: Visit, state: Mapping[str, Any], way: Way) -> Any:
        """Add the device of a `way` with {name} and the place of the form; return its row. Raises HubError."""
        choice = placing.chosen(self._site, visit)
        if not choice.place:
            raise Refused("find-no-place")
        choice = await placing.with_zone(self._site, visit, choice)
        wish = {
            "device": self._free(way.one["device"]),
            "place": choice.place,
            "zone": choice.zone if choice.new else "",
            "name": visit.text("name")[:100],
            "model": way.title[:100],
            "pack": way.pack,
            "settings": way.settings,
            "integration": state["line"] or await self._line(visit, state),
        }
        answer = await self._site.call("device.add", wishes=[wish], dry_run=False, update=False, by=visit.who)
        row = answer["rows"][0]
        for _ in range(FIRST_STEPS if row["state"] == "added" else 0):  # so that its page shows its first values
            if self._site.parts.live.last_report(row["device"]) is not None:
                break
            await asyncio.sleep(STEP_S)
        return row

    async def line_text(self, visit: Visit, state: Mapping[str, Any]) -> str:
        """Return the lines that a new line adds to the configuration's files, "" where it cannot be added."""
        try:
            plan = await self._site.call("line.add", **_asked(state), by=visit.who, dry_run=True)
        except HubError:
            return ""
        rows = [row[1:] for row in plan["diff"].splitlines() if row.startswith("+") and not row.startswith("+++")]
        return "\n".join(rows)

    async def _line(self, visit: Visit, state: Mapping[str, Any]) -> str:
        """Add the line of a search to the configuration, and return its name once it runs. Raises HubError."""
        made = await self._site.call("line.add", **_asked(state), by=visit.who, origin=visit.address, later=True)
        for _ in range(STEPS):
            await asyncio.sleep(STEP_S)
            now = await self._site.call("config.stage")
            if now["stage"] in RUNS and (await self._searching.state(visit))["line"]:
                return str(made["name"])
            if not now["stage"] and now["last"].get("state") not in (None, "committed"):
                break
        raise Refused("find-line-not-added")

    def _free(self, device: str) -> str:
        """Return the id, with a number behind it where another device has it."""
        known, number, name = self._site.parts.devices, 2, device
        while known.get(name) is not None:
            name, number = f"{device}-{number}", number + 1
        return name


def _asked(state: Mapping[str, Any]) -> dict[str, Any]:
    """Return the arguments of `line.add` for the line of a search."""
    bus = {**state["bus"], "option": state["serial"]} if state["bus"] else {}
    return {"type": state["type"], "options": state["options"], "bus": bus}
