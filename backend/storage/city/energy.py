"""Tables of energy over buildings: meters and buildings as the operator declares them, and hours and months that were
computed of the stored readings.

energy_series   a counter or temperature that is followed; `through_ms` is how far its readings were read, `changes`
                says from which second which device reported, as JSON
energy_hours    the hours of a month of a series: a map of msgpack from hour (Unix seconds) to its row, as
                `hub.history.rollups.row_format` writes it
energy_months   a month that is over, in the same format
energy_drift    what was found of a meter, as JSON
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import NamedTuple

import msgspec

from backend.storage.city.database import Reader, Tables, Transaction
from backend.storage.city.sql import Value

TABLES = Tables(
    "energy",
    (
        """create table energy_meters (
            series TEXT primary key, name TEXT not null, operator TEXT not null, carrier TEXT not null,
            purpose TEXT not null, kwh DOUBLE PRECISION, reference DOUBLE PRECISION, behind TEXT not null,
            serial TEXT not null, accuracy TEXT not null, calibrated TEXT not null, wraps DOUBLE PRECISION);
        create table energy_buildings (
            site TEXT primary key, operator TEXT not null, area DOUBLE PRECISION, outdoor TEXT not null);
        create table energy_series (
            n BIGINT primary key, series TEXT not null unique, unit TEXT not null, step TEXT not null,
            counter BIGINT not null, changes TEXT not null, through_ms BIGINT not null);
        create table energy_hours (
            series BIGINT not null, month BIGINT not null, body BYTES not null, primary key (series, month));
        create table energy_months (
            series BIGINT not null, month BIGINT not null, body BYTES not null, primary key (series, month));
        create table energy_drift (series TEXT primary key, at DOUBLE PRECISION not null, state TEXT not null)""",
    ),
)


class MeterFacts(NamedTuple):
    """The operator's declaration of a meter; `series` is its id in the operator's API, `behind` that of the main meter
    before it, `kwh` how many kWh a unit is, `reference` what a year should come to."""

    series: str
    name: str
    operator: str
    carrier: str
    purpose: str
    kwh: float | None
    reference: float | None
    behind: str
    serial: str
    accuracy: str
    calibrated: str
    wraps: float | None


class Building(NamedTuple):
    """What the operator declares of a site: who runs it, its heated area in m², the series of its outdoor
    temperature."""

    site: str
    operator: str
    area: float | None
    outdoor: str


class CounterLine(NamedTuple):
    """A counter of the register: its place among hubs, and what is declared of it, None where nothing is."""

    thing: int
    series: str
    hub: str
    place: str
    metric: str
    unit: str
    device_class: str
    name: str
    site: str
    zone: str
    provider: str
    facts: MeterFacts | None


class Followed(NamedTuple):
    n: int
    series: str
    unit: str
    step: str
    counter: bool
    changes: tuple[tuple[int, str], ...]
    through_ms: int


_FACTS = "series, name, operator, carrier, purpose, kwh, reference, behind, serial, accuracy, calibrated, wraps"
_hours = msgspec.msgpack.Decoder(dict[int, bytes]).decode


def put_meters(t: Transaction, many: Iterable[MeterFacts]) -> None:
    """Put what is declared of meters in the place of all that was."""
    t.run("delete from energy_meters")
    t.many(f"insert into energy_meters ({_FACTS}) values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", many)


def put_buildings(t: Transaction, many: Iterable[Building]) -> None:
    t.run("delete from energy_buildings")
    t.many("insert into energy_buildings (site, operator, area, outdoor) values (?, ?, ?, ?)", many)


def meters(r: Reader) -> dict[str, MeterFacts]:
    found = (MeterFacts(*row) for row in r.rows(f"select {_FACTS} from energy_meters"))
    return {one.series: one for one in found}


def buildings(r: Reader) -> dict[str, Building]:
    rows = r.rows("select site, operator, area, outdoor from energy_buildings")
    return {one.site: one for one in (Building(*row) for row in rows)}


def counters(r: Reader, condition: str, values: tuple[Value, ...]) -> list[CounterLine]:
    """Return the counters of things for which a condition on `things t` holds, by their series: those that are declared
    meters, and those that count energy."""
    declared = meters(r)
    rows = r.rows(
        f"""select t.id, s.series, t.hub, t.place, t.device, s.metric, s.unit, s.device_class, t.name, t.site, t.zone,
        t.provider from thing_series s join things t on t.id = s.thing
        where s.state_class = 'total_increasing' and ({condition}) order by s.series""",
        *values,
    )
    found: dict[str, CounterLine] = {}
    for thing, series, hub, place, device, metric, unit, device_class, name, site, zone, provider in rows:
        facts = declared.get(series)
        if facts is None and device_class not in ("energy", "gas", "water"):
            continue
        found.setdefault(
            series,
            CounterLine(
                int(thing), series, hub, place or device, metric, unit, device_class, name, site, zone, provider, facts
            ),
        )
    return list(found.values())


def outdoor_series(r: Reader) -> list[str]:
    """Return the temperatures of weather stations that are public, by their ids."""
    rows = r.rows(
        """select s.series from thing_series s join things t on t.id = s.thing
        where s.metric = 'temperature' and t.kind = 'weather' and t.privacy <> 'personal' order by s.series"""
    )
    return [str(row[0]) for row in rows]


def followed(r: Reader) -> dict[str, Followed]:
    rows = r.rows("select n, series, unit, step, counter, changes, through_ms from energy_series")
    return {one.series: one for one in map(_followed, rows)}


def _followed(row: tuple[Value, ...]) -> Followed:
    n, series, unit, step, counter, changes, through = row
    told = msgspec.json.decode(str(changes), type=tuple[tuple[int, str], ...])
    return Followed(int(n or 0), str(series), str(unit), str(step), bool(counter), told, int(through or 0))


def put_followed(t: Transaction, one: Followed) -> None:
    t.run("delete from energy_series where n = ?", one.n)
    t.run(
        "insert into energy_series (n, series, unit, step, counter, changes, through_ms) values (?, ?, ?, ?, ?, ?, ?)",
        one.n, one.series, one.unit, one.step, int(one.counter), json.dumps(one.changes), one.through_ms,
    )  # fmt: skip


def next_series(t: Transaction) -> int:
    return t.next("energy_series")


def forget_series(t: Transaction, n: int) -> None:
    """Drop everything that was computed of a series: its readings were erased, or its step is another one."""
    for table in ("energy_hours", "energy_months"):
        t.run(f"delete from {table} where series = ?", n)
    t.run("delete from energy_series where n = ?", n)


def hours(r: Reader, n: int, month: int) -> dict[int, bytes]:
    """Return the rows of a month of a series by hour (Unix seconds)."""
    row = r.one("select body from energy_hours where series = ? and month = ?", n, month)
    return {} if row is None else _hours(bytes(row[0]))


def months_with_hours(r: Reader, n: int) -> list[int]:
    return [int(row[0]) for row in r.rows("select month from energy_hours where series = ? order by month", n)]


def put_hours(t: Transaction, n: int, month: int, rows: dict[int, bytes]) -> None:
    t.run("delete from energy_hours where series = ? and month = ?", n, month)
    if rows:
        body = msgspec.msgpack.encode(dict(sorted(rows.items())))
        t.run("insert into energy_hours (series, month, body) values (?, ?, ?)", n, month, body)


def months(r: Reader, n: int) -> dict[int, bytes]:
    """Return the months of a series that are over."""
    rows = r.rows("select month, body from energy_months where series = ?", n)
    return {int(month): bytes(body) for month, body in rows}


def put_month(t: Transaction, n: int, month: int, body: bytes | None) -> None:
    t.run("delete from energy_months where series = ? and month = ?", n, month)
    if body is not None:
        t.run("insert into energy_months (series, month, body) values (?, ?, ?)", n, month, body)


def bounds(r: Reader) -> tuple[int, int] | None:
    """Return the first and last month with hours."""
    row = r.one("select min(month), max(month) from energy_hours")
    return None if row is None or row[0] is None else (int(row[0]), int(row[1]))


def put_drift(t: Transaction, series: str, at: float, state: str) -> None:
    t.run("delete from energy_drift where series = ?", series)
    t.run("insert into energy_drift (series, at, state) values (?, ?, ?)", series, at, state)


def drift(r: Reader) -> dict[str, tuple[float, str]]:
    """Return (moment, state as JSON) by series."""
    return {str(row[0]): (float(row[1]), str(row[2])) for row in r.rows("select series, at, state from energy_drift")}


def site_names(r: Reader) -> dict[str, str]:
    return {str(row[0]): str(row[1]) for row in r.rows("select id, name from sites")}


class Counts(NamedTuple):
    """Numbers of a month in a scope: alerts raised and closed, half of which were closed within `median` seconds, and
    how many devices and hubs there are."""

    raised: int
    closed: int
    median: float | None
    things: int
    hubs: int


def counts(r: Reader, condition: str, values: tuple[Value, ...], begin: float, end: float) -> Counts:
    """Count alerts of a period, of things for which a condition on `things t` holds."""
    joined = "from dispatch_alerts a join things t on t.hub = a.hub and t.device = a.device"
    raised = r.one(
        f"select count(*) {joined} where a.raised_at >= ? and a.raised_at < ? and ({condition})", begin, end, *values
    )
    rows = r.rows(
        f"""select a.cleared_at - a.raised_at {joined}
        where a.cleared_at >= ? and a.cleared_at < ? and ({condition}) order by 1""",
        begin, end, *values,
    )  # fmt: skip
    delays = sorted(float(row[0]) for row in rows)
    there = r.one(f"select count(*), count(distinct t.hub) from things t where {condition}", *values)
    middle = len(delays) // 2
    median = None if not delays else delays[middle] if len(delays) % 2 else (delays[middle - 1] + delays[middle]) / 2
    return Counts(
        0 if raised is None else int(raised[0]), len(delays), median,
        0 if there is None else int(there[0]), 0 if there is None else int(there[1]),
    )  # fmt: skip


def heard_hubs(r: Reader, condition: str, values: tuple[Value, ...], since: float) -> int:
    """Return how many hubs have a thing that was heard since a moment."""
    row = r.one(f"select count(distinct t.hub) from things t where t.seen_at >= ? and ({condition})", since, *values)
    return 0 if row is None else int(row[0])
