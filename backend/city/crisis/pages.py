"""Pages and documents of the crisis room."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
from aiohttp import web

from backend.city.crisis import drills, export, log, measures, pdf, snapshot
from backend.city.crisis.service import CELL, READS, WRITTEN, CrisisRoom, sees_log
from backend.city.crisis.sheets import rendered
from backend.city.crisis.situation import Limits, unlimited
from backend.city.crisis.words import PHRASES
from backend.city.pages import kit as pages
from backend.city.pages.kit import Area, Banner, Entry, word
from backend.city.people.viewer import NotAllowed, Role, Viewer, viewer_of
from backend.city.zone import zone_of
from backend.storage.city import crisis as tables
from backend.storage.city.database import Reader, Transaction
from hub.core.errors import DecodeError, HubError
from hub.core.text import phrase, reason_of
from hub.i18n.catalogues import translate
from hub.page_kit import formatting
from hub.page_kit.request.guard import policy_with_style

HERE = Path(__file__).parent
HOURS = (1, 2, 4, 8, 12, 24, 48, 72, 168, 336, 720)
DRILL_HOURS = (1, 2, 4, 8, 24)
LOG_PAGE = 100
ROOMS = 15
"""Rooms of a heat profile on the board; the export has all."""
DOCUMENT = Limits(hubs=40, alerts=40, rooms=20, log=30)
EXPORT = Limits(hubs=100_000, alerts=100_000, rooms=100_000, log=100_000)
Work = Callable[[Transaction, float, int], Any]


def area(room: CrisisRoom) -> Area:
    """Return the room's part of the pages: its menu, and the line that stands above every page during a drill."""

    def banner(request: web.Request, lang: str) -> Banner | None:
        one = room.drill
        if one is None:
            return None
        until = formatting.minute_text(one.expires, lang, zone_of(room.city))
        return Banner("bad", word("crisis-drill-banner", lang, title=one.title, until=until), "/crisis")

    see = frozenset(str(role) for role in READS)
    with_crews = see | {str(Role.CREW)}
    return Area(
        "crisis",
        menu=(
            Entry("crisis", "/crisis", "group-work", see, menu=see),
            Entry("crisis-sheets", "/crisis/sheets", "group-work", with_crews, menu=frozenset({str(Role.CREW)})),
        ),
        words=(PHRASES,),
        templates=HERE / "templates",
        static=HERE / "static",
        files={"crisis.js": "text/javascript", "crisis.css": "text/css"},
        said=frozenset(key for key in PHRASES if key.startswith("crisis-said-")),
        banner=banner,
        order=20,
    )


class CrisisPages:
    """Handlers of the room."""

    def __init__(self, room: CrisisRoom) -> None:
        self._room = room

    # pages

    async def board(self, request: web.Request) -> web.Response:
        return await self._board(request, viewer_of(request))

    async def _board(self, request: web.Request, viewer: Viewer, error: str = "") -> web.Response:
        one, zone = await self._room.situation(viewer), await self._room.zone()
        lang = pages.lang_of(request, viewer)
        cell = viewer.role in CELL

        def more(r: Reader) -> tuple[dict[str, list[tuple[str, str]]], list[tables.Sheet], str]:
            return tables.choices(r, *viewer.scope.things("t")), tables.sheets(r), tables.setting(r, WRITTEN)

        choices, sheets, written = await self._room.city.store.read(more)
        hubs = (await self._room.seen()).hubs if cell and unlimited(viewer.scope) else ()
        return pages.render(
            request,
            viewer,
            "crisis_board",
            http_status=422 if error else 200,
            refused=error,
            one=one,
            cell=cell,
            log=sees_log(viewer),
            choices=choices if cell else {},
            known=[(hub.hub, hub.name or hub.hub) for hub in hubs if hub.silent(one.made)][:500],
            sheets=sheets,
            written=json.loads(written) if written and cell else None,
            hours=HOURS,
            drill_hours=DRILL_HOURS,
            kinds=log.WRITTEN,
            shown=ROOMS,
            moment=_moments(lang, zone),
        )

    async def figures(self, request: web.Request) -> web.Response:
        """Answer the figures of the board, for a page that is open."""
        one, zone = await self._room.situation(viewer_of(request), Limits(0, 0, 0, 0)), await self._room.zone()
        lang = pages.lang_of(request, viewer_of(request))
        told = {
            "heard": one.heard, "silent": one.silent, "read-only": len(one.read_only), "hubs": one.hubs,
            "isolated": len(one.isolated), "critical": one.critical, "drill": bool(one.drill),
            "seen": word("crisis-seen-at", lang, at=formatting.moment_text(one.seen_at, lang, zone)),
        }  # fmt: skip
        return web.Response(
            body=msgspec.json.encode(told), content_type="application/json", headers={"Cache-Control": "no-store"}
        )

    async def log_page(self, request: web.Request) -> web.Response:
        viewer = viewer_of(request)
        if not sees_log(viewer):
            raise NotAllowed
        before = _number(request.query.get("before", ""), 1 << 62)
        now = self._room.city.clock()

        def read(r: Reader) -> tuple[list[tables.Line], log.Verdict, str]:
            drill = tables.drill(r, now)
            number = 0 if drill is None else drill.id
            return (
                tables.newest_lines(r, number, LOG_PAGE, before),
                log.verify(r, number),
                "" if drill is None else drill.title,
            )

        lines, verdict, drill = await self._room.city.store.read(read)
        moment = _moments(pages.lang_of(request, viewer), await self._room.zone())
        return pages.render(
            request, viewer, "crisis_log", lines=lines, verdict=verdict, drill=drill, moment=moment,
            older=lines[-1].n if lines and lines[-1].n > 1 else 0, clock=measures.CLOCK,
        )  # fmt: skip

    async def sheets(self, request: web.Request) -> web.Response:
        viewer = viewer_of(request)
        lang = pages.lang_of(request, viewer)
        found = await self._room.city.store.read(tables.sheets)
        shown = [(one.name, one.title, rendered(one.body, lang)) for one in found]
        return pages.render(request, viewer, "crisis_sheets", sheets=shown)

    # documents

    async def document(self, request: web.Request) -> web.Response:
        """Answer the point de situation as PDF, and note who made it."""
        viewer = viewer_of(request)
        one, zone = await self._room.situation(viewer, DOCUMENT), await self._room.zone()
        lang = pages.lang_of(request, viewer)
        made = await asyncio.to_thread(pdf.point_of_situation, one, lang, zone)
        await self._room.act(viewer, "document", "situation.pdf", lambda t, now, drill: None)
        name = f"{export.DRILL_MARK + '-' if one.drill else ''}point-de-situation.pdf"
        return _file(made, "application/pdf", name)

    async def export(self, request: web.Request) -> web.Response:
        viewer = viewer_of(request)
        one, zone = await self._room.situation(viewer, EXPORT), await self._room.zone()
        lang = pages.lang_of(request, viewer)
        name, made = await asyncio.to_thread(
            lambda: export.archive(one, who=viewer.name, scope=_scope_text(viewer), lang=lang, zone=zone)
        )
        await self._room.act(viewer, "export", name, lambda t, now, drill: None)
        return _file(made, "application/zip", name)

    async def snapshot(self, request: web.Request) -> web.Response:
        """Answer the last snapshot as it lies on the disk."""
        viewer = viewer_of(request)
        if not sees_log(viewer):
            raise NotAllowed
        lang, other = ("en", "fr") if pages.lang_of(request, viewer) == "en" else ("fr", "en")
        name = snapshot.NAMES[lang]
        path = self._room.city.directory / snapshot.DIRECTORY / name
        try:
            text = await asyncio.to_thread(path.read_text, "utf-8")
        except OSError:
            return pages.error(request, viewer, 404, "crisis-snapshot-never")
        # Beside the file lies the other language; here it has this page's address.
        text = text.replace(f'href="{snapshot.NAMES[other]}"', f'href="/crisis/snapshot?lang={other}"')
        headers = {"Content-Security-Policy": policy_with_style(text), "Cache-Control": "no-store"}
        return web.Response(text=text, content_type="text/html", charset="utf-8", headers=headers)

    # acts

    async def write_line(self, request: web.Request) -> web.StreamResponse:
        form, viewer = await request.post(), viewer_of(request)
        if not sees_log(viewer):
            raise NotAllowed
        text, kind = _text(form, "text"), _text(form, "kind")
        if kind not in log.WRITTEN:
            raise DecodeError("bad-form", phrase("crisis-kind-unknown", "a person writes notes and calls"))

        def work(t: Transaction, now: float, drill: int) -> None:
            log.note(t, drill, now, viewer.name, kind, text)

        return await self._done(request, "log", "", work, "crisis-said-noted")

    async def take_measure(self, request: web.Request) -> web.StreamResponse:
        return await self._take(request, measures.MEASURE, {})

    async def engage_crew(self, request: web.Request) -> web.StreamResponse:
        place = _text(await request.post(), "place")[:200]
        return await self._take(request, measures.CREW, {"place": place} if place else {})

    async def watch_heat(self, request: web.Request) -> web.StreamResponse:
        form = await request.post()
        try:
            threshold = float(_text(form, "threshold").replace(",", "."))
        except ValueError:
            threshold = 0.0
        named = {key: [str(one) for one in form.getall(key, []) if one] for key in ("sites", "services", "sectors")}
        return await self._take(
            request, measures.HEAT, {"threshold": threshold, **{key: texts for key, texts in named.items() if texts}}
        )

    async def _take(self, request: web.Request, kind: str, facts: dict[str, Any]) -> web.StreamResponse:
        form, viewer = await request.post(), viewer_of(request)
        text, hours = _text(form, "text"), _number(_text(form, "hours"), 0)

        def work(t: Transaction, now: float, drill: int) -> None:
            measures.take(t, kind, text, facts, who=viewer.name, now=now, expires=now + hours * 3600.0, drill=drill)

        return await self._done(request, kind, text[:100], work, "crisis-said-taken")

    async def end(self, request: web.Request) -> web.StreamResponse:
        viewer, number = viewer_of(request), _number(_text(await request.post(), "id"), 0)

        def work(t: Transaction, now: float, drill: int) -> None:
            measures.end(t, number, who=viewer.name, now=now, drill=drill)

        return await self._done(request, "end", str(number), work, "crisis-said-ended")

    async def declare(self, request: web.Request) -> web.StreamResponse:
        form, viewer = await request.post(), viewer_of(request)
        hub, why = _text(form, "hub"), _text(form, "why")
        if not unlimited(viewer.scope):
            raise NotAllowed
        known = {one.hub for one in (await self._room.seen()).hubs}

        def work(t: Transaction, now: float, drill: int) -> None:
            if hub not in known:
                raise HubError(phrase("crisis-no-such-hub", "there is no hub {hub}", hub=hub[:100]))
            measures.declare_isolated(t, hub, why, who=viewer.name, now=now, drill=drill)

        return await self._done(request, "isolated", hub[:100], work, "crisis-said-noted")

    async def undeclare(self, request: web.Request) -> web.StreamResponse:
        viewer, hub = viewer_of(request), _text(await request.post(), "hub")
        if not unlimited(viewer.scope):
            raise NotAllowed

        def work(t: Transaction, now: float, drill: int) -> None:
            measures.undeclare(t, hub, who=viewer.name, now=now, drill=drill)

        return await self._done(request, "heard", hub[:100], work, "crisis-said-ended")

    async def begin_drill(self, request: web.Request) -> web.StreamResponse:
        form, viewer = await request.post(), viewer_of(request)
        title, hours = _text(form, "title"), _number(_text(form, "hours"), 0)

        def work(t: Transaction, now: float, drill: int) -> None:
            drills.begin(t, title, who=viewer.name, now=now, seconds=hours * 3600.0)

        return await self._done(request, "drill", title[:100], work, "crisis-said-drill")

    async def end_drill(self, request: web.Request) -> web.StreamResponse:
        viewer = viewer_of(request)

        def work(t: Transaction, now: float, drill: int) -> None:
            drills.end(t, who=viewer.name, now=now)

        return await self._done(request, "drill-end", "", work, "crisis-said-drill-over")

    async def _done(self, request: web.Request, what: str, object: str, work: Work, said: str) -> web.StreamResponse:
        viewer = viewer_of(request)
        try:
            await self._room.act(viewer, what, object, work)
        except HubError as error:
            lang = pages.lang_of(request, viewer)
            return await self._board(request, viewer, translate(reason_of(error), lang))
        return web.Response(status=303, headers={"Location": f"/crisis?said={said}", "Cache-Control": "no-store"})


def _file(data: bytes, kind: str, name: str) -> web.Response:
    headers = {"Content-Disposition": f'attachment; filename="{name}"', "Cache-Control": "no-store"}
    return web.Response(body=data, content_type=kind, headers=headers)


def _moments(lang: str, zone: ZoneInfo) -> Callable[[float | None], str]:
    return lambda at: formatting.minute_text(at, lang, zone)


def _text(form: Any, name: str) -> str:
    value = form.get(name, "")
    return value.strip() if isinstance(value, str) else ""


def _number(text: str, otherwise: int) -> int:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 12 else otherwise


def _scope_text(viewer: Viewer) -> str:
    scope = viewer.scope
    parts = [
        f"{name}: {', '.join(sorted(found))}"
        for name, found in (("services", scope.services), ("secteurs", scope.sectors))
        if found is not None
    ]
    return "; ".join([*parts, *([f"prestataire: {scope.provider}"] if scope.provider else [])]) or "toute la ville"
