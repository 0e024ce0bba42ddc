"""What the map, the lists and the pages of things and sites ask of the register, within a viewer's scope.

A thing without a position of its own stands where its site does. Nothing here knows who looks: the scope's condition is
in each query.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from backend.storage.city.database import Reader
from backend.storage.city.scope import ScopeLike, things
from backend.storage.city.scope import series as series_within
from backend.storage.city.sql import NUMBERS, Value, listed

MOST_ASKED = 400
"""Things in one question by their numbers."""
_POSITION = "coalesce(t.lat, p.lat), coalesce(t.lon, p.lon)"
_FROM = "from things t left join sites p on p.id = t.site"


class Pin(NamedTuple):
    """A thing as the map knows it; without a position `lat` and `lon` are None."""

    id: int
    hub: str
    device: str
    place: str
    site: str
    layer: str
    privacy: str
    mobile: int
    status: str
    name: str
    site_name: str
    address: str
    lat: float | None
    lon: float | None


class ThingLine(NamedTuple):
    """A thing as lists and its page show it."""

    id: int
    hub: str
    device: str
    place: str
    site: str
    site_name: str
    zone: str
    kind: str
    layer: str
    service: str
    provider: str
    privacy: str
    mobile: int
    status: str
    name: str
    seen_at: float | None
    lat: float | None
    lon: float | None


class SeriesRow(NamedTuple):
    """A series of a thing. `id` is its name in the operator's API, `number` the register's."""

    number: int
    thing: int
    metric: str
    unit: str
    id: str
    kind: str
    device_class: str
    state_class: str
    thing_name: str
    site_name: str


class SiteLine(NamedTuple):
    """A site with the number of its things within a scope."""

    id: str
    name: str
    address: str
    kind: str
    lat: float | None
    lon: float | None
    things: int


_LINE = (
    "t.id, t.hub, t.device, t.place, t.site, coalesce(p.name, t.site), t.zone, t.kind, t.layer, t.service, t.provider, "
    f"t.privacy, t.mobile, t.status, t.name, t.seen_at, {_POSITION}"
)


def pins(r: Reader) -> list[Pin]:
    """Return all things, whoever may see them: for the process's own board, never for an answer."""
    rows = r.rows(
        f"select t.id, t.hub, t.device, t.place, t.site, t.layer, t.privacy, t.mobile, t.status, t.name, "
        f"coalesce(p.name, t.site), coalesce(p.address, ''), {_POSITION} {_FROM} "
        "order by t.site, t.id"
    )
    return [Pin._make(row) for row in rows]


def seen(r: Reader, scope: ScopeLike) -> list[int]:
    """Return the numbers of all things within a scope."""
    condition, values = things("t", scope)
    return [int(number) for (number,) in r.rows(f"select t.id from things t where {condition}", *values)]


def lines(r: Reader, scope: ScopeLike, some: Sequence[int]) -> dict[int, ThingLine]:
    """Return those of these things, at most MOST_ASKED, that are within the scope."""
    some = some[:MOST_ASKED]
    if not some:
        return {}
    condition, values = things("t", scope)
    rows = r.rows(f"select {_LINE} {_FROM} where {condition} and t.id in ({_places(some)})", *values, *some)
    return {int(row[0]): ThingLine._make(row) for row in rows}


def thing(r: Reader, scope: ScopeLike, number: int) -> ThingLine | None:
    """Return a thing; None where there is none of that number within the scope."""
    return lines(r, scope, [number]).get(number)


def thing_of(r: Reader, scope: ScopeLike, hub: str, device: str) -> ThingLine | None:
    """Return the thing that a device of a hub is; None where there is none within the scope."""
    condition, values = things("t", scope)
    row = r.one(f"select {_LINE} {_FROM} where t.hub = ? and t.device = ? and {condition}", hub, device, *values)
    return None if row is None else ThingLine._make(row)


def series_of(r: Reader, scope: ScopeLike, some: Sequence[int]) -> list[SeriesRow]:
    """Return the series of these things, at most MOST_ASKED of them, that are within the scope."""
    some = some[:MOST_ASKED]
    if not some:
        return []
    return _series(r, scope, f"s.thing in ({_places(some)}) order by s.thing, s.metric", *some)


def series_named(r: Reader, scope: ScopeLike, names: Sequence[str]) -> list[SeriesRow]:
    """Return the series of these names within the scope, one a name, in the order of the names."""
    if not names:
        return []
    rows = _series(r, scope, f"s.series in ({_places(names)}) order by s.id", *names)
    known = {row.id: row for row in reversed(rows)}
    return [known[name] for name in names if name in known]


def series_alike(r: Reader, scope: ScopeLike, metric: str, unit: str, q: str, limit: int) -> list[SeriesRow]:
    """Return series of the same quantity within the scope, by the names of their things."""
    like = f"%{escaped(q.lower())}%"
    return _series(
        r, scope,
        "s.metric = ? and s.unit = ? and (lower(t.name) like ? escape '!' or lower(coalesce(p.name, '')) like ? "
        "escape '!') order by lower(t.name), s.id limit ?",
        metric, unit, like, like, limit,
    )  # fmt: skip


def newest(r: Reader, series: Sequence[int]) -> dict[int, tuple[int, str]]:
    """Return (Unix ms, value in JSON) of the newest reading of each of these series, by their numbers."""
    if not series:
        return {}
    rows = r.rows(f"select series, time_ms, value from latest where series in {NUMBERS}", listed(series))
    return {int(number): (int(time_ms), str(value)) for number, time_ms, value in rows}


def newer(r: Reader, series: Sequence[int], change: int) -> tuple[dict[int, tuple[int, str]], int]:
    """Return what `newest` does, but only what changed after a change; and the number of the last one."""
    row = r.one("select value from counters where name = 'latest'")
    last = 0 if row is None else int(row[0])
    if last <= change or not series:
        return {}, last
    rows = r.rows(
        f"select series, time_ms, value from latest where change > ? and series in {NUMBERS}", change, listed(series)
    )
    return {int(number): (int(time_ms), str(value)) for number, time_ms, value in rows}, last


def sites(r: Reader, scope: ScopeLike) -> list[SiteLine]:
    """Return the sites at which there is anything within the scope."""
    condition, values = things("t", scope)
    rows = r.rows(
        "select p.id, p.name, p.address, p.kind, p.lat, p.lon, count(*) from sites p join things t on t.site = p.id "
        f"where {condition} group by p.id, p.name, p.address, p.kind, p.lat, p.lon order by lower(p.name)",
        *values,
    )
    return [SiteLine._make(row) for row in rows]


def site(r: Reader, scope: ScopeLike, name: str) -> SiteLine | None:
    """Return a site at which there is anything within the scope, else None."""
    condition, values = things("t", scope)
    row = r.one(
        "select p.id, p.name, p.address, p.kind, p.lat, p.lon, count(*) from sites p join things t on t.site = p.id "
        f"where p.id = ? and {condition} group by p.id, p.name, p.address, p.kind, p.lat, p.lon",
        name,
        *values,
    )
    return None if row is None else SiteLine._make(row)


def sectors(r: Reader) -> list[tuple[str, str, str]]:
    """Return (id, name, area as GeoJSON) of all sectors: a map, not what is in it."""
    return [(str(a), str(b), str(c)) for a, b, c in r.rows("select id, name, area from sectors order by name")]


def counts_of_hubs(r: Reader, scope: ScopeLike) -> dict[str, int]:
    """Return how many things within the scope each hub has."""
    condition, values = things("t", scope)
    return {
        str(hub): int(count)
        for hub, count in r.rows(f"select t.hub, count(*) from things t where {condition} group by t.hub", *values)
    }


def escaped(text: str) -> str:
    """Return a text in which no sign stands for others, in a condition with `like … escape '!'`."""
    return text.replace("!", "!!").replace("%", "!%").replace("_", "!_")


def _series(r: Reader, scope: ScopeLike, rest: str, *values: Value) -> list[SeriesRow]:
    condition, limits = things("t", scope)
    rows = r.rows(
        "select s.id, s.thing, s.metric, s.unit, s.series, s.kind, s.device_class, s.state_class, t.name, "
        "coalesce(p.name, t.site) from thing_series s join things t on t.id = s.thing "
        f"left join sites p on p.id = t.site where {condition} and {series_within('s', 't', scope)} and {rest}",
        *limits, *values,
    )  # fmt: skip
    return [SeriesRow._make(row) for row in rows]


def _places(some: Sequence[object]) -> str:
    return ", ".join("?" * len(some))
