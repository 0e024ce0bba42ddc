"""One moment of a PostgreSQL database, as it is told to those who read. See `backend.storage.queries.Snapshot`.

The row of a stream lags behind its records by some hundred lines (`streams`): what is told of it are both.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

import msgspec

from backend.storage.chunks import HubSnapshot
from backend.storage.epoch_context import Context
from backend.storage.postgresql.hub_rows import HUB, HUBS, hub_of
from backend.storage.postgresql.hub_snapshot import PostgresHubSnapshot
from backend.storage.postgresql.moments import Moment
from backend.storage.postgresql.partitions import UNDATED
from backend.storage.postgresql.streams import LAST
from backend.storage.queries import (
    AlarmLine,
    AlertLine,
    AsideLine,
    CallbackTokenLine,
    DeviceSeries,
    EpochLine,
    ErasureLine,
    ForkLine,
    GapLine,
    HubLine,
    LookupLine,
    QuarantineLine,
    RetentionLine,
    RunOfRecord,
    SeriesLine,
    StreamLine,
    Totals,
    WaitingLine,
)
from backend.storage.tables import AlertChange, Anchor
from hub.protocol.ranges import Ranges

_HUBS = f"select {HUB}, s.state, s.state_at {HUBS}"
_STREAM = "s.id, h.hub, s.run, s.stream, s.stored, s.forked, s.readings, s.announced, s.started_at"
_STREAMS = f"select {_STREAM} from streams s join hubs h on h.number = s.hub"  # noqa: S608
_NEWEST_STREAMS = f"""
select {_STREAM}, s.in_all from (
    select *, row_number() over (partition by hub order by id desc) as place, count(*) over (partition by hub) as in_all
    from streams where hub in (select number from hubs where hub = any(%s))) s
join hubs h on h.number = s.hub where s.place <= %s order by s.id
"""  # noqa: S608
_LINES = """
select g.stream, r.seq, r.readings from unnest(%s::bigint[], %s::bigint[], %s::bigint[]) as g (stream, first, last)
cross join lateral (select seq, readings from records where stream = g.stream and seq between g.first and g.last) r
order by g.stream, r.seq
"""
_SERIES_LINES = """
select h.hub, l.* from hubs h cross join lateral (
    select distinct on (place, metric) place, metric, unit, resolution, kind, device_class, state_class, privacy, site,
        zone, array_agg(device) over (partition by place, metric) as devices
    from series where hub = h.number and (h.hub > %s or (place, metric) > (%s, %s)){of}
    order by place, metric, day desc, device desc) l
where h.hub >= %s{of_hub} order by h.hub, l.place, l.metric limit %s
"""
_MARKS = """
select h.hub, h.last_record, coalesce(c.version, 0) from hubs h left join compaction c on c.hub = h.number
"""
_DEVICE_SERIES = """
select device, place, metric, day, unit, kind, device_class, state_class, privacy, site, zone, model, integration
from series where hub = (select number from hubs where hub = %s)
order by device collate "C", place collate "C", metric collate "C"
"""
_RUNS = """
select r.id, s.run, s.previous from hubs h join streams s on s.hub = h.number join records r on r.stream = s.id
where h.hub = %s and r.id = any(%s)
"""
_UNDATED = f"""
select coalesce(sum(one.reports), 0)::bigint from (
    select hub, boot, sum(rows) as reports from chunks where month = {UNDATED} and boot <> '' group by hub, boot
    union all
    select b.hub, b.boot, r.readings from bodies b left join compaction c on c.hub = b.hub
    join streams s on s.hub = b.hub join records r on r.stream = s.id and r.id = b.record
    where b.boot <> '' and b.record > coalesce(c.through, 0)) one
left join boots k on k.hub = one.hub and k.boot = one.boot where k.offset_ms is null
"""  # noqa: S608
_COMPACTS_SINCE = """
select min(first) from (
    select (select b.received_at from bodies b where b.hub = h.number and b.record > coalesce(c.through, 0)
        order by b.record limit 1) as first
    from hubs h left join compaction c on c.hub = h.number where h.last_record > coalesce(c.through, 0)) waiting
"""
_GAPS = """
select g.id, h.hub, g.run, g.stream, first, last, g.readings, from_s, to_s, reason, received_at, s.id, s.stored
from gaps g join hubs h on h.number = g.hub
left join streams s on s.hub = g.hub and s.run = g.run and s.stream = g.stream
where g.id > %s{of} order by g.id limit %s
"""
_GAPS_COUNTED = """
select h.hub, count(*) from hubs h join gaps g on g.hub = h.number where h.hub = any(%s) group by h.hub
"""
_FORKS = """
select h.hub, s.run, s.stream, f.seq, r.digest, f.digest, length(f.raw), f.received_at from forks f
join streams s on s.id = f.stream join hubs h on h.number = s.hub
left join records r on r.stream = f.stream and r.seq = f.seq order by f.id
"""
_ALARMS = """
select id, kind, hub, raised_at, cleared_at, detail, coded from (
    select *, cleared_at is not null as is_over,
        row_number() over (partition by hub, cleared_at is not null order by id desc) as place_of_hub
    from alarms where (%s or cleared_at is null){of} order by is_over, place_of_hub limit %s) ranked
order by is_over, id desc
"""
_QUARANTINED = """
select id, hub, reason, bytes, received_at from (
    select id, hub, reason, length(body) as bytes, received_at,
        row_number() over (partition by hub order by id desc) as place_of_hub
    from quarantine where true{of} order by place_of_hub limit %s) ranked
order by id desc
"""
_ERASURES = """
select hub, id, kind, name, until_ms, ordered_at, done_at, readings, left_over, late from (
    select h.hub, id, kind, e.name, until_ms, ordered_at, done_at, readings, left_over, late + dropped as late,
        row_number() over (partition by h.hub order by ordered_at desc, record desc) as place_of_hub
    from erasures e join hubs h on h.number = e.hub
    where kind in ('pseudonym', 'device'){of} order by place_of_hub limit %s) ranked
order by ordered_at desc, id
"""
_ALERTS = f"""
select {", ".join(AlertChange._fields)}, wanted from (
    select *, row_number() over (partition by hub order by raised_at desc, alert) as place_of_hub
    from alerts where (%s or state <> 'cleared'){{of}} order by place_of_hub limit %s) ranked
order by raised_at desc, alert
"""  # noqa: S608
_ALERT_CHANGES = f"""
select {", ".join(AlertChange._fields)} from alerts
where (state in ('raised', 'acknowledged', 'muted', 'escalated') or (state = 'cleared' and changed_at >= %s))
    and received_at >= %s order by received_at, hub, alert
"""  # noqa: S608
_ANCHORS = """
select hub, told_ms, count, head, counts, received_at from anchors where hub = %s
order by received_at desc, told_ms desc limit %s
"""
_EPOCHS = """
select e.id, e.stream, e.eid, e.raw, h.hub, s.run, s.stream, h.identity from epochs e
join streams s on s.id = e.stream join hubs h on h.number = s.hub where e.id > %s order by e.id limit %s
"""
_ASIDE = """
select q.id, q.hub, s.id, s.run, s.stream, s.stored from quarantine q join epochs e on e.id = q.epoch
join streams s on s.id = e.stream where q.reason = %s order by s.id, q.id
"""
_LOOKUPS = """
select hub, device, first_at, last_at, told_at from lookups where true{of} order by last_at desc, hub, device limit %s
"""
_COUNTED = {
    "hubs": "hubs", "series": "series", "gaps": "gaps", "forks": "forks", "quarantined": "quarantine",
    "alarms": "alarms where cleared_at is null",
}  # fmt: skip


class PostgresSnapshot:
    """One transaction that reads."""

    def __init__(self, moment: Moment) -> None:
        self._moment = moment
        self._rows = moment.rows

    def hubs(self, *, after: str = "", limit: int = -1, hub: str = "") -> list[HubLine]:
        of, only = _of("h.hub", hub)
        rows = self._rows(f"{_HUBS} where h.hub > %s{of} order by h.hub limit %s", [after, *only, _most(limit)])
        return [HubLine(hub_of(about), state, at) for *about, state, at in rows]

    def sites(self) -> list[tuple[str, str]]:
        rows = self._rows(
            "select distinct h.hub, s.site from series s join hubs h on h.number = s.hub where s.site <> ''"
        )
        return [(hub, site) for hub, site in rows]

    def newest_streams(self, hubs: Sequence[str], most: int) -> dict[str, tuple[list[StreamLine], int]]:
        found: dict[str, tuple[list[StreamLine], int]] = {hub: ([], 0) for hub in hubs}
        rows = self._rows(_NEWEST_STREAMS, [list(hubs), most])
        for line, (*_, in_all) in zip(self._stream_lines([row[:-1] for row in rows]), rows, strict=True):
            found[line.hub][0].append(line)
            found[line.hub] = found[line.hub][0], in_all
        return found

    def streams(self, hub: str) -> list[StreamLine]:
        return self._stream_lines(self._rows(f"{_STREAMS} where h.hub = %s order by s.id", [hub]))

    def series(
        self, hub: str = "", place: str = "", metric: str = "", *, after: tuple[str, str, str], limit: int
    ) -> list[SeriesLine]:
        (of_place, places), (of_metric, metrics) = _of("place", place), _of("metric", metric)
        of_hub, hubs = _of("h.hub", hub)
        statement = _SERIES_LINES.format(of=of_place + of_metric, of_hub=of_hub)
        rows = self._rows(statement, [*after, *places, *metrics, after[0], *hubs, _most(limit)])
        return [SeriesLine._make(row) for row in rows]

    def marks(self) -> dict[str, tuple[int, int]]:
        return {hub: (record, version) for hub, record, version in self._rows(_MARKS)}

    def device_series(self, hub: str) -> list[DeviceSeries]:
        return [DeviceSeries._make(row) for row in self._rows(_DEVICE_SERIES, [hub])]

    def devices(self, hub: str, place: str, metric: str) -> list[str]:
        rows = self._rows(
            "select s.device from series s join hubs h on h.number = s.hub"
            " where h.hub = %s and s.place = %s and s.metric = %s order by s.device",
            [hub, place, metric],
        )
        return [device for (device,) in rows]

    def hub(self, hub: str) -> HubSnapshot:
        return PostgresHubSnapshot(self._moment, hub)

    def runs(self, hub: str, records: Sequence[int]) -> dict[int, RunOfRecord]:
        return {record: RunOfRecord(*run) for record, *run in self._rows(_RUNS, [hub, list(records)])}

    def gaps(self, hub: str = "", *, after: int = 0, limit: int = -1) -> list[GapLine]:
        of, only = _of("h.hub", hub)
        rows = self._rows(_GAPS.format(of=of), [after, *only, _most(limit)])
        stored = self._stored({stream: packed for *_, stream, packed in rows if stream is not None})
        return [GapLine._make((*gap, stored.get(stream, Ranges()))) for *gap, stream, _ in rows]

    def count_gaps(self, hubs: Sequence[str]) -> dict[str, int]:
        return dict(self._rows(_GAPS_COUNTED, [list(hubs)]))

    def forks(self) -> list[ForkLine]:
        return [ForkLine(*row) for row in self._rows(_FORKS)]

    def alarms(self, hub: str = "", *, everything: bool = False, limit: int = -1) -> list[AlarmLine]:
        of, only = _of("hub", hub)
        return [AlarmLine(*row) for row in self._rows(_ALARMS.format(of=of), [everything, *only, _most(limit)])]

    def quarantined(self, hub: str = "", *, limit: int = -1) -> list[QuarantineLine]:
        of, only = _of("hub", hub)
        return [QuarantineLine(*row) for row in self._rows(_QUARANTINED.format(of=of), [*only, _most(limit)])]

    def erasures(self, hub: str = "", *, limit: int = -1) -> list[ErasureLine]:
        of, only = _of("h.hub", hub)
        return [ErasureLine(*row) for row in self._rows(_ERASURES.format(of=of), [*only, _most(limit)])]

    def retention(self) -> list[RetentionLine]:
        rows = self._rows("select privacy, days, purged, purged_at from retention order by privacy")
        return [RetentionLine(*row) for row in rows]

    def alerts(self, hub: str = "", *, everything: bool = False, limit: int = -1) -> list[AlertLine]:
        of, only = _of("hub", hub)
        rows = self._rows(_ALERTS.format(of=of), [everything, *only, _most(limit)])
        return [AlertLine(AlertChange(*row), wanted) for *row, wanted in rows]

    def alert_changes(self, received: float, cleared: float) -> list[AlertChange]:
        return [AlertChange(*row) for row in self._rows(_ALERT_CHANGES, [cleared, received])]

    def on_trial(self) -> frozenset[str]:
        return frozenset(
            str(hub)
            for (hub,) in self._rows(
                "select t.hub from trials join tokens t on t.id = token where t.hub is not null", []
            )
        )

    def anchors(self, hub: str, limit: int) -> list[Anchor]:
        return [Anchor(*row) for row in self._rows(_ANCHORS, [hub, _most(limit)])]

    def lookups(self, hub: str = "", *, limit: int = -1) -> list[LookupLine]:
        of, only = _of("hub", hub)
        return [LookupLine(*row) for row in self._rows(_LOOKUPS.format(of=of), [*only, _most(limit)])]

    def callback_tokens(self) -> list[CallbackTokenLine]:
        columns = ", ".join(CallbackTokenLine._fields)
        rows = self._rows(f"select {columns} from callback_tokens order by created_at, id")  # noqa: S608
        return [CallbackTokenLine(*row) for row in rows]

    def waiting_callbacks(self) -> list[WaitingLine]:
        rows = self._rows(
            "select hub, count(*), min(received_at) from callbacks where fields is not null group by hub order by hub"
        )
        return [WaitingLine(*row) for row in rows]

    def totals(self) -> Totals:
        streams = self._stream_lines(self._rows(f"{_STREAMS} order by s.id"))
        of_stream: Counter[str] = Counter()
        for line in streams:
            of_stream[line.stream] += line.readings
        counts = {name: self._rows(f"select count(*) from {of}")[0][0] for name, of in _COUNTED.items()}  # noqa: S608
        counts["records"] = sum(last - first + 1 for line in streams for first, last in line.stored)
        ((counts["undated"],),) = self._rows(_UNDATED)
        return Totals(sum(of_stream.values()), len(streams), dict(of_stream), counts)

    def compacts_since(self) -> float | None:
        ((first,),) = self._rows(_COMPACTS_SINCE)
        return None if first is None else float(first)

    def epochs(self, after: int, limit: int) -> list[EpochLine]:
        rows = self._rows(_EPOCHS, [after, _most(limit)])
        tables: dict[int, list[tuple[int, bytes]]] = {row[0]: [] for row in rows}
        for epoch, number, raw in self._rows(
            "select epoch, number, raw from epoch_tables where epoch = any(%s) order by epoch, number", [list(tables)]
        ):
            tables[epoch].append((number, raw))
        return [
            EpochLine(Context(number, stream, eid, raw, tables[number]), hub, run, name, identity)
            for number, stream, eid, raw, hub, run, name, identity in rows
        ]

    def set_aside(self, reason: str) -> Iterator[AsideLine]:
        rows = self._rows(_ASIDE, [reason])
        stored = self._stored({stream: packed for _, _, stream, *_, packed in rows})
        for number, hub, stream, run, name, _ in rows:
            ((body,),) = self._rows("select body from quarantine where id = %s", [number])
            yield AsideLine(hub, run, name, stored[stream], body)

    # streams

    def _stream_lines(self, rows: Sequence[Any]) -> list[StreamLine]:
        lines = self._lines({number: packed for number, _, _, _, packed, *_ in rows})
        found = []
        for number, hub, run, stream, packed, forked, readings, announced, started_at in rows:
            stored, more = _joined(packed, lines.get(number, []))
            found.append(StreamLine(hub, run, stream, stored, _ranges(forked), readings + more, announced, started_at))
        return found

    def _stored(self, packed: dict[int, bytes]) -> dict[int, Ranges]:
        """Return the numbers of streams, by what their rows say."""
        lines = self._lines(packed)
        return {number: _joined(row, lines.get(number, []))[0] for number, row in packed.items()}

    def _lines(self, packed: dict[int, bytes]) -> dict[int, list[tuple[int, int]]]:
        """Return (number, readings) of the records of streams that their rows do not tell of."""
        asked: tuple[list[int], list[int], list[int]] = [], [], []
        for number, row in packed.items():
            for first, last in _ranges(row).missing(1, LAST):
                for column, value in zip(asked, (number, first, last), strict=True):
                    column.append(value)
        found: dict[int, list[tuple[int, int]]] = {}
        if packed:
            for number, seq, readings in self._rows(_LINES, asked):
                found.setdefault(number, []).append((seq, readings))
        return found


def _joined(packed: bytes, lines: list[tuple[int, int]]) -> tuple[Ranges, int]:
    stored = _ranges(packed)
    stored.add_all((seq, seq) for seq, _ in lines)
    return stored, sum(readings for _, readings in lines)


def _of(column: str, value: str) -> tuple[str, list[str]]:
    """Return the condition that a column has a value, where one is given, and its argument."""
    return (f" and {column} = %s", [value]) if value else ("", [])


def _most(limit: int) -> int | None:
    return limit if limit >= 0 else None


def _ranges(packed: bytes) -> Ranges:
    return Ranges(msgspec.msgpack.decode(packed))
