"""Tables of incidents: alerts of several sites that are one event, and the evidence of why they were put together.

The alerts of an incident are those of `dispatch_alerts` with its number. `n` counts its changes that people are told.
"""

from __future__ import annotations

from typing import NamedTuple

from backend.storage.city.database import Reader, Tables, Transaction

TABLES = Tables(
    "incidents",
    (
        """
        create table incidents (
            id BIGINT primary key, kind TEXT not null, name TEXT not null, family TEXT not null,
            severity TEXT not null, rank BIGINT not null, n BIGINT not null, opened_at DOUBLE PRECISION not null,
            joined_at DOUBLE PRECISION not null, tell_at DOUBLE PRECISION, closed_at DOUBLE PRECISION,
            into_incident BIGINT not null, state TEXT not null, taken_by TEXT not null
        );
        create index incidents_open on incidents (closed_at, id);
        create index incidents_telling on incidents (tell_at);
        create table incident_evidence (
            id BIGINT primary key, incident BIGINT not null, at DOUBLE PRECISION not null, who TEXT not null,
            what TEXT not null, facts TEXT not null
        );
        create index incident_evidence_of on incident_evidence (incident, id)
        """,
    ),
)


class Incident(NamedTuple):
    """An incident. `kind` is `family`, `signal`, or that of its cause; `name` says which; `tell_at` is when people are
    to be told of its last change, null when they were; `into_incident` is the one that it was merged into, 0 for
    none."""

    id: int
    kind: str
    name: str
    family: str
    severity: str
    rank: int
    n: int
    opened_at: float
    joined_at: float
    tell_at: float | None
    closed_at: float | None
    into_incident: int
    state: str
    taken_by: str


class Evidence(NamedTuple):
    """A line of evidence; `facts` is a JSON object."""

    id: int
    at: float
    who: str
    what: str
    facts: str


_INCIDENT = ", ".join(Incident._fields)


def add(t: Transaction, one: Incident) -> Incident:
    """Store a new incident under the next number."""
    made = one._replace(id=t.next("incidents"))
    t.run(f"insert into incidents ({_INCIDENT}) values ({', '.join('?' * len(made))})", *made)
    return made


def put(t: Transaction, one: Incident) -> None:
    changed = ", ".join(f"{name} = ?" for name in Incident._fields[1:])
    t.run(f"update incidents set {changed} where id = ?", *one[1:], one.id)


def incident(r: Reader, number: int) -> Incident | None:
    row = r.one(f"select {_INCIDENT} from incidents where id = ?", number)
    return None if row is None else Incident(*row)


def standing(r: Reader) -> list[Incident]:
    """Return the incidents that are open, the oldest first."""
    return [Incident(*row) for row in r.rows(f"select {_INCIDENT} from incidents where closed_at is null order by id")]


def to_tell(r: Reader, now: float) -> list[Incident]:
    """Return the incidents of whose last change people are to be told now."""
    rows = r.rows(f"select {_INCIDENT} from incidents where tell_at <= ? order by tell_at, id", now)
    return [Incident(*row) for row in rows]


def listed(r: Reader, most: int) -> list[Incident]:
    """Return incidents: those that are open first, then the newest."""
    rows = r.rows(
        f"select {_INCIDENT} from incidents order by case when closed_at is null then 0 else 1 end, id desc limit ?",
        most,
    )
    return [Incident(*row) for row in rows]


def add_evidence(t: Transaction, number: int, at: float, who: str, what: str, facts: str) -> None:
    t.run("insert into incident_evidence values (?, ?, ?, ?, ?, ?)",
          t.next("incident_evidence"), number, at, who, what, facts)  # fmt: skip


def evidence(r: Reader, number: int) -> list[Evidence]:
    rows = r.rows("select id, at, who, what, facts from incident_evidence where incident = ? order by id", number)
    return [Evidence(*row) for row in rows]
