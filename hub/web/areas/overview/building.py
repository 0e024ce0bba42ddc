"""The building for the overview: places with their main values, most urgent first, and today's energy."""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from typing import Any

from hub.automation.alerts.lifecycle import SEVERITIES
from hub.core.errors import HubError
from hub.core.model import LastValue
from hub.page_kit import tables
from hub.page_kit.request.visit import Visit
from hub.web.presentation import tiles, views
from hub.web.presentation.extremes import extremes
from hub.web.presentation.tiles import Spark, Tile
from hub.web.site import Site

TILES = 8
"""Tiles of a page."""
DAY_S, HOUR_S = 86_400.0, 3600.0
POINTS = 120
"""Points of the last hour."""
KEPT_S = 120.0
"""Seconds for which a trend and today's energy are kept: they change by the hour."""


class Building:
    """The building of one site."""

    def __init__(self, site: Site) -> None:
        self._site = site

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
        self,
        visit: Visit,
        status: Mapping[str, Any],
        raised: Sequence[Mapping[str, Any]],
        most: int = TILES,
        without: Set[str] = frozenset(),
    ) -> dict[str, Any]:
        """Return a page of tiles, each with its values and its trend; none of the zones `without`."""
        found = [tile for tile in self._tiles(status, raised) if tile.zone not in without]
        zones = {tile.zone for tile in found} - {""}
        asked = visit.query.get("zone", "")
        chosen = [tile for tile in found if tile.zone == asked] if asked in zones else found
        some, page, size = tables.page_of(chosen, {"size": str(most), **visit.query})
        return {
            "total": len(chosen), "page": page, "size": size, "pages": max(1, -(-len(chosen) // size)),
            "zone": asked if asked in zones else "", "zones": sorted(zones),
            "groups": [
                {"zone": zone, "places": [await self._told(tile) for tile in group]}
                for zone, group in tiles.grouped(some)
            ],
            "extremes": self._extremes(chosen, set(status["devices"].get("trouble", ()))),
        }  # fmt: skip

    def _extremes(self, some: Sequence[Tile], silent: Set[str]) -> dict[str, Any] | None:
        """Return the coldest and the warmest place of the tiles, each as (place, value); a device that is `silent`
        does not count."""
        parts = self._site.parts
        values = [
            (tile.place, value)
            for tile in some
            for device in tile.devices
            if device not in silent
            for value in parts.live.of(device)
        ]
        rooms = {tile.place for tile in some if tile.zone in parts.rooms} | {
            p for p, one in values if one.metric == "co2"
        }
        found = extremes(values, rooms)
        if found is None:
            return None
        return {
            name: {"place": place, "value": self._values([value], room=place in rooms)[0]}
            for name, (place, value) in found._asdict().items()
        }

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
        drawn = None if first is None else await self._kept_trend(first.series)
        return {
            "place": tile.place, "zone": tile.zone, "device": (shown[0].device if shown else tile.devices[0]),
            "state": tile.state, "alert": tile.alert, "alerts": tile.alerts,
            "values": self._values(shown, room=room),
            "trend": None if drawn is None or first is None else {
                **drawn[0]._asdict(), "span": drawn[1], "metric": first.metric, "device": first.device,
                "unit": first.unit,
            },
        }  # fmt: skip

    def _values(self, some: Sequence[LastValue], *, room: bool) -> list[dict[str, Any]]:
        return tiles.told(some, self._site.clock.now(), room=room, said=self._site.flag_words)

    async def _kept_trend(self, series: str) -> tuple[Spark, str] | None:
        kept: tuple[Spark, str] | None = await self._site.kept(f"trend {series}", KEPT_S, lambda: self._trend(series))
        return kept

    async def _trend(self, series: str) -> tuple[Spark, str] | None:
        """Return the trend of the last day by its hours; what is known of the last hour while no more is."""
        end = self._site.clock.now()
        points = await self._points(series, end - DAY_S, end, step="hour")
        if (day := tiles.spark(points, end - DAY_S, end)) is not None:
            return day, "day"
        points = await self._points(series, end - HOUR_S, end, points=POINTS)
        begin = next((at for at, known in points if known is not None), end)
        hour = tiles.spark(points, begin, end)
        return None if hour is None else (hour, "hour")

    async def _points(self, series: str, begin: float, end: float, **how: Any) -> list[list[Any]]:
        try:
            found = await self._site.call("history", series=series, **{"from": begin, "to": end}, **how)
        except HubError:  # nothing is stored of it yet
            return []
        return [cell[:2] for cell in found["cells"]] if found["counter"] else list(found["line"])

    async def energy(self, visit: Visit) -> Any:
        """Return what each carrier used today, beside a usual day."""
        return await self._site.kept("energy.today", KEPT_S, lambda: self._site.call("energy.today"))
