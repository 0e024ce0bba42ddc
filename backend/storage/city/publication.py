"""Tables of open data: what the desk knows, and what the public reads.

publication_sets      data sets, proposed and allowed: `definition` is JSON, `digest` what the second person allowed
publication_members   their series, frozen when they were proposed
publication_areas     their cells in space
publication_pointers  how far cells were made (0), looked at again (1, 2), or are computed again on demand (10 and
                      more); `next` is the start of the next cell
publication_ledger    every release of a column of protected cells: `content` is what they were computed from, NULL once
                      they are final
publication_faults    periods of cells that were taken back

published_sets        pages of data sets: `about` is JSON
published_areas  published_cells   what was measured where; `mark` is "", "masked" or "withdrawn"
published_releases    corrections and withdrawals
published_months      files of closed months, with their digests
published_sites  published_sensors   the public register of sensors
published_about       name and address of the publisher

What begins with `published_` is public. `Published` reads nothing else, and is all that the public's pages use. Times
are Unix seconds.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from backend.storage.city.database import Reader, Transaction
from backend.storage.city.scope import ScopeLike, things
from backend.storage.city.sql import Tables

MASKED, WITHDRAWN = "masked", "withdrawn"
FIRST = 0
"""Number of the pointer of cells that are made for the first time."""
ON_DEMAND = 10

TABLES = Tables(
    "publication",
    (
        """
        create table publication_sets (
            id TEXT primary key, state TEXT not null, family TEXT not null, quantity TEXT not null,
            definition TEXT not null, digest TEXT not null, since DOUBLE PRECISION not null, until DOUBLE PRECISION,
            proposed_by TEXT not null, proposed_at DOUBLE PRECISION not null, proposed_dpo BIGINT not null,
            allowed_by TEXT not null, allowed_at DOUBLE PRECISION, ended_by TEXT not null, ended_at DOUBLE PRECISION,
            why TEXT not null
        );
        create table publication_members (
            dataset TEXT not null, thing BIGINT not null, metric TEXT not null, hub TEXT not null, device TEXT not null,
            series TEXT not null, area TEXT not null, unit TEXT not null, primary key (dataset, thing, metric)
        );
        create index publication_members_of on publication_members (thing);
        create table publication_areas (
            dataset TEXT not null, id TEXT not null, name TEXT not null, lat DOUBLE PRECISION, lon DOUBLE PRECISION,
            shape TEXT not null, primary key (dataset, id)
        );
        create table publication_pointers (
            dataset TEXT not null, number BIGINT not null, next DOUBLE PRECISION not null, until DOUBLE PRECISION,
            primary key (dataset, number)
        );
        create table publication_ledger (
            dataset TEXT not null, starts DOUBLE PRECISION not null, release BIGINT not null, made_at DOUBLE PRECISION
            not null, content BYTES, primary key (dataset, starts, release)
        );
        create table publication_faults (
            dataset TEXT not null, area TEXT not null, since DOUBLE PRECISION not null, until DOUBLE PRECISION not null,
            primary key (dataset, area, since, until)
        );
        create table publication_purposes (
            kind TEXT primary key, purpose TEXT not null, owner TEXT not null, basis TEXT not null
        );
        create table published_sets (
            id TEXT primary key, state TEXT not null, about TEXT not null, issued DOUBLE PRECISION not null,
            modified DOUBLE PRECISION not null
        );
        create table published_areas (
            dataset TEXT not null, id TEXT not null, name TEXT not null, lat DOUBLE PRECISION, lon DOUBLE PRECISION,
            shape TEXT not null, primary key (dataset, id)
        );
        create table published_cells (
            dataset TEXT not null, starts DOUBLE PRECISION not null, area TEXT not null, metric TEXT not null,
            value DOUBLE PRECISION, mark TEXT not null, release BIGINT not null,
            primary key (dataset, starts, area, metric)
        );
        create table published_releases (
            dataset TEXT not null, number BIGINT not null, at DOUBLE PRECISION not null, kind TEXT not null,
            since DOUBLE PRECISION not null, until DOUBLE PRECISION not null, cells BIGINT not null, why TEXT not null,
            primary key (dataset, number)
        );
        create table published_months (
            dataset TEXT not null, month TEXT not null, format TEXT not null, sha256 TEXT not null, bytes BIGINT
            not null, made_at DOUBLE PRECISION not null, maker TEXT not null, primary key (dataset, month, format)
        );
        create table published_sites (
            id TEXT primary key, name TEXT not null, address TEXT not null, lat DOUBLE PRECISION, lon DOUBLE PRECISION
        );
        create table published_sensors (
            site TEXT not null, kind TEXT not null, about TEXT not null, primary key (site, kind)
        );
        create table published_about (name TEXT primary key, value TEXT not null)
        """,
    ),
)


class Member(NamedTuple):
    """A series of a data set: `area` is the cell in space that it counts for, `unit` what it is a contribution of."""

    thing: int
    metric: str
    hub: str
    device: str
    series: str
    area: str
    unit: str


class Area(NamedTuple):
    """A cell in space. `shape` is GeoJSON of a sector's polygon, "" of a point; `lat`, `lon` None where unknown."""

    id: str
    name: str
    lat: float | None
    lon: float | None
    shape: str = ""


class Candidate(NamedTuple):
    """A series of the register, with the sectors that its thing lies in."""

    thing: int
    metric: str
    hub: str
    device: str
    series: str
    name: str
    kind: str
    layer: str
    privacy: str
    mobile: bool
    site: str
    zone: str
    lat: float | None
    lon: float | None
    sectors: frozenset[str] = frozenset()


class SetLine(NamedTuple):
    """A data set at the desk. `state`: proposed, published, withdrawn or refused."""

    id: str
    state: str
    family: str
    quantity: str
    definition: str
    digest: str
    since: float
    until: float | None
    proposed_by: str
    proposed_at: float
    proposed_dpo: bool
    allowed_by: str
    allowed_at: float | None
    ended_by: str
    ended_at: float | None
    why: str


class Pointer(NamedTuple):
    """How far the cells of a data set are done, in one of its passes."""

    dataset: str
    number: int
    next: float
    until: float | None


class Cell(NamedTuple):
    """A published cell. `value` is None where a mark stands instead."""

    starts: float
    area: str
    metric: str
    value: float | None
    mark: str = ""
    release: int = 1


class PublishedSet(NamedTuple):
    """A data set as the public sees it. `state`: published or withdrawn."""

    id: str
    state: str
    about: str
    issued: float
    modified: float


class ReleaseLine(NamedTuple):
    """A correction or a withdrawal of published cells."""

    number: int
    at: float
    kind: str
    since: float
    until: float
    cells: int
    why: str


class Month(NamedTuple):
    """A file of a closed month (`YYYY-MM`). `maker` names what wrote its bytes."""

    month: str
    format: str
    sha256: str
    bytes: int
    made_at: float
    maker: str


class SiteLine(NamedTuple):
    """A site of the public register of sensors."""

    id: str
    name: str
    address: str
    lat: float | None
    lon: float | None


_SET = (
    "id, state, family, quantity, definition, digest, since, until, proposed_by, proposed_at, proposed_dpo, allowed_by,"
    " allowed_at, ended_by, ended_at, why"
)


# the desk


def data_set(r: Reader, id: str) -> SetLine | None:
    row = r.one(f"select {_SET} from publication_sets where id = ?", id)
    return None if row is None else _set_line(row)


def data_sets(r: Reader, state: str = "") -> list[SetLine]:
    """Return data sets by id, of one state or all."""
    where, values = (" where state = ?", (state,)) if state else ("", ())
    return [_set_line(row) for row in r.rows(f"select {_SET} from publication_sets{where} order by id", *values)]


def propose(t: Transaction, line: SetLine, members: Sequence[Member], areas: Sequence[Area]) -> None:
    """Put a proposal in the place of a former one of the same id that nobody allowed."""
    for table in ("publication_sets", "publication_members", "publication_areas"):
        t.run(f"delete from {table} where {'id' if table == 'publication_sets' else 'dataset'} = ?", line.id)
    t.run(f"insert into publication_sets ({_SET}) values ({', '.join('?' * len(line))})", *line)
    t.many(
        "insert into publication_members (dataset, thing, metric, hub, device, series, area, unit)"
        " values (?, ?, ?, ?, ?, ?, ?, ?)",
        [(line.id, *one) for one in members],
    )
    t.many(
        "insert into publication_areas (dataset, id, name, lat, lon, shape) values (?, ?, ?, ?, ?, ?)",
        [(line.id, *one) for one in areas],
    )


def set_state(t: Transaction, id: str, former: str, state: str, *, who: str, at: float, why: str = "") -> bool:
    """Pass from one state to another; return whether it was in the former one."""
    allowed = "allowed_by = ?, allowed_at = ?" if state == "published" else "ended_by = ?, ended_at = ?"
    return bool(
        t.run(
            f"update publication_sets set state = ?, why = ?, {allowed} where id = ? and state = ?",
            state, why, who, at, id, former,
        )
    )  # fmt: skip


def members(r: Reader, id: str) -> list[Member]:
    rows = r.rows(
        "select thing, metric, hub, device, series, area, unit from publication_members where dataset = ?"
        " order by thing, metric",
        id,
    )
    return [Member(int(row[0]), *row[1:]) for row in rows]


def areas(r: Reader, id: str) -> list[Area]:
    """Return the areas of a data set at the desk."""
    rows = r.rows("select id, name, lat, lon, shape from publication_areas where dataset = ? order by name, id", id)
    return [Area(*row) for row in rows]


def claimed(r: Reader, line: SetLine) -> list[tuple[str, int]]:
    """Return (data set, how many things) of other data sets that tell the same quantity of the same things or units in
    the same time, or told it."""
    rows = r.rows(
        """
        select s.id, count(distinct o.thing) from publication_sets s
        join publication_members o on o.dataset = s.id
        join publication_members m on (m.thing = o.thing or m.unit = o.unit) and m.dataset = ?
        where s.id <> ? and s.quantity = ? and (s.until is null or s.until > ?) and s.since < ? and (
            s.state in ('proposed', 'published')
            or s.state = 'withdrawn' and exists (select 1 from publication_ledger l where l.dataset = s.id)
        ) group by s.id order by s.id
        """,
        line.id, line.id, line.quantity, line.since, 1e18 if line.until is None else line.until,
    )  # fmt: skip
    return [(str(name), int(count)) for name, count in rows]


def candidates(r: Reader, metrics: Sequence[str], scope: ScopeLike) -> list[Candidate]:
    """Return the series of these metrics in the register, within a scope."""
    condition, values = things("t", scope)
    rows = r.rows(
        f"""
        select t.id, s.metric, t.hub, t.device, s.series, t.name, t.kind, t.layer, t.privacy, t.mobile, t.site, t.zone,
        t.lat, t.lon from thing_series s join things t on t.id = s.thing where s.metric in ({_places(metrics)})
        and {condition} order by t.id, s.metric
        """,
        *metrics,
        *values,
    )
    sectors: dict[int, set[str]] = {}
    for thing, sector in r.rows("select thing, sector from thing_sectors"):
        sectors.setdefault(int(thing), set()).add(sector)
    return [
        Candidate._make((*row[:9], bool(row[9]), *row[10:], frozenset(sectors.get(int(row[0]), ())))) for row in rows
    ]


def kinds_and_metrics(r: Reader, scope: ScopeLike) -> list[tuple[str, str]]:
    """Return each kind of thing with each metric that things of it have, within a scope."""
    condition, values = things("t", scope)
    rows = r.rows(
        "select distinct t.kind, s.metric from thing_series s join things t on t.id = s.thing where t.mobile = 0"
        f" and {condition} order by t.kind, s.metric",
        *values,
    )
    return [(kind, metric) for kind, metric in rows]


def outside(r: Reader, id: str, scope: ScopeLike) -> int:
    """Return how many things of a data set lie outside a scope, those included that are gone from the register."""
    condition, values = things("t", scope)
    row = r.one(
        "select count(distinct m.thing) from publication_members m where m.dataset = ?"
        f" and not exists (select 1 from things t where t.id = m.thing and {condition})",
        id,
        *values,
    )
    return int(row[0]) if row else 0


def known_areas(r: Reader, space: str, ids: Sequence[str]) -> dict[str, Area]:
    """Return sites or sectors by id, of those named."""
    if space == "site":
        rows = r.rows("select id, name, lat, lon from sites")
        found = [Area(*row) for row in rows]
    else:
        found = [Area(id, name, None, None, shape) for id, name, shape in r.rows("select id, name, area from sectors")]
    wanted = set(ids)
    return {one.id: one for one in found if one.id in wanted}


def purposes(r: Reader) -> dict[str, tuple[str, str, str]]:
    """Return kind → (purpose, who answers for it, legal basis), each JSON or text as the officer gave it."""
    return {kind: (purpose, owner, basis) for kind, purpose, owner, basis in r.rows(
        "select kind, purpose, owner, basis from publication_purposes")}  # fmt: skip


def set_purpose(t: Transaction, kind: str, purpose: str, owner: str, basis: str) -> None:
    t.run("delete from publication_purposes where kind = ?", kind)
    t.run("insert into publication_purposes (kind, purpose, owner, basis) values (?, ?, ?, ?)",
          kind, purpose, owner, basis)  # fmt: skip


# making cells


def pointers(r: Reader) -> list[Pointer]:
    """Return the passes over published data sets."""
    rows = r.rows(
        "select p.dataset, p.number, p.next, p.until from publication_pointers p join publication_sets s"
        " on s.id = p.dataset where s.state = 'published' order by p.number, p.dataset"
    )
    return [Pointer(row[0], int(row[1]), row[2], row[3]) for row in rows]


def pointer(r: Reader, id: str, number: int) -> Pointer | None:
    row = r.one("select dataset, number, next, until from publication_pointers where dataset = ? and number = ?",
                id, number)  # fmt: skip
    return None if row is None else Pointer(row[0], int(row[1]), row[2], row[3])


def add_pointer(t: Transaction, one: Pointer) -> None:
    t.run("insert into publication_pointers (dataset, number, next, until) values (?, ?, ?, ?)", *one)


def advance(t: Transaction, one: Pointer, next: float) -> bool:
    """Move a pointer; return whether nobody else did."""
    return bool(
        t.run("update publication_pointers set next = ? where dataset = ? and number = ? and next = ?",
              next, one.dataset, one.number, one.next)
    )  # fmt: skip


def drop_pointer(t: Transaction, one: Pointer) -> None:
    t.run("delete from publication_pointers where dataset = ? and number = ?", one.dataset, one.number)


def free_pointer(t: Transaction, id: str) -> int:
    """Return a number for a pass on demand."""
    row = t.one("select max(number) from publication_pointers where dataset = ?", id)
    return max(ON_DEMAND, int(row[0] or 0) + 1) if row else ON_DEMAND


def ledger(r: Reader, id: str, starts: float) -> list[bytes | None]:
    """Return the contents of a column's releases, the first first."""
    rows = r.rows(
        "select content from publication_ledger where dataset = ? and starts = ? order by release", id, starts
    )
    return [None if row[0] is None else bytes(row[0]) for row in rows]


def note_release(t: Transaction, id: str, starts: float, release: int, at: float, content: bytes) -> None:
    t.run("insert into publication_ledger (dataset, starts, release, made_at, content) values (?, ?, ?, ?, ?)",
          id, starts, release, at, content)  # fmt: skip


def finish(t: Transaction, id: str, before: float) -> int:
    """Forget what columns were computed from that begin before a moment: they are final."""
    return t.run("update publication_ledger set content = null"
        " where dataset = ? and starts < ? and content is not null",
                 id, before)  # fmt: skip


def faults(r: Reader, id: str, starts: float) -> set[str]:
    """Return the areas whose cell at this moment was taken back; "" stands for all."""
    rows = r.rows(
        "select area from publication_faults where dataset = ? and since <= ? and until > ?", id, starts, starts
    )
    return {row[0] for row in rows}


def add_fault(t: Transaction, id: str, area: str, since: float, until: float) -> None:
    t.run("insert into publication_faults (dataset, area, since, until) values (?, ?, ?, ?) on conflict do nothing",
          id, area, since, until)  # fmt: skip


def blank(t: Transaction, id: str, area: str, since: float, until: float, release: int) -> int:
    """Take back published cells of an area, or of all; return how many."""
    which, values = (" and area = ?", (area,)) if area else ("", ())
    return t.run(
        "update published_cells set value = null, mark = ?, release = ?"
        f" where dataset = ? and starts >= ? and starts < ? and mark <> ?{which}",
        WITHDRAWN, release, id, since, until, WITHDRAWN, *values,
    )  # fmt: skip


def put_cells(t: Transaction, id: str, cells: Iterable[Cell]) -> None:
    t.many(
        "insert into published_cells (dataset, starts, area, metric, value, mark, release) values (?, ?, ?, ?, ?, ?, ?)"
        " on conflict (dataset, starts, area, metric) do update set value = excluded.value, mark = excluded.mark,"
        " release = excluded.release",
        [(id, *one) for one in cells],
    )


def remove_cells(t: Transaction, id: str) -> None:
    """Delete all published cells and files of a data set; what the ledger says that was told stays there."""
    for table in ("published_cells", "published_months"):
        t.run(f"delete from {table} where dataset = ?", id)


def next_release(t: Transaction, id: str) -> int:
    """Return the number of the next correction of a data set; the first cells are of release 1."""
    row = t.one("select max(number) from published_releases where dataset = ?", id)
    return int(row[0] or 1) + 1 if row else 2


def add_release(t: Transaction, id: str, line: ReleaseLine) -> None:
    t.run("insert into published_releases (dataset, number, at, kind, since, until, cells, why)"
          " values (?, ?, ?, ?, ?, ?, ?, ?)", id, *line)  # fmt: skip


def publish(t: Transaction, one: PublishedSet) -> None:
    """Show a data set and its areas to the public."""
    t.run("delete from published_areas where dataset = ?", one.id)
    t.run("insert into published_areas (dataset, id, name, lat, lon, shape)"
          " select dataset, id, name, lat, lon, shape from publication_areas where dataset = ?", one.id)  # fmt: skip
    t.run("delete from published_sets where id = ?", one.id)
    t.run("insert into published_sets (id, state, about, issued, modified) values (?, ?, ?, ?, ?)", *one)


def touch(t: Transaction, id: str, at: float) -> None:
    t.run("update published_sets set modified = ? where id = ?", at, id)


def withdraw(t: Transaction, id: str, at: float) -> None:
    t.run("update published_sets set state = 'withdrawn', modified = ? where id = ?", at, id)


def put_month(t: Transaction, id: str, one: Month) -> None:
    t.run("delete from published_months where dataset = ? and month = ? and format = ?", id, one.month, one.format)
    t.run("insert into published_months (dataset, month, format, sha256, bytes, made_at, maker)"
          " values (?, ?, ?, ?, ?, ?, ?)", id, *one)  # fmt: skip


def drop_months(t: Transaction, id: str, months: Iterable[str]) -> None:
    """Forget the digests of files whose cells changed."""
    for month in months:
        t.run("delete from published_months where dataset = ? and month = ?", id, month)


def put_register(t: Transaction, sites: Sequence[SiteLine], sensors: Sequence[tuple[str, str, str]]) -> None:
    """Replace the public register of sensors: `sensors` are (site, kind, JSON)."""
    t.run("delete from published_sensors")
    t.run("delete from published_sites")
    t.many("insert into published_sites (id, name, address, lat, lon) values (?, ?, ?, ?, ?)", sites)
    t.many("insert into published_sensors (site, kind, about) values (?, ?, ?)", sensors)


def set_about(t: Transaction, values: dict[str, str]) -> None:
    for name, value in values.items():
        t.run("delete from published_about where name = ?", name)
        t.run("insert into published_about (name, value) values (?, ?)", name, value)


def installed(r: Reader) -> list[tuple[str, str, str, str, str, str, int]]:
    """Return (site, kind, privacy, metric, unit, class of the series, how many things) of the register."""
    rows = r.rows(
        "select t.site, t.kind, t.privacy, s.metric, s.unit, s.privacy, count(distinct t.id) from things t"
        " join thing_series s on s.thing = t.id where t.mobile = 0"
        " group by t.site, t.kind, t.privacy, s.metric, s.unit, s.privacy order by t.site, t.kind, s.metric"
    )
    return [(*row[:6], int(row[6])) for row in rows]


def devices(r: Reader) -> dict[tuple[str, str], int]:
    """Return (site, kind) → how many things that stay in their place."""
    return {(site, kind): int(count) for site, kind, count in r.rows(
        "select site, kind, count(*) from things where mobile = 0 group by site, kind")}  # fmt: skip


def sites(r: Reader) -> list[SiteLine]:
    return [SiteLine(*row) for row in r.rows("select id, name, address, lat, lon from sites order by name, id")]


class Published:
    """What the public may read, out of one snapshot."""

    def __init__(self, reader: Reader) -> None:
        self._r = reader

    def sets(self, *, after: str = "", limit: int = 1000) -> list[PublishedSet]:
        """Return published data sets by id, after one."""
        rows = self._r.rows(
            "select id, state, about, issued, modified from published_sets where state = 'published' and id > ?"
            " order by id limit ?",
            after,
            limit,
        )
        return [PublishedSet(*row) for row in rows]

    def set(self, id: str) -> PublishedSet | None:
        """Return a data set, also a withdrawn one."""
        row = self._r.one("select id, state, about, issued, modified from published_sets where id = ?", id)
        return None if row is None else PublishedSet(*row)

    def count(self) -> int:
        row = self._r.one("select count(*) from published_sets where state = 'published'")
        return int(row[0]) if row else 0

    def modified(self) -> float:
        """Return when a data set last changed; 0 where there is none."""
        row = self._r.one("select max(modified) from published_sets where state = 'published'")
        return float(row[0] or 0) if row else 0.0

    def areas(self, id: str) -> list[Area]:
        rows = self._r.rows(
            "select id, name, lat, lon, shape from published_areas where dataset = ? order by name, id", id
        )
        return [Area(*row) for row in rows]

    def bounds(self, id: str) -> tuple[float, float] | None:
        """Return the starts of the first and the last cell."""
        row = self._r.one("select min(starts), max(starts) from published_cells where dataset = ?", id)
        return None if row is None or row[0] is None else (float(row[0]), float(row[1]))

    def cells(
        self, id: str, since: float, until: float, *, area: str = "", metric: str = "", limit: int = -1
    ) -> list[Cell]:
        """Return cells with since ≤ start < until, by start, area and metric."""
        where, values = ["dataset = ?", "starts >= ?", "starts < ?"], [id, since, until]  # type: tuple[list[str], list[str | float | int]]
        for column, value in (("area", area), ("metric", metric)):
            if value:
                where.append(f"{column} = ?")
                values.append(value)
        rows = self._r.rows(
            f"select starts, area, metric, value, mark, release from published_cells where {' and '.join(where)}"
            f" order by starts, area, metric{' limit ?' if limit >= 0 else ''}",
            *values,
            *([limit] if limit >= 0 else []),
        )
        return [Cell._make(row) for row in rows]

    def latest(self, id: str) -> list[Cell]:
        """Return the newest cell of each area and metric."""
        rows = self._r.rows(
            "select c.starts, c.area, c.metric, c.value, c.mark, c.release from published_cells c join ("
            " select area, metric, max(starts) as newest from published_cells where dataset = ?"
            " group by area, metric) n"
            " on n.area = c.area and n.metric = c.metric and n.newest = c.starts where c.dataset = ?"
            " order by c.area, c.metric",
            id,
            id,
        )
        return [Cell._make(row) for row in rows]

    def in_months(self, id: str, starts: Iterable[tuple[str, float, float]]) -> Iterator[tuple[str, int]]:
        """Yield (month, number of cells) of the months that have any; `starts` are (month, from, until)."""
        for month, since, until in starts:
            row = self._r.one(
                "select count(*) from published_cells where dataset = ? and starts >= ? and starts < ?",
                id,
                since,
                until,
            )
            if row and row[0]:
                yield month, int(row[0])

    def releases(self, id: str, limit: int = 100) -> list[ReleaseLine]:
        """Return corrections and withdrawals, the newest first."""
        rows = self._r.rows(
            "select number, at, kind, since, until, cells, why from published_releases where dataset = ?"
            " order by number desc limit ?",
            id,
            limit,
        )
        return [ReleaseLine._make(row) for row in rows]

    def months(self, id: str) -> list[Month]:
        rows = self._r.rows(
            "select month, format, sha256, bytes, made_at, maker from published_months where dataset = ?"
            " order by month desc, format",
            id,
        )
        return [Month._make(row) for row in rows]

    def sites(self) -> list[SiteLine]:
        """Return the sites of the public register of sensors."""
        rows = self._r.rows("select id, name, address, lat, lon from published_sites order by name, id")
        return [SiteLine(*row) for row in rows]

    def site(self, id: str) -> SiteLine | None:
        row = self._r.one("select id, name, address, lat, lon from published_sites where id = ?", id)
        return None if row is None else SiteLine(*row)

    def sensors(self, site: str = "") -> list[tuple[str, str, str]]:
        """Return (site, kind, JSON) of the public register, of one site or of all."""
        where, values = (" where site = ?", (site,)) if site else ("", ())
        rows = self._r.rows(f"select site, kind, about from published_sensors{where} order by site, kind", *values)
        return [(row[0], row[1], row[2]) for row in rows]

    def about(self) -> dict[str, str]:
        """Return what is said of the publisher."""
        return dict(self._r.rows("select name, value from published_about"))


def _set_line(row: Sequence) -> SetLine:  # type: ignore[type-arg]
    return SetLine._make((*row[:10], bool(row[10]), *row[11:]))


def _places(values: Sequence[str]) -> str:
    return ", ".join("?" * len(values)) or "null"
