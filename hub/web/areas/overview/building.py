"""The building for the overview: places with their main values, most urgent first, and today's energy."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any

from hub.automation.alerts.lifecycle import SEVERITIES
from hub.core.errors import HubError
from hub.core.model import LastValue
from hub.web.presentation import tiles, views
from hub.web.presentation.tiles import Spark, Tile
from hub.web.request.visit import Visit
from hub.web.site import Site

TILES = 8
"""Tiles of a page."""
DAY_S, HOUR_S = 86_400.0, 3600.0
POINTS = 120
"""Points of the last hour."""
KEPT_S, MOST_KEPT = 120.0, 500
"""For how long a trend and today's energy are kept: they change by the hour; how many at most."""


class Building:
    """The building of one site."""

    def __init__(self, site: Site) -> None:
        self._site = site
        self._kept: dict[str, tuple[float, Any]] = {}

    async def places(self, visit: Visit) -> Any:
        """Return a page of the places; the filter `zone` and the pages are those of the list of devices."""
        status = await self._site.cached_call("status")
        return await self.shown(visit, status, await self.raised(status))

    async def raised(self, status: Mapping[str, Any]) -> list[dict[str, Any]]:
        """Return the open alerts, the most severe first."""
        if not views.summary(status)["raised"]:
            return []
        found: list[dict[str, Any]] = list((await self._site.call("alert.list"))["alerts"])
        return sorted(found, key=lambda one: (-SEVERITIES.index(one["severity"]), -one["raised"]))

    async def shown(
        self, visit: Visit, status: Mapping[str, Any], raised: Sequence[Mapping[str, Any]]
    ) -> dict[str, Any]:
        """Return a page of tiles, each with its values and its trend."""
        found = self._tiles(status, raised)
        zones = {tile.zone for tile in found} - {""}
        asked = visit.query.get("zone", "")
        chosen = [tile for tile in found if tile.zone == asked] if asked in zones else found
        some, page, size = views.page_of(chosen, {"size": str(TILES), **visit.query})
        return {
            "total": len(chosen), "page": page, "size": size, "pages": max(1, -(-len(chosen) // size)),
            "zone": asked if asked in zones else "", "zones": sorted(zones),
            "groups": [
                {"zone": zone, "places": [await self._told(tile) for tile in group]}
                for zone, group in tiles.grouped(some)
            ],
        }  # fmt: skip

    def _tiles(self, status: Mapping[str, Any], raised: Sequence[Mapping[str, Any]]) -> list[Tile]:
        parts = self._site.parts
        heard = parts.live.heard()
        return tiles.tiles(
            {one.id: (one.name, one.zone) for one in parts.places},
            [(one.id, one.place, one.id in heard) for one in parts.devices],
            status["devices"].get("trouble", ()),
            raised,
            {zone: name for zone, (name, _) in parts.zones.items()},
            parts.rooms,
        )

    async def _told(self, tile: Tile) -> dict[str, Any]:
        values = [value for device in tile.devices for value in self._site.parts.live.of(device)]
        room = tile.zone in self._site.parts.rooms or any(value.metric == "co2" for value in values)
        shown = tiles.main_values(values)
        first = tiles.trend_of(shown)
        trend, span = (None, "") if first is None else await self._trend(first)
        return {
            "place": tile.place, "zone": tile.zone, "device": (shown[0].device if shown else tile.devices[0]),
            "state": tile.state, "alert": tile.alert, "alerts": tile.alerts,
            "values": tiles.told(shown, self._site.clock.now(), room=room),
            "trend": None if trend is None or first is None else {
                **trend._asdict(), "span": span, "metric": first.metric, "device": first.device, "unit": first.unit,
            },
        }  # fmt: skip

    async def _trend(self, value: LastValue) -> tuple[Spark | None, str]:
        """Return the trend of the last day by its hours; what is known of the last hour while no more is."""
        kept: tuple[Spark | None, str] | None = self._kept_one(value.series)
        if kept is not None:
            return kept
        end = self._site.clock.now()
        points = await self._points(value.series, end - DAY_S, end, step="hour")
        found = tiles.spark(points, end - DAY_S, end), "day"
        if found[0] is None:
            points = await self._points(value.series, end - HOUR_S, end, points=POINTS)
            begin = next((at for at, known in points if known is not None), end)
            found = tiles.spark(points, begin, end), "hour"
        if found[0] is not None:
            self._keep(value.series, found)
        return found

    async def _points(self, series: str, begin: float, end: float, **how: Any) -> list[list[Any]]:
        try:
            found = await self._site.call("history", series=series, **{"from": begin, "to": end}, **how)
        except HubError:  # nothing is stored of it yet
            return []
        return [cell[:2] for cell in found["cells"]] if found["counter"] else list(found["line"])

    async def energy(self, visit: Visit) -> Any:
        """Return what each carrier used today, beside a usual day."""
        kept = self._kept_one("")
        if kept is None:
            kept = await self._site.call("energy.today")
            self._keep("", kept)
        return kept

    def _kept_one(self, name: str) -> Any:
        at, what = self._kept.get(name, (0.0, None))
        return what if what is not None and time.monotonic() - at < KEPT_S else None

    def _keep(self, name: str, what: Any) -> None:
        if len(self._kept) >= MOST_KEPT:
            self._kept.clear()
        self._kept[name] = (time.monotonic(), what)
