"""Queries of the operator API. Blocking; each call reads its own snapshot.

Times in answers are Unix ms (`time`, `from`, `to`) or Unix seconds (`*_at`); runs and digests are hex.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

import apsw
import msgspec

from backend import alerts, audit_anchors, erasures, other_hubs, retention, review
from backend.readings import ORIGIN_BITS, newest_limit
from backend.schema import open_for_reading
from hub.core.errors import AuthFailed, DecodeError, StorageError
from hub.core.model import Quality, series_id
from hub.core.text import phrase, reason_of
from hub.protocol.link_messages import read_state
from hub.protocol.ranges import Ranges

MAX_LIMIT = 10_000
LONG_S = 0.5
MAX_STREAMS_SHOWN = 100
"""Streams of one hub in the list of hubs, the newest; `verify` shows all."""
STATE_FIELDS = ("heard_at", "boot", "generation", "trust_version")
"""Fields of a hub's last state in the list of hubs."""
_SERIES = "hub, place, metric, unit, resolution, kind, device_class, state_class, privacy, site, zone"

_COUNTED = {
    "records": "records", "hubs": "hubs", "series": "series", "gaps": "gaps", "forks": "forks", "undated": "undated",
    "quarantined": "quarantine", "alarms": "alarms where cleared_at is null",
}  # fmt: skip
_STREAMS = (
    "select hub, lower(hex(run)), stream, stored, forked, readings, announced, started_at from streams"
    " where hub = ? order by id"
)
_NEWEST_STREAMS = (
    "select hub, lower(hex(run)), stream, stored, forked, readings, announced, started_at, in_all from (select *,"
    " row_number() over (partition by hub order by id desc) as place, count(*) over (partition by hub) as in_all"
    " from streams) where place <= ? order by id"
)


class NotFound(Exception):
    """There is no such series, hub or stream."""


class Views:
    """Queries on one database."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._counting = threading.Lock()
        self._totals: tuple[float, dict[str, Any]] = 0.0, {}  # (cached until, monotonic s; totals)

    def hubs(self) -> list[dict[str, Any]]:
        """Return every hub with the numbers of its newest streams, and how many there are in all. It was alive at
        `heard_at`: states that arrive later may have been held back on their way."""
        with self._snapshot() as db:
            streams: dict[str, list[dict[str, Any]]] = {}
            counts: dict[str, int] = {}
            for *row, in_all in db.execute(_NEWEST_STREAMS, (MAX_STREAMS_SHOWN,)):
                streams.setdefault(str(row[0]), []).append(_stream(tuple(row)))
                counts[str(row[0])] = cast(int, in_all)
            rows = db.execute(
                "select hub, name, enrolled_at, revoked_at, seen_at, state_at, identity, state from hubs order by hub"
            ).fetchall()
        names = ("hub", "name", "enrolled_at", "revoked_at", "seen_at", "state_at")
        return [
            dict(zip(names, row[:6], strict=True))
            | _state_fields(*row[6:])
            | {"streams": streams.get(str(row[0]), []), "streams_in_all": counts.get(str(row[0]), 0)}
            for row in rows
        ]

    def verify(self, hub: str, run: str = "", stream: str = "") -> list[dict[str, Any]]:
        """Return the record numbers of a hub's streams that are stored in rows."""
        with self._snapshot() as db:
            found = [_stream(row) for row in db.execute(_STREAMS, (hub,))]
        return [s for s in found if (not run or s["run"] == run) and (not stream or s["stream"] == stream)]

    def series(
        self, hub: str = "", place: str = "", metric: str = "", *, after: str = "", limit: int = MAX_LIMIT
    ) -> list[dict[str, Any]]:
        """Return all series, or those of one hub, place, metric, by their ids: at most `limit`, after the id
        `after`."""
        last, _, rest = after.partition("/")
        near, _, said = rest.rpartition("/")
        with self._snapshot() as db:
            rows = db.execute(
                f"select {_SERIES}, json_group_array(device) from series where ? in ('', hub) and ? in ('', place)"  # noqa: S608
                " and ? in ('', metric) and (hub, place, metric) > (?, ?, ?)"
                " group by hub, place, metric order by hub, place, metric limit ?",
                (hub, place, metric, last, near, said, limit),
            )
            names = [*_SERIES.split(", "), "devices"]
            found = [dict(zip(names, row, strict=True)) for row in rows]
        for one in found:
            one["devices"] = msgspec.json.decode(one["devices"])
            one["id"] = _id(one["hub"], one["place"], one["metric"])
        return found

    def latest(self, series: str) -> dict[str, Any]:
        """Return the newest reading by its own time; `value` is null when no reading has a time. Raises NotFound."""
        with self._snapshot() as db:
            kinds = self._find(db, series)
            rows = [
                (kind, *found)
                for number, kind in kinds.items()
                for found in db.execute("select time, value, flags from latest where series = ?", (number,)).fetchall()
            ]
        if not rows:
            return {"id": series, "time": None, "value": None, "quality": None, "trust": None}
        limit = newest_limit(time.time())
        return {"id": series} | _reading(*cast(Any, max(rows, key=lambda row: (cast(int, row[1]) <= limit, row[1]))))

    def history(self, series: str, start: int, end: int, limit: int) -> dict[str, Any]:
        """Return readings with start ≤ time < end, oldest first, at most `limit`; then `undated`, of boots that never
        knew the time: ordered within their boot, and between `not_before` and `not_after`. Raises NotFound.

        `next` is the time to continue from when there is more, else null.
        """
        with self._snapshot() as db:
            kinds = self._find(db, series)
            numbers = list(kinds)
            marks = ",".join("?" * len(numbers))
            rows = db.execute(
                f"select time, value, flags, series from readings where series in ({marks}) and time >= ? and time < ?"  # noqa: S608
                " order by time, origin limit ?",
                (*numbers, start, end, limit + 1),
            ).fetchall()
            more = cast(int, rows[limit][0]) if len(rows) > limit else None
            if more is not None:  # never cut a page within one millisecond
                whole = [row for row in rows if row[0] != more]
                rows, more = (whole, more) if whole else (self._at(db, numbers, more), more + 1)
            undated = self._undated(db, kinds, limit)
        readings = [_reading(kinds[cast(int, row[3])], *row[:3]) for row in rows]
        return {"id": series, "readings": readings, "next": more, "undated": undated}

    def gaps(self, hub: str = "", *, after: int = 0, limit: int = MAX_LIMIT) -> list[dict[str, Any]]:
        """Return declared gaps, at most `limit` after the number `after`. `missing` is a gap without the records that
        arrived all the same."""
        names = (
            "id",
            "hub",
            "run",
            "stream",
            "first",
            "last",
            "readings",
            "from_s",
            "to_s",
            "reason",
            "received_at",
            "stored",
        )
        with self._snapshot() as db:
            rows = db.execute(
                "select g.id, g.hub, lower(hex(g.run)), g.stream, first, last, g.readings, from_s, to_s, reason,"
                " received_at, s.stored from gaps g"
                " left join streams s on s.hub = g.hub and s.run = g.run and s.stream = g.stream"
                " where ? in ('', g.hub) and g.id > ? order by g.id limit ?",
                (hub, after, limit),
            )
            found = [dict(zip(names, row, strict=True)) for row in rows]
        for gap in found:
            stored = gap.pop("stored")
            have = Ranges(msgspec.msgpack.decode(stored) if stored else ())
            gap["missing"] = have.missing(gap["first"], gap["last"])
        return found

    def forks(self) -> list[dict[str, Any]]:
        """Return numbers that arrived with two contents."""
        return self._table(
            "hub run stream seq stored digest bytes received_at",
            "select s.hub, lower(hex(s.run)), s.stream, f.seq, lower(hex(r.digest)), lower(hex(f.digest)),"
            " length(f.raw), f.received_at from forks f join streams s"
            " on s.id = f.stream left join records r on r.stream = f.stream and r.seq = f.seq order by f.id",
        )

    def alarms(self) -> list[dict[str, Any]]:
        """Return alarms, open ones first."""
        with self._snapshot() as db:
            return list(review.alarms(db, everything=True))

    def erased(self, hub: str = "", limit: int = -1) -> list[dict[str, Any]]:
        """Return erasures that hubs ordered, the newest first."""
        with self._snapshot() as db:
            return list(erasures.listed(db, hub, limit))

    def retention(self) -> list[dict[str, Any]]:
        """Return how long readings are kept, by privacy class."""
        with self._snapshot() as db:
            return retention.shown(db)

    def raised(self, hub: str, everything: bool = False) -> list[dict[str, Any]]:
        """Return alerts of the hubs, the newest first: open ones, or all."""
        with self._snapshot() as db:
            return list(alerts.listed(db, hub, everything=everything))

    def witnessed(self, hub: str, limit: int) -> list[dict[str, Any]]:
        """Return heads of a hub's audit chain as it reported them, the newest first: {at (Unix s), count, head,
        counts}."""
        with self._snapshot() as db:
            return list(audit_anchors.listed(db, hub, limit))

    def asked(self, hub: str = "") -> list[dict[str, Any]]:
        """Return which hubs asked at which other hub a device is, the newest first."""
        with self._snapshot() as db:
            return list(other_hubs.listed(db, hub))

    def stats(self) -> dict[str, Any]:
        """Return totals of the database, without rows still in the journal. A result that took long to count is cached
        for twenty times as long, so that repeated requests do not keep a processor busy."""
        with self._counting:
            began = time.monotonic()
            until, told = self._totals
            if began >= until:
                told = self._count()
                took = time.monotonic() - began
                self._totals = time.monotonic() + (20 * took if took > LONG_S else 0.0), told
            return dict(told)

    def _count(self) -> dict[str, Any]:
        with self._snapshot() as db:
            readings, streams = db.execute("select coalesce(sum(readings), 0), count(*) from streams").get
            of = dict(db.execute("select stream, sum(readings) from streams group by stream"))
            counts = {name: db.execute(f"select count(*) from {table}").get for name, table in _COUNTED.items()}  # noqa: S608
        return {"readings": readings, "streams": streams, "of_stream": of} | counts

    def _at(self, db: apsw.Connection, numbers: list[int], time: int) -> list[tuple[Any, ...]]:
        marks = ",".join("?" * len(numbers))
        return db.execute(
            f"select time, value, flags, series from readings where series in ({marks}) and time = ? order by origin",  # noqa: S608
            (*numbers, time),
        ).fetchall()

    def _undated(self, db: apsw.Connection, kinds: dict[int, str], limit: int) -> list[dict[str, Any]]:
        numbers = list(kinds)
        marks = ",".join("?" * len(numbers))
        rows = db.execute(
            "select lower(hex(b.boot)), u.mono, u.value, u.flags, c.stream, u.series from undated u"  # noqa: S608
            f" join boots b on b.id = u.boot join records c on c.id = u.origin >> {ORIGIN_BITS}"
            f" where u.series in ({marks})"
            " order by c.stream, u.mono, u.origin limit ?",
            (*numbers, limit),
        ).fetchall()
        brackets = self._brackets(db, numbers, {cast(int, row[4]) for row in rows})
        return [
            _reading(kinds[cast(int, number)], None, value, flags)
            | {"quality": int(Quality.UNDATED), "boot": boot, "monotonic": mono}
            | brackets[cast(int, stream)]
            for boot, mono, value, flags, stream, number in rows
        ]

    def _brackets(self, db: apsw.Connection, numbers: list[int], streams: set[int]) -> dict[int, dict[str, Any]]:
        """Return, for each run, the dated readings of neighbouring runs between which it lies. The readings are read
        once, however many runs there are: a hub that begins many must not make a request dearer."""
        if not streams:
            return {}
        marks = ",".join("?" * len(numbers))
        spans = db.execute(
            "select s.run, s.previous, min(r.time), max(r.time) from readings r"  # noqa: S608
            f" join records c on c.id = r.origin >> {ORIGIN_BITS} join streams s on s.id = c.stream"
            f" where r.series in ({marks}) group by s.hub, s.run, s.previous",
            numbers,
        )
        ends: dict[bytes, int] = {}
        begins: dict[bytes, int] = {}
        for run, previous, first, last in cast("list[tuple[bytes, bytes | None, int, int]]", spans.fetchall()):
            ends[run] = max(last, ends.get(run, last))
            if previous is not None:
                begins[previous] = min(first, begins.get(previous, first))
        found = {}
        for stream in streams:
            run, previous = cast(Any, db.execute("select run, previous from streams where id = ?", (stream,)).get)
            found[stream] = {"not_before": ends.get(previous), "not_after": begins.get(run)}
        return found

    def _find(self, db: apsw.Connection, series: str) -> dict[int, str]:
        """Return the numbers of its devices, each with the kind of its values, which may differ."""
        parts = series.split("/", 1)
        place, _, metric = parts[-1].rpartition("/")
        rows = db.execute(
            "select id, kind from series where hub = ? and place = ? and metric = ?", (parts[0], place, metric)
        ).fetchall()
        if not rows:
            raise NotFound(phrase("no-such-series", "there is no series {series}", series=series[:200]))
        return {cast(int, number): str(kind) for number, kind in rows}

    def _table(self, names: str, statement: str) -> list[dict[str, Any]]:
        with self._snapshot() as db:
            return [dict(zip(names.split(), row, strict=True)) for row in db.execute(statement)]

    @contextmanager
    def _snapshot(self) -> Iterator[apsw.Connection]:
        db = open_for_reading(self._path)
        try:
            db.execute("begin")
            yield db
        except apsw.Error as error:
            raise StorageError(
                phrase("database-refuses-because", "the database refuses: {reason}", reason=reason_of(error))
            ) from error
        finally:
            db.close()


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


def _stream(row: tuple[Any, ...]) -> dict[str, Any]:
    _, run, stream, stored, forked, readings, announced, started = row
    ranges = Ranges(msgspec.msgpack.decode(stored))
    return {
        "run": run, "stream": stream, "through": ranges.through(), "ranges": list(ranges),
        "forked": msgspec.msgpack.decode(forked), "readings": readings, "announced": max(announced, ranges.last()),
        "started_at": started,
    }  # fmt: skip


def _state_fields(identity: Any, state: Any) -> dict[str, Any]:
    """Return STATE_FIELDS of the last accepted state; None of each where it is damaged here."""
    try:
        said = None if state is None else read_state(bytes(state), bytes(identity))
    except (AuthFailed, DecodeError):
        said = None
    if said is None:
        return dict.fromkeys(STATE_FIELDS)
    return dict(
        zip(STATE_FIELDS, (said.heard or None, said.boot.hex(), said.generation, said.trust_version), strict=True)
    )


def _reading(kind: str, time: Any, value: Any, flags: Any) -> dict[str, Any]:
    value = (
        bool(value) if kind == "flag" and value in (0, 1) else value
    )  # values stored before the metric was a flag stay numbers
    return {"time": time, "value": value, "quality": flags & 15, "trust": flags >> 4}


def _id(hub: str, place: str, metric: str) -> str:
    return f"{hub}/{series_id(place, metric)}"
