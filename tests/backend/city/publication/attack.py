"""A town whose open data somebody attacks: 500 flats and 60 shops over months, with readings that come late, meters
that are read again, consents that are withdrawn; and the attacker.

The attacker keeps every value that was ever published, and is told, which no attacker is, exactly which units each of
them was computed from, and that none was rounded. Each value is then a sum of unknowns; what follows from all of them
is their linear span. A cell below the threshold is recovered when the span holds a combination over fewer than ten
flats, or fewer than three firms, or one that a firm has for more than 85 %. Values of different hours, and of meters
read again, are different unknowns.
"""

from __future__ import annotations

import math
import random
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import combinations
from pathlib import Path
from typing import NamedTuple

from backend.city.people.viewer import CLASSES, Role, Scope, Viewer
from backend.city.publication import desk, making
from backend.city.publication.calendar import DAY_S, HOUR_S
from backend.city.publication.definition import (
    LEAST_FIRMS,
    LEAST_HOMES,
    MOST_SHARE,
    Definition,
    DefinitionRefused,
    Family,
)
from backend.city.publication.source import Found
from backend.storage.city import publication as table
from backend.storage.city.database import CityDatabase, Transaction, open_city
from backend.storage.city.publication import Member

PRIME = (1 << 61) - 1
START = 1_780_264_800.0  # 2026-06-01 00:00 in France
OFFICER = Viewer("dpo", "Déléguée", Role.DPO, Scope(classes=CLASSES))
HEAD = Viewer("head", "Cheffe", Role.HEAD, Scope(classes=CLASSES))


class Thing(NamedTuple):
    """A meter or a sensor of the town."""

    id: int
    metric: str
    kind: str
    privacy: str
    site: str
    zone: str
    sectors: tuple[str, ...] = ()


def put_thing(t: Transaction, one: Thing) -> None:
    """Write a thing, its series and its site into the register."""
    if not t.one("select 1 from sites where id = ?", one.site):
        insert(t, "sites", id=one.site, name=one.site.title(), address="", lat=48.1, lon=-1.7)
    insert(
        t, "things", id=one.id, hub="hub", device=f"dev:{one.id}", site=one.site, zone=one.zone,
        place=f"place-{one.id}", kind=one.kind, privacy=one.privacy, mobile=0, lat=48.1, lon=-1.7,
        name=f"Device {one.id}",
    )  # fmt: skip
    insert(
        t, "thing_series", id=one.id, thing=one.id, metric=one.metric, privacy=one.privacy,
        series=f"hub/place-{one.id}/{one.metric}",
    )  # fmt: skip
    for sector in one.sectors:
        if not t.one("select 1 from sectors where id = ?", sector):
            insert(t, "sectors", id=sector, name=sector, area="")
        insert(t, "thing_sectors", thing=one.id, sector=sector)


TEXTS = {
    "sites": ("address", "service", "kind", "plan_type"),
    "things": ("layer", "service", "provider", "status", "given"),
    "thing_series": ("unit", "kind", "device_class", "state_class"),
}
"""Columns that must be there and say nothing here."""


def insert(t: Transaction, into: str, /, **values: str | float | int | None) -> None:
    """Add a row to a table of the register."""
    row: dict[str, str | float | int | None] = dict.fromkeys(TEXTS.get(into, ()), "")
    if into == "sites":
        row["changed_at"] = 0.0
    row |= values
    t.run(f"insert into {into} ({', '.join(row)}) values ({', '.join('?' * len(row))})", *row.values())


def data_set(id: str, family: Family, metric: str, **more: object) -> Definition:
    """A data set over hours, by site, a week late."""
    given = {
        "title": {"fr": id}, "summary": {"fr": id}, "kinds": (), "space": "site", "cell_s": HOUR_S,
        "delay_s": 7 * DAY_S, "since": START, "contact": "DPD", "mail": "dpd@ville.example", **more,
    }  # fmt: skip
    return Definition(id=id, family=family, metrics=(metric,), **given)  # type: ignore[arg-type]


class Day(NamedTuple):
    """A day of a thing: `late` by so many seconds; read again after `again`, with values `factor` times as large."""

    late: float
    again: float
    factor: float
    values: list[float]


@dataclass
class Town:
    """What meters say, as it is known at `now`. Unit × hour → value, the same each time it is asked for."""

    seed: int
    things: list[Thing] = field(default_factory=list)
    now: float = START
    quit: dict[int, float] = field(default_factory=dict)
    """Thing → when its consent was withdrawn."""
    weights: dict[int, float] = field(default_factory=dict)
    _days: dict[tuple[int, int], Day] = field(default_factory=dict)

    @classmethod
    def made(cls, seed: int, flats: int = 500, shops: int = 60) -> Town:
        town, rng = cls(seed), random.Random(seed)
        number = 0
        staircase = 0
        while flats > 0:
            size = min(flats, rng.choice((3, 6, 9, 12, 14, 18, 24, 30)))
            flats -= size
            for flat in range(size):
                sectors = (f"sector-{staircase % 7}",)
                for metric, kind in (("energy", "energy-meter"), ("occupancy", "room")):
                    number += 1
                    site, zone = f"stairs-{staircase:02}", f"flat-{flat}"
                    town.things.append(Thing(number, metric, kind, "personal", site, zone, sectors))
                    town.weights[number] = rng.lognormvariate(0, 0.6)
            staircase += 1
        for shop in range(shops):
            number += 1
            street = f"street-{rng.randrange(16):02}"
            thing = Thing(number, "energy", "energy-meter", "internal", f"shop-{shop:02}", "", (street,))
            town.things.append(thing)
            town.weights[number] = rng.lognormvariate(1.5, 1.6)
        for thing in rng.sample([one for one in town.things if one.privacy == "personal"], 20):
            town.quit[thing.id] = START + rng.uniform(20, 80) * DAY_S
        return town

    def cells(self, one: Definition, members: Sequence[Member], starts: Sequence[float]) -> Found:
        found: Found = {start: {} for start in starts}
        for member in members:
            for start in starts:
                value = self.value(member.thing, member.metric, start)
                if value is not None:
                    units = found[start].setdefault((member.area, member.metric), {})
                    units[member.unit] = units.get(member.unit, 0.0) + value
        return found

    def value(self, thing: int, metric: str, start: float) -> float | None:
        """Return what is known now of a thing's hour: None before it came, and after consent was withdrawn."""
        day, hour = divmod(int(start) // HOUR_S, 24)
        if thing in self.quit and self.now >= self.quit[thing]:
            return None
        known = self._days.get((thing, day))
        if known is None:
            known = self._days[thing, day] = self._day(thing, metric, day)
        if self.now < start + HOUR_S + known.late:
            return None
        value = known.values[hour]
        if metric == "energy" and self.now >= start + known.again:
            value = round(value * known.factor, 3)
        return value

    def _day(self, thing: int, metric: str, day: int) -> Day:
        """Return a day of a thing: some are late alone, some with their whole staircase; some meters are read again."""
        rng = random.Random(f"{self.seed}/{thing}/{day}")
        whole = random.Random(f"{self.seed}/{self.things[thing - 1].site}/{day}")
        late = whole.uniform(8, 25) * DAY_S if whole.random() < 0.03 else 0.0
        late = max(late, rng.uniform(8, 25) * DAY_S if rng.random() < 0.02 else 0.0)
        again = rng.uniform(8, 20) * DAY_S if rng.random() < 0.01 else math.inf
        if metric == "occupancy":
            values = [float(rng.random() < (0.25 if 8 <= hour < 18 else 0.8)) for hour in range(24)]
        else:
            values = [round(self.weights[thing] * rng.lognormvariate(-0.3, 0.5), 3) for _ in range(24)]
        return Day(late, again, rng.uniform(0.5, 2), values)


class Told(NamedTuple):
    """A value that was published: of these unknowns."""

    area: str
    unknowns: frozenset[tuple[str, float]]
    """(unit, its value)."""


def publish(database: CityDatabase, one: Definition, now: float) -> None:
    """Propose and allow a data set."""
    with database.transaction() as t:
        line = desk.propose(t, one, HEAD, now)
        desk.allow(t, one.id, line.digest, OFFICER, now)


def passes(database: CityDatabase, town: Town, now: float) -> int:
    """Let every pass go over all that is due."""
    town.now, done = now, 0
    while True:
        with database.snapshot() as r:
            works = [work for pointer in table.pointers(r) if (work := making.due(r, pointer, now)) is not None]
        if not works:
            return done
        for work in works:
            found = town.cells(work.definition, work.members, work.starts)
            with database.transaction() as t:
                done += making.write(t, work, found, now) is not None


@dataclass
class Attacker:
    """Keeps what was published."""

    seen: dict[tuple[str, float], set[Told]] = field(default_factory=lambda: defaultdict(set))
    values: int = 0
    masked: set[tuple[str, float, str]] = field(default_factory=set)
    releases: dict[tuple[str, float], int] = field(default_factory=dict)

    def watch(self, database: CityDatabase, one: Definition) -> None:
        """Note what the last passes published. The ledger tells which units a value was computed from; that it is their
        sum is checked."""
        rules = one.rules()
        with database.snapshot() as r:
            rows = r.rows("select starts, release, content from publication_ledger where dataset = ?"
                          " and content is not null order by starts, release", one.id)  # fmt: skip
            fresh = [row for row in rows if row[1] > self.releases.get((one.id, row[0]), 0)]
            for starts, number, content in fresh:
                self.releases[one.id, starts] = number
                release = making.unpack(bytes(content))
                for cell in making.column(one, starts, release):
                    key = one.id, starts, cell.area
                    if cell.value is None:
                        self.masked.add(key)
                        continue
                    total = cell.area == making.TOTAL
                    areas = release.states if total else (cell.area,)
                    unknowns = frozenset(
                        (unit, value) for area in areas for unit, value in release.states[area].items()
                    )
                    self.seen[_subject(one), starts].add(Told(cell.area, unknowns))
                    self.values += 1
                    assert abs(cell.value - math.fsum(value for _, value in unknowns)) <= rules.step / 2 + 1e-6
            newest = {starts: content for starts, _, content in rows}
            for starts in {row[0] for row in fresh}:
                told = {cell.area: cell.value for cell in table.Published(r).cells(one.id, starts, starts + 1)}
                release = making.unpack(bytes(newest[starts]))
                assert told == {cell.area: cell.value for cell in making.column(one, starts, release)}

    def recovered(self, family: Family) -> list[tuple[str, float, int]]:
        """Return (quantity, hour, units) of sums that follow from what was published, and must not be known."""
        found = []
        for (name, starts), told in self.seen.items():
            hits = disclosed([one.unknowns for one in told], family)
            found += [(name, starts, units) for units in hits]
        return found


def disclosed(sums: Sequence[frozenset[tuple[str, float]]], family: Family) -> Iterable[int]:
    """Yield the number of units of each combination in the span of these sums that must not be known: for each smallest
    set of groups of unknowns at most one."""
    distinct = list(dict.fromkeys(one for one in sums if one))
    groups: dict[tuple[int, ...], set[tuple[str, float]]] = defaultdict(set)
    for unknown in frozenset().union(*distinct):
        groups[tuple(n for n, one in enumerate(distinct) if unknown in one)].add(unknown)
    patterns = list(groups)
    rows = [[int(n in pattern) for pattern in patterns] for n in range(len(distinct))]
    small = [at for at, pattern in enumerate(patterns) if _forbidden(groups[pattern], family)]
    if not small:
        return
    taken: set[int] = set()
    for size in (1, 2, 3):
        for these in combinations(small, size):
            if taken & set(these):
                continue
            together = set().union(*(groups[patterns[at]] for at in these))
            if size > 1 and len({unit for unit, _ in together}) >= LEAST_HOMES:
                continue
            for coefficients in combined(rows, these):
                terms = [
                    (unit, value * coefficient)
                    for at, coefficient in zip(these, coefficients, strict=True)
                    if coefficient
                    for unit, value in groups[patterns[at]]
                ]
                if _forbidden(terms, family):
                    taken |= set(these)
                    yield len({unit for unit, _ in terms})
                    break


def _forbidden(terms: Iterable[tuple[str, float]], family: Family) -> bool:
    """Return whether the sum of these terms must not be known."""
    values: dict[str, float] = defaultdict(float)
    for unit, value in terms:
        values[unit] += value
    if family != Family.FIRMS:
        return len(values) < LEAST_HOMES
    sizes = [abs(value) for value in values.values()]
    return len(values) < LEAST_FIRMS or max(sizes) > MOST_SHARE * math.fsum(sizes) + 1e-9


def combined(rows: Sequence[Sequence[int]], these: Sequence[int]) -> list[tuple[int, ...]]:
    """Return the coefficients at the columns `these` of combinations of rows that are zero at all other columns, one
    for each dimension of their space. Computed over a large prime field: small numbers stand for themselves."""
    others = [at for at in range(len(rows[0])) if at not in these]
    left = [[row[at] % PRIME for at in (*others, *these)] for row in rows]
    found = 0
    for column in range(len(rows[0])):
        pivot = next((at for at in range(found, len(left)) if left[at][column]), None)
        if pivot is None:
            continue
        left[found], left[pivot] = left[pivot], left[found]
        inverse = pow(left[found][column], -1, PRIME)
        left[found] = [value * inverse % PRIME for value in left[found]]
        for at in range(found + 1, len(left)):
            if factor := left[at][column]:
                left[at] = [(a - factor * b) % PRIME for a, b in zip(left[at], left[found], strict=True)]
        found += 1
    return [
        tuple(value if value < PRIME // 2 else value - PRIME for value in row[len(others) :])
        for row in left
        if any(row) and not any(row[: len(others)])
    ]


class Outcome(NamedTuple):
    """Result of an attack. `refused`: attempts to publish the same in another partition that the desk refused."""

    told: int
    masked: int
    corrections: int
    recovered: int
    refused: int
    examples: list[tuple[str, float, int]]


def attack(database: CityDatabase, *, seed: int = 1, days: int = 90, flats: int = 500, shops: int = 60) -> Outcome:
    """Let a town publish for `days`, with corrections until all is final, and attack what came of it."""
    town = Town.made(seed, flats, shops)
    with database.transaction() as t:
        for thing in town.things:
            put_thing(t, thing)
    until = START + days * DAY_S
    sets = [
        data_set("energie", Family.HOMES, "energy", kinds=("energy-meter",), total=True, until=until),
        data_set("presence", Family.PRESENCE, "occupancy", kinds=("room",), until=until),
        data_set("commerces", Family.FIRMS, "energy", kinds=("energy-meter",), space="sector", total=True, until=until),
    ]
    refused = 0
    for one in sets:
        publish(database, one, START)
    for other in (
        data_set("energie-secteurs", Family.HOMES, "energy", space="sector", until=until),
        data_set("energie-jours", Family.HOMES, "energy", cell_s=DAY_S, until=until),
        data_set("presence-secteurs", Family.PRESENCE, "occupancy", space="sector", until=until),
        data_set("presence-cage", Family.PRESENCE, "occupancy", sites=("stairs-00",), until=until),
        data_set("energie-sauf", Family.HOMES, "energy", sectors=tuple(f"sector-{n}" for n in range(6)), until=until),
    ):
        try:
            publish(database, other, START)
            sets.append(other)
        except DefinitionRefused:
            refused += 1
    attackers = {one.id: Attacker() for one in sets}
    shared: dict[str, Attacker] = {}
    for day in range(8, days + 50):
        now = START + day * DAY_S
        passes(database, town, now - 3 * HOUR_S)
        if day % 10 == 0:
            _recompute(database, sets, now)
            passes(database, town, now)
        for one in sets:
            watcher = shared.setdefault(_subject(one), attackers[one.id])
            watcher.watch(database, one)
    found = [hit for subject, watcher in shared.items() for hit in watcher.recovered(_family(sets, subject))]
    releases = sum(sum(one.releases.values()) - len(one.releases) for one in shared.values())
    told, masked = sum(one.values for one in shared.values()), sum(len(one.masked) for one in shared.values())
    return Outcome(told, masked, releases, len(found), refused, found[:5])


def _recompute(database: CityDatabase, sets: Sequence[Definition], now: float) -> None:
    """Ask for a correction of the last three weeks, as an officer may at any time."""
    for one in sets:
        try:
            with database.transaction() as t:
                desk.recompute(t, one.id, now - 35 * DAY_S, now - 14 * DAY_S, OFFICER, now)
        except DefinitionRefused:
            continue


def _subject(one: Definition) -> str:
    return one.id.partition("-")[0]


def _family(sets: Sequence[Definition], subject: str) -> Family:
    return next(one.family for one in sets if _subject(one) == subject)


def opened(folder: Path) -> CityDatabase:
    """A city's database in a file."""
    folder.mkdir(parents=True, exist_ok=True)
    return open_city(folder, folder / "backend.db")
