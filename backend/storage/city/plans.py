"""Floor plans of sites, and where on them things stand.

site_plans   a picture for each floor of a site, checked and stripped before it comes here
plan_pins    where a thing stands on a floor: shares of the picture's width and height
"""

from __future__ import annotations

from typing import NamedTuple

from backend.storage.city.database import Reader, Transaction
from backend.storage.city.sql import Tables

TABLES = Tables(
    "plans",
    (
        """
        create table site_plans (
            id BIGINT primary key, site TEXT not null, floor TEXT not null, kind TEXT not null, width BIGINT not null,
            height BIGINT not null, data BYTES not null, changed_at DOUBLE PRECISION not null, unique (site, floor)
        );
        create table plan_pins (
            thing BIGINT primary key, plan BIGINT not null, x DOUBLE PRECISION not null, y DOUBLE PRECISION not null
        );
        create index plan_pins_of on plan_pins (plan)
        """,
    ),
)


class Plan(NamedTuple):
    """A floor of a site; `width` and `height` in pixels."""

    id: int
    site: str
    floor: str
    kind: str
    width: int
    height: int
    changed_at: float


_PLAN = "id, site, floor, kind, width, height, changed_at"


def plans(r: Reader, site: str) -> list[Plan]:
    return [Plan._make(row) for row in r.rows(f"select {_PLAN} from site_plans where site = ? order by floor", site)]


def plan(r: Reader, number: int) -> Plan | None:
    row = r.one(f"select {_PLAN} from site_plans where id = ?", number)
    return None if row is None else Plan._make(row)


def picture(r: Reader, number: int) -> bytes:
    row = r.one("select data from site_plans where id = ?", number)
    return b"" if row is None else bytes(row[0])


def put_plan(t: Transaction, site: str, floor: str, kind: str, size: tuple[int, int], data: bytes, now: float) -> int:
    """Store the picture of a floor, and return its number. Pins of a floor that was there stay where they are."""
    known = t.one("select id from site_plans where site = ? and floor = ?", site, floor)
    if known is not None:
        t.run(
            "update site_plans set kind = ?, width = ?, height = ?, data = ?, changed_at = ? where id = ?",
            kind, *size, data, now, int(known[0]),
        )  # fmt: skip
        return int(known[0])
    number = t.next("plans")
    t.run(
        "insert into site_plans (id, site, floor, kind, width, height, data, changed_at) "
        "values (?, ?, ?, ?, ?, ?, ?, ?)",
        number, site, floor, kind, *size, data, now,
    )  # fmt: skip
    return number


def remove_plan(t: Transaction, number: int) -> bool:
    t.run("delete from plan_pins where plan = ?", number)
    return t.run("delete from site_plans where id = ?", number) == 1


def pins(r: Reader, site: str) -> dict[int, tuple[int, float, float]]:
    """Return (plan, x, y) of each thing that stands on a plan of a site, by its number."""
    rows = r.rows(
        "select n.thing, n.plan, n.x, n.y from plan_pins n join site_plans p on p.id = n.plan where p.site = ?", site
    )
    return {int(thing): (int(of), float(x), float(y)) for thing, of, x, y in rows}


def put_pin(t: Transaction, thing: int, number: int, x: float, y: float) -> None:
    t.run("delete from plan_pins where thing = ?", thing)
    t.run("insert into plan_pins (thing, plan, x, y) values (?, ?, ?, ?)", thing, number, x, y)
