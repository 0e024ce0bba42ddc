"""Sites: what stands at each, its floor plans with pins, its alerts, and the code that leads to its page."""

from __future__ import annotations

from urllib.parse import quote

from aiohttp import web

from backend.city.city import City
from backend.city.pages import kit, latest
from backend.city.pages.board import LAYERS, STATES
from backend.city.pages.live import live_of
from backend.city.pages.map_page import MAY
from backend.city.people import journal
from backend.city.people.viewer import Role, Viewer, needs, viewer_of
from backend.storage.city import map as tables
from backend.storage.city import plans
from backend.storage.city.database import Transaction
from hub.page_kit import picture_sanitizer
from hub.page_kit.refusals import Refused
from hub.page_kit.request.responses import redirect

EDITORS = (Role.OPERATOR, Role.HEAD, Role.ADMIN)
"""Roles that put plans up."""
MOST_FLOORS, MOST_SHOWN, LONGEST_FLOOR = 30, 400, 60


class SitePages:
    """The routes of sites and their plans."""

    def __init__(self, city: City) -> None:
        self._city, self._live = city, live_of(city)

    def route(self, router: web.UrlDispatcher) -> None:
        router.add_get("/sites", needs(*MAY)(self.list))
        router.add_get("/sites/{site}", needs(*MAY)(self.one))
        router.add_get("/sites/{site}/plans/{number:[0-9]{1,9}}", needs(*MAY)(self.picture))
        router.add_post("/sites/{site}/plans", needs(*EDITORS)(self.put_plan))
        router.add_post("/sites/{site}/plans/{number:[0-9]{1,9}}/remove", needs(*EDITORS)(self.remove_plan))
        router.add_post("/sites/{site}/plans/{number:[0-9]{1,9}}/pins", needs(*EDITORS)(self.put_pin))

    async def list(self, request: web.Request) -> web.StreamResponse:
        viewer = viewer_of(request)
        board, seen = await self._live.board(), await self._live.seen(viewer.scope)
        found = await self._city.store.read(lambda r: tables.sites(r, viewer.scope))
        worst: dict[str, int] = {}
        silent: dict[str, int] = {}
        for number in seen:
            pin = board.pins.get(number)
            if pin is not None:
                worst[pin.site] = max(worst.get(pin.site, 0), board.state(number))
                silent[pin.site] = silent.get(pin.site, 0) + (STATES[board.state(number)] == "silent")
        rows = [(one, STATES[worst.get(one.id, 0)], silent.get(one.id, 0)) for one in found]
        rows.sort(key=lambda row: (-STATES.index(row[1]), row[0].name.casefold()))
        return kit.render(request, viewer, "sites", rows=rows)

    async def one(self, request: web.Request) -> web.StreamResponse:
        return await self._page(request, viewer_of(request))

    async def picture(self, request: web.Request) -> web.StreamResponse:
        viewer = viewer_of(request)
        plan = await self._plan(request, viewer)
        data = await self._city.store.read(lambda r: plans.picture(r, plan.id))
        headers = {"Cache-Control": "private, max-age=300"}
        return web.Response(body=data, content_type=plan.kind, headers=headers)

    async def put_plan(self, request: web.Request) -> web.StreamResponse:
        viewer = viewer_of(request)
        site = await self._site(request, viewer)
        form = await request.post()
        floor, file = str(form.get("floor", "")).strip(), form.get("picture")
        if not 1 <= len(floor) <= LONGEST_FLOOR or not floor.isprintable():
            return await self._page(request, viewer, "site-floor-name")
        if not isinstance(file, web.FileField):
            return await self._page(request, viewer, "site-picture-missing")
        try:
            picture = picture_sanitizer.sanitize(file.file.read(picture_sanitizer.MOST_BYTES + 1))
        except Refused as no:
            return await self._page(request, viewer, no.key)
        now = self._city.clock()

        def store(t: Transaction) -> bool:
            known = plans.plans(t, site.id)
            if len(known) >= MOST_FLOORS and floor not in [one.floor for one in known]:
                return False
            size = picture.width, picture.height
            plans.put_plan(t, site.id, floor, picture.kind, size, picture.data, now)
            journal.note(t, viewer.id, "plan-put", site.id, {"floor": floor})
            return True

        if not await self._city.store.write(store):
            return await self._page(request, viewer, "site-floors-full", count=MOST_FLOORS)
        return redirect(f"/sites/{quote(site.id, safe='')}?said=site-plan-saved")

    async def remove_plan(self, request: web.Request) -> web.StreamResponse:
        viewer = viewer_of(request)
        plan = await self._plan(request, viewer)

        def remove(t: Transaction) -> None:
            plans.remove_plan(t, plan.id)
            journal.note(t, viewer.id, "plan-removed", plan.site, {"floor": plan.floor})

        await self._city.store.write(remove)
        return redirect(f"/sites/{quote(plan.site, safe='')}?said=site-plan-removed")

    async def put_pin(self, request: web.Request) -> web.StreamResponse:
        viewer = viewer_of(request)
        plan = await self._plan(request, viewer)
        form = await request.post()
        try:
            x, y = (float(str(form.get(name, "")).replace(",", ".")) / 100 for name in ("x", "y"))
        except ValueError:
            x = y = -1.0
        if not (0 <= x <= 1 and 0 <= y <= 1):
            return await self._page(request, viewer, "site-pin-wrong")
        text = str(form.get("thing", ""))
        number = int(text) if text.isascii() and text.isdigit() and len(text) <= 10 else -1
        line = await self._city.store.read(lambda r: tables.thing(r, viewer.scope, number))
        if line is None or line.site != plan.site:
            return await self._page(request, viewer, "site-pin-unknown")

        def store(t: Transaction) -> None:
            plans.put_pin(t, number, plan.id, x, y)
            journal.note(t, viewer.id, "pin-put", plan.site, {"floor": plan.floor, "thing": number})

        await self._city.store.write(store)
        return redirect(f"/sites/{quote(plan.site, safe='')}?said=site-pin-saved#plan-{plan.id}")

    async def _page(self, request: web.Request, viewer: Viewer, wrong: str = "", **filled: object) -> web.Response:
        lang = kit.lang_of(request, viewer)
        site = await self._site(request, viewer)
        board, seen = await self._live.board(), await self._live.seen(viewer.scope)
        listed = board.listed(seen, site=site.id)
        numbers = listed[:MOST_SHOWN]
        lines = await self._city.store.read(lambda r: tables.lines(r, viewer.scope, numbers))
        series = await self._city.store.read(lambda r: tables.series_of(r, viewer.scope, list(lines)))
        main = latest.main_of(series)
        values = await self._city.store.read(lambda r: latest.values(r, list(main.values()), lang))
        of = {one.series: one for one in values}
        floors = await self._city.store.read(lambda r: plans.plans(r, site.id))
        pins = await self._city.store.read(lambda r: plans.pins(r, site.id))
        rows = [
            (lines[number], STATES[board.state(number)], of.get(main[number].id) if number in main else None)
            for number in numbers
            if number in lines
        ]
        return kit.render(
            request, viewer, "site",
            http_status=422 if wrong else 200,
            error=kit.word(wrong, lang, **filled) if wrong else "",
            site=site, rows=rows, found=len(listed), known_layers=LAYERS, address=latest.address,
            floors=[
                (one, [(*row, *pins[row[0].id][1:]) for row in rows if pins.get(row[0].id, (0,))[0] == one.id])
                for one in floors
            ],
            alerts=[latest.sentence(one, lang) for one in board.alerts_of(set(listed))[:50]],
            edits=viewer.role in EDITORS, code=_code(f"{self._city.url}/sites/{quote(site.id, safe='')}"),
            ask="&".join(f"series={one.series}" for one in values[:32]),
        )  # fmt: skip

    async def _site(self, request: web.Request, viewer: Viewer) -> tables.SiteLine:
        name = request.match_info["site"]
        found = await self._city.store.read(lambda r: tables.site(r, viewer.scope, name))
        if found is None:
            raise web.HTTPNotFound
        return found

    async def _plan(self, request: web.Request, viewer: Viewer) -> plans.Plan:
        """Return the plan of the path, of a site at which the viewer sees anything."""
        site = await self._site(request, viewer)
        number = int(request.match_info["number"])
        found = await self._city.store.read(lambda r: plans.plan(r, number))
        if found is None or found.site != site.id:
            raise web.HTTPNotFound
        return found


def _code(text: str) -> str:
    import segno  # 1.7 MiB, for one page

    return str(segno.make(text, error="m", micro=False).svg_data_uri(scale=5, border=4, light="#fff"))
