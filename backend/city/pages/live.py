"""Live events of the pages: one stream a page, of what its viewer may see.

    things   [[number, lat, lon, layer, state, flags] …], [[number]] for what is gone: to a map that is open
    alerts   alerts about things of the viewer that are new or changed
    summary  how many things are critical, have a warning, are silent
    values   newest readings of the series that a page asks for
    board    stamp of what `things` are differences to: another one than the map was loaded with, and it loads again
    anew     the stream ends, since its viewer has another role or scope; it is opened again by whoever is let in

One task looks at the database for all who follow, and only while somebody does. What somebody who reads slowly has not
been sent yet is one set of numbers and one reading a series, however long it lasts.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
import time
from collections import OrderedDict
from collections.abc import Collection, Sequence
from typing import Any

import msgspec
from aiohttp import web

from backend.city.city import City
from backend.city.pages import kit, latest
from backend.city.pages.board import STATES, Board
from backend.city.people.guards import still_open
from backend.city.people.viewer import Scope, Viewer
from backend.storage.city import map as tables
from backend.storage.city.map import SeriesRow
from hub.core.errors import HubError, NotReady
from hub.core.text import phrase, reason_of, with_codes

log = logging.getLogger(__name__)

LOOK_S, THINGS_S, BEAT_S, WRITE_S = 2.0, 10.0, 4.0, 20.0
"""Seconds between looks at alerts and readings, between looks at the register, between signs of life, and that a client
may take to read."""
CHECK_S = 10.0
"""Seconds between two looks whether the viewer of a stream may still have it."""
SCOPE_S = 2.0
"""Seconds for which the things of a scope are remembered."""
FRESH_S = 4.0
MOST, MOST_EACH, MOST_SERIES, MOST_SCOPES = 512, 8, 32, 64
"""Streams in all and of one viewer; series of one stream; scopes whose things are remembered."""
MOST_ALERTS = 10_000
_PART = "pages"


class Follower:
    """A page that follows: whose it is, which series it asks for, and what it has not been sent yet."""

    def __init__(self, viewer: Viewer, series: Sequence[SeriesRow], *, map_open: bool) -> None:
        self.viewer, self.series, self.map_open = viewer, {row.number: row for row in series}, map_open
        self.over = False
        self.things: set[int] = set()
        self.alerts: dict[tuple[str, str], Any] = {}
        self.values: dict[int, tuple[int, str]] = {}
        self.told: dict[int, tuple[int, str]] = {}


class Live:
    """The board of this process, and the pages that follow it."""

    def __init__(self, city: City) -> None:
        self._city = city
        self._board = Board()
        self._life = secrets.token_hex(4)
        self._looked = self._things_at = -1e9
        self._looking = asyncio.Lock()
        self._scopes: OrderedDict[Scope, tuple[float, frozenset[int]]] = OrderedDict()
        self._change = 0
        self._followers: dict[Follower, None] = {}  # the oldest first
        self._turn = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._ending = False

    @property
    def stamp(self) -> str:
        """Return the stamp of the board, which no other process has."""
        return f"{self._life}-{self._board.stamp}"

    async def board(self) -> Board:
        """Return the board, at most FRESH_S old. Raises StorageError."""
        if time.monotonic() > self._looked + FRESH_S:
            await self._look(FRESH_S)
        return self._board

    async def renew(self) -> Board:
        """Return the board as things and alerts are now. Raises StorageError."""
        self._things_at = -1e9
        self._scopes.clear()
        await self._look(0.0)
        return self._board

    async def seen(self, scope: Scope) -> frozenset[int]:
        """Return the numbers of the things within a scope, as a query with its condition finds them."""
        now = time.monotonic()
        known = self._scopes.get(scope)
        if known is None or now > known[0] + SCOPE_S:
            known = now, frozenset(await self._city.store.read(lambda r: tables.seen(r, scope)))
            self._scopes[scope] = known
        self._scopes.move_to_end(scope)
        while len(self._scopes) > MOST_SCOPES:
            self._scopes.popitem(last=False)
        return known[1]

    async def stream(self, request: web.Request, viewer: Viewer) -> web.StreamResponse:
        """Send events until the client hangs up, or may no longer have them. Raises NotReady and StorageError before it
        begins."""
        if self._ending or len(self._followers) >= MOST:
            raise NotReady(phrase("pages-too-many-streams", "too many pages are open; close some of them"))
        mine = [one for one in self._followers if one.viewer.id == viewer.id]
        for former in mine[: max(0, len(mine) - MOST_EACH + 1)]:
            former.over = True  # a page that was left is noticed only when it is written to
        asked = request.query.getall("series", [])[:MOST_SERIES]
        known = await self._city.store.read(lambda r: tables.series_named(r, viewer.scope, asked))
        one = Follower(viewer, known, map_open="map" in request.query)
        answer = web.StreamResponse(
            headers={"Content-Type": "text/event-stream", "Cache-Control": "no-store", "X-Accel-Buffering": "no"}
        )
        await self._begun()
        self._followers[one] = None  # what the map's things were loaded with is no change to it
        try:
            await self._follow(request, answer, one)
        except (ConnectionError, TimeoutError):
            pass  # the client hung up, or does not read
        finally:
            self._followers.pop(one, None)
        return answer

    async def stop(self, app: web.Application | None = None) -> None:
        """End all streams and the looking."""
        self._ending = True
        self._wake()
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])

    async def _follow(self, request: web.Request, answer: web.StreamResponse, one: Follower) -> None:
        await answer.prepare(request)
        check_at = time.monotonic() + CHECK_S
        seen = await self.seen(one.viewer.scope)
        stamp, told = self.stamp, dict[str, bytes]()
        one.values |= await self._city.store.read(lambda r: tables.newest(r, list(one.series)))
        await self._send(answer, [("clock", {"now": self._city.clock()}), ("board", {"stamp": stamp})])
        while not (self._ending or one.over or request.transport is None):
            turn = self._turn
            if time.monotonic() > check_at:
                if not await still_open(self._city, request):
                    await self._send(answer, [("anew", {})])
                    return
                check_at = time.monotonic() + CHECK_S
            before, seen = seen, await self.seen(one.viewer.scope)
            events = self._events(one, seen, before)
            if not told or self.stamp != stamp:
                stamp = self.stamp
                events.append(("summary", self._summary(seen)))
            events += await self._of_rooms(one.viewer, told)
            told.setdefault("", b"")
            await self._send(answer, events)
            try:
                async with asyncio.timeout(BEAT_S):
                    await turn.wait()
            except TimeoutError:
                await self._write(answer, b": beat\n\n")

    def _events(self, one: Follower, seen: frozenset[int], before: frozenset[int]) -> list[tuple[str, Any]]:
        events = list[tuple[str, Any]]()
        board, things, alerts, values = self._board, one.things, one.alerts, one.values
        one.things, one.alerts, one.values = set(), {}, {}
        if one.map_open:
            same = before if seen == before else seen
            moved = board.moved(things & (seen | before), same, before, one.viewer.scope.classes)
            if moved:
                events.append(("things", {"stamp": self.stamp, "things": moved}))
        lang = one.viewer.language
        shown = [_shown(board, alert, seen, lang) for alert in alerts.values()]
        if told := [line for line in shown if line is not None]:
            events.append(("alerts", told))
        if fresh := {number: newest for number, newest in values.items() if one.told.get(number) != newest}:
            one.told |= fresh
            events.append(("values", [_value(one.series[number], newest) for number, newest in fresh.items()]))
        return events

    async def _of_rooms(self, viewer: Viewer, told: dict[str, bytes]) -> list[tuple[str, Any]]:
        events = list[tuple[str, Any]]()
        for area in kit.areas():
            for kind, ask in area.live.items():
                found = msgspec.json.encode(with_codes(await ask(self._city, viewer)))
                if told.get(kind) != found:
                    told[kind] = found
                    events.append((kind, found))
        return events

    def _summary(self, seen: Collection[int]) -> dict[str, int]:
        states = self._board.counts(seen)[1]
        return {state: states[state] for state in STATES if state != "ok"}

    async def _begun(self) -> None:
        """Begin to look, unless it goes on; wait for the first look. Raises StorageError. A follower is added before
        anything else is awaited: without any, the looking ends."""
        await self.board()
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._keep_looking(), name="pages-live")

    async def _keep_looking(self) -> None:
        trouble = ""
        while self._followers:
            try:
                await self._look(0.0)
                values = await self._values()
                trouble = ""
            except HubError as error:
                values = {}
                if trouble != str(error):
                    log.warning(
                        phrase("pages-live-not-read", "the map cannot be read: {reason}", reason=reason_of(error))
                    )
                trouble = str(error)
            for one in list(self._followers):
                one.values.update({number: values[number] for number in one.series if number in values})
            self._wake()
            await asyncio.sleep(LOOK_S)

    def _wake(self) -> None:
        self._turn.set()
        self._turn = asyncio.Event()

    async def _values(self) -> dict[int, tuple[int, str]]:
        """Return the newest readings, of the series that are followed, that came since the last look."""
        wanted = sorted({number for one in self._followers for number in one.series})
        found, self._change = await self._city.store.read(lambda r: tables.newer(r, wanted, self._change))
        return found

    async def _look(self, fresh: float) -> None:
        """Take the next board, unless another did within these seconds, and note for all who follow what changed:
        whoever asked for it, the next look finds the same no more. Raises StorageError."""
        async with self._looking:
            now = time.monotonic()
            if now < self._looked + fresh:
                return
            whole = now > self._things_at + THINGS_S
            pins = await self._city.store.read(tables.pins) if whole else None
            before = self._board
            board, change = await self._city.store.run(lambda: before.after(pins, self._alerts()))
            self._board, self._looked = board, time.monotonic()
            if whole:
                self._things_at = self._looked
            for one in self._followers:
                one.things |= change.things
                one.alerts.update({(alert["hub"], alert["alert"]): alert for alert in change.alerts})

    def _alerts(self) -> list[dict[str, Any]]:
        return self._city.views.raised("", False, MOST_ALERTS)

    async def _send(self, answer: web.StreamResponse, events: Sequence[tuple[str, Any]]) -> None:
        data = b"".join(
            b"event: %s\ndata: %s\n\n"
            % (kind.encode(), what if isinstance(what, bytes) else msgspec.json.encode(with_codes(what)))
            for kind, what in events
        )
        if data:
            await self._write(answer, data)

    async def _write(self, answer: web.StreamResponse, data: bytes) -> None:
        async with asyncio.timeout(WRITE_S):
            await answer.write(data)


def live_of(city: City) -> Live:
    """Return the board and the streams of a city in this process."""
    found = city.parts.get(_PART)
    if not isinstance(found, Live):
        found = city.parts[_PART] = Live(city)
    return found


def _value(row: SeriesRow, newest: tuple[int, str]) -> dict[str, Any]:
    time_ms, value = latest.read_value(newest, row.kind)
    return {"series": row.id, "device": "", "value": value, "time": (time_ms or 0) / 1000}


def _shown(board: Board, alert: Any, seen: Collection[int], lang: str) -> dict[str, Any] | None:
    """Return an alert as a page is told of it; None where it is about nothing that the viewer sees."""
    mine = [number for number in board.things_of(alert) if number in seen]
    if not mine:
        return None
    return {
        "id": alert["alert"], "hub": alert["hub"], "severity": alert["severity"], "state": alert["state"],
        "text": (lang == "fr" and alert["text_fr"]) or alert["text"], "things": mine,
        "name": board.pins[mine[0]].name,
    }  # fmt: skip
