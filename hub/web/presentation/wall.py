"""Pages of a screen on a wall, one after the other: places, then floor plans. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple
from urllib.parse import urlencode

TURN_S = 20
"""Seconds that a page stays, unless the address says otherwise (`turn`; 0: for good)."""
LEAST_S, MOST_S = 5, 3600
SHOWS = ("all", "places", "plans")
TILES = 6
"""Tiles of a page: as many as can be read at three metres."""


class Wall(NamedTuple):
    """The wishes of a screen: seconds a page stays, what is shown, and of which zone ("": of all)."""

    turn: int
    show: str
    zone: str = ""

    def places(self, page: int) -> str:
        """Return the address of a page of places."""
        return self._address("/wall", page=str(page))

    def plan(self, view: str) -> str:
        """Return the address of a floor plan."""
        return self._address("/plan/wall", view=view)

    def _address(self, path: str, **more: str) -> str:
        said = more | ({} if self.turn == TURN_S else {"turn": str(self.turn)})
        said |= ({} if self.show == "all" else {"show": self.show}) | ({"zone": self.zone} if self.zone else {})
        return f"{path}?{urlencode(said)}"

    def after_places(self, page: int, pages: int, plans: Sequence[str]) -> str:
        """Return the address of what follows a page of places."""
        if page < pages:
            return self.places(page + 1)
        return self.plan(plans[0]) if plans and self.show != "places" else self.places(1)

    def after_plan(self, view: str, plans: Sequence[str]) -> str:
        """Return the address of what follows a plan."""
        at = plans.index(view) + 1 if view in plans else 0
        if at < len(plans):
            return self.plan(plans[at])
        return self.plan(plans[0]) if self.show == "plans" and plans else self.places(1)


def wall(query: Mapping[str, str]) -> Wall:
    """Read the wishes in an address; what is no number of seconds, or no choice, is as if it were not there."""
    text = query.get("turn", "")
    turn = int(text) if text.isascii() and text.isdigit() and len(text) < 6 else TURN_S
    show = query.get("show", "")
    return Wall(
        0 if turn == 0 else min(MOST_S, max(LEAST_S, turn)),
        show if show in SHOWS else "all",
        query.get("zone", "")[:64],
    )
