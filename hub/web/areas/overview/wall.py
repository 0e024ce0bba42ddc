"""The overview for a screen on a wall: large tiles, no menu, one page after the other; and leave for a screen to go on
without somebody signed in.

Such a screen has a token of a *lecteur* in a cookie that no script reads. It opens the routes marked `screen` alone,
which read, and homes are never on it; it ends after a year, or when somebody revokes it on the page of tokens.
"""

from __future__ import annotations

from aiohttp import web

from hub.core.errors import HubError
from hub.page_kit.people.sessions import COOKIE
from hub.page_kit.request import responses as answers
from hub.page_kit.request.visit import Visit
from hub.web.areas.overview.building import Building
from hub.web.presentation.wall import TILES, wall
from hub.web.roles import LECTEUR, RULES
from hub.web.site import SCREEN_COOKIE, Site
from hub.web.words import word

DAYS = 365


class WallPages:
    def __init__(self, site: Site, building: Building) -> None:
        self._site, self._building = site, building

    async def page(self, visit: Visit) -> web.Response:
        wishes, plans = wall(visit.query), await self._plans()
        if wishes.show == "plans" and plans:
            return answers.redirect(wishes.plan(plans[0]))
        status = await self._site.cached_call("status")
        raised = await self._building.raised(status)
        shown = await self._building.shown(visit, status, raised, TILES, self._site.parts.dwellings)
        return self._site.page(
            "wall_places",
            visit,
            building=shown,
            status=status,
            following=wishes.after_places(shown["page"], shown["pages"], plans),
            turn=wishes.turn,
            keeps=visit.session is not None and visit.person.role in RULES,
        )

    async def _plans(self) -> list[str]:
        try:
            pictures = (await self._site.call("picture.list"))["pictures"]
        except HubError:  # a hub without pictures, or whose disk refuses
            return []
        return [one["id"] for one in pictures if not one["site"]]

    async def keep_form(self, visit: Visit) -> web.Response:
        """Leave this browser to a screen: it reads without somebody signed in, and the one who did it is signed out."""
        made = await self._site.call(
            "web.token.make", title=word("wall-token", visit.lang), role=LECTEUR, days=str(DAYS), by=visit.who
        )
        self._site.sessions.end(visit.token)
        await self._site.kept_sessions.save()
        answer = answers.redirect("/wall")
        answers.cookie(answer, SCREEN_COOKIE, made["token"], max_age=DAYS * 86_400)
        answers.drop_cookie(answer, COOKIE)
        return answer
