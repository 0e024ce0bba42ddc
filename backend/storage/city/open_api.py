"""What the open API reads of the register, and what it notes itself.

open_metrics     a number for each metric, which never changes: the id of an observed property
open_categories  kinds of citizens' reports
open_reports     citizens' reports, with their pictures
open_readings    readings of feeds, by the numbers of their series
open_writers     when reports came, by a digest of the writer's network: against floods, deleted after an hour
"""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from typing import NamedTuple

from backend.storage.city import register
from backend.storage.city import scope as scopes
from backend.storage.city.database import Reader, Transaction
from backend.storage.city.register import Thing
from backend.storage.city.scope import ScopeLike
from backend.storage.city.sql import Tables, Value

TABLES = Tables(
    "open_api",
    (
        "create table open_metrics (id BIGINT primary key, metric TEXT not null unique)",
        """
        create table open_categories (
            code TEXT primary key, french TEXT not null, english TEXT not null, part TEXT not null,
            service TEXT not null, place BIGINT not null
        );
        create table open_reports (
            id BIGINT primary key, number TEXT not null unique, category TEXT not null, text TEXT not null,
            lat DOUBLE PRECISION not null, lon DOUBLE PRECISION not null, address TEXT not null, sector TEXT not null,
            service TEXT not null, state TEXT not null, answer TEXT not null, made DOUBLE PRECISION not null,
            changed DOUBLE PRECISION not null, source TEXT not null, repeats_of BIGINT not null,
            repeats BIGINT not null, picture_kind TEXT not null, outside TEXT not null, picture BYTES
        );
        create index open_reports_made on open_reports (made);
        create index open_reports_near on open_reports (category, lon);
        create index open_reports_again on open_reports (repeats_of);
        create table open_writers (purse TEXT not null, at DOUBLE PRECISION not null);
        create index open_writers_of on open_writers (purse, at)
        """,
        """
        create table open_readings (
            series BIGINT not null, time_ms BIGINT not null, value DOUBLE PRECISION not null,
            primary key (series, time_ms)
        )
        """,
    ),
)


class SeriesRow(NamedTuple):
    """A series of a thing; `property` is the number of its metric, None while it has none."""

    id: int
    thing: int
    metric: str
    unit: str
    series: str
    kind: str
    device_class: str
    state_class: str
    privacy: str
    property: int | None


_THINGS = ", ".join(f"t.{name}" for name in Thing._fields)
_SERIES = ", ".join(f"s.{name}" for name in SeriesRow._fields[:-1])


def things(reader: Reader, scope: ScopeLike, thing: int | None = None) -> list[Thing]:
    """Return the things of a scope by their ids, or one of them."""
    condition, values = _of(scope, thing)
    return [
        Thing(*row) for row in reader.rows(f"select {_THINGS} from things t where {condition} order by t.id", *values)
    ]


def series(reader: Reader, scope: ScopeLike, thing: int | None = None) -> list[SeriesRow]:
    """Return the series of the things of a scope by their ids, or those of one thing."""
    condition, values = _of(scope, thing)
    found = reader.rows(
        f"select {_SERIES}, m.id from thing_series s join things t on t.id = s.thing left join open_metrics m"
        f" on m.metric = s.metric where {condition} and {scopes.series('s', 't', scope)} order by s.id",
        *values,
    )
    return [SeriesRow(*row) for row in found]


def thing_of_series(reader: Reader, number: int) -> int | None:
    row = reader.one("select thing from thing_series where id = ?", number)
    return None if row is None else int(row[0])


def site_names(reader: Reader) -> dict[str, str]:
    return {str(key): str(name) for key, name in reader.rows("select id, name from sites")}


def number_metrics(t: Transaction) -> None:
    """Give a number to each metric that has none."""
    fresh = t.rows(
        "select distinct s.metric from thing_series s left join open_metrics m on m.metric = s.metric"
        " where m.id is null order by s.metric"
    )
    for (metric,) in fresh:
        t.run("insert into open_metrics (id, metric) values (?, ?)", t.next("open_metrics"), metric)


def _of(scope: ScopeLike, thing: int | None) -> tuple[str, tuple[Value, ...]]:
    condition, values = scopes.things("t", scope)
    return (condition, values) if thing is None else (f"t.id = ? and {condition}", (thing, *values))


class LatestRow(NamedTuple):
    """The newest reading of a series; `value` is JSON."""

    series: int
    time_ms: int
    value: str
    quality: int
    trust: int


def latest(reader: Reader, scope: ScopeLike, thing: int | None = None) -> list[LatestRow]:
    """Return the newest readings of the things of a scope, or of one thing."""
    condition, values = _of(scope, thing)
    found = reader.rows(
        "select l.series, l.time_ms, l.value, l.quality, l.trust from latest l join things t on t.id = l.thing"
        f" join thing_series s on s.id = l.series where {condition} and {scopes.series('s', 't', scope)}",
        *values,
    )
    return [LatestRow(*row) for row in found]


class SiteRow(NamedTuple):
    """A site of which a scope shows something."""

    id: str
    name: str
    address: str
    kind: str
    lat: float | None
    lon: float | None


def sites(reader: Reader, scope: ScopeLike) -> list[SiteRow]:
    """Return the sites at which a scope shows a thing, by their ids."""
    condition, values = scopes.things("t", scope)
    found = reader.rows(
        "select s.id, s.name, s.address, s.kind, s.lat, s.lon from sites s"
        f" where exists (select 1 from things t where t.site = s.id and {condition}) order by s.id",
        *values,
    )
    return [SiteRow(*row) for row in found]


class Category(NamedTuple):
    """A kind of report; `service` is the city's service that answers it, "" for none yet."""

    code: str
    french: str
    english: str
    part: str
    service: str


class Report(NamedTuple):
    """A citizen's report. `number` is what its writer is given; `of` is the report that it repeats, 0 for none; `state`
    is one of `backend.city.open_api.reports.STATES`; `outside` is its id in another city's system."""

    id: int
    number: str
    category: str
    text: str
    lat: float
    lon: float
    address: str
    sector: str
    service: str
    state: str
    answer: str
    made: float
    changed: float
    source: str
    of: int
    repeats: int
    picture_kind: str
    outside: str


_REPORT = ", ".join(Report._fields).replace("of,", "repeats_of,")


def categories(reader: Reader) -> list[Category]:
    return [
        Category(*row)
        for row in reader.rows("select code, french, english, part, service from open_categories order by place, code")
    ]


def put_category(t: Transaction, one: Category, place: int) -> None:
    t.run(
        "insert into open_categories (code, french, english, part, service, place) values (?, ?, ?, ?, ?, ?)"
        " on conflict (code) do update set french = excluded.french, english = excluded.english, part = excluded.part,"
        " service = excluded.service, place = excluded.place",
        *one,
        place,
    )


def add_report(t: Transaction, one: Report, picture: bytes | None) -> int:
    """Store a report under the next id, and return that."""
    number = t.next("open_reports")
    t.run(
        f"insert into open_reports ({_REPORT}, picture) values ({', '.join('?' * (len(Report._fields) + 1))})",
        *one._replace(id=number),
        picture,
    )
    return number


def report(reader: Reader, number: str) -> Report | None:
    row = reader.one(f"select {_REPORT} from open_reports where number = ?", number)
    return None if row is None else Report(*row)


def report_of(reader: Reader, id: int) -> Report | None:
    row = reader.one(f"select {_REPORT} from open_reports where id = ?", id)
    return None if row is None else Report(*row)


def picture(reader: Reader, number: str) -> bytes | None:
    row = reader.one("select picture from open_reports where number = ?", number)
    return None if row is None or row[0] is None else bytes(row[0])


def reports(
    reader: Reader,
    *,
    categories: Sequence[str] = (),
    states: Sequence[str] = (),
    since: float = 0.0,
    until: float = 1e18,
    scope: ScopeLike | None = None,
    limit: int = 100,
) -> list[Report]:
    """Return reports, the newest first; within a scope of services and sectors, where there is one."""
    parts, values = ["made >= ?", "made < ?"], [since, until]
    sides: list[tuple[str, Collection[str] | None]] = [("category", categories or None), ("state", states or None)]
    if scope is not None:
        sides += [("service", scope.services), ("sector", scope.sectors)]
        if scope.provider:
            return []
    for column, chosen in sides:
        if chosen is not None:
            parts.append(f"{column} in ({', '.join('?' * len(chosen))})" if chosen else "1 = 0")
            values += sorted(chosen)  # type: ignore[arg-type]
    found = reader.rows(
        f"select {_REPORT} from open_reports where {' and '.join(parts)} order by made desc, id desc limit ?",
        *values,
        limit,
    )
    return [Report(*row) for row in found]


def near(reader: Reader, category: str, box: tuple[float, float, float, float], since: float) -> list[Report]:
    """Return reports of a category in a box (west, south, east, north) that repeat none and changed since then."""
    found = reader.rows(
        f"select {_REPORT} from open_reports where category = ? and repeats_of = 0 and changed >= ?"
        " and lon between ? and ? and lat between ? and ? order by id",
        category, since, box[0], box[2], box[1], box[3],
    )  # fmt: skip
    return [Report(*row) for row in found]


def change_report(t: Transaction, id: int, state: str, answer: str, now: float) -> None:
    """Give a report and those that repeat it a state."""
    t.run(
        "update open_reports set state = ?, answer = ?, changed = ? where id = ? or repeats_of = ?",
        state, answer, now, id, id,
    )  # fmt: skip


def repeat_report(t: Transaction, id: int, now: float) -> None:
    t.run("update open_reports set repeats = repeats + 1, changed = ? where id = ?", now, id)


def forget_pictures(t: Transaction, before: float) -> int:
    """Delete pictures of reports that were closed before; return how many."""
    return t.run(
        "update open_reports set picture = null, picture_kind = '' where picture_kind <> '' and changed < ?"
        " and state in ('done', 'refused')",
        before,
    )


def taken(reader: Reader, purse: str, since: float) -> int:
    row = reader.one("select count(*) from open_writers where purse = ? and at >= ?", purse, since)
    return int(row[0]) if row else 0


def take(t: Transaction, purse: str, now: float) -> None:
    t.run("insert into open_writers (purse, at) values (?, ?)", purse, now)


def forget_writers(t: Transaction, before: float) -> None:
    t.run("delete from open_writers where at < ?", before)


def sector_areas(reader: Reader) -> list[tuple[str, str]]:
    """Return (id, GeoJSON) of each sector."""
    return [(str(key), str(area)) for key, area in reader.rows("select id, area from sectors")]


def extent(reader: Reader) -> tuple[float, float, float, float] | None:
    """Return west, south, east and north of all sites and public things with a position; None where there is none.
    Anybody is told: of other things not even that."""
    row = reader.one(
        "select min(lon), min(lat), max(lon), max(lat) from (select lon, lat from sites where lon is not null"
        " union all select lon, lat from things where lon is not null and privacy = 'public') at_all"
    )
    return None if row is None or row[0] is None else (row[0], row[1], row[2], row[3])


def note_outside(t: Transaction, id: int, number: str) -> None:
    """Note under which number a report is known to whoever it was passed to."""
    t.run("update open_reports set outside = ? where id = ?", number, id)


def feed_devices(reader: Reader, hub: str) -> dict[str, tuple[int, str, str, float | None, float | None]]:
    """Return (number, name, kind, latitude, longitude) of the things of a feed, by their device."""
    rows = reader.rows("select device, id, name, kind, lat, lon from things where hub = ?", hub)
    return {str(row[0]): (int(row[1]), str(row[2]), str(row[3]), row[4], row[5]) for row in rows}


def feed_series(reader: Reader, hub: str) -> dict[tuple[str, str], tuple[int, int]]:
    """Return (series, thing) as numbers by device and metric of a feed."""
    return register.series_numbers(reader, hub)


def place_feed(t: Transaction, thing: int, lat: float, lon: float) -> None:
    """Note where a thing of a feed stands: the feed says so, and no site moves it."""
    t.run("update things set lat = ?, lon = ?, given = ? where id = ?", lat, lon, _given(t, thing, "lat", "lon"), thing)


def own_feed(t: Transaction, thing: int, provider: str, service: str) -> None:
    """Note whose a thing of a provider's is, unless the operator said otherwise."""
    row = t.one("select given from things where id = ?", thing)
    known = set() if row is None else set(json.loads(row[0]))
    for column, value in (("provider", provider), ("service", service)):
        if column not in known:
            given = _given(t, thing, column)
            t.run(f"update things set {column} = ?, given = ? where id = ?", value, given, thing)


def _given(t: Reader, thing: int, *columns: str) -> str:
    """Return which columns of a thing somebody gave, with these."""
    row = t.one("select given from things where id = ?", thing)
    return json.dumps(sorted({*(() if row is None else json.loads(row[0])), *columns}), separators=(",", ":"))


def add_readings(t: Transaction, rows: Sequence[tuple[int, int, float]]) -> int:
    """Store readings (series, Unix ms, value), each moment of a series once; return how many were new."""
    return sum(
        t.run("insert into open_readings (series, time_ms, value) values (?, ?, ?) on conflict do nothing", *row)
        for row in rows
    )


def feed_readings(
    reader: Reader, series: int, start: int, end: int, most: int, *, newest_first: bool
) -> list[tuple[int, float]]:
    """Return (Unix ms, value) of a feed's series with start ≤ time < end, at most so many, from one end."""
    order = "desc" if newest_first else "asc"
    rows = reader.rows(
        "select time_ms, value from open_readings where series = ? and time_ms >= ? and time_ms < ?"
        f" order by time_ms {order} limit ?",
        series, start, end, most,
    )  # fmt: skip
    return [(int(time_ms), float(value)) for time_ms, value in rows]


class FeedLine(NamedTuple):
    """Facts of a feed's series; `id` is its number."""

    id: int
    unit: str
    kind: str
    device_class: str
    state_class: str
    privacy: str
    site: str
    zone: str


def feed_line(reader: Reader, hub: str, series: str) -> FeedLine | None:
    """Return a feed's series by its name."""
    row = reader.one(
        "select s.id, s.unit, s.kind, s.device_class, s.state_class, s.privacy, t.site, t.zone"
        " from thing_series s join things t on t.id = s.thing where t.hub = ? and s.series = ? order by s.id limit 1",
        hub, series,
    )  # fmt: skip
    return None if row is None else FeedLine(*row)


def count_feed(reader: Reader, series: int, start: int, end: int) -> int:
    row = reader.one(
        "select count(*) from open_readings where series = ? and time_ms >= ? and time_ms < ?", series, start, end
    )
    return int(row[0]) if row else 0


def forget_feeds(t: Transaction, before_ms: int) -> int:
    return t.run("delete from open_readings where time_ms < ?", before_ms)
