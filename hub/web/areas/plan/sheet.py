"""One place of a plan: its devices with their values and ages, its alerts, and a chart of its main value.

The plan shows it over itself; without a script it is a page.
"""

from __future__ import annotations

from typing import Any

from aiohttp import web

from hub.core.errors import HubError
from hub.page_kit.request.visit import Rejected, Visit
from hub.web.presentation import tiles
from hub.web.site import Site

DAY_S, HOUR_S = 86_400.0, 3600.0
POINTS = 120
MOST_VALUES = 6


class Sheet:
    def __init__(self, site: Site) -> None:
        self._site = site

    async def page(self, visit: Visit) -> web.Response:
        place, parts = visit.parts["place"], self._site.parts
        known = parts.places.get(place)
        if known is None:
            raise Rejected(404, "no-page")
        listed = [one for one in (await self._site.cached_call("devices"))["devices"] if one["place"] == place]
        alerts = [
            one
            for one in (await self._site.call("alert.list"))["alerts"]
            if one["place"] == place or one["device"] in {device["id"] for device in listed}
        ]
        every = [value for device in listed for value in parts.live.of(device["id"])]
        room = known.zone in parts.rooms or any(one.metric == "co2" for one in every)
        now = self._site.clock.now()
        devices = []
        for one in listed:
            values = tiles.main_values(parts.live.of(one["id"]), MOST_VALUES)
            told = tiles.told(values, now, room=room, said=self._site.flag_words)
            devices.append({**one, "values": told})
        first = tiles.trend_of(tiles.main_values(every, MOST_VALUES))
        return self._site.page(
            "plan_place",
            visit,
            place=place,
            zone=known.zone,
            devices=devices,
            alerts=alerts,
            first=first,
            shown=None if first is None else await self._history(first.device, first.metric, now),
        )

    async def _history(self, device: str, metric: str, now: float) -> Any:
        """Return the last day by its hours; the last hour while no more is known; None when nothing is stored."""
        try:
            shown = await self._site.call("history", device=device, metric=metric, step="hour", **{"from": now - DAY_S})
            if sum(cell[1] is not None for cell in shown["cells"]) >= tiles.LEAST_POINTS:
                return shown
            shown = await self._site.call(
                "history", device=device, metric=metric, points=POINTS, **{"from": now - HOUR_S}
            )
        except HubError:
            return None
        return {**shown, "rows": shown["line"] or None}
