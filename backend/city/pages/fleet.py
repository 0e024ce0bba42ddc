"""The fleet: every hub with its version, when it was last heard, and how it is; and the gaps and silences of all."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from typing import Any, NamedTuple

from aiohttp import web

from backend.city.city import City
from backend.city.pages import kit, latest
from backend.city.pages.board import LAYERS, folded
from backend.city.pages.live import live_of
from backend.city.people.viewer import STAFF, Viewer, needs, viewer_of
from backend.hubs.silences import UNKNOWN_EVERY_S, overdue_after, silent_after
from backend.queries.views import MAX_LISTED
from backend.storage.city import map as tables
from backend.storage.queries import HubLine, StreamLine
from hub.core.errors import DecodeError
from hub.page_kit.tables import page_of
from hub.protocol.link_messages import State, stored_state

HEALTHS = ("silent", "never", "late", "ok", "revoked")
"""How a hub is, by the age of its last signed state; the worst first."""
SEVERITY = {"silent": "critical", "never": "silent", "late": "warning", "ok": "ok", "revoked": "silent"}
"""The mark of each."""
QUIET = ("silent", "late")
USUAL_S = 30.0
"""Seconds between two states of a hub on a line that is not metered."""
KEPT_S = 5.0
MOST_GAPS, MOST_SILENT = 300, 200
MOST_STREAMS = 32
"""Streams of a hub, the newest, whose records are counted."""
_MOST_KNOWN = 40_000


class HubRow(NamedTuple):
    """A hub in the list. `version` is its release, "" where it does not state one; `speaks` its protocol."""

    hub: str
    name: str
    tags: tuple[str, ...]
    enrolled_at: float
    state_at: float | None
    every: float
    health: str
    version: str
    speaks: int
    crisis: str
    folded: str


class Arrived(NamedTuple):
    """Counts of what a hub announced: streams, records that are not stored (waiting there, on their way or lost), and
    declared gaps."""

    streams: int = 0
    absent: int = 0
    gaps: int = 0


class Fleet:
    """All hubs as they are now, remembered for a moment. Blocking; any thread."""

    def __init__(self, city: City) -> None:
        self._city = city
        self._lock = threading.Lock()
        self._known: dict[str, tuple[object, HubRow]] = {}
        self._rows: tuple[float, list[HubRow]] = -1e9, []
        self._alarms: Counter[str] = Counter()

    def rows(self) -> tuple[list[HubRow], Counter[str]]:
        """Return the hubs, the worst first, and how many open alarms each has. Raises StorageError."""
        with self._lock:
            if time.monotonic() > self._rows[0] + KEPT_S:
                with self._city.queries.snapshot() as now:
                    lines = now.hubs()
                    alarms = now.alarms("", everything=False, limit=-1)
                at = self._city.clock()
                found = [self._row(line, at) for line in lines]
                found.sort(key=lambda row: (HEALTHS.index(row.health), row.hub))
                self._alarms = Counter(line.hub for line in alarms)
                self._rows = time.monotonic(), found
            return self._rows[1], self._alarms

    def arrived(self, hubs: Sequence[str]) -> dict[str, Arrived]:
        """Return what has arrived of some hubs. Raises StorageError."""
        with self._city.queries.snapshot() as now:
            streams, gaps = now.newest_streams(hubs, MOST_STREAMS), now.count_gaps(hubs)
        return {
            hub: Arrived(in_all, sum(map(_absent, newest)), gaps.get(hub, 0))
            for hub, (newest, in_all) in streams.items()
        }

    def _row(self, line: HubLine, now: float) -> HubRow:
        """Return the row of a hub; what does not change between two of its states is remembered with the last one."""
        hub = line.hub
        mark = hub, line.state_at
        known = self._known.get(hub.hub)
        if known is None or known[0] != mark:
            if len(self._known) >= _MOST_KNOWN:
                self._known.clear()
            known = self._known[hub.hub] = mark, self._read(line, None if known is None else known[1])
        row = known[1]
        health = health_of(row.state_at, row.every, now, revoked=hub.revoked_at is not None)
        return row if row.health == health else row._replace(health=health)

    def _read(self, line: HubLine, former: HubRow | None) -> HubRow:
        hub, state = line.hub, None
        if line.state is not None:
            try:
                state = stored_state(bytes(line.state))  # it was verified when it came
            except DecodeError:  # damaged here: its next one takes its place
                state = None
        every = float(state.every) if state is not None and isinstance(state.every, int) else UNKNOWN_EVERY_S
        return HubRow(
            hub.hub, hub.name, tuple(hub.tags), hub.enrolled_at, line.state_at, every, HEALTHS[3],
            _told(state, "release", ""), _told(state, "speaks", 0), _told(state, "crisis", ""),
            former.folded if former is not None and (former.name, former.tags) == (hub.name, hub.tags)
            else folded(" ".join((hub.hub, hub.name, *hub.tags))),
        )  # fmt: skip


class FleetPages:
    """The routes of the fleet, of gaps and of silences."""

    def __init__(self, city: City) -> None:
        self._city, self._live = city, live_of(city)
        self._fleet = Fleet(city)

    def route(self, router: web.UrlDispatcher) -> None:
        router.add_get("/hubs", needs(*sorted(STAFF))(self.hubs))
        router.add_get("/gaps", needs(*sorted(STAFF))(self.gaps))

    async def hubs(self, request: web.Request) -> web.StreamResponse:
        viewer = viewer_of(request)
        rows, alarms, things = await self._seen(viewer)
        q, health = request.query.get("q", "")[:100], request.query.get("health", "")
        words = folded(q).split()[:8]
        listed = [
            row for row in rows if (not health or row.health == health) and all(word in row.folded for word in words)
        ]
        shown, page, size = page_of(listed, request.query)
        arrived = await self._city.store.run(lambda: self._fleet.arrived([row.hub for row in shown]))
        return kit.render(
            request, viewer, "hubs",
            rows=[
                (row, SEVERITY[row.health], things.get(row.hub, 0), alarms[row.hub], arrived.get(row.hub, Arrived()))
                for row in shown
            ],
            counts_of=Counter(row.health for row in rows), healths=HEALTHS, severity=SEVERITY,
            asked={"q": q, "health": health}, page_at=page, last=max(1, -(-len(listed) // size)), found=len(listed),
            late_s=overdue_after(USUAL_S), silent_s=silent_after(USUAL_S),
        )  # fmt: skip

    async def gaps(self, request: web.Request) -> web.StreamResponse:
        viewer = viewer_of(request)
        rows, _, _ = await self._seen(viewer)
        names = {row.hub: row.name or row.hub for row in rows}
        hub = request.query.get("hub", "")[:100]
        chosen = [hub] if hub in names else list(names)
        board, seen = await self._live.board(), await self._live.seen(viewer.scope)
        silent = board.listed(seen, state="silent", hub=hub if hub in names else "")
        lines = await self._city.store.read(lambda r: tables.lines(r, viewer.scope, silent[:MOST_SILENT]))
        gaps = await self._city.store.run(lambda: self._declared(chosen[0] if len(chosen) == 1 else "", names))
        return kit.render(
            request, viewer, "gaps",
            gaps=gaps[:MOST_GAPS], more=len(gaps) > MOST_GAPS, most=MOST_GAPS, names=names, hub=hub,
            silent=sorted(lines.values(), key=lambda one: one.seen_at or 0.0), silent_found=len(silent),
            hubs=[row for row in rows if row.health in QUIET and (not hub or row.hub == hub)][:MOST_SILENT],
            severity=SEVERITY, known_layers=LAYERS, address=latest.address,
            with_gaps=sorted({one["hub"] for one in gaps}, key=lambda one: names[one].casefold()) if not hub else [hub],
        )  # fmt: skip

    async def _seen(self, viewer: Viewer) -> tuple[list[HubRow], Counter[str], Mapping[str, int]]:
        """Return the hubs at which there is anything within the viewer's scope, all of them for an unlimited one."""
        rows, alarms = await self._city.store.run(self._fleet.rows)
        things = await self._city.store.read(lambda r: tables.counts_of_hubs(r, viewer.scope))
        scope = viewer.scope
        if scope.services is None and scope.sectors is None and not scope.provider:
            return rows, alarms, things
        return [row for row in rows if row.hub in things], alarms, things

    def _declared(self, hub: str, names: Collection[str]) -> list[dict[str, Any]]:
        """Return declared gaps of these hubs, the newest first, with how many records are still missing. Blocking."""
        found, after = list[dict[str, Any]](), 0
        while True:
            page = self._city.views.gaps(hub, after=after, limit=MAX_LISTED)
            found += [one for one in page if one["hub"] in names]
            if len(page) < MAX_LISTED:
                break
            after = page[-1]["id"]
            found = found[-MOST_GAPS - 1 :]
        for one in found:
            one["left"] = sum(last - first + 1 for first, last in one["missing"])
        return found[::-1]


def health_of(state_at: float | None, every: float, now: float, *, revoked: bool) -> str:
    """Return how a hub is by the age of its last state."""
    if revoked or state_at is None:
        return "revoked" if revoked else "never"
    age = now - state_at
    if age > silent_after(every):
        return "silent"
    return "late" if age > overdue_after(every) else "ok"


def _absent(stream: StreamLine) -> int:
    """Return how many of the records of a stream that its hub announced are not stored."""
    return sum(last - first + 1 for first, last in stream.stored.missing(1, stream.announced))


def _told(state: State | None, name: str, otherwise: Any) -> Any:
    """Return a field of a state, which hubs of another release leave out."""
    found = getattr(state, name, None)
    return found if isinstance(found, type(otherwise)) else otherwise
