"""A floor plan for a screen on a wall: large, without a menu, then the next."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from aiohttp import web

from hub.page_kit.request import responses as answers
from hub.page_kit.request.visit import Visit
from hub.web.areas.plan import floors
from hub.web.presentation.wall import wall
from hub.web.site import Site


class WallPlan:
    """`shown` returns what is on a plan, as the API does."""

    def __init__(self, site: Site, shown: Callable[[Visit], Awaitable[Any]]) -> None:
        self._site, self._shown = site, shown

    async def page(self, visit: Visit) -> web.Response:
        wishes, shown = wall(visit.query), await self._shown(visit)
        plans = [one["id"] for one in shown["views"] if one["id"] != floors.OUTDOORS]
        if not shown["view"]:
            return answers.redirect(wishes.places(1))
        homes = self._site.parts.dwellings
        for name in ("marks", "boxes"):
            shown[name] = [one for one in shown[name] if one["zone"] not in homes]
        return self._site.page(
            "wall_plan",
            visit,
            floor_of=shown,
            name=next(one["name"] for one in shown["views"] if one["id"] == shown["view"]),
            following=wishes.after_plan(shown["view"], plans),
            turn=wishes.turn,
            layers={"values", "states", "alerts", "zones"},
            signs=floors.SIGNS,
            old_s=floors.OLD_S,
            unit_=max(1.0, max(shown["width"], shown["height"]) / 100),
        )
