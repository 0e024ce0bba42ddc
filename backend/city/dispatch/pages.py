"""Pages of alerts, incidents, interventions, directory and rota, routes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

import msgspec
from aiohttp import web

from backend.city.city import City
from backend.city.dispatch import checking, desk, directory, plan_file, plan_table
from backend.city.dispatch.desk import NotThere
from backend.city.dispatch.plan import SEVERITIES, Plan, Route, Times
from backend.city.dispatch.plan_file import clock_text
from backend.city.dispatch.rota import on_duty
from backend.city.dispatch.wording import incident_name, moment
from backend.city.dispatch.words import PHRASES
from backend.city.pages import kit as pages
from backend.city.pages import latest
from backend.city.pages.kit import Area, Entry
from backend.city.people.viewer import STAFF, Role, Viewer, needs, viewer_of
from backend.city.zone import zone_of
from backend.storage.city import dispatch as table
from backend.storage.city import incidents as incident_table
from backend.storage.city import map as register_map
from backend.storage.city.database import Reader, Transaction
from backend.storage.city.dispatch import Intervention, KnownAlert
from backend.storage.city.register import services
from hub.core.errors import ConfigError, DecodeError, HubError
from hub.core.text import phrase, reason_of
from hub.i18n.catalogues import translate
from hub.i18n.typography import quantity
from hub.page_kit.refusals import Refused
from hub.page_kit.request.responses import redirect

HERE = Path(__file__).parent
MOST_LISTED = 500
MOST_HOLES = 20
YEAR_S = 366 * 86_400.0
DELAYS_S = 30 * 86_400.0
CLOSED_S = 2 * 86_400.0
ACTS = {"take": "acknowledged", "mute": "muted", "clear": "cleared"}
DISPATCHERS = directory.ACTING
PLANNERS = frozenset({Role.OPERATOR, Role.HEAD, Role.ADMIN})


def _names(roles: frozenset[Role]) -> frozenset[str]:
    return frozenset(str(role) for role in roles)


pages.add(
    Area(
        "dispatch",
        menu=(
            Entry("alerts", "/alerts", "group-work", _names(STAFF), menu=_names(STAFF - {Role.CREW})),
            Entry("interventions", "/interventions", "group-work", _names(DISPATCHERS), menu=_names(DISPATCHERS)),
            Entry("duty", "/duty", "group-work", _names(DISPATCHERS), menu=_names(DISPATCHERS - {Role.ADMIN})),
            Entry("dispatch-routes", "/dispatch-routes", "group-work", _names(PLANNERS)),
        ),
        words=(PHRASES,),
        templates=HERE / "templates",
        said=frozenset(key for key in PHRASES if "-said-" in key),
        order=15,
    )
)


class Shown(NamedTuple):
    """An alert as a list shows it."""

    one: KnownAlert
    site: str
    text: str
    value: str


class DispatchPages:
    """Handlers of the room."""

    def __init__(self, city: City) -> None:
        self._city, self._store = city, city.store
        self._checked: tuple[tuple[int, int], checking.Verdict] | None = None

    def route(self, router: web.UrlDispatcher) -> None:
        staff, act, planner = needs(*STAFF), needs(*DISPATCHERS), needs(*PLANNERS)
        router.add_get("/alerts", staff(self.alerts_page))
        router.add_get("/alerts/{hub}/{alert}", staff(self.alert_page))
        router.add_post("/alerts/{hub}/{alert}", act(self.act))
        router.add_get("/incidents/{number:[0-9]{1,15}}", staff(self.incident_page))
        router.add_post("/incidents/{number:[0-9]{1,15}}", planner(self.change_incident))
        router.add_get("/interventions", act(self.interventions_page))
        router.add_get("/interventions/{number:[0-9]{1,15}}", act(self.intervention_page))
        router.add_post("/interventions/{number:[0-9]{1,15}}", act(self.move))
        router.add_get("/interventions/{number:[0-9]{1,15}}/pictures/{note:[0-9]{1,15}}", act(self.picture))
        router.add_get("/duty", act(self.duty_page))
        router.add_post("/duty", planner(self.swap))
        router.add_get("/dispatch-routes", planner(self.routes_page))
        router.add_get("/dispatch-routes/plan.yaml", planner(self.export))
        router.add_post("/dispatch-routes", planner(self.change_routes))

    # alerts

    async def alerts_page(self, request: web.Request) -> web.StreamResponse:
        viewer = viewer_of(request)
        everything = request.query.get("all") == "1"
        lang = pages.lang_of(request, viewer)
        severity = request.query.get("severity", "")

        def read(r: Reader) -> dict[str, Any]:
            condition, values = table.seen_by(viewer.scope)
            if severity in SEVERITIES:
                condition, values = f"{condition} and a.severity = ?", (*values, severity)
            found = table.listed(r, condition, values, everything=everything, most=MOST_LISTED)
            numbers = {one.incident for one in found if one.incident}
            incidents = [one for one in incident_table.standing(r) if one.id in numbers or _sees_all(viewer)]
            delays = [one for one in table.delays(r, self._city.clock() - DELAYS_S)
                      if viewer.scope.services is None or one.service in viewer.scope.services]  # fmt: skip
            return {
                "found": [_shown(r, one, lang) for one in found], "incidents": incidents, "delays": delays,
                "services": _services(r), "zone": zone_of(self._city).key,
            }  # fmt: skip

        found = await self._store.read(read)
        return pages.render(
            request, viewer, "alerts", everything=everything, severity=severity, severities=SEVERITIES,
            when=_when(found["zone"], lang), now=self._city.clock(), name_of=_incident_name(lang), **found,
        )  # fmt: skip

    async def alert_page(self, request: web.Request) -> web.StreamResponse:
        return await self._alert(request)

    async def _alert(self, request: web.Request, error: str = "") -> web.StreamResponse:
        viewer = viewer_of(request)
        hub, name = _hub(request), request.match_info["alert"]
        lang = pages.lang_of(request, viewer)

        def read(r: Reader) -> dict[str, Any]:
            one = _seen(r, viewer, hub, name)
            chains = [(chain, table.steps_of(chain)) for chain in table.chains_of(r, hub, name)]
            _, plan = plan_table.current(r)
            thing = None if not one.device else register_map.thing_of(r, viewer.scope, one.hub, one.device)
            return {
                "shown": _shown(r, one, lang), "chains": chains, "zone": plan.zone, "services": _services(r, plan),
                "thing": thing and latest.address(thing.hub, thing.device), "device": thing and thing.name,
                "messages": table.messages_of(r, hub, name), "acts": table.acts_of(r, hub, name),
                "task": table.intervention_of(r, hub, name), "people": {x.id: x.name for x in plan.people},
            }  # fmt: skip

        found = await self._store.read(read)
        may = viewer.role in DISPATCHERS
        return pages.render(
            request, viewer, "alert", http_status=422 if error else 200, refused=error, may=may,
            when=_when(found["zone"], lang), **found,
        )  # fmt: skip

    async def act(self, request: web.Request) -> web.StreamResponse:
        viewer, form = viewer_of(request), await request.post()
        hub, name, do = _hub(request), request.match_info["alert"], _text(form, "do")
        if do not in ACTS:
            raise DecodeError("bad-form", phrase("alerts-no-act", "an alert is taken, muted or closed"))
        hours = _hours(_text(form, "hours") or "1")

        def work(t: Transaction) -> None:
            one = _seen(t, viewer, hub, name)
            desk.ask(t, viewer, one, ACTS[do], _text(form, "why"), hours, self._city.clock())

        return await self._done(request, work, f"/alerts/{hub or '-'}/{name}?said=alerts-said-asked", self._alert)

    # incidents

    async def incident_page(self, request: web.Request) -> web.StreamResponse:
        return await self._incident(request)

    async def _incident(self, request: web.Request, error: str = "") -> web.StreamResponse:
        viewer, number = viewer_of(request), int(request.match_info["number"])
        lang = pages.lang_of(request, viewer)

        def read(r: Reader) -> dict[str, Any]:
            found = incident_table.incident(r, number)
            children = table.children_seen(r, viewer.scope, number)
            if found is None or not (children or _sees_all(viewer)):
                raise NotThere(phrase("incidents-none-such", "there is no incident {number}", number=number))
            whole = _sees_all(viewer) or len(children) == len(table.children(r, number))
            lines = [(one, msgspec.json.decode(one.facts)) for one in incident_table.evidence(r, number)]
            sites = {name: table.site_name(r, name) for _, facts in lines if (name := facts.get("site"))}
            plan = plan_table.current(r)[1]
            return {
                "one": found, "children": [_shown(r, child, lang) for child in children],
                "evidence": lines if whole else [], "sites": sites, "people": {x.id: x.name for x in plan.people},
                "chains": table.chains_of(r, "", f"incident:{number}"),
                "messages": table.messages_of(r, "", f"incident:{number}") if whole else [],
                "zone": zone_of(self._city).key,
                "others": [x.id for x in incident_table.standing(r) if x.id != number],
            }  # fmt: skip

        found = await self._store.read(read)
        return pages.render(
            request, viewer, "incident", http_status=422 if error else 200, refused=error,
            may=viewer.role in PLANNERS, when=_when(found["zone"], lang), name_of=_incident_name(lang), **found,
        )  # fmt: skip

    async def change_incident(self, request: web.Request) -> web.StreamResponse:
        viewer, form = viewer_of(request), await request.post()
        number, do = int(request.match_info["number"]), _text(form, "do")
        url = self._city.url.rstrip("/")

        def work(t: Transaction) -> None:
            now = self._city.clock()
            seen = {(one.hub, one.alert) for one in table.children_seen(t, viewer.scope, number)}
            if not seen or (do != "split" and not _sees_all(viewer) and len(seen) < len(table.children(t, number))):
                raise NotThere(phrase("incidents-not-all-yours", "this incident has alerts that are not yours"))
            if do == "take":
                desk.take_incident(t, viewer, number, now, url)
            elif do == "split" and (key := (_text(form, "hub"), _text(form, "alert"))) in seen:
                desk.split_incident(t, viewer, number, *key, now)
            elif do == "merge" and _text(form, "into").isdecimal():
                into = int(_text(form, "into")[:15])
                if not table.children_seen(t, viewer.scope, into):
                    raise NotThere(phrase("incidents-none-such", "there is no incident {number}", number=into))
                desk.merge_incidents(t, viewer, number, into, now)
            else:
                raise DecodeError("bad-form", phrase("incidents-no-act", "an incident is taken, split or merged"))

        said = {"take": "taken", "split": "split", "merge": "merged"}.get(do, "taken")
        return await self._done(request, work, f"/incidents/{number}?said=incident-said-{said}", self._incident)

    # interventions

    async def interventions_page(self, request: web.Request) -> web.StreamResponse:
        viewer = viewer_of(request)
        lang, now = pages.lang_of(request, viewer), self._city.clock()

        def read(r: Reader) -> tuple[list[tuple[Intervention, Shown]], str]:
            found = []
            for task in table.interventions(r, viewer.scope.services, closed_since=now - CLOSED_S):
                one = table.visible(r, viewer.scope, task.hub, task.alert)
                if one is not None:
                    found.append((task, _shown(r, one, lang)))
            return sorted(found, key=lambda line: _urgency(*line)), zone_of(self._city).key

        found, zone = await self._store.read(read)
        return pages.render(request, viewer, "interventions", found=found, when=_when(zone, lang), now=now)

    async def intervention_page(self, request: web.Request) -> web.StreamResponse:
        return await self._intervention(request)

    async def _intervention(self, request: web.Request, error: str = "") -> web.StreamResponse:
        viewer, number = viewer_of(request), int(request.match_info["number"])
        lang = pages.lang_of(request, viewer)

        def read(r: Reader) -> dict[str, Any]:
            task, one = _task(r, viewer, number)
            where = table.position(r, one.hub, one.device, one.site)
            return {"task": task, "shown": _shown(r, one, lang), "notes": table.notes(r, number),
                    "zone": zone_of(self._city).key, "where": where}  # fmt: skip

        found = await self._store.read(read)
        return pages.render(
            request, viewer, "intervention", http_status=422 if error else 200, refused=error,
            steps=desk.NEXT[found["task"].state], when=_when(found["zone"], lang), **found,
        )  # fmt: skip

    async def move(self, request: web.Request) -> web.StreamResponse:
        viewer, form, number = viewer_of(request), await request.post(), int(request.match_info["number"])
        do, note = _text(form, "do"), _text(form, "note")
        given = form.get("photo")
        picture = given.file.read() if isinstance(given, web.FileField) else b""
        if do not in ("taken", "on-site", "done", "note"):
            raise DecodeError("bad-form", phrase("intervention-no-act", "say what was done"))

        def work(t: Transaction) -> None:
            task, _ = _task(t, viewer, number)
            desk.move_intervention(t, viewer, task, do, note, picture or None, self._city.clock())

        return await self._done(
            request, work, f"/interventions/{number}?said=intervention-said-moved", self._intervention
        )

    async def picture(self, request: web.Request) -> web.StreamResponse:
        viewer, number = viewer_of(request), int(request.match_info["number"])

        def read(r: Reader) -> tuple[bytes, str] | None:
            _task(r, viewer, number)
            return table.picture(r, number, int(request.match_info["note"]))

        found = await self._store.read(read)
        if found is None:
            raise web.HTTPNotFound
        headers = {
            "Content-Type": found[1],
            "Cache-Control": "private, max-age=3600",
            "X-Content-Type-Options": "nosniff",
        }
        return web.Response(body=found[0], headers=headers)

    # directory and rota

    async def duty_page(self, request: web.Request) -> web.StreamResponse:
        return await self._duty(request)

    async def _duty(self, request: web.Request, error: str = "") -> web.StreamResponse:
        viewer, now = viewer_of(request), self._city.clock()
        lang = pages.lang_of(request, viewer)

        def read(r: Reader) -> dict[str, Any]:
            _, plan = plan_table.current(r)
            swaps = plan_table.standing_swaps(r, now)
            own = [one for one in plan.services if viewer.scope.services is None or one.id in viewer.scope.services]
            at_work = [(one, on_duty(plan, swaps, one.id, now)) for one in own]
            week = [(service, _week(plan, swaps, service.id, now)) for service in own]
            mine = {one.id for one in own}
            return {
                "plan": plan, "at_work": at_work, "week": week,
                "people": [(one, directory.standing(r, one)) for one in plan.people if one.service in mine],
                "shifts": [(one, _times_text(one.times, lang)) for one in plan.rota if one.service in mine],
                "swaps": [one for one in table.swaps(r, now) if one.service in mine],
                "names": {one.id: one.name for one in plan.people},
            }  # fmt: skip

        found = await self._store.read(read)
        return pages.render(
            request, viewer, "duty", http_status=422 if error else 200, refused=error, may=viewer.role in PLANNERS,
            when=lambda at, service: moment(at, found["plan"].zone_of(service), lang), **found,
        )  # fmt: skip

    async def swap(self, request: web.Request) -> web.StreamResponse:
        viewer, form = viewer_of(request), await request.post()
        cancel = _text(form, "cancel")

        def work(t: Transaction) -> None:
            now = self._city.clock()
            if cancel:
                desk.cancel_swap(t, viewer, int(cancel[:15]) if cancel.isdecimal() else 0, now)
                return
            zone = ZoneInfo(plan_table.current(t)[1].zone_of(_text(form, "service")))
            begin, end = (_moment_of(_text(form, key), zone) for key in ("begin", "end"))
            desk.add_swap(
                t, viewer, _text(form, "service"), _text(form, "person"), _text(form, "instead"), begin, end, now
            )

        said = "duty-said-cancelled" if cancel else "duty-said-swapped"
        return await self._done(request, work, f"/duty?said={said}", self._duty)

    # routes

    async def routes_page(self, request: web.Request) -> web.StreamResponse:
        return await self._routes(request)

    async def _routes(self, request: web.Request, error: str = "") -> web.StreamResponse:
        viewer, now = viewer_of(request), self._city.clock()
        lang = pages.lang_of(request, viewer)

        def read(r: Reader) -> dict[str, Any]:
            version, plan = plan_table.current(r)
            last = table.last_plan(r)
            return {"plan": plan, "version": version, "stored": last, "zone": plan.zone,
                    "swaps": plan_table.standing_swaps(r, now)}  # fmt: skip

        found = await self._store.read(read)
        swaps = found.pop("swaps")
        verdict = await self._store.run(lambda: self._verdict(found["version"], found["plan"], swaps, now))
        names = {one.id: one.name for one in found["plan"].services}
        own = viewer.scope.services
        return pages.render(
            request, viewer, "dispatch-routes", http_status=422 if error else 200, refused=error, verdict=verdict,
            holes=verdict.holes[:MOST_HOLES], more=max(0, len(verdict.holes) - MOST_HOLES), names=names,
            mine=lambda service: own is None or service in own, times=lambda one: _times_text(one, lang),
            when=_when(found["zone"], lang), chain=_chain_text(names, lang), **found,
        )  # fmt: skip

    def _verdict(self, version: int, plan: Plan, swaps: list[Any], now: float) -> checking.Verdict:
        """Return the check of the year to come; it is kept while neither plan, swaps nor day change."""
        key = (version, hash((tuple(swaps), int(now // 86_400))))
        if self._checked is None or self._checked[0] != key:
            begin = now - now % 3600
            self._checked = key, checking.check(plan, swaps, begin, begin + YEAR_S)
        return self._checked[1]

    async def export(self, request: web.Request) -> web.StreamResponse:
        _, plan = await self._store.read(plan_table.current)
        own = viewer_of(request).scope.services
        if own is not None:  # the directory of other services is not theirs
            plan = msgspec.structs.replace(plan, people=tuple(one for one in plan.people if one.service in own))
        headers = {"Content-Type": "application/yaml", "Content-Disposition": 'attachment; filename="plan.yaml"'}
        return web.Response(body=plan_file.written(plan).encode(), headers=headers)

    async def change_routes(self, request: web.Request) -> web.StreamResponse:
        viewer, form = viewer_of(request), await request.post()
        do, name, given = _text(form, "do"), _text(form, "route"), form.get("file")
        file = given.file.read() if isinstance(given, web.FileField) else b""
        file_name = given.filename if isinstance(given, web.FileField) else ""

        def work(t: Transaction) -> None:
            now = self._city.clock()
            if do in ("up", "down", "remove"):
                desk.change_route(t, viewer, name, do, now)
            elif do == "import":
                _, former = plan_table.current(t)
                desk.store_plan(t, viewer, _read(file, file_name[:100], former), now)
            elif do == "add":
                fields = {key: _text(form, key) for key in _ROUTE_FIELDS if _text(form, key)}
                desk.add_route(t, viewer, plan_file.read_route(fields), now)
            else:
                raise DecodeError("bad-form", phrase("routes-no-act", "a route is added, moved or removed"))

        return await self._done(request, work, "/dispatch-routes?said=routes-said-stored", self._routes)

    async def _done(
        self, request: web.Request, work: Callable[[Transaction], None], to: str, again: Any
    ) -> web.StreamResponse:
        """Do the work of a form; where it is refused, show the page again with the reason."""
        try:
            await self._store.write(work)
        except NotThere:
            raise
        except (ConfigError, Refused, ValueError, HubError) as error:
            lang = pages.lang_of(request, viewer_of(request))
            if isinstance(error, Refused):
                said = pages.word(error.key, lang)
            elif isinstance(error, ConfigError):
                said = "\n".join(translate(one.sentence, lang) for one in error.problems[:10])
            else:
                said = translate(reason_of(error), lang)
            answer: web.StreamResponse = await again(request, said)
            return answer
        return redirect(to)


_ROUTE_FIELDS = (
    "id", "service", "rules", "severities", "sectors", "contracts", "days", "from", "to", "holidays", "crew", "chain",
)  # fmt: skip


def _seen(r: Reader, viewer: Viewer, hub: str, name: str) -> KnownAlert:
    one = table.visible(r, viewer.scope, hub, name)
    if one is None:
        raise NotThere(phrase("alerts-none-such", "there is no alert {alert}", alert=name[:80]))
    return one


def _task(r: Reader, viewer: Viewer, number: int) -> tuple[Intervention, KnownAlert]:
    task = table.intervention(r, number)
    one = None if task is None else table.visible(r, viewer.scope, task.hub, task.alert)
    own = viewer.scope.services
    if task is None or one is None or (own is not None and task.service not in own):
        raise NotThere(phrase("interventions-none-such", "there is no intervention {number}", number=number))
    return task, one


def _sees_all(viewer: Viewer) -> bool:
    return viewer.scope.services is None and viewer.scope.sectors is None and not viewer.scope.provider


def _hub(request: web.Request) -> str:
    return "" if request.match_info["hub"] == "-" else request.match_info["hub"]


def _shown(r: Reader, one: KnownAlert, lang: str) -> Shown:
    text = (one.text_fr if lang == "fr" else one.text) or one.text
    site = table.site_name(r, one.site) if one.site else one.hub
    return Shown(one, site, text, quantity(one.value, "fr" if lang == "fr" else "en"))


def _incident_name(lang: str) -> Callable[[incident_table.Incident], str]:
    return lambda one: translate(incident_name(one.name), lang)


def _urgency(task: Intervention, shown: Shown) -> tuple[bool, bool, int, float]:
    """Return the order of interventions: those to be done, the gravest and oldest first; then those done; then closed
    ones, the newest first."""
    if task.closed_at is not None:
        return True, True, 0, -task.closed_at
    rank = SEVERITIES.index(shown.one.severity) if shown.one.severity in SEVERITIES else -1
    return False, task.state == "done", -rank, task.made_at


def _services(r: Reader, plan: Plan | None = None) -> dict[str, str]:
    """Return the names of services by their ids, as the register has them, else the plan."""
    plan = plan or plan_table.current(r)[1]
    return {one.id: one.name for one in plan.services} | {one: name for one, name in services(r).items() if name}


def _when(zone: str, lang: str) -> Callable[[float], str]:
    return lambda at: moment(at, zone, lang)


def _text(form: Mapping[str, Any], key: str) -> str:
    said = form.get(key, "")
    return said.strip()[:2000] if isinstance(said, str) else ""


def _hours(text: str) -> float:
    try:
        hours = float(text.replace(",", ".")[:12])
    except ValueError:
        hours = 0.0
    if not 0 < hours <= desk.MOST_MUTE_H:
        raise DecodeError(
            "bad-form", phrase("alerts-hours-wrong", "say hours between 1 and {most}", most=desk.MOST_MUTE_H)
        )
    return hours


def _moment_of(text: str, zone: ZoneInfo) -> float:
    try:
        return datetime.fromisoformat(text[:16]).replace(tzinfo=zone).timestamp()
    except (ValueError, OverflowError) as error:
        raise ConfigError(phrase("duty-when", "say a beginning and a later end, a year apart at most")) from error


def _read(file: bytes, name: str, former: Plan) -> Plan:
    try:
        text = file.decode()
    except UnicodeDecodeError:
        text = file.decode("cp1252", errors="replace")  # as spreadsheets write it
    if name.lower().endswith(".csv"):
        return plan_file.read_csv(text, former, name)
    return plan_file.read_yaml(text, name or "plan.yaml")


def _week(plan: Plan, swaps: list[Any], service: str, now: float) -> list[tuple[float, list[str]]]:
    """Return who comes on duty in the next seven days: moments at which somebody else does."""
    found: list[tuple[float, list[str]]] = []
    for at in sorted(set(checking.changes(plan, swaps, now, now + 7 * 86_400.0))):
        people = [one.name for one in on_duty(plan, swaps, service, at)]
        if not found or found[-1][1] != people:
            found.append((at, people))
    return found[:60]


def _times_text(times: Times, lang: str) -> str:
    if times.always:
        return pages.word("routes-always", lang)
    names = plan_file.FRENCH_DAYS if lang == "fr" else plan_file.WEEKDAYS
    days = "" if len(times.days) == 7 else " ".join(names[day] for day in times.days)
    hours = f"{clock_text(times.begin)}-{clock_text(times.end)}" if (times.begin - times.end) % 1440 else ""
    of_holidays = "" if times.holidays == "also" else pages.word(f"duty-holidays-{times.holidays}", lang)
    return " ".join(part for part in (days, hours, of_holidays) if part)


def _chain_text(names: Mapping[str, str], lang: str) -> Callable[[Route], str]:
    def text(route: Route) -> str:
        steps = []
        for step in route.chain:
            at = f"{step.after_s // 60}\N{NO-BREAK SPACE}min" if step.after_s else pages.word("routes-at-once", lang)
            ways = ", ".join(pages.word(f"channel-{way}", lang) for way in step.channels)
            to = f" ({names.get(step.service, step.service)})" if step.service else ""
            steps.append(f"{at}, {ways}{to}")
        return " → ".join(steps)

    return text


def route(router: web.UrlDispatcher, city: City) -> None:
    """Add the room's routes."""
    DispatchPages(city).route(router)


__all__ = ["DispatchPages", "route"]
