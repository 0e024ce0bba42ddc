"""Table of the audit journal, of which each line holds a digest over itself and the line before it.

The digest is that of `backend.city.people.journal`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from backend.storage.city.database import Reader, Transaction
from backend.storage.city.sql import Row, Tables

TABLES = Tables(
    "journal",
    (
        """
        create table journal (
            n BIGINT primary key, at DOUBLE PRECISION not null, who TEXT not null, what TEXT not null,
            object TEXT not null, facts TEXT not null, digest BYTES not null
        );
        create index journal_who on journal (who, n);
        create index journal_object on journal (object, n)
        """,
    ),
)


class Line(NamedTuple):
    """A line of the journal. `at` is Unix seconds; `facts` is a JSON object."""

    n: int
    at: float
    who: str
    what: str
    object: str
    facts: str
    digest: bytes


_LINE = "n, at, who, what, object, facts, digest"


def _line(row: Row) -> Line:
    n, at, who, what, object, facts, digest = row
    return Line(int(n), float(at), who, what, object, facts, bytes(digest))


def next_number(t: Transaction) -> int:
    """Return the number of the next line; until this transaction ends, no other one gets a number."""
    return t.next("journal")


def last(r: Reader) -> Line | None:
    row = r.one(f"select {_LINE} from journal order by n desc limit 1")
    return None if row is None else _line(row)


def line(r: Reader, n: int) -> Line | None:
    row = r.one(f"select {_LINE} from journal where n = ?", n)
    return None if row is None else _line(row)


def append(t: Transaction, one: Line) -> None:
    t.run(f"insert into journal ({_LINE}) values (?, ?, ?, ?, ?, ?, ?)", *one)


def lines(r: Reader, *, before: int, count: int, who: str = "", what: str = "", object: str = "") -> list[Line]:
    """Return the last lines before a number that match, the newest first. `what` is the beginning of an action."""
    where, values = ["n < ?"], [before]  # type: tuple[list[str], list[int | str]]
    for column, value in (("who", who), ("object", object)):
        if value:
            where.append(f"{column} = ?")
            values.append(value)
    if what:
        where.append("substr(what, 1, ?) = ?")
        values += [len(what), what]
    found = r.rows(f"select {_LINE} from journal where {' and '.join(where)} order by n desc limit ?", *values, count)
    return [_line(row) for row in found]


def all_lines(r: Reader, *, after: int = 0, at_once: int = 1000) -> Iterator[Line]:
    """Yield the lines after a number, the oldest first."""
    while True:
        found = r.rows(f"select {_LINE} from journal where n > ? order by n limit ?", after, at_once)
        for row in found:
            yield _line(row)
        if len(found) < at_once:
            return
        after = int(found[-1][0])
