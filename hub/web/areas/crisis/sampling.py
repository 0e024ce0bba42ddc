"""Raised sampling on the page Crise: its cost, starting it, its progress, undoing it."""

from __future__ import annotations

from typing import Any

from hub.config.values import duration
from hub.core.errors import HubError
from hub.core.text import reason_of
from hub.page_kit.request.visit import Visit
from hub.web.site import Site

PERIODS = ("10s", "30s", "1min", "5min", "15min", "1h")
LASTS = ("1h", "6h", "12h", "24h")
MAX_ROWS = 200
"""Maximum rows of a table; the rest is counted."""


class Sampling:
    """Operations of the API and of the page's forms."""

    def __init__(self, site: Site) -> None:
        self._site = site

    async def plan(self, visit: Visit) -> Any:
        """Return the plan for `period`, `for`, `zone` and `device` of the query; durations with their unit."""
        asked = visit.query
        said: dict[str, Any] = {"period_s": _seconds(asked.get("period") or "5min")}
        if asked.get("for"):
            said["for_s"] = _seconds(asked["for"])
        return await self._site.call(
            "crisis.sampling.plan",
            zones=[asked["zone"]] if asked.get("zone") else [],
            devices=[asked["device"]] if asked.get("device") else [],
            by=visit.who,
            **said,
        )

    async def status(self, visit: Visit) -> Any:
        return await self._site.call("crisis.sampling.status")

    async def raise_(self, visit: Visit) -> Any:
        return await self._site.call(
            "crisis.sampling.raise",
            plan=visit.text("plan"),
            by=visit.who,
            role=visit.person.role,
            why=visit.text("why"),
        )

    async def restore(self, visit: Visit) -> Any:
        return await self._site.call("crisis.sampling.restore", by=visit.who, why=visit.text("why"))

    def shown(self, visit: Visit) -> dict[str, Any]:
        """Return the choices of the form, and the requested ones."""
        asked = {name: visit.query.get(name, "") for name in ("period", "for", "zone")}
        periods, lasts = _with(PERIODS, asked["period"]), _with(LASTS, asked["for"])
        return {"periods": periods, "spans": lasts, "asked": asked, "most": MAX_ROWS}


def _with(offered: tuple[str, ...], asked: str) -> list[str]:
    """Return the choices of a form, with the requested one added."""
    return [*offered] if not asked or asked in offered else [asked[:20], *offered]


def _seconds(text: str) -> float:
    try:
        return duration(text).total_seconds()
    except ValueError as error:
        raise HubError(reason_of(error)) from None
