"""What there is in the city: sites, sectors, services, things and their series.

things       one line for each device of a hub. `id` never changes and is below 2³¹; `place` is the one it stands
             at, `kind` and `layer` are those of `backend.city.register.kinds`; `privacy` is the worst of its
             series; `lat`, `lon` are null where neither the thing nor its site has a position; `given` names the
             columns that the operator's import set, which the backend's own data no longer change. `seen_at` is
             the time of its newest reading, `every` the usual seconds between two, null before they are known;
             `status` is heard, silent or unknown
thing_series one line for each metric of a thing; `series` is its id in the operator's API
thing_sectors, site_sectors   the sectors that a position lies in; `given` where the operator said so
latest       the newest dated reading of each series, by its number in thing_series; `value` is JSON, `number` the
             same as a number where it is one (a flag is 0 or 1). `change` rises with each change of the table: who
             follows asks for what is greater than the last that it saw
followed     how far each hub was read: the last record and chunk, its clocks, orders to erase and series
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import NamedTuple

import msgspec

from backend.storage.city import scope as scopes
from backend.storage.city.database import Reader, Transaction
from backend.storage.city.sql import NUMBERS, Tables, Value, listed

HEARD, SILENT, UNKNOWN = "heard", "silent", "unknown"
SILENT_AFTER, SILENT_LEAST_S = 4.0, 900.0
"""A thing is silent after so many of its usual intervals, and so many seconds at least."""
Locate = Callable[[float | None, float | None], list[str]]
"""Returns the sectors of a longitude and latitude."""

TABLES = Tables(
    "register",
    (
        """
        create table sites (
            id TEXT primary key, name TEXT not null, address TEXT not null, lat DOUBLE PRECISION, lon DOUBLE PRECISION,
            service TEXT not null, kind TEXT not null, plan BYTES, plan_type TEXT not null, changed_at DOUBLE PRECISION
            not null
        );
        create table sectors (id TEXT primary key, name TEXT not null, area TEXT not null);
        create table services (id TEXT primary key, name TEXT not null);
        create table site_sectors (
            site TEXT not null, sector TEXT not null, given BIGINT not null, primary key (site, sector)
        );
        create index site_sectors_of on site_sectors (sector, site);
        create table things (
            id BIGINT primary key, hub TEXT not null, device TEXT not null, site TEXT not null, zone TEXT not null,
            place TEXT not null, kind TEXT not null, layer TEXT not null, service TEXT not null,
            provider TEXT not null, privacy TEXT not null, mobile BIGINT not null, lat DOUBLE PRECISION,
            lon DOUBLE PRECISION, name TEXT not null, seen_at DOUBLE PRECISION, every DOUBLE PRECISION,
            status TEXT not null, given TEXT not null, unique (hub, device)
        );
        create index things_of_site on things (site);
        create index things_of_layer on things (layer, kind);
        create index things_of_service on things (service);
        create table thing_sectors (thing BIGINT not null, sector TEXT not null, primary key (thing, sector));
        create index thing_sectors_of on thing_sectors (sector, thing);
        create table thing_series (
            id BIGINT primary key, thing BIGINT not null, metric TEXT not null, unit TEXT not null,
            series TEXT not null, kind TEXT not null, device_class TEXT not null, state_class TEXT not null,
            privacy TEXT not null, unique (thing, metric)
        );
        create index thing_series_of on thing_series (series);
        create table latest (
            series BIGINT primary key, thing BIGINT not null, time_ms BIGINT not null, value TEXT not null,
            number DOUBLE PRECISION, quality BIGINT not null, trust BIGINT not null, change BIGINT not null
        );
        create index latest_of on latest (thing);
        create index latest_changes on latest (change);
        create table followed (
            hub TEXT primary key, record BIGINT not null, chunk BIGINT not null, clocks TEXT not null,
            orders TEXT not null, inventory TEXT not null
        )
        """,
    ),
    again=("delete from followed",),
)


class Site(NamedTuple):
    """A site. `service` is the one that owns it, "" of none."""

    id: str
    name: str
    address: str
    lat: float | None
    lon: float | None
    service: str
    kind: str


class Thing(NamedTuple):
    """A device of a hub, see the table `things`."""

    id: int
    hub: str
    device: str
    site: str
    zone: str
    place: str
    kind: str
    layer: str
    service: str
    provider: str
    privacy: str
    mobile: int
    lat: float | None
    lon: float | None
    name: str
    seen_at: float | None
    status: str


class ThingSeries(NamedTuple):
    """A series of a thing, see the table `thing_series`."""

    id: int
    thing: int
    metric: str
    unit: str
    series: str
    kind: str
    device_class: str
    state_class: str
    privacy: str


class SeriesFacts(NamedTuple):
    """A series of a device as the backend has it."""

    metric: str
    unit: str
    series: str
    kind: str
    device_class: str
    state_class: str
    privacy: str


class DeviceFacts(NamedTuple):
    """A device as the backend has it, with what was guessed of it."""

    device: str
    site: str
    zone: str
    place: str
    kind: str
    layer: str
    privacy: str
    mobile: int
    name: str
    series: tuple[SeriesFacts, ...]


class Newest(NamedTuple):
    """The newest reading of a series. `value` is JSON, `number` the same as a number where it is one."""

    time_ms: int
    value: str
    number: float | None
    quality: int
    trust: int


class Followed(NamedTuple):
    """How far a hub was read."""

    record: int
    chunk: int
    clocks: str
    orders: str
    inventory: str


_SITE = ", ".join(Site._fields)
_THING = ", ".join(f"t.{name}" for name in Thing._fields)
_SERIES = ", ".join(f"s.{name}" for name in ThingSeries._fields)
_LATEST = (
    "insert into latest values (?, ?, ?, ?, ?, ?, ?, ?) on conflict (series) do update set thing = excluded.thing,"
    " time_ms = excluded.time_ms, value = excluded.value, number = excluded.number, quality = excluded.quality,"
    " trust = excluded.trust, change = excluded.change where excluded.time_ms >= latest.time_ms"
)
_SEEN = (
    "update things set every = case when seen_at is null or seen_at >= ? then every"
    " when every is null then (? - seen_at) / ? else 0.8 * every + 0.2 * (? - seen_at) / ? end,"
    " seen_at = greatest(coalesce(seen_at, 0.0), ?), status = case when ? >= ? - greatest(?, ? * coalesce(every, 0.0))"
    " then 'heard' else status end where id = ?"
)
_SILENT = (
    "update things set status = 'silent' where status = 'heard' and seen_at < ? - greatest(?, ? * coalesce(every, ?))"
)


def sites(r: Reader) -> list[Site]:
    """Return all sites, by their ids."""
    return [Site._make(row) for row in r.rows(f"select {_SITE} from sites order by id")]


def site(r: Reader, name: str) -> Site | None:
    row = r.one(f"select {_SITE} from sites where id = ?", name)
    return None if row is None else Site._make(row)


def sectors(r: Reader) -> list[tuple[str, str, str]]:
    """Return (id, name, area as GeoJSON) of all sectors."""
    return [(str(one), str(name), str(area)) for one, name, area in r.rows("select * from sectors order by id")]


def services(r: Reader) -> dict[str, str]:
    """Return the names of all services by their ids."""
    return {str(one): str(name) for one, name in r.rows("select id, name from services order by id")}


def sectors_of_sites(r: Reader, hub: str = "", *, given: bool = False) -> dict[str, list[str]]:
    """Return the sectors of each site that has any, where `hub` is named of those where it has things; `given`, those
    that the operator said."""
    found: dict[str, list[str]] = {}
    of, of_hub = (" and site in (select site from things where hub = ?)", (hub,)) if hub else ("", ())
    rows = r.rows(
        f"select site, sector from site_sectors where given >= ?{of} order by site, sector", int(given), *of_hub
    )
    for name, sector in rows:
        found.setdefault(name, []).append(sector)
    return found


def things(
    r: Reader,
    scope: scopes.ScopeLike | None = None,
    *,
    site: str = "",
    kind: str = "",
    layer: str = "",
    after: int = 0,
    limit: int = 100_000,
) -> list[Thing]:
    """Return things by their numbers, after `after`: those of a scope (None: all), and of a site, kind, layer."""
    condition, values = ("1 = 1", ()) if scope is None else scopes.things("t", scope)
    given: list[Value] = [after, *values]
    for column, value in (("site", site), ("kind", kind), ("layer", layer)):
        if value:
            condition += f" and t.{column} = ?"
            given.append(value)
    rows = r.rows(f"select {_THING} from things t where t.id > ? and {condition} order by t.id limit ?", *given, limit)
    return [Thing._make(row) for row in rows]


def series_of(r: Reader, things: Collection[int]) -> list[ThingSeries]:
    """Return the series of these things, by thing and metric."""
    if not things:
        return []
    rows = r.rows(
        f"select {_SERIES} from thing_series s where s.thing in {NUMBERS} order by s.thing, s.metric", listed(things)
    )
    return [ThingSeries._make(row) for row in rows]


def latest_of(r: Reader, things: Collection[int]) -> dict[int, Newest]:
    """Return the newest readings of these things by the numbers of their series."""
    if not things:
        return {}
    rows = r.rows(
        f"select series, time_ms, value, number, quality, trust from latest where thing in {NUMBERS}", listed(things)
    )
    return {row[0]: Newest._make(row[1:]) for row in rows}


def newest_change(r: Reader) -> int:
    """Return the number of the last change of the table `latest`."""
    row = r.one("select value from counters where name = 'latest'")
    return 0 if row is None else int(row[0])


def followed(r: Reader) -> dict[str, Followed]:
    """Return how far each hub was read."""
    rows = r.rows("select hub, record, chunk, clocks, orders, inventory from followed")
    return {row[0]: Followed._make(row[1:]) for row in rows}


def put_followed(t: Transaction, hub: str, state: Followed) -> None:
    t.run("delete from followed where hub = ?", hub)
    t.run("insert into followed (hub, record, chunk, clocks, orders, inventory) values (?, ?, ?, ?, ?, ?)", hub, *state)


def series_numbers(r: Reader, hub: str) -> dict[tuple[str, str], tuple[int, int]]:
    """Return (series, thing) of each (device, metric) of a hub, as numbers."""
    rows = r.rows(
        "select t.device, s.metric, s.id, s.thing from thing_series s join things t on t.id = s.thing where t.hub = ?",
        hub,
    )
    return {(device, metric): (number, thing) for device, metric, number, thing in rows}


def put_latest(t: Transaction, readings: Mapping[int, tuple[int, Newest]]) -> None:
    """Note newest readings: (thing, reading) by series. One that is older than what is noted changes nothing."""
    if not readings:
        return
    change = t.next("latest", len(readings))
    t.many(
        _LATEST,
        [(series, thing, *one, change + at) for at, (series, (thing, one)) in enumerate(sorted(readings.items()))],
    )


def put_seen(t: Transaction, seen: Mapping[int, tuple[float, int]], now: float) -> None:
    """Note of each thing its newest reading's time, Unix s, and how many times came with it."""
    t.many(
        _SEEN,
        [
            (at, at, count, at, count, at, at, now, SILENT_LEAST_S, SILENT_AFTER, thing)
            for thing, (at, count) in sorted(seen.items())
        ],
    )


def put_silent(t: Transaction, now: float) -> int:
    """Note which things are silent; return how many became so. One whose interval is not known has a day."""
    return t.run(_SILENT, now, SILENT_LEAST_S, SILENT_AFTER, 86_400.0 / SILENT_AFTER)


def forget_latest(t: Transaction, hub: str) -> None:
    """Delete what is noted of a hub's readings: some of them were erased."""
    t.run("delete from latest where thing in (select id from things where hub = ?)", hub)


def purge_latest(t: Transaction, privacy: str, before_ms: int) -> int:
    """Delete newest readings of a privacy class that are older than the owner keeps; return how many."""
    return t.run(
        "delete from latest where time_ms < ? and series in (select id from thing_series where privacy = ?)",
        before_ms,
        privacy,
    )


def put_devices(t: Transaction, hub: str, devices: Sequence[DeviceFacts], locate: Locate, now: float) -> None:
    """Make the things of a hub what its devices are. What the operator gave stays. A device that is gone was erased,
    and so is its thing; one that the operator gave ahead and that was never heard is waited for."""
    t.many(
        "insert into sites values (?, ?, '', null, null, '', '', null, '', ?) on conflict (id) do nothing",
        [(name, name, now) for name in sorted({one.site for one in devices if one.site})],
    )
    known = _known(t, hub)
    _add_things(t, [(hub, one.device, "") for one in devices if one.device not in known])
    known = _known(t, hub)
    _update(
        t,
        [
            (known[one.device][0], {name: value for name, value in _facts(one).items() if name not in given})
            for one in devices
            for given in (known[one.device][1],)
        ],
    )
    there = {one.device for one in devices}
    gone = [number for device, (number, _) in known.items() if device not in there]
    _put_series(t, hub, {known[one.device][0]: one.series for one in devices})
    t.many("delete from things where id = ? and (given = '[]' or seen_at is not null)", [(one,) for one in gone])
    t.many("delete from thing_sectors where thing = ?", [(number,) for number in gone])
    _inherit(t, hub)
    place_things(t, locate, hub)


def _known(t: Reader, hub: str) -> dict[str, tuple[int, frozenset[str]]]:
    """Return (number, columns that the operator gave) of the things of a hub, by device."""
    rows = t.rows("select device, id, given from things where hub = ?", hub)
    return {device: (number, frozenset(msgspec.json.decode(given))) for device, number, given in rows}


def _add_things(t: Transaction, lines: Sequence[tuple[str, str, str]]) -> None:
    """Add things, of which hub, device and name are known."""
    first = t.next("things", len(lines)) if lines else 0
    t.many(
        "insert into things values (?, ?, ?, '', '', '', 'other', 'networks', '', '', 'internal', 0, null, null, ?,"
        " null, null, ?, '[]')",
        [(number, *line, UNKNOWN) for number, line in enumerate(lines, first)],
    )


def _facts(one: DeviceFacts) -> dict[str, Value]:
    return {
        "site": one.site, "zone": one.zone, "place": one.place, "kind": one.kind, "layer": one.layer,
        "privacy": one.privacy, "mobile": one.mobile, "name": one.name,
    }  # fmt: skip


def _update(t: Transaction, lines: Iterable[tuple[int, Mapping[str, Value]]]) -> None:
    """Set columns of things, each line its own: those with the same columns go together."""
    groups: dict[tuple[str, ...], list[tuple[Value, ...]]] = {}
    for number, values in lines:
        groups.setdefault(tuple(values), []).append((*values.values(), number))
    for columns, rows in groups.items():
        if columns:
            t.many(f"update things set {', '.join(f'{name} = ?' for name in columns)} where id = ?", rows)


def _inherit(t: Transaction, hub: str = "") -> None:
    """Give things, of a hub or all, the service and the position of their site, where they have none of their own."""
    of, given = ("hub = ? and ", (hub,)) if hub else ("", ())
    service, lat, lon = (
        f"(select {name} from sites where sites.id = things.site)" for name in ("service", "lat", "lon")
    )
    t.run(
        f"update things set service = coalesce({service}, '') where {of}given not like '%\"service\"%'"
        f" and service <> coalesce({service}, '')",
        *given,
    )
    t.run(
        f"update things set lat = {lat}, lon = {lon} where {of}mobile = 0 and given not like '%\"lat\"%'"
        f" and (lat is distinct from {lat} or lon is distinct from {lon})",
        *given,
    )


def _put_series(t: Transaction, hub: str, wanted: Mapping[int, Sequence[SeriesFacts]]) -> None:
    """Make the series of a hub's things what these are."""
    rows = t.rows(f"select {_SERIES} from thing_series s join things t on t.id = s.thing where t.hub = ?", hub)
    known = {(row[1], row[2]): ThingSeries._make(row) for row in rows}
    keys = {(thing, one.metric): one for thing, series in wanted.items() for one in series}
    gone = [(one.id,) for key, one in known.items() if key not in keys]
    t.many("delete from latest where series = ?", gone)
    t.many("delete from thing_series where id = ?", gone)
    fresh = [(thing, one) for (thing, metric), one in keys.items() if (thing, metric) not in known]
    first = t.next("series", len(fresh)) if fresh else 0
    t.many(
        "insert into thing_series values (?, ?, ?, ?, ?, ?, ?, ?, ?)",
        [(number, thing, *one) for number, (thing, one) in enumerate(fresh, first)],
    )
    t.many(
        "update thing_series set unit = ?, series = ?, kind = ?, device_class = ?, state_class = ?, privacy = ?"
        " where id = ?",
        [
            (*one[1:], known[key].id)
            for key, one in keys.items()
            if key in known and tuple(known[key][2:]) != tuple(one)
        ],
    )


def place_things(t: Transaction, locate: Locate, hub: str = "") -> None:
    """Find the sectors of the things of a hub, or of all, by where they are and by what the operator said of their
    site; of one without a position, its site's."""
    of, of_hub = ("where t.hub = ?", (hub,)) if hub else ("", ())
    current: dict[int, set[str]] = {}
    for thing, sector in t.rows(f"select s.thing, s.sector from things t join thing_sectors s on s.thing = t.id {of}",
                                *of_hub):  # fmt: skip
        current.setdefault(thing, set()).add(sector)
    of_sites, given = (sectors_of_sites(t, hub, given=given) for given in (False, True))
    changed: dict[int, set[str]] = {}
    for number, lat, lon, site in t.rows(f"select t.id, t.lat, t.lon, t.site from things t {of}", *of_hub):
        found = set(of_sites.get(site, ())) if lat is None else {*locate(lon, lat), *given.get(site, ())}
        if found != current.get(number, set()):
            changed[number] = found
    t.many("delete from thing_sectors where thing = ?", [(number,) for number in changed])
    t.many(
        "insert into thing_sectors values (?, ?)",
        [(number, sector) for number, found in changed.items() for sector in sorted(found)],
    )


def move_thing(t: Transaction, thing: int, lat: float, lon: float, locate: Locate) -> None:
    """Note where a mobile thing is, and which sectors that is in."""
    if t.run("update things set lat = ?, lon = ? where id = ? and mobile = 1 and (lat is null or lat <> ? or lon <> ?)",
             lat, lon, thing, lat, lon):  # fmt: skip
        t.run("delete from thing_sectors where thing = ?", thing)
        t.many("insert into thing_sectors values (?, ?)", [(thing, one) for one in locate(lon, lat)])


def put_services(t: Transaction, lines: Iterable[tuple[str, str]]) -> None:
    t.many(
        "insert into services values (?, ?) on conflict (id) do update set name = excluded.name", lines
    )  # fmt: skip


def put_sectors(t: Transaction, lines: Iterable[tuple[str, str, str]]) -> None:
    """Store (id, name, GeoJSON of the area) of sectors. Call `place_all` afterwards."""
    t.many(
        "insert into sectors values (?, ?, ?) on conflict (id) do update set name = excluded.name,"
        " area = excluded.area",
        lines,
    )


def put_sites(
    t: Transaction, lines: Sequence[tuple[str, Mapping[str, Value], Collection[str] | None]], now: float
) -> None:
    """Store what is given of sites: the name, columns of Site, and the sectors that it counts to wherever it lies
    (None: as before). Call `place_all` afterwards."""
    t.many(
        "insert into sites values (?, ?, '', null, null, '', '', null, '', ?) on conflict (id) do nothing",
        [(name, name, now) for name, _, _ in lines],
    )
    for name, facts, sectors in lines:
        named = [column for column in Site._fields[1:] if column in facts]
        sets = ", ".join(f"{column} = ?" for column in (*named, "changed_at"))
        t.run(f"update sites set {sets} where id = ?", *(facts[column] for column in named), now, name)
        if sectors is not None:
            t.run("delete from site_sectors where site = ? and given = 1", name)
            t.many(
                "insert into site_sectors values (?, ?, 1) on conflict (site, sector) do update set given = 1",
                [(name, one) for one in sorted(sectors)],
            )


def put_things(t: Transaction, lines: Sequence[tuple[str, str, Mapping[str, Value]]]) -> None:
    """Store what the operator gives of things: hub, device, columns of Thing; None takes back what was given. Call
    `place_all` afterwards."""
    hubs = sorted({hub for hub, _, _ in lines})
    known = {(hub, device) for hub in hubs for device in _known(t, hub)}
    _add_things(t, [(hub, device, device) for hub, device, _ in lines if (hub, device) not in known])
    numbers = {(hub, device): found for hub in hubs for device, found in _known(t, hub).items()}
    changes = []
    for hub, device, facts in lines:
        number, before = numbers[hub, device]
        named = {name: value for name, value in facts.items() if value is not None}
        given = (before | named.keys()) - (facts.keys() - named.keys())
        changes.append((number, {**named, "given": msgspec.json.encode(sorted(given)).decode()}))
    _update(t, changes)
    # what was taken back is guessed again
    t.many("update followed set inventory = '' where hub = ?", [(hub,) for hub in hubs])


def place_all(t: Transaction, locate: Locate) -> None:
    """Find all sectors anew, and give things what they take over from their sites."""
    t.run("delete from site_sectors where given = 0")
    t.many(
        "insert into site_sectors values (?, ?, 0) on conflict (site, sector) do nothing",
        [(one.id, sector) for one in sites(t) for sector in locate(one.lon, one.lat)],
    )
    _inherit(t)
    place_things(t, locate)
