"""Events for who follows the API: new alarms, alerts, hubs and newest readings, found by looking at the database.

What is true now is compared with what was true at the last look, out of snapshots: so that it works whoever writes, and
costs nobody who answers hubs. What came and went between two looks is in the lists alone. Events are kept in one ring
for all followers, bounded by count and by bytes: one who reads slowly costs no memory, and is told that it missed
something. Blocking, one thread at a time.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Collection, Iterable
from typing import Any, NamedTuple

import msgspec

from backend.queries.range_queries import find_series, newest
from backend.queries.views import NotFound, Views
from backend.storage.queries import Queries, Snapshot
from hub.core.text import with_codes

KEPT, KEPT_BYTES = 4096, 8 << 20
"""Events that are kept, and bytes of them."""
MOST_FOLLOWED = 10_000
"""Open alarms and open alerts that are compared, each: the newest of each hub first."""
HUBS_EVERY_S = 10.0
_STREAMS = 8
"""Newest streams of a hub whose counts tell whether anything arrived."""

Line = dict[str, Any]


class Event(NamedTuple):
    """An event: its number, its kind, the series that it is of ("" of none), and its data in JSON."""

    number: int
    kind: str
    series: str
    data: bytes


class Found(NamedTuple):
    """What a look found: an event without its number."""

    kind: str
    series: str
    data: bytes


class EventFeed:
    """Looks at one database, and keeps the newest events."""

    def __init__(
        self, queries: Queries, clock: Callable[[], float] = time.monotonic, wall: Callable[[], float] = time.time
    ) -> None:
        self._queries, self._views = queries, Views(queries)
        self._clock, self._wall = clock, wall
        self._ring: deque[Event] = deque()
        self._bytes = 0
        self.number = 0
        """Number of the newest event."""
        self._alarms: dict[int, Line] | None = None
        self._alerts: dict[tuple[str, str], Line] | None = None
        self._hubs: dict[str, Line] | None = None
        self._hubs_at = 0.0
        self._marks: dict[str, object] = {}
        self._newest: dict[str, tuple[int, int]] = {}
        self._found: list[Found] = []

    def since(self, number: int) -> list[Event] | None:
        """Return the events after a number, None when some of these are kept no more."""
        if number > self.number or self.number - number > len(self._ring):
            return None
        return [event for event in self._ring if event.number > number]

    def keep(self, found: Iterable[Found]) -> None:
        """Number what a look found, and keep it. By the thread that asks for events."""
        for kind, series, data in found:
            self.number += 1
            self._ring.append(Event(self.number, kind, series, data))
            self._bytes += len(data)
        while len(self._ring) > KEPT or self._bytes > KEPT_BYTES:
            self._bytes -= len(self._ring.popleft().data)

    def look(self, series: Collection[str]) -> list[Found]:
        """Return what is another than at the last look, the first of which finds nothing; `series` are those whose
        newest readings are followed. Raises StorageError."""
        self._found = []
        self._look_at_alarms()
        self._look_at_alerts()
        if self._hubs is None or self._clock() >= self._hubs_at + HUBS_EVERY_S:
            self._look_at_hubs()
        self._look_at_series(series)
        return self._found

    def newest_of(self, series: Iterable[str]) -> list[bytes]:
        """Return the newest reading of each series, as the data of an event. Raises NotFound, StorageError."""
        with self._queries.snapshot() as now:
            return [data for name in series if (data := _told(now, name, self._wall())[1])]

    def forget(self) -> None:
        """Forget what was true: nobody follows, and what changes meanwhile is no event."""
        self._alarms = self._alerts = self._hubs = None
        self._marks, self._newest = {}, {}
        self.number += len(self._ring) + 1  # so that whoever returns is told of the hole
        self._ring.clear()
        self._bytes = 0

    def _look_at_alarms(self) -> None:
        lines = self._views.alarms(everything=False, limit=MOST_FOLLOWED)
        found = {line["id"]: line for line in reversed(lines)}
        if self._alarms is not None:
            for number, line in found.items():
                if number not in self._alarms:
                    self._add("alarm", line)
            over = sorted(self._alarms.keys() - found.keys())
            for hub in sorted({self._alarms[number]["hub"] for number in over}):
                ended = {line["id"]: line for line in self._views.alarms(hub, limit=MOST_FOLLOWED)}
                for number in over:
                    if self._alarms[number]["hub"] == hub:
                        self._add("alarm", ended.get(number) or self._alarms[number] | {"cleared_at": self._wall()})
        self._alarms = found

    def _look_at_alerts(self) -> None:
        lines = self._views.raised("", False, MOST_FOLLOWED)
        found = {(line["hub"], line["alert"]): line for line in reversed(lines)}
        if self._alerts is not None:
            for key, line in found.items():
                if self._alerts.get(key) != line:
                    self._add("alert", line)
            over = sorted(self._alerts.keys() - found.keys())
            for hub in sorted({hub for hub, _ in over}):
                ended = {line["alert"]: line for line in self._views.raised(hub, True, MOST_FOLLOWED)}
                for key in over:
                    if key[0] == hub:
                        self._add("alert", ended.get(key[1]) or self._alerts[key] | {"state": "cleared"})
        self._alerts = found

    def _look_at_hubs(self) -> None:
        self._hubs_at = self._clock()
        with self._queries.snapshot() as now:
            lines = [line.hub for line in now.hubs()]
        found = {
            one.hub: {
                "hub": one.hub, "identity": one.identity.hex(), "name": one.name, "enrolled_at": one.enrolled_at,
                "revoked_at": one.revoked_at, "tags": list(one.tags),
            }
            for one in lines
        }  # fmt: skip
        if self._hubs is not None:
            for hub, line in found.items():
                if self._hubs.get(hub) != line:
                    self._add("hub", line)
        self._hubs = found

    def _look_at_series(self, series: Collection[str]) -> None:
        with self._queries.snapshot() as now:
            hubs = sorted({name.partition("/")[0] for name in series})
            streams = now.newest_streams(hubs, _STREAMS) if hubs else {}
            marks: dict[str, object] = {
                hub: [(one.run, one.stream, one.readings, list(one.stored)) for one in of]
                for hub, (of, _) in streams.items()
            }
            changed = {hub for hub, mark in marks.items() if self._marks.get(hub) != mark}
            self._marks = marks
            self._newest = {name: at for name, at in self._newest.items() if name in series}
            for name in series:
                if name in self._newest and name.partition("/")[0] not in changed:
                    continue
                try:
                    at, data = _told(now, name, self._wall())
                except NotFound:
                    continue
                if name in self._newest and at != self._newest[name] and data:
                    self._found.append(Found("latest", name, data))
                self._newest[name] = at

    def _add(self, kind: str, line: Line) -> None:
        self._found.append(Found(kind, "", msgspec.json.encode(with_codes(line))))


def _told(now: Snapshot, name: str, wall: float) -> tuple[tuple[int, int], bytes]:
    """Return (time, origin) of the newest reading of a series and the data that tell of it; "" where there is none."""
    line = find_series(now, name)
    one = newest(now.hub(line.hub), line, wall)
    if one is None:
        return (-1, -1), b""
    value = bool(one.value) if line.kind == "flag" and one.value in (0, 1) else one.value
    told = {"id": name, "time": one.time_ms, "value": value, "quality": one.quality, "trust": one.trust}
    return (one.time_ms, one.origin), msgspec.json.encode(told)
