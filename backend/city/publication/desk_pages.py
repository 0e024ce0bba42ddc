"""Pages of the publication desk."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
from aiohttp import web

from backend.city.city import City
from backend.city.pages import kit
from backend.city.people import journal
from backend.city.people.viewer import Role, Scope, needs, viewer_of
from backend.city.publication import desk, making, words, worker
from backend.city.publication.calendar import CELLS, DAY_S
from backend.city.publication.definition import (
    LICENCES,
    THEMES,
    TOLD,
    Definition,
    DefinitionRefused,
    Family,
    check,
)
from backend.city.publication.desk import Found, Preview
from backend.city.publication.public import date_text, kind_name, metric_name, moment_text
from backend.city.publication.source import BackendSource
from backend.city.zone import zone_of
from backend.storage.city import map as map_table
from backend.storage.city import publication as table
from backend.storage.city import register
from backend.storage.city.database import Reader, Transaction
from backend.storage.city.publication import FIRST, Published, SetLine
from hub.core.errors import StorageError
from hub.core.text import Phrase, phrase
from hub.page_kit.request.responses import redirect

HERE = Path(__file__).parent
SEES = (Role.DPO, Role.HEAD, Role.ADMIN, Role.OPERATOR)
PROPOSES = (Role.DPO, Role.HEAD, Role.ADMIN)
"""Roles that propose, and that decide about another one's proposal."""
SPACES = ("thing", "site", "sector")
FIELDS = (
    "id", "family", "title_fr", "title_en", "summary_fr", "summary_en", "kinds", "metrics", "space", "cell_s",
    "delay_days", "since", "until", "licence", "theme", "keywords", "sectors", "sites", "owners", "contact", "mail",
    "total",
)  # fmt: skip
FIRST_YEAR, LAST_YEAR = 2000, 2199
PICKED = ("kinds", "metrics", "sectors", "sites")
"""Fields of which any number is picked."""

kit.add(
    kit.Area(
        "publication",
        menu=(
            kit.Entry(
                "publication", "/publication", "group-admin",
                frozenset(str(role) for role in SEES), menu=frozenset({str(Role.DPO)}),
            ),
        ),
        words=(words.PHRASES,),
        templates=HERE / "templates",
        static=HERE / "static",
        files={"publication.css": "text/css", "publication.js": "text/javascript"},
        said=frozenset(f"pub-done-{one}" for one in (
            "proposed", "allowed", "refused", "withdrawn", "cells", "recompute", "saved")),
        order=80,
    )
)  # fmt: skip


class DeskPages:
    """Handlers of the desk."""

    def __init__(self, city: City) -> None:
        self._city, self._store, self._clock = city, city.store, city.clock
        self._source = BackendSource(city.queries)

    @property
    def _zone(self) -> str:
        return zone_of(self._city).key

    def route(self, router: web.UrlDispatcher) -> None:
        sees, proposes = needs(*SEES), needs(*PROPOSES)
        router.add_get("/publication", sees(self.list_page))
        router.add_get("/publication/new", proposes(self.new_page))
        router.add_post("/publication/new", proposes(self.propose))
        router.add_get("/publication/about", proposes(self.about_page))
        router.add_post("/publication/about", proposes(self.save_about))
        router.add_post("/publication/purposes", proposes(self.save_purpose))
        router.add_get("/publication/{id}", sees(self.set_page))
        router.add_post("/publication/{id}/{do:allow|refuse|withdraw|cells|recompute}", proposes(self.decide))

    async def list_page(self, request: web.Request) -> web.StreamResponse:
        viewer = viewer_of(request)
        lang = kit.lang_of(request, viewer)

        def read(r: Reader) -> list[tuple[SetLine, str, float | None]]:
            return [
                (one, making.read(one).texts(lang)[0], None if first is None else first.next)
                for one in table.data_sets(r)
                for first in (table.pointer(r, one.id, FIRST),)
            ]

        return kit.render(
            request, viewer, "publication", sets=await self._store.read(read), moment=moment_text(lang, self._zone),
            proposes=viewer.role in PROPOSES,
        )  # fmt: skip

    async def new_page(self, request: web.Request) -> web.StreamResponse:
        today = datetime.fromtimestamp(self._clock(), zone_of(self._city)).strftime("%Y-%m-%d")
        given = dict.fromkeys(FIELDS, "") | {"since": today, "delay_days": "0", "cell_s": "3600", "theme": "ENVI"}
        return await self._form(request, given, [])

    async def propose(self, request: web.Request) -> web.StreamResponse:
        viewer, form = viewer_of(request), await request.post()
        given = {name: ",".join(str(one).strip() for one in form.getall(name, ()))[:8000] for name in FIELDS}
        try:
            one = definition_of(given, self._zone)
            check(one)
            desk.refuse_deleted(one, await self._store.run(lambda: worker.days_kept(self._city.queries)))
            if form.get("do") == "propose":
                await self._store.write(lambda t: desk.propose(t, one, viewer, self._clock()))
                return redirect(f"/publication/{one.id}?said=pub-done-proposed")
            found = await self._store.read(lambda r: desk.found(r, one, viewer.scope))
        except DefinitionRefused as refused:
            return await self._form(request, given, refused.problems, status=422)
        return await self._form(request, given, [], previewed=await self._preview(request, one, found))

    async def set_page(self, request: web.Request) -> web.StreamResponse:
        return await self._set_page(request, [])

    async def decide(self, request: web.Request) -> web.StreamResponse:
        viewer, form, now = viewer_of(request), await request.post(), self._clock()
        id, do = request.match_info["id"], request.match_info["do"]
        text = {name: str(form.get(name, "")).strip()[:300] for name in ("digest", "why", "area", "since", "until")}
        zone = self._zone

        def work(t: Transaction) -> str:
            if do == "allow":
                desk.allow(t, id, text["digest"], viewer, now)
                return "allowed"
            if do == "recompute":
                desk.recompute(t, id, _moment(text["since"], zone), _moment(text["until"], zone), viewer, now)
                return "recompute"
            if not text["why"]:
                raise DefinitionRefused([phrase("publication-why", "say why: the public reads it")])
            if do == "cells":
                since, until = _moment(text["since"], zone), _moment(text["until"], zone)
                desk.take_back(t, id, text["area"], since, until, text["why"], viewer, now)
                return "cells"
            done = (desk.refuse if do == "refuse" else desk.withdraw)(t, id, text["why"], viewer, now)
            if not done:
                raise DefinitionRefused([phrase("publication-decided", "this was decided meanwhile")])
            return "refused" if do == "refuse" else "withdrawn"

        try:
            said = await self._store.write(work)
        except DefinitionRefused as refused:
            return await self._set_page(request, refused.problems, status=422)
        return redirect(f"/publication/{id}?said=pub-done-{said}")

    async def about_page(self, request: web.Request) -> web.StreamResponse:
        viewer = viewer_of(request)

        def read(r: Reader) -> tuple[dict[str, str], list[tuple[str, dict[str, str], str, str]]]:
            purposes = table.purposes(r)
            kinds = sorted({kind for _, kind in table.devices(r)} | set(purposes))
            rows = [(kind, *purposes.get(kind, ("", "", ""))) for kind in kinds]
            return Published(r).about(), [
                (kind, msgspec.json.decode(text) if text else {}, owner, basis) for kind, text, owner, basis in rows
            ]

        about, purposes = await self._store.read(read)
        return kit.render(
            request, viewer, "publication_about", about={"name": self._city.owner.settings.owner} | about,
            purposes=purposes, kind_name=kind_name(kit.lang_of(request, viewer)),
        )  # fmt: skip

    async def save_about(self, request: web.Request) -> web.StreamResponse:
        viewer, form = viewer_of(request), await request.post()
        given = {name: str(form.get(name, "")).strip()[:300] for name in ("name", "homepage", "place", "url")}
        for name in ("homepage", "place", "url"):
            if not given[name].startswith(("https://", "http://")):
                given[name] = ""
        given["url"] = given["url"].rstrip("/")

        def work(t: Transaction) -> None:
            table.set_about(t, given)
            journal.note(t, viewer.id, "publication.about", "", given, self._clock())

        await self._store.write(work)
        return redirect("/publication/about?said=pub-done-saved")

    async def save_purpose(self, request: web.Request) -> web.StreamResponse:
        viewer, form = viewer_of(request), await request.post()
        kind, fr, en, owner, basis = (str(form.get(name, "")).strip()[:500] for name in (
            "kind", "fr", "en", "owner", "basis"))  # fmt: skip
        if not kind or len(kind) > 60 or not fr or not owner:
            raise web.HTTPBadRequest

        def work(t: Transaction) -> None:
            purpose = msgspec.json.encode({"fr": fr, **({"en": en} if en else {})}).decode()
            table.set_purpose(t, kind, purpose, owner, basis)
            journal.note(t, viewer.id, "publication.purpose", kind, {"purpose": fr, "owner": owner}, self._clock())

        await self._store.write(work)
        return redirect("/publication/about?said=pub-done-saved")

    async def _form(
        self,
        request: web.Request,
        given: Mapping[str, str],
        problems: Sequence[Phrase],
        *,
        previewed: Mapping[str, Any] | None = None,
        status: int = 200,
    ) -> web.StreamResponse:
        viewer = viewer_of(request)
        lang = kit.lang_of(request, viewer)

        def word(key: str) -> str:
            return kit.word(key, lang)

        def read(r: Reader) -> dict[str, dict[str, str]]:
            measured = table.kinds_and_metrics(r, viewer.scope)
            said = kind_name(lang)
            sectors = viewer.scope.sectors
            return {
                "kinds": {kind: said(kind) for kind, _ in measured},
                "metrics": {metric: metric_name(metric, lang) for _, metric in measured if metric in TOLD},
                "sectors": {id: name for id, name, _ in register.sectors(r) if sectors is None or id in sectors},
                "sites": {one.id: one.name for one in map_table.sites(r, viewer.scope)},
            }

        picked = {name: _list(given[name]) for name in PICKED}
        known = await self._store.read(read)
        offered = {
            name: sorted(({one: one for one in picked[name]} | known[name]).items(), key=lambda one: one[1].casefold())
            for name in PICKED
        }
        return kit.render(
            request, viewer, "publication_new", http_status=status, given=given, problems=problems,
            previewed=previewed is not None, **(previewed or {}), picked=picked, offered=offered,
            families=[(str(one), word(f"pub-family-{one}")) for one in Family],
            spaces=[(one, word(f"pub-space-{one}")) for one in SPACES],
            cells=[(str(one), word(f"pub-cell-{one}")) for one in CELLS],
            licences=[(code, name) for code, (name, _) in LICENCES.items()], themes=[(one, one) for one in THEMES],
        )  # fmt: skip

    async def _set_page(
        self, request: web.Request, problems: Sequence[Phrase], status: int = 200
    ) -> web.StreamResponse:
        viewer, id = viewer_of(request), request.match_info["id"]
        lang = kit.lang_of(request, viewer)

        def read(r: Reader) -> tuple[SetLine, Found, bool] | None:
            line = table.data_set(r, id)
            if line is None:
                return None
            return line, _frozen(r, line, viewer.scope), table.outside(r, id, viewer.scope) == 0

        found = await self._store.read(read)
        if found is None:
            raise web.HTTPNotFound
        line, frozen, sees = found
        one = making.read(line)
        title, summary = one.texts(lang)
        previewed = await self._preview(request, one, frozen) if sees and line.state == desk.PROPOSED else None
        shown = previewed or {"things": frozen.members}
        return kit.render(
            request, viewer, "publication_set", http_status=status, one=line, definition=one, title_of=title,
            summary=summary, problems=problems, moment=moment_text(lang, self._zone), date=date_text(lang, self._zone),
            licence=LICENCES[one.licence][0], areas=frozen.areas, previewed=previewed is not None,
            decides=viewer.role in PROPOSES, sees=sees, mine=line.proposed_by == viewer.id,
            **{name: value for name, value in shown.items() if name != "moment"},
        )  # fmt: skip

    async def _preview(self, request: web.Request, one: Definition, found: Found) -> dict[str, Any]:
        """Return what the template of a preview needs."""
        lang = kit.lang_of(request, viewer_of(request))
        preview: Preview | None
        try:
            preview = await self._store.run(lambda: desk.preview(one, found, self._source, self._clock()))
        except StorageError:
            preview = None
        names = {thing.thing: thing.name or thing.device for thing in found.things}
        return {
            "preview": preview, "protected": one.protected, "names": {area.id: area.name for area in found.areas},
            "things": [f"{names.get(m.thing, m.device)} · {m.metric} · {m.area}" for m in found.members],
            "most": desk.MOST_SHOWN, "moment": moment_text(lang, self._zone),
        }  # fmt: skip


def definition_of(given: Mapping[str, str], zone: str) -> Definition:
    """Return the data set of a form, whose dates and cells are of a time zone. Raises DefinitionRefused."""
    try:
        title = {lang: given[f"title_{lang}"] for lang in ("fr", "en") if given[f"title_{lang}"]}
        summary = {lang: given[f"summary_{lang}"] for lang in ("fr", "en") if given[f"summary_{lang}"]}
        owners: dict[str, str] = {}
        for line in filter(None, map(str.strip, given["owners"].splitlines())):
            site, firm = line.split("=", 1)
            owners[site.strip()] = firm.strip()
        return Definition(
            id=given["id"], family=Family(given["family"]), title=title, summary=summary, kinds=_list(given["kinds"]),
            metrics=_list(given["metrics"]), space=given["space"] if given["space"] in SPACES else "sector",  # type: ignore[arg-type]
            cell_s=int(given["cell_s"][:9]), delay_s=int(given["delay_days"][:4] or 0) * DAY_S,
            since=_moment(given["since"], zone), until=_moment(given["until"], zone) if given["until"] else None,
            contact=given["contact"], mail=given["mail"], licence=given["licence"], theme=given["theme"],
            keywords=_list(given["keywords"]), sectors=_list(given["sectors"]), sites=_list(given["sites"]),
            owners=owners, total=given["total"] == "1", zone=zone,
        )  # fmt: skip
    except ValueError:
        raise DefinitionRefused(
            [phrase("publication-form", "a number, a date or a line of firms is unreadable")]
        ) from None


def _frozen(r: Reader, line: SetLine, scope: Scope) -> Found:
    """Return the series and areas of a data set as they were proposed, and its things."""
    members = table.members(r, line.id)
    wanted = {member.thing for member in members}
    metrics = sorted({member.metric for member in members})
    things = {one.thing: one for one in table.candidates(r, metrics, scope) if one.thing in wanted}
    return Found(members, table.areas(r, line.id), list(things.values()))


def _list(text: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(part.strip() for part in text.split(",") if part.strip()))


def _moment(text: str, zone: str) -> float:
    """Return a date, or a date and a time, of a time zone as Unix seconds. Raises DefinitionRefused."""
    try:
        found = datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone))
        if not FIRST_YEAR <= found.year <= LAST_YEAR:
            raise ValueError(text)
        return found.timestamp()
    except (ValueError, OverflowError):
        raise DefinitionRefused([phrase("publication-date", "{text} is no date", text=text or "–")]) from None
