"""Answers of the operator API and of commands, from snapshots of the database. Blocking; any thread.

Times in answers are Unix ms (`time`, `from`, `to`) or Unix seconds (`*_at`); runs and digests are hex.
"""

from __future__ import annotations

import hashlib
import heapq
import threading
import time
from itertools import islice, takewhile
from operator import attrgetter
from typing import Any

import msgspec

from backend.queries.series_history import SeriesHistory, StoredReading
from backend.readings.chunks.rows import ORIGIN_BITS
from backend.storage.queries import (
    AlarmLine,
    HubLine,
    Queries,
    RetentionLine,
    RunOfRecord,
    Snapshot,
    StreamLine,
)
from backend.storage.reading_rules import newest_limit
from hub.core.errors import AuthFailed, DecodeError
from hub.core.model import Quality, series_id
from hub.core.text import from_data, phrase
from hub.protocol.link_messages import read_state

MAX_LIMIT = 10_000
MAX_HUBS = 500
"""Hubs in one answer."""
MAX_LISTED = 1000
"""Alarms, alerts, look-ups and entries of the quarantine in one answer."""
LONG_S = 0.5
MAX_STREAMS_SHOWN = 100
"""Streams of one hub in the list of hubs, the newest; `verify` shows all."""
STATE_FIELDS = ("heard_at", "boot", "generation", "trust_version")
"""Fields of a hub's last state in the list of hubs."""
_MAX_STATES = 20_000
FAR = 1 << 53
"""After any reading, Unix ms."""
_in_order = attrgetter("time_ms", "origin")


class NotFound(Exception):
    """There is no such series, hub or stream."""


class Views:
    """Answers from one database."""

    def __init__(self, queries: Queries) -> None:
        self._queries = queries
        self._counting = threading.Lock()
        self._totals: tuple[float, dict[str, Any]] = 0.0, {}  # (cached until, monotonic s; totals)
        self._states: dict[bytes, dict[str, Any]] = {}  # digest of a state and its identity → its fields

    def hubs(self, *, after: str = "", limit: int = -1, hub: str = "") -> list[dict[str, Any]]:
        """Return hubs by their ids, at most `limit` after the id `after`, with the numbers of their newest streams and
        how many there are in all. A hub was alive at `heard_at`: states that arrive later may have been held back on
        their way."""
        with self._queries.snapshot() as now:
            lines = now.hubs(after=after, limit=limit, hub=hub)
            streams = now.newest_streams([line.hub.hub for line in lines], MAX_STREAMS_SHOWN)
        found = []
        for line in lines:
            one, (newest, in_all) = line.hub, streams[line.hub.hub]
            about = one._asdict() | {"identity": one.identity.hex(), "state_at": line.state_at}
            shown = {"streams": [_stream(stream) for stream in newest], "streams_in_all": in_all}
            found.append(about | self._state_fields(line) | shown)
        return found

    def verify(self, hub: str, run: str = "", stream: str = "") -> list[dict[str, Any]]:
        """Return the record numbers of a hub's streams that are stored in rows."""
        with self._queries.snapshot() as now:
            found = [_stream(line) for line in now.streams(hub)]
        return [s for s in found if (not run or s["run"] == run) and (not stream or s["stream"] == stream)]

    def series(
        self, hub: str = "", place: str = "", metric: str = "", *, after: str = "", limit: int = MAX_LIMIT
    ) -> list[dict[str, Any]]:
        """Return all series, or those of one hub, place, metric, by their ids: at most `limit`, after the id
        `after`."""
        with self._queries.snapshot() as now:
            lines = now.series(hub, place, metric, after=_split(after), limit=limit)
        return [line._asdict() | {"id": _id(line.hub, line.place, line.metric)} for line in lines]

    def latest(self, series: str) -> dict[str, Any]:
        """Return the newest reading by its own time; `value` is null when no reading has a time. Raises NotFound."""
        with self._queries.snapshot() as now:
            histories = _find(now, series)
            newest = _newest(histories, newest_limit(time.time()) + 1) or _newest(histories, FAR)
        if newest is None:
            return {"id": series, "time": None, "value": None, "quality": None, "trust": None}
        return {"id": series} | _reading(newest)

    def history(self, series: str, start: int, end: int, limit: int) -> dict[str, Any]:
        """Return readings with start ≤ time < end, oldest first, at most `limit`; then `undated`, of boots that never
        knew the time: ordered within their boot, and between `not_before` and `not_after`. Raises NotFound.

        `next` is the time to continue from when there is more, else null.
        """
        with self._queries.snapshot() as now:
            histories = _find(now, series)
            found, more = _page(histories, start, end, limit)
            undated = _undated(now, _split(series)[0], histories, limit)
        return {"id": series, "readings": [_reading(one) for one in found], "next": more, "undated": undated}

    def gaps(self, hub: str = "", *, after: int = 0, limit: int = MAX_LIMIT) -> list[dict[str, Any]]:
        """Return declared gaps, at most `limit` after the number `after`. `missing` is a gap without the records that
        arrived all the same."""
        with self._queries.snapshot() as now:
            lines = now.gaps(hub, after=after, limit=limit)
        found = []
        for line in lines:
            gap = line._asdict() | {"run": line.run.hex(), "missing": line.stored.missing(line.first, line.last)}
            del gap["stored"]
            found.append(gap)
        return found

    def forks(self) -> list[dict[str, Any]]:
        """Return numbers that arrived with two contents."""
        with self._queries.snapshot() as now:
            lines = now.forks()
        return [
            line._asdict()
            | {"run": line.run.hex(), "stored": line.stored and line.stored.hex(), "digest": line.digest.hex()}
            for line in lines
        ]

    def alarms(self, hub: str = "", *, everything: bool = True, limit: int = MAX_LISTED) -> list[dict[str, Any]]:
        """Return open alarms, the newest first; then, with `everything`, cleared ones."""
        with self._queries.snapshot() as now:
            return [_alarm(line) for line in now.alarms(hub, everything=everything, limit=limit)]

    def quarantined(self, hub: str = "", limit: int = MAX_LISTED) -> list[dict[str, Any]]:
        """Return the entries of the quarantine, the newest first, without the bytes."""
        with self._queries.snapshot() as now:
            return [line._asdict() for line in now.quarantined(hub, limit=limit)]

    def erased(self, hub: str = "", limit: int = -1) -> list[dict[str, Any]]:
        """Return erasures that hubs ordered, the newest first."""
        with self._queries.snapshot() as now:
            return [line._asdict() for line in now.erasures(hub, limit=limit)]

    def retention(self) -> list[dict[str, Any]]:
        """Return how long readings are kept, by privacy class."""
        with self._queries.snapshot() as now:
            return [RetentionLine._asdict(line) for line in now.retention()]

    def raised(self, hub: str, everything: bool = False, limit: int = MAX_LISTED) -> list[dict[str, Any]]:
        """Return alerts of the hubs, the newest first: open ones, or all."""
        with self._queries.snapshot() as now:
            lines = now.alerts(hub, everything=everything, limit=limit)
        return [
            change._asdict() | {"wanted": None if wanted is None else msgspec.json.decode(wanted)}
            for change, wanted in lines
        ]

    def witnessed(self, hub: str, limit: int) -> list[dict[str, Any]]:
        """Return heads of a hub's audit chain as it reported them, the newest first: {at (Unix s), count, head,
        counts}."""
        with self._queries.snapshot() as now:
            lines = now.anchors(hub, limit)
        return [
            {"at": line.told_ms / 1000, "count": line.entries, "head": line.head, "counts": line.counts}
            for line in lines
        ]

    def asked(self, hub: str = "", limit: int = MAX_LISTED) -> list[dict[str, Any]]:
        """Return which hubs asked at which other hub a device is, the newest first."""
        with self._queries.snapshot() as now:
            return [line._asdict() for line in now.lookups(hub, limit=limit)]

    def callbacks(self) -> dict[str, Any]:
        """Return the tokens of callbacks, and for each hub how many callbacks wait for it and since when."""
        with self._queries.snapshot() as now:
            tokens, waiting = now.callback_tokens(), now.waiting_callbacks()
        return {"tokens": [one._asdict() for one in tokens], "waiting": [one._asdict() for one in waiting]}

    def stats(self) -> dict[str, Any]:
        """Return totals of the database. A result that took long to count is cached for twenty times as long, so that
        repeated requests do not keep a processor busy."""
        with self._counting:
            began = time.monotonic()
            until, told = self._totals
            if began >= until:
                told = self._count()
                took = time.monotonic() - began
                self._totals = time.monotonic() + (20 * took if took > LONG_S else 0.0), told
            return dict(told)

    def _count(self) -> dict[str, Any]:
        with self._queries.snapshot() as now:
            totals = now.totals()
        return {"readings": totals.readings, "streams": totals.streams, "of_stream": totals.of_stream} | totals.counts

    def _state_fields(self, line: HubLine) -> dict[str, Any]:
        """Return STATE_FIELDS of the last accepted state; None of each where it is damaged here. What was verified once
        is remembered: a signature costs as much as the rest of a hub's line."""
        if line.state is None:
            return dict.fromkeys(STATE_FIELDS)
        digest = hashlib.sha256(line.hub.identity + line.state).digest()
        known = self._states.get(digest)
        if known is None:
            if len(self._states) >= _MAX_STATES:
                self._states.clear()
            known = self._states[digest] = _read_fields(line.state, line.hub.identity)
        return known


def parse_number(text: str, name: str, low: int, high: int) -> int:
    """Parse a whole number of a query. Raises DecodeError naming the parameter."""
    try:
        number = int(text[:32])
    except ValueError as error:
        raise DecodeError("bad-query", phrase("query-number-wrong", "{name} is a whole number", name=name)) from error
    if not low <= number <= high:
        raise DecodeError(
            "bad-query",
            phrase("query-number-out-of-range", "{name} lies between {low} and {high}", name=name, low=low, high=high),
        )
    return number


def _find(now: Snapshot, series: str) -> list[SeriesHistory]:
    """Return the readings of each device that has this series."""
    hub, place, metric = _split(series)
    devices = now.devices(hub, place, metric)
    if not devices:
        raise NotFound(phrase("no-such-series", "there is no series {series}", series=series[:200]))
    seen = now.hub(hub)
    return [SeriesHistory(seen, device, metric, place) for device in devices]


def _newest(histories: list[SeriesHistory], before: int) -> StoredReading | None:
    found = [one for history in histories if (one := history.latest(before)) is not None]
    return max(found, key=_in_order, default=None)


def _page(histories: list[SeriesHistory], start: int, end: int, limit: int) -> tuple[list[StoredReading], int | None]:
    """Return at most `limit` readings, and the time of the next; a page is never cut within one millisecond."""
    coming = heapq.merge(*(history.between(start, end) for history in histories), key=_in_order)
    found = list(islice(coming, limit + 1))
    if len(found) <= limit:
        return found, None
    more = found[limit].time_ms
    whole = [one for one in found if one.time_ms != more]
    if whole:
        return whole, more
    return [*found, *takewhile(lambda one: one.time_ms == more, coming)], more + 1


def _undated(now: Snapshot, hub: str, histories: list[SeriesHistory], limit: int) -> list[dict[str, Any]]:
    merged = heapq.merge(*(history.undated() for history in histories), key=attrgetter("boot", "time_ms", "origin"))
    readings = list(islice(merged, limit))
    if not readings:
        return []
    runs = now.runs(hub, list({one.origin >> ORIGIN_BITS for one in readings}))
    brackets = _Brackets(now, hub, histories)
    told = []
    for one in readings:
        run = runs.get(one.origin >> ORIGIN_BITS)
        about = {"quality": int(Quality.UNDATED), "boot": one.boot.hex(), "monotonic": one.time_ms}
        told.append(_reading(one) | {"time": None} | about | brackets.of(run))
    return told


class _Brackets:
    """For each run, the dated readings of neighbouring runs between which it lies. The readings are gone through once,
    however many runs there are: a hub that begins many must not make a request dearer."""

    def __init__(self, now: Snapshot, hub: str, histories: list[SeriesHistory]) -> None:
        first: dict[int, int] = {}
        last: dict[int, int] = {}
        for history in histories:
            for one in history.between(0, FAR):
                record = one.origin >> ORIGIN_BITS
                first[record] = min(one.time_ms, first.get(record, one.time_ms))
                last[record] = max(one.time_ms, last.get(record, one.time_ms))
        self._ends: dict[bytes, int] = {}
        self._begins: dict[bytes, int] = {}
        for record, run in now.runs(hub, list(first)).items():
            self._ends[run.run] = max(last[record], self._ends.get(run.run, last[record]))
            if run.previous is not None:
                self._begins[run.previous] = min(first[record], self._begins.get(run.previous, first[record]))

    def of(self, run: RunOfRecord | None) -> dict[str, int | None]:
        if run is None:  # its line of the account is packed
            return {"not_before": None, "not_after": None}
        before = None if run.previous is None else self._ends.get(run.previous)
        return {"not_before": before, "not_after": self._begins.get(run.run)}


def _stream(line: StreamLine) -> dict[str, Any]:
    return {
        "run": line.run.hex(), "stream": line.stream, "through": line.stored.through(), "ranges": list(line.stored),
        "forked": list(line.forked), "readings": line.readings, "announced": max(line.announced, line.stored.last()),
        "started_at": line.started_at,
    }  # fmt: skip


def _alarm(line: AlarmLine) -> dict[str, Any]:
    detail = line.detail if line.coded is None else from_data(line.detail, msgspec.json.decode(line.coded))
    return {
        "id": line.id, "kind": line.kind, "hub": line.hub, "raised_at": line.raised_at, "cleared_at": line.cleared_at,
        "detail": detail,
    }  # fmt: skip


def _read_fields(state: bytes, identity: bytes) -> dict[str, Any]:
    try:
        said = read_state(state, identity)
    except (AuthFailed, DecodeError):
        return dict.fromkeys(STATE_FIELDS)
    told = (said.heard or None, said.boot.hex(), said.generation, said.trust_version)
    return dict(zip(STATE_FIELDS, told, strict=True))


def _reading(one: StoredReading) -> dict[str, Any]:
    return {"time": one.time_ms, "value": one.value, "quality": one.quality, "trust": one.trust}


def _id(hub: str, place: str, metric: str) -> str:
    return f"{hub}/{series_id(place, metric)}"


def _split(series: str) -> tuple[str, str, str]:
    """Return hub, place and metric of a series id."""
    hub, _, rest = series.partition("/")
    place, _, metric = rest.rpartition("/")
    return hub, place, metric
