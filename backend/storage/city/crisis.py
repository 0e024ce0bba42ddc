"""Tables of the crisis room: main courante, measures, hubs declared isolated, reflex sheets, drills, settings.

Rules stand in `backend.city.crisis`. Times are Unix seconds. `drill` is the number of the drill that a row belongs to,
0 outside drills: nothing reads rows of both.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from backend.storage.city.database import Reader, Tables, Transaction
from backend.storage.city.sql import Value

TABLES = Tables(
    "crisis",
    (
        """create table crisis_log (
            drill BIGINT not null, n BIGINT not null, at DOUBLE PRECISION not null, who TEXT not null,
            kind TEXT not null, text TEXT not null, facts TEXT not null, digest BYTES not null,
            primary key (drill, n))""",
        """create table crisis_measures (
            id BIGINT primary key, drill BIGINT not null, kind TEXT not null, text TEXT not null, facts TEXT not null,
            who TEXT not null, begun DOUBLE PRECISION not null, expires DOUBLE PRECISION not null,
            ended DOUBLE PRECISION, ended_by TEXT not null)""",
        "create index crisis_measures_drill on crisis_measures (drill, expires)",
        """create table crisis_isolated (
            drill BIGINT not null, hub TEXT not null, at DOUBLE PRECISION not null, who TEXT not null,
            why TEXT not null, primary key (drill, hub))""",
        """create table crisis_sheets (
            name TEXT primary key, place BIGINT not null, title TEXT not null, body TEXT not null, who TEXT not null,
            at DOUBLE PRECISION not null)""",
        """create table crisis_drills (
            id BIGINT primary key, title TEXT not null, who TEXT not null, begun DOUBLE PRECISION not null,
            expires DOUBLE PRECISION not null, ended DOUBLE PRECISION)""",
        "create table crisis_settings (name TEXT primary key, value TEXT not null)",
    ),
)


class Line(NamedTuple):
    """A line of the main courante; `facts` is a JSON object."""

    n: int
    at: float
    who: str
    kind: str
    text: str
    facts: str
    digest: bytes


class Measure(NamedTuple):
    """A measure, a heat profile or the engagement of a crew; `facts` is a JSON object. `ended` is None while nobody
    ended it and its expiry was not noted yet."""

    id: int
    drill: int
    kind: str
    text: str
    facts: str
    who: str
    begun: float
    expires: float
    ended: float | None
    ended_by: str


class Isolated(NamedTuple):
    """A hub of which somebody on the spot said that it is isolated."""

    hub: str
    at: float
    who: str
    why: str


class Sheet(NamedTuple):
    """A reflex sheet: `body` is Markdown."""

    name: str
    place: int
    title: str
    body: str
    who: str
    at: float


class Drill(NamedTuple):
    id: int
    title: str
    who: str
    begun: float
    expires: float
    ended: float | None


_LINE = "n, at, who, kind, text, facts, digest"
_MEASURE = "id, drill, kind, text, facts, who, begun, expires, ended, ended_by"
_DRILL = "id, title, who, begun, expires, ended"
_SHEET = "name, place, title, body, who, at"


def _line(row: tuple) -> Line:  # type: ignore[type-arg]
    n, at, who, kind, text, facts, digest = row
    return Line(int(n), float(at), who, kind, text, facts, bytes(digest))


def next_line(t: Transaction, drill: int) -> int:
    """Return the number of the next line; until this transaction ends, no other one gets a number."""
    return t.next(f"crisis_log_{drill}")


def last_line(r: Reader, drill: int) -> Line | None:
    row = r.one(f"select {_LINE} from crisis_log where drill = ? order by n desc limit 1", drill)
    return None if row is None else _line(row)


def append_line(t: Transaction, drill: int, one: Line) -> None:
    t.run(f"insert into crisis_log (drill, {_LINE}) values (?, ?, ?, ?, ?, ?, ?, ?)", drill, *one)


def newest_lines(r: Reader, drill: int, count: int, before: int = 1 << 62) -> list[Line]:
    """Return the last lines before a number, the newest first."""
    query = f"select {_LINE} from crisis_log where drill = ? and n < ? order by n desc limit ?"
    return [_line(row) for row in r.rows(query, drill, before, count)]


def all_lines(r: Reader, drill: int, at_once: int = 1000) -> Iterator[Line]:
    """Yield all lines, the oldest first."""
    after = 0
    while True:
        query = f"select {_LINE} from crisis_log where drill = ? and n > ? order by n limit ?"
        found = r.rows(query, drill, after, at_once)
        for row in found:
            yield _line(row)
        if len(found) < at_once:
            return
        after = int(found[-1][0])


def add_measure(t: Transaction, one: Measure) -> None:
    t.run(f"insert into crisis_measures ({_MEASURE}) values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", *one)


def measures(r: Reader, drill: int, now: float) -> list[Measure]:
    """Return the measures that hold, by their beginning."""
    query = f"""select {_MEASURE} from crisis_measures
        where drill = ? and begun <= ? and expires > ? and ended is null order by begun, id"""
    return [Measure(*row) for row in r.rows(query, drill, now, now)]


def measure(r: Reader, number: int) -> Measure | None:
    row = r.one(f"select {_MEASURE} from crisis_measures where id = ?", number)
    return None if row is None else Measure(*row)


def expired_measures(r: Reader, now: float) -> list[Measure]:
    """Return the measures of all drills whose time is over and whose end is not noted yet."""
    query = f"select {_MEASURE} from crisis_measures where expires <= ? and ended is null order by expires, id"
    return [Measure(*row) for row in r.rows(query, now)]


def end_measure(t: Transaction, number: int, at: float, who: str) -> bool:
    """End a measure; return whether it held."""
    query = "update crisis_measures set ended = ?, ended_by = ? where id = ? and ended is null"
    return t.run(query, at, who, number) == 1


def declare_isolated(t: Transaction, drill: int, one: Isolated) -> None:
    t.run("delete from crisis_isolated where drill = ? and hub = ?", drill, one.hub)
    t.run("insert into crisis_isolated (drill, hub, at, who, why) values (?, ?, ?, ?, ?)", drill, *one)


def isolated(r: Reader, drill: int) -> list[Isolated]:
    query = "select hub, at, who, why from crisis_isolated where drill = ? order by at, hub"
    return [Isolated(*row) for row in r.rows(query, drill)]


def undeclare(t: Transaction, drill: int, hub: str) -> bool:
    return t.run("delete from crisis_isolated where drill = ? and hub = ?", drill, hub) == 1


def put_sheet(t: Transaction, one: Sheet) -> None:
    t.run("delete from crisis_sheets where name = ?", one.name)
    t.run(f"insert into crisis_sheets ({_SHEET}) values (?, ?, ?, ?, ?, ?)", *one)


def drop_sheet(t: Transaction, name: str) -> bool:
    return t.run("delete from crisis_sheets where name = ?", name) == 1


def sheets(r: Reader) -> list[Sheet]:
    return [Sheet(*row) for row in r.rows(f"select {_SHEET} from crisis_sheets order by place, name")]


def begin_drill(t: Transaction, one: Drill) -> None:
    t.run(f"insert into crisis_drills ({_DRILL}) values (?, ?, ?, ?, ?, ?)", *one)


def drill(r: Reader, now: float) -> Drill | None:
    """Return the drill that is on."""
    query = f"""select {_DRILL} from crisis_drills
        where begun <= ? and expires > ? and ended is null order by begun desc, id desc limit 1"""
    row = r.one(query, now, now)
    return None if row is None else Drill(*row)


def drills(r: Reader, count: int) -> list[Drill]:
    """Return the last drills, the newest first."""
    return [Drill(*row) for row in r.rows(f"select {_DRILL} from crisis_drills order by id desc limit ?", count)]


def end_drill(t: Transaction, number: int, at: float) -> bool:
    return t.run("update crisis_drills set ended = ? where id = ? and ended is null", at, number) == 1


def setting(r: Reader, name: str) -> str:
    row = r.one("select value from crisis_settings where name = ?", name)
    return "" if row is None else str(row[0])


def set_setting(t: Transaction, name: str, value: str) -> None:
    t.run("delete from crisis_settings where name = ?", name)
    t.run("insert into crisis_settings (name, value) values (?, ?)", name, value)


# What a scope shows


def hubs_in_scope(r: Reader, condition: str, values: tuple[Value, ...]) -> dict[str, set[str]]:
    """Return the hubs that have a thing for which a condition on `things t` holds, with the sites of such things."""
    found: dict[str, set[str]] = {}
    for hub, site in r.rows(f"select distinct t.hub, t.site from things t where {condition}", *values):
        found.setdefault(str(hub), set()).add(str(site))
    return found


def rooms_in_scope(
    r: Reader,
    condition: str,
    values: tuple[Value, ...],
    *,
    sites: tuple[str, ...] = (),
    sectors: tuple[str, ...] = (),
    services: tuple[str, ...] = (),
) -> list[tuple[int, float | None, int | None]]:
    """Return (thing, newest temperature, its Unix ms) of rooms for which a condition on `things t` holds; of these
    sites, sectors and services, all where none is named. Bad readings count as none."""
    where, more = [f"({condition})"], list(values)
    for column, names in (("t.site", sites), ("t.service", services), ("s.sector", sectors)):
        if names:
            among = f"{column} in ({', '.join('?' * len(names))})"
            inside = f"exists (select 1 from thing_sectors s where s.thing = t.id and {among})"
            where.append(inside if column == "s.sector" else among)
            more += names
    return r.rows(
        f"""select t.id, l.number, l.time_ms
        from things t join thing_series ts on ts.thing = t.id and ts.metric = 'temperature'
        left join latest l on l.series = ts.id and l.quality < 2
        where t.kind = 'room' and {" and ".join(where)}""",
        *more,
    )


def room_names(r: Reader, things: Sequence[int]) -> dict[int, tuple[str, str]]:
    """Return (name, name of its site) of things, by their numbers."""
    found: dict[int, tuple[str, str]] = {}
    for at in range(0, len(things), 400):
        some = things[at : at + 400]
        query = f"""select t.id, t.name, t.place, t.device, coalesce(w.name, t.site)
            from things t left join sites w on w.id = t.site where t.id in ({", ".join("?" * len(some))})"""
        found |= {int(row[0]): (row[1] or row[2] or row[3], row[4]) for row in r.rows(query, *some)}
    return found


def seen_devices(
    r: Reader, condition: str, values: tuple[Value, ...], wanted: list[tuple[str, str]]
) -> tuple[set[tuple[str, str]], set[tuple[str, str]]]:
    """Return which of these (hub, device) the register has, and for which of them a condition on `things t` holds."""
    known: set[tuple[str, str]] = set()
    seen: set[tuple[str, str]] = set()
    for at in range(0, len(wanted), 200):
        some = wanted[at : at + 200]
        among = " or ".join(["(t.hub = ? and t.device = ?)"] * len(some))
        pairs = [text for pair in some for text in pair]
        known |= {(row[0], row[1]) for row in r.rows(f"select t.hub, t.device from things t where {among}", *pairs)}
        query = f"select t.hub, t.device from things t where ({among}) and ({condition})"
        seen |= {(row[0], row[1]) for row in r.rows(query, *pairs, *values)}
    return known, seen


def site_names(r: Reader) -> dict[str, str]:
    return {str(row[0]): str(row[1]) for row in r.rows("select id, name from sites")}


def choices(r: Reader, condition: str, values: tuple[Value, ...]) -> dict[str, list[tuple[str, str]]]:
    """Return (id, name) of services, sectors, and the sites that have a thing for which a condition on `things t`
    holds, by name."""
    sites = f"select id, name from sites where id in (select t.site from things t where {condition}) order by name, id"
    rows = {name: r.rows(f"select id, name from {name} order by name, id") for name in ("services", "sectors")}
    rows["sites"] = r.rows(sites, *values)
    return {name: [(str(row[0]), str(row[1])) for row in found] for name, found in rows.items()}


def interventions(r: Reader, condition: str, values: tuple[Value, ...]) -> list[tuple[str, int, int, int]]:
    """Return (service, waiting, on their way, on site) of the interventions that are not done, of things for which a
    condition on `things t` holds."""
    found = r.rows(
        f"""select coalesce(v.name, i.service),
        sum(case when i.taken_at is null then 1 else 0 end),
        sum(case when i.taken_at is not null and i.on_site_at is null then 1 else 0 end),
        sum(case when i.on_site_at is not null then 1 else 0 end)
        from interventions i
        join dispatch_alerts a on a.hub = i.hub and a.alert = i.alert
        join things t on t.hub = a.hub and t.device = a.device
        left join services v on v.id = i.service
        where i.done_at is null and i.closed_at is null and ({condition})
        group by coalesce(v.name, i.service) order by 1""",
        *values,
    )
    return [(str(row[0]), int(row[1]), int(row[2]), int(row[3])) for row in found]
