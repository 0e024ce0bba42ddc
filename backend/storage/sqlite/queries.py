"""Reading side in SQLite: a read-only connection for each snapshot. See `backend.storage.queries`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

import apsw
import msgspec

from backend.storage import queries
from backend.storage.chunks import HubSnapshot
from backend.storage.epoch_context import Context
from backend.storage.queries import (
    AlarmLine,
    AlertLine,
    AsideLine,
    CallbackTokenLine,
    Damage,
    DeviceSeries,
    EpochLine,
    ErasureLine,
    ForkLine,
    GapLine,
    HubLine,
    LookupLine,
    Progress,
    QuarantineLine,
    RetentionLine,
    RunOfRecord,
    Sample,
    SeriesLine,
    StreamLine,
    Totals,
    WaitingLine,
)
from backend.storage.sqlite import alerts, registry
from backend.storage.sqlite.chunks import SqliteHubSnapshot
from backend.storage.sqlite.erasures import OF_PERSONS
from backend.storage.sqlite.errors import refusals
from backend.storage.sqlite.integrity import find_damage
from backend.storage.sqlite.samples import sample
from backend.storage.sqlite.schema import open_for_reading
from backend.storage.tables import AlertChange, Anchor
from hub.protocol.ranges import Ranges

_STREAM = "hub, run, stream, stored, forked, readings, announced, started_at"
_SERIES_LINES = """
select hub, place, metric, unit, resolution, kind, device_class, state_class, privacy, site, zone,
    json_group_array(device), max(id)
from series where {of} and (hub, place, metric) > (?4, ?5, ?6)
group by hub, place, metric order by hub, place, metric limit ?7
"""
_MARKS = """
select hub, max(through, coalesce((select max(record) from bodies where bodies.hub = compacted.number), 0)), version
from compacted
"""
_DEVICE_SERIES = """
select device, place, metric, coalesce(day, 0), unit, kind, device_class, state_class, privacy, site, zone, model,
    integration from series where hub = ? order by device, place, metric
"""
_NEWEST_STREAMS = f"""
select {_STREAM}, in_all from (
    select *, row_number() over (partition by hub order by id desc) as place, count(*) over (partition by hub) as in_all
    from streams where hub in (select value from json_each(?)))
where place <= ? order by id
"""  # noqa: S608
_HUBS = f"select {registry.HUB}, state, state_at from hubs"  # noqa: S608
_RUNS = """
select c.id, s.run, s.previous from records c join streams s on s.id = c.stream
where s.hub = ? and c.id in (select value from json_each(?))
"""
_UNDATED = """
select coalesce(sum(one.reports), 0) from (
    select hub, boot, rows as reports from chunks where boot > x''
    union all select hub, boot, r.readings from bodies join records r on r.id = record where boot > x'') one
join compacted c on c.number = one.hub left join boots b on b.hub = c.hub and b.boot = one.boot
where b.offset_ms is null
"""
_GAPS = """
select g.id, g.hub, g.run, g.stream, first, last, g.readings, from_s, to_s, reason, received_at, s.stored from gaps g
left join streams s on s.hub = g.hub and s.run = g.run and s.stream = g.stream
where {of} and g.id > ?2 order by g.id limit ?3
"""
_GAPS_COUNTED = "select hub, count(*) from gaps where hub in (select value from json_each(?)) group by hub"
_FORKS = """
select s.hub, s.run, s.stream, f.seq, r.digest, f.digest, length(f.raw), f.received_at from forks f
join streams s on s.id = f.stream left join records r on r.stream = f.stream and r.seq = f.seq order by f.id
"""
_ALARMS = """
select id, kind, hub, raised_at, cleared_at, detail, coded from (
    select *, cleared_at is not null as over_,
        row_number() over (partition by hub, cleared_at is not null order by id desc) as place_of_hub
    from alarms where {of} and (?2 or cleared_at is null) order by over_, place_of_hub limit ?3)
order by over_, id desc
"""
_QUARANTINED = """
select id, hub, reason, bytes, received_at from (
    select id, hub, reason, length(body) as bytes, received_at,
        row_number() over (partition by hub order by id desc) as place_of_hub
    from quarantine where {of} order by place_of_hub limit ?2)
order by id desc
"""
_ERASURES = f"""
select hub, id, kind, name, until_ms, ordered_at, done_at, readings, left_over, late from (
    select c.hub, id, kind, name, until_ms, ordered_at, done_at, readings, left_over, late + dropped as late,
        row_number() over (partition by c.hub order by ordered_at desc, e.record desc) as place_of_hub
    from compacted c join erasing e on e.hub = c.number
    where {{of}} and {OF_PERSONS} order by place_of_hub limit ?2)
order by ordered_at desc, id
"""  # noqa: S608
_ALERTS = f"""
select {alerts.COLUMNS}, wanted from (
    select *, row_number() over (partition by hub order by raised_at desc, alert) as place_of_hub
    from alerts where {{of}} and (?2 or state <> 'cleared') order by place_of_hub limit ?3)
order by raised_at desc, alert
"""  # noqa: S608
_ALERT_CHANGES = f"""
select {alerts.COLUMNS} from alerts
where (state in ('raised', 'acknowledged', 'muted', 'escalated') or (state = 'cleared' and changed_at >= ?2))
    and received_at >= ?1 order by received_at, hub, alert
"""  # noqa: S608
_ANCHORS = """
select hub, told_ms, count, head, counts, received_at from witnesses where hub = ?
order by received_at desc, told_ms desc limit ?
"""
_EPOCHS = """
select e.id, e.stream, e.eid, e.raw, s.hub, s.run, s.stream, h.identity from epochs e
join streams s on s.id = e.stream join hubs h on h.hub = s.hub where e.id > ? order by e.id limit ?
"""
_ASIDE = """
select q.hub, s.run, s.stream, s.stored, q.body from quarantine q join epochs e on e.id = q.epoch
join streams s on s.id = e.stream where q.reason = ? order by s.id, q.id
"""
_LOOKUPS = """
select hub, device, first_at, last_at, told_at from asked where {of} order by last_at desc, hub, device limit ?2
"""
_COUNTED = {
    "records": "records", "hubs": "hubs", "series": "series", "gaps": "gaps", "forks": "forks",
    "quarantined": "quarantine", "alarms": "alarms where cleared_at is null",
}  # fmt: skip


class SqliteSnapshot:
    """One read transaction."""

    def __init__(self, connection: apsw.Connection) -> None:
        self._db = connection

    def hubs(self, *, after: str = "", limit: int = -1, hub: str = "") -> list[HubLine]:
        if hub:
            rows = self._rows(f"{_HUBS} where hub = ? and hub > ?", hub, after)
        else:
            rows = self._rows(f"{_HUBS} where hub > ? order by hub limit ?", after, limit)
        return [HubLine(registry.hub_of(tuple(of)), state, at) for *of, state, at in rows]

    def sites(self) -> list[tuple[str, str]]:
        return [
            (str(hub), str(site)) for hub, site in self._rows("select distinct hub, site from series where site <> ''")
        ]

    def newest_streams(self, hubs: Sequence[str], most: int) -> dict[str, tuple[list[StreamLine], int]]:
        found: dict[str, tuple[list[StreamLine], int]] = {hub: ([], 0) for hub in hubs}
        for *row, in_all in self._rows(_NEWEST_STREAMS, _array(hubs), most):
            line = _stream(*row)
            found[line.hub][0].append(line)
            found[line.hub] = found[line.hub][0], in_all
        return found

    def streams(self, hub: str) -> list[StreamLine]:
        rows = self._rows(f"select {_STREAM} from streams where hub = ? order by id", hub)  # noqa: S608
        return [_stream(*row) for row in rows]

    def series(
        self, hub: str = "", place: str = "", metric: str = "", *, after: tuple[str, str, str], limit: int
    ) -> list[SeriesLine]:
        given = [_given(*one) for one in (("hub", hub, 1), ("place", place, 2), ("metric", metric, 3))]
        rows = self._rows(_SERIES_LINES.format(of=" and ".join(given)), hub, place, metric, *after, limit)
        return [SeriesLine._make((*line, msgspec.json.decode(devices))) for *line, devices, _ in rows]

    def marks(self) -> dict[str, tuple[int, int]]:
        return {hub: (record, version) for hub, record, version in self._rows(_MARKS)}

    def device_series(self, hub: str) -> list[DeviceSeries]:
        return [DeviceSeries._make(row) for row in self._rows(_DEVICE_SERIES, hub)]

    def devices(self, hub: str, place: str, metric: str) -> list[str]:
        return [
            device
            for (device,) in self._rows(
                "select device from series where hub = ? and place = ? and metric = ? order by id", hub, place, metric
            )
        ]

    def hub(self, hub: str) -> HubSnapshot:
        with refusals():
            return SqliteHubSnapshot(self._db, hub)

    def runs(self, hub: str, records: Sequence[int]) -> dict[int, RunOfRecord]:
        return {record: RunOfRecord(*run) for record, *run in self._rows(_RUNS, hub, _array(records))}

    def gaps(self, hub: str = "", *, after: int = 0, limit: int = -1) -> list[GapLine]:
        rows = self._rows(_GAPS.format(of=_given("g.hub", hub, 1)), hub, after, limit)
        return [GapLine._make((*gap, _ranges(stored) if stored else Ranges())) for *gap, stored in rows]

    def count_gaps(self, hubs: Sequence[str]) -> dict[str, int]:
        return dict(self._rows(_GAPS_COUNTED, _array(hubs)))

    def forks(self) -> list[ForkLine]:
        return [ForkLine(*row) for row in self._rows(_FORKS)]

    def alarms(self, hub: str = "", *, everything: bool = False, limit: int = -1) -> list[AlarmLine]:
        return [AlarmLine(*row) for row in self._rows(_ALARMS.format(of=_given("hub", hub, 1)), hub, everything, limit)]

    def quarantined(self, hub: str = "", *, limit: int = -1) -> list[QuarantineLine]:
        return [QuarantineLine(*row) for row in self._rows(_QUARANTINED.format(of=_given("hub", hub, 1)), hub, limit)]

    def erasures(self, hub: str = "", *, limit: int = -1) -> list[ErasureLine]:
        return [ErasureLine(*row) for row in self._rows(_ERASURES.format(of=_given("c.hub", hub, 1)), hub, limit)]

    def retention(self) -> list[RetentionLine]:
        rows = self._rows("select privacy, days, purged, purged_at from retention order by privacy")
        return [RetentionLine(*row) for row in rows]

    def alerts(self, hub: str = "", *, everything: bool = False, limit: int = -1) -> list[AlertLine]:
        rows = self._rows(_ALERTS.format(of=_given("hub", hub, 1)), hub, everything, limit)
        return [AlertLine(AlertChange(*row), wanted) for *row, wanted in rows]

    def alert_changes(self, received: float, cleared: float) -> list[AlertChange]:
        return [AlertChange(*row) for row in self._rows(_ALERT_CHANGES, received, cleared)]

    def on_trial(self) -> frozenset[str]:
        return frozenset(
            str(hub)
            for (hub,) in self._rows("select t.hub from trials join tokens t on t.id = token where t.hub is not null")
        )

    def anchors(self, hub: str, limit: int) -> list[Anchor]:
        return [Anchor(*row) for row in self._rows(_ANCHORS, hub, limit)]

    def lookups(self, hub: str = "", *, limit: int = -1) -> list[LookupLine]:
        rows = self._rows(_LOOKUPS.format(of=_given("hub", hub, 1)), hub, limit)
        return [LookupLine(*row) for row in rows]

    def callback_tokens(self) -> list[CallbackTokenLine]:
        rows = self._rows(f"select {', '.join(CallbackTokenLine._fields)} from doors order by created_at")  # noqa: S608
        return [CallbackTokenLine(*row) for row in rows]

    def waiting_callbacks(self) -> list[WaitingLine]:
        rows = self._rows(
            "select hub, count(*), min(received_at) from callbacks where fields is not null group by hub order by hub"
        )
        return [WaitingLine(*row) for row in rows]

    def totals(self) -> Totals:
        (readings, streams), *_ = self._rows("select coalesce(sum(readings), 0), count(*) from streams")
        of = dict(self._rows("select stream, sum(readings) from streams group by stream"))
        counts = {name: self._rows(f"select count(*) from {of}")[0][0] for name, of in _COUNTED.items()}  # noqa: S608
        ((counts["undated"],),) = self._rows(_UNDATED)
        return Totals(readings, streams, of, counts)

    def compacts_since(self) -> float | None:
        rows = self._rows("select received_at from bodies order by record limit 1")
        return rows[0][0] if rows else None

    def epochs(self, after: int, limit: int) -> list[EpochLine]:
        found = []
        for number, stream, eid, raw, hub, run, name, identity in self._rows(_EPOCHS, after, limit):
            tables = self._rows("select number, raw from tables where epoch = ? order by number", number)
            found.append(EpochLine(Context(number, stream, eid, raw, tables), hub, run, name, identity))
        return found

    def set_aside(self, reason: str) -> Iterator[AsideLine]:
        with refusals():
            for hub, run, stream, stored, body in cast(Any, self._db.execute(_ASIDE, (reason,))):
                yield AsideLine(hub, run, stream, _ranges(stored), body)

    @refusals()
    def _rows(self, statement: str, *arguments: object) -> list[Any]:
        return self._db.execute(statement, cast("tuple[Any, ...]", arguments)).fetchall()


class SqliteQueries:
    """Reading side of the database in a file."""

    def __init__(self, path: Path) -> None:
        self._path = path

    @contextmanager
    def snapshot(self) -> Iterator[queries.Snapshot]:
        db = open_for_reading(self._path)
        try:
            with refusals():
                db.execute("begin")
            yield SqliteSnapshot(db)
        finally:
            db.close()

    def damage(self, progress: Progress) -> Iterator[Damage]:
        return find_damage(self._path, progress)

    def sample(self, seconds: float) -> Sample:
        return sample(self._path, seconds)


def _given(column: str, value: str, number: int) -> str:
    """Return the condition that a column has the value of parameter `number`, where there is one: so that SQLite finds
    the rows of one hub by an index, among those of all."""
    return f"{column} = ?{number}" if value else f"?{number} = ''"


def _stream(
    hub: str, run: bytes, stream: str, stored: bytes, forked: bytes, readings: int, announced: int, started_at: float
) -> StreamLine:
    return StreamLine(hub, run, stream, _ranges(stored), _ranges(forked), readings, announced, started_at)


def _ranges(packed: bytes) -> Ranges:
    return Ranges(msgspec.msgpack.decode(packed))


def _array(values: Sequence[object]) -> str:
    return msgspec.json.encode(list(values)).decode()
