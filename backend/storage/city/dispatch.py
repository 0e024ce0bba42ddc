"""Tables of dispatch: plans, alerts as they are known here, chains with their deadlines, the ledger of messages,
requests to hubs, interventions.

dispatch_alerts     an alert of a hub, or an alarm of the backend: `alert` is the hub's own id, or `alarm:` and an
                    id. `hold_until` is set until it is dispatched, `incident` is 0 outside of one, `apart` is 1 once a
                    person took it out of one; `rank` is that of its severity when it was last told
dispatch_chains     what is to be told of an alert or an incident, as it was decided when that was raised. `due_at` is
                    when the next step begins, null when no step is left or somebody took it
dispatch_messages   the ledger: one line for each change of an alert, person and channel. `next_at` is when it is to be
                    sent, null once it is sent or given up; while a process sends it, the end of its lease
dispatch_acts       requests that people made, on their way to the hub
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import msgspec

from backend.storage.city.database import Reader, Tables, Transaction
from backend.storage.city.scope import ScopeLike, things
from backend.storage.city.sql import Value
from backend.storage.tables import AlertChange

TABLES = Tables(
    "dispatch",
    (
        """
        create table dispatch_plans (
            version BIGINT primary key, at DOUBLE PRECISION not null, who TEXT not null, body TEXT not null
        );
        create table dispatch_swaps (
            id BIGINT primary key, service TEXT not null, person TEXT not null, instead TEXT not null,
            begin_at DOUBLE PRECISION not null, end_at DOUBLE PRECISION not null, who TEXT not null,
            made_at DOUBLE PRECISION not null, cancelled_at DOUBLE PRECISION
        );
        create table dispatch_alerts (
            hub TEXT not null, alert TEXT not null, n BIGINT not null, rule TEXT not null, about TEXT not null,
            state TEXT not null, severity TEXT not null, who TEXT not null, why TEXT not null, value TEXT not null,
            text TEXT not null, text_fr TEXT not null, device TEXT not null, place TEXT not null, site TEXT not null,
            zone TEXT not null, integration TEXT not null, raised_at DOUBLE PRECISION not null,
            changed_at DOUBLE PRECISION not null, received_at DOUBLE PRECISION not null,
            seen_at DOUBLE PRECISION not null, family TEXT not null, sectors TEXT not null, contract TEXT not null,
            service TEXT not null, route TEXT not null, hold_until DOUBLE PRECISION, dispatched_at DOUBLE PRECISION,
            incident BIGINT not null, apart BIGINT not null, rank BIGINT not null, told BIGINT not null,
            wanted TEXT not null, taken_by TEXT not null, cleared_at DOUBLE PRECISION,
            primary key (hub, alert)
        );
        create index dispatch_alerts_held on dispatch_alerts (hold_until);
        create index dispatch_alerts_family on dispatch_alerts (family, seen_at);
        create index dispatch_alerts_seen on dispatch_alerts (seen_at);
        create index dispatch_alerts_open on dispatch_alerts (cleared_at, seen_at);
        create index dispatch_alerts_incident on dispatch_alerts (incident);
        create table dispatch_chains (
            id BIGINT primary key, hub TEXT not null, alert TEXT not null, service TEXT not null, route TEXT not null,
            plan BIGINT not null, begun_at DOUBLE PRECISION not null, steps TEXT not null, next_step BIGINT not null,
            due_at DOUBLE PRECISION, ended TEXT not null
        );
        create index dispatch_chains_due on dispatch_chains (due_at);
        create index dispatch_chains_of on dispatch_chains (hub, alert);
        create table dispatch_messages (
            id TEXT primary key, hub TEXT not null, alert TEXT not null, n BIGINT not null, person TEXT not null,
            channel TEXT not null, address TEXT not null, language TEXT not null, service TEXT not null,
            chain BIGINT not null, step BIGINT not null, what TEXT not null, body TEXT not null,
            made_at DOUBLE PRECISION not null, next_at DOUBLE PRECISION, attempts BIGINT not null, lease TEXT not null,
            state TEXT not null, error TEXT not null, sent_at DOUBLE PRECISION, reference TEXT not null,
            unique (hub, alert, n, person, channel)
        );
        create index dispatch_messages_due on dispatch_messages (next_at);
        create index dispatch_messages_of on dispatch_messages (hub, alert);
        create table dispatch_acts (
            id BIGINT primary key, hub TEXT not null, alert TEXT not null, state TEXT not null, who TEXT not null,
            why TEXT not null, until_at DOUBLE PRECISION, asked_at DOUBLE PRECISION not null,
            done_at DOUBLE PRECISION, outcome TEXT not null
        );
        create index dispatch_acts_waiting on dispatch_acts (done_at, id);
        create table interventions (
            id BIGINT primary key, hub TEXT not null, alert TEXT not null, service TEXT not null, state TEXT not null,
            person TEXT not null, made_at DOUBLE PRECISION not null, taken_at DOUBLE PRECISION,
            on_site_at DOUBLE PRECISION, done_at DOUBLE PRECISION, closed_at DOUBLE PRECISION, unique (hub, alert)
        );
        create index interventions_service on interventions (service, closed_at);
        create table intervention_notes (
            id BIGINT primary key, intervention BIGINT not null, at DOUBLE PRECISION not null, who TEXT not null,
            what TEXT not null, text TEXT not null, picture BYTES, picture_type TEXT not null
        );
        create index intervention_notes_of on intervention_notes (intervention, id)
        """,
    ),
)


class KnownAlert(NamedTuple):
    """An alert as dispatch knows it: the hub's own change, and what was decided here."""

    hub: str
    alert: str
    n: int
    rule: str
    about: str
    state: str
    severity: str
    who: str
    why: str
    value: str
    text: str
    text_fr: str
    device: str
    place: str
    site: str
    zone: str
    integration: str
    raised_at: float
    changed_at: float
    received_at: float
    seen_at: float
    family: str
    sectors: str
    contract: str
    service: str
    route: str
    hold_until: float | None
    dispatched_at: float | None
    incident: int
    apart: int
    rank: int
    told: int
    wanted: str
    taken_by: str
    cleared_at: float | None


class Person(msgspec.Struct, frozen=True):
    """Whom a step tells, and where: channel → address. `id` is `service:NAME` for a system of a service."""

    id: str
    name: str
    language: str
    ways: dict[str, str]


class ChainStep(msgspec.Struct, frozen=True):
    """A step as it was decided: Unix seconds at which it begins, whom it tells, and the names of those on duty who may
    not see what it tells."""

    at: float
    service: str
    people: tuple[Person, ...]
    barred: tuple[str, ...] = ()


class Chain(NamedTuple):
    """A chain; `steps` is JSON of ChainStep."""

    id: int
    hub: str
    alert: str
    service: str
    route: str
    plan: int
    begun_at: float
    steps: str
    next_step: int
    due_at: float | None
    ended: str


class Message(NamedTuple):
    """A line of the ledger. `state` is waiting, sent, undeliverable or dropped; `reference` is what the channel
    answered that a later message may name."""

    id: str
    hub: str
    alert: str
    n: int
    person: str
    channel: str
    address: str
    language: str
    service: str
    chain: int
    step: int
    what: str
    body: str
    made_at: float
    next_at: float | None
    attempts: int
    lease: str
    state: str
    error: str
    sent_at: float | None
    reference: str


class Act(NamedTuple):
    """A request of a person to change an alert at its hub."""

    id: int
    hub: str
    alert: str
    state: str
    who: str
    why: str
    until_at: float | None
    asked_at: float
    done_at: float | None
    outcome: str


class Intervention(NamedTuple):
    """A task of a crew. `state` is open, taken, on-site, done or closed."""

    id: int
    hub: str
    alert: str
    service: str
    state: str
    person: str
    made_at: float
    taken_at: float | None
    on_site_at: float | None
    done_at: float | None
    closed_at: float | None


class Note(NamedTuple):
    """A line of an intervention's history; the picture itself is asked for by its id."""

    id: int
    at: float
    who: str
    what: str
    text: str
    picture_type: str


class SwapLine(NamedTuple):
    """A swap of the rota, as it is stored."""

    id: int
    service: str
    person: str
    instead: str
    begin_at: float
    end_at: float
    who: str
    made_at: float
    cancelled_at: float | None


_ALERT = ", ".join(KnownAlert._fields)
_CHAIN = ", ".join(Chain._fields)
_MESSAGE = ", ".join(Message._fields)
_ACT = ", ".join(Act._fields)
_TASK = ", ".join(Intervention._fields)
_SWAP = ", ".join(SwapLine._fields)


def _marks(fields: Sequence[str]) -> str:
    return ", ".join("?" * len(fields))


# plans


def last_plan(r: Reader) -> tuple[int, float, str, str] | None:
    """Return version, time, author and JSON of the plan that counts."""
    return r.one("select version, at, who, body from dispatch_plans order by version desc limit 1")


def plan_of(r: Reader, version: int) -> str | None:
    row = r.one("select body from dispatch_plans where version = ?", version)
    return None if row is None else str(row[0])


def plan_versions(r: Reader, count: int) -> list[tuple[int, float, str]]:
    """Return version, time and author of the last plans, the newest first."""
    return list(r.rows("select version, at, who from dispatch_plans order by version desc limit ?", count))


def add_plan(t: Transaction, at: float, who: str, body: str) -> int:
    version = t.next("dispatch_plans")
    t.run("insert into dispatch_plans values (?, ?, ?, ?)", version, at, who, body)
    return version


def name_service(t: Transaction, service: str, name: str) -> None:
    """Let the register know a service of a plan; a name that it has stays."""
    t.run("insert into services (id, name) values (?, ?) on conflict (id) do nothing", service, name)


def add_swap(
    t: Transaction, service: str, person: str, instead: str, begin: float, end: float, who: str, now: float
) -> int:
    number = t.next("dispatch_swaps")
    t.run(f"insert into dispatch_swaps ({_SWAP}) values ({_marks(SwapLine._fields)})",
          number, service, person, instead, begin, end, who, now, None)  # fmt: skip
    return number


def cancel_swap(t: Transaction, number: int, services: frozenset[str] | None, now: float) -> bool:
    """Take a swap back, if it is of one of these services; return whether it stood."""
    row = t.one("select service from dispatch_swaps where id = ? and cancelled_at is null", number)
    if row is None or (services is not None and row[0] not in services):
        return False
    return t.run("update dispatch_swaps set cancelled_at = ? where id = ?", now, number) > 0


def swaps(r: Reader, after: float) -> list[SwapLine]:
    """Return the swaps that stand and are not over at a moment."""
    return [
        SwapLine(*row)
        for row in r.rows(
            f"select {_SWAP} from dispatch_swaps where cancelled_at is null and end_at > ? order by begin_at, id",
            after,
        )
    ]


# alerts


def alert(r: Reader, hub: str, name: str) -> KnownAlert | None:
    row = r.one(f"select {_ALERT} from dispatch_alerts where hub = ? and alert = ?", hub, name)
    return None if row is None else KnownAlert(*row)


def as_change(one: KnownAlert, *, n: int, state: str, by: str, why: str, now: float) -> AlertChange:
    """Return a change of an alert that is made here."""
    return AlertChange(one.hub, one.alert, n, one.rule, one.about, state, one.severity, by, why, one.value, one.text,
                       one.text_fr, one.device, one.place, one.site, one.zone, one.integration, one.raised_at, now,
                       now)  # fmt: skip


def put_alert(t: Transaction, one: KnownAlert) -> None:
    """Insert an alert, or replace what is known of it."""
    changed = ", ".join(f"{name} = excluded.{name}" for name in KnownAlert._fields[2:])
    t.run(
        f"insert into dispatch_alerts ({_ALERT}) values ({_marks(KnownAlert._fields)})"
        f" on conflict (hub, alert) do update set {changed}",
        *one,
    )


def open_names(r: Reader) -> dict[tuple[str, str], tuple[int, str, float]]:
    """Return (hub, alert) → (n, state, time of change) of the alerts that are not cleared."""
    rows = r.rows("select hub, alert, n, state, changed_at from dispatch_alerts where cleared_at is null")
    return {(hub, name): (n, state, changed) for hub, name, n, state, changed in rows}


def held_alerts(r: Reader, now: float, most: int = 5000) -> list[KnownAlert]:
    """Return alerts whose time of waiting is over, the oldest first."""
    rows = r.rows(
        f"select {_ALERT} from dispatch_alerts where hold_until <= ? order by hold_until, hub, alert limit ?",
        now,
        most,
    )
    return [KnownAlert(*row) for row in rows]


def recent_of_family(r: Reader, family: str, since: float) -> list[KnownAlert]:
    """Return the alerts of a family that came since a moment, the oldest first; not those set apart."""
    rows = r.rows(
        f"select {_ALERT} from dispatch_alerts where family = ? and seen_at >= ? and apart = 0"
        " order by seen_at, hub, alert",
        family,
        since,
    )
    return [KnownAlert(*row) for row in rows]


def recent(r: Reader, since: float, most: int = 20_000) -> list[KnownAlert]:
    """Return the alerts that came since a moment, the oldest first; not those set apart."""
    rows = r.rows(
        f"select {_ALERT} from dispatch_alerts where seen_at >= ? and apart = 0 order by seen_at, hub, alert limit ?",
        since,
        most,
    )
    return [KnownAlert(*row) for row in rows]


def count_of_family(r: Reader, family: str, begin: float, end: float) -> int:
    row = r.one(
        "select count(*) from dispatch_alerts where family = ? and seen_at >= ? and seen_at < ? and incident = 0",
        family, begin, end,
    )  # fmt: skip
    return 0 if row is None else int(row[0])


def count_apart(r: Reader, begin: float, end: float) -> int:
    """Return how many alerts came in a period that are of no incident."""
    row = r.one("select count(*) from dispatch_alerts where incident = 0 and seen_at >= ? and seen_at < ?", begin, end)
    return 0 if row is None else int(row[0])


def first_seen(r: Reader) -> float | None:
    """Return when the oldest alert came that is known."""
    row = r.one("select min(seen_at) from dispatch_alerts")
    return None if row is None or row[0] is None else float(row[0])


def children(r: Reader, incident: int) -> list[KnownAlert]:
    """Return the alerts of an incident, the oldest first."""
    rows = r.rows(
        f"select {_ALERT} from dispatch_alerts where incident = ? order by seen_at, hub, alert",
        incident,
    )
    return [KnownAlert(*row) for row in rows]


def set_incident(t: Transaction, hub: str, name: str, incident: int, apart: bool) -> None:
    t.run("update dispatch_alerts set incident = ?, apart = ? where hub = ? and alert = ?",
          incident, int(apart), hub, name)  # fmt: skip


def release(t: Transaction, hub: str, name: str, now: float) -> None:
    """Note that an alert waits no more to be dispatched."""
    t.run("update dispatch_alerts set hold_until = null, dispatched_at = coalesce(dispatched_at, ?)"
          " where hub = ? and alert = ?", now, hub, name)  # fmt: skip


def hold(t: Transaction, hub: str, name: str, until: float) -> None:
    """Let an alert be dispatched at a moment."""
    t.run("update dispatch_alerts set hold_until = ? where hub = ? and alert = ?", until, hub, name)


def set_wanted(t: Transaction, hub: str, name: str, wanted: str, taken_by: str) -> None:
    t.run(
        "update dispatch_alerts set wanted = ?, taken_by = ? where hub = ? and alert = ?", wanted, taken_by, hub, name
    )


def listed(
    r: Reader, condition: str, values: tuple[str | int | float | bytes | None, ...], *, everything: bool, most: int
) -> list[KnownAlert]:
    """Return alerts under a condition on the table `a`, the gravest of those that are open first."""
    rows = r.rows(
        f"select {', '.join(f'a.{name}' for name in KnownAlert._fields)} from dispatch_alerts a"
        f" where {condition}{'' if everything else ' and a.cleared_at is null'}"
        " order by case when a.cleared_at is null then 0 else 1 end, a.rank desc, a.seen_at desc, a.hub, a.alert"
        " limit ?",
        *values, most,
    )  # fmt: skip
    return [KnownAlert(*row) for row in rows]


# what the register knows


def sectors_of(r: Reader, hub: str, device: str, site: str) -> tuple[str, ...]:
    """Return the sectors of a device, else those of its site."""
    rows = r.rows("select s.sector from things t join thing_sectors s on s.thing = t.id where t.hub = ?"
                  " and t.device = ? order by s.sector", hub, device) if device else []  # fmt: skip
    if not rows:
        rows = r.rows("select sector from site_sectors where site = ? order by sector", site)
    return tuple(str(row[0]) for row in rows)


def contract_of(r: Reader, hub: str, device: str) -> str:
    """Return the provider of a device, "" for none."""
    row = r.one("select provider from things where hub = ? and device = ?", hub, device)
    return "" if row is None else str(row[0])


def site_name(r: Reader, site: str) -> str:
    row = r.one("select name from sites where id = ?", site)
    return site if row is None else str(row[0]) or site


def position(r: Reader, hub: str, device: str, site: str) -> tuple[float, float] | None:
    """Return latitude and longitude of a device, else of its site."""
    row = r.one("select lat, lon from things where hub = ? and device = ? and lat is not null and lon is not null",
                hub, device)  # fmt: skip
    row = row or r.one("select lat, lon from sites where id = ? and lat is not null and lon is not null", site)
    return None if row is None else (float(row[0]), float(row[1]))


def heard_at_two_hubs(r: Reader, kind: str, since: float) -> list[tuple[str, str]]:
    """Return devices whose id begins with a kind and that several hubs heard since a moment: (device, hub) pairs."""
    return [
        (str(device), str(hub))
        for device, hub in r.rows(
            "select device, hub from things where seen_at >= ? and device in (select device from things"
            " where seen_at >= ? and device like ? group by device having count(distinct hub) > 1)"
            " order by device, hub",
            since, since, f"{kind}%",
        )
    ]  # fmt: skip


# chains


def add_chain(
    t: Transaction, hub: str, name: str, service: str, route: str, plan: int, now: float, steps: Sequence[ChainStep]
) -> Chain:
    number = t.next("dispatch_chains")
    made = Chain(number, hub, name, service, route, plan, now, msgspec.json.encode(list(steps)).decode(), 0,
                 steps[0].at if steps else None, "" if steps else "listed")  # fmt: skip
    t.run(f"insert into dispatch_chains ({_CHAIN}) values ({_marks(Chain._fields)})", *made)
    return made


def steps_of(chain: Chain) -> list[ChainStep]:
    return msgspec.json.decode(chain.steps, type=list[ChainStep])


def due_chains(r: Reader, now: float, most: int = 1000) -> list[Chain]:
    rows = r.rows(f"select {_CHAIN} from dispatch_chains where due_at <= ? order by due_at, id limit ?", now, most)
    return [Chain(*row) for row in rows]


def chains_of(r: Reader, hub: str, name: str) -> list[Chain]:
    rows = r.rows(f"select {_CHAIN} from dispatch_chains where hub = ? and alert = ? order by id", hub, name)
    return [Chain(*row) for row in rows]


def chain(r: Reader, number: int) -> Chain | None:
    row = r.one(f"select {_CHAIN} from dispatch_chains where id = ?", number)
    return None if row is None else Chain(*row)


def move_chain(t: Transaction, number: int, next_step: int, due_at: float | None) -> None:
    t.run("update dispatch_chains set next_step = ?, due_at = ? where id = ?", next_step, due_at, number)


def hurry_chain(t: Transaction, number: int, now: float) -> bool:
    """Let the next step of a chain begin now, if it has one that is not due; return whether it had."""
    return t.run("update dispatch_chains set due_at = ? where id = ? and due_at > ?", now, number, now) > 0


def end_chains(t: Transaction, hub: str, name: str, why: str) -> None:
    t.run("update dispatch_chains set due_at = null, ended = ? where hub = ? and alert = ? and ended = ''",
          why, hub, name)  # fmt: skip


# messages


def add_message(t: Transaction, one: Message) -> bool:
    """Add a line to the ledger; return whether it is new: each change is told once to a person by a channel."""
    return (
        t.run(
            f"insert into dispatch_messages ({_MESSAGE}) values ({_marks(Message._fields)})"
            " on conflict (hub, alert, n, person, channel) do nothing",
            *one,
        )
        > 0
    )


def claim(t: Transaction, lease: str, now: float, until: float, most: int) -> list[Message]:
    """Claim messages that are due, until the end of a lease."""
    rows = t.rows(
        f"select {_MESSAGE} from dispatch_messages where next_at <= ? order by next_at, id limit ?", now, most
    )
    found = [Message(*row) for row in rows]
    t.many(
        "update dispatch_messages set next_at = ?, lease = ?, attempts = attempts + 1 where id = ?",
        [(until, lease, one.id) for one in found],
    )
    return [one._replace(next_at=until, lease=lease, attempts=one.attempts + 1) for one in found]


def settle(
    t: Transaction,
    one: Message,
    state: str,
    *,
    next_at: float | None,
    error: str,
    sent_at: float | None,
    reference: str,
) -> bool:
    """Note what became of a message that a lease holds; return whether it still did."""
    return (
        t.run(
            "update dispatch_messages set state = ?, next_at = ?, error = ?, sent_at = ?, reference = ?, lease = ''"
            " where id = ? and lease = ?",
            state, next_at, error, sent_at, reference, one.id, one.lease,
        )
        > 0
    )  # fmt: skip


def drop_waiting(t: Transaction, hub: str, name: str, what: str) -> None:
    """Drop messages of one kind that nobody has begun to send: they are no longer true."""
    t.run(
        "update dispatch_messages set state = 'dropped', next_at = null where hub = ? and alert = ? and what = ?"
        " and state = 'waiting' and lease = ''",
        hub, name, what,
    )  # fmt: skip


def messages_of(r: Reader, hub: str, name: str) -> list[Message]:
    rows = r.rows(
        f"select {_MESSAGE} from dispatch_messages where hub = ? and alert = ? order by made_at, id",
        hub,
        name,
    )
    return [Message(*row) for row in rows]


def next_due(r: Reader) -> float | None:
    row = r.one("select min(next_at) from dispatch_messages")
    return None if row is None or row[0] is None else float(row[0])


def ledger_counts(r: Reader, since: float) -> dict[str, int]:
    """Return how many messages there are in each state since a moment."""
    rows = r.rows("select state, count(*) from dispatch_messages where made_at >= ? group by state", since)
    return {str(state): int(count) for state, count in rows}


# requests to hubs


def add_act(
    t: Transaction, hub: str, name: str, state: str, who: str, why: str, until: float | None, now: float
) -> int:
    number = t.next("dispatch_acts")
    t.run(f"insert into dispatch_acts ({_ACT}) values ({_marks(Act._fields)})",
          number, hub, name, state, who, why, until, now, None, "")  # fmt: skip
    return number


def waiting_acts(r: Reader, most: int = 500) -> list[Act]:
    rows = r.rows(f"select {_ACT} from dispatch_acts where done_at is null order by id limit ?", most)
    return [Act(*row) for row in rows]


def acts_of(r: Reader, hub: str, name: str) -> list[Act]:
    rows = r.rows(f"select {_ACT} from dispatch_acts where hub = ? and alert = ? order by id", hub, name)
    return [Act(*row) for row in rows]


def finish_act(t: Transaction, number: int, outcome: str, now: float) -> None:
    t.run("update dispatch_acts set done_at = ?, outcome = ? where id = ?", now, outcome, number)


# interventions


def intervention(r: Reader, number: int) -> Intervention | None:
    row = r.one(f"select {_TASK} from interventions where id = ?", number)
    return None if row is None else Intervention(*row)


def intervention_of(r: Reader, hub: str, name: str) -> Intervention | None:
    row = r.one(f"select {_TASK} from interventions where hub = ? and alert = ?", hub, name)
    return None if row is None else Intervention(*row)


def interventions(
    r: Reader, services: frozenset[str] | None, *, closed_since: float, most: int = 500
) -> list[Intervention]:
    """Return interventions that are open, or were closed since a moment, of these services (None: all)."""
    where, values = "", ()  # type: tuple[str, tuple[str, ...]]
    if services is not None:
        values = tuple(sorted(services))
        where = f" and service in ({_marks(values)})" if values else " and 1 = 0"
    rows = r.rows(
        f"select {_TASK} from interventions where (closed_at is null or closed_at >= ?){where}"
        " order by case when closed_at is null then 0 else 1 end, made_at desc, id desc limit ?",
        closed_since, *values, most,
    )  # fmt: skip
    return [Intervention(*row) for row in rows]


def open_intervention(t: Transaction, hub: str, name: str, service: str, now: float) -> int:
    """Make the intervention of an alert, or return the one that it has."""
    known = intervention_of(t, hub, name)
    if known is not None:
        t.run("update interventions set service = ? where id = ? and closed_at is null", service, known.id)
        return known.id
    number = t.next("interventions")
    t.run(f"insert into interventions ({_TASK}) values ({_marks(Intervention._fields)})",
          number, hub, name, service, "open", "", now, None, None, None, None)  # fmt: skip
    return number


def move_intervention(t: Transaction, number: int, state: str, person: str, now: float) -> None:
    """Note that an intervention is taken, on site, done or closed; the first time of each counts."""
    column = {"taken": "taken_at", "on-site": "on_site_at", "done": "done_at", "closed": "closed_at"}[state]
    t.run(
        f"update interventions set state = ?, person = case when ? = '' then person else ? end,"
        f" {column} = coalesce({column}, ?) where id = ?",
        state, person, person, now, number,
    )  # fmt: skip


def add_note(
    t: Transaction, number: int, now: float, who: str, what: str, text: str, picture: bytes | None, kind: str
) -> None:
    t.run("insert into intervention_notes (id, intervention, at, who, what, text, picture, picture_type)"
          " values (?, ?, ?, ?, ?, ?, ?, ?)",
          t.next("intervention_notes"), number, now, who, what, text, picture, kind)  # fmt: skip


def notes(r: Reader, number: int) -> list[Note]:
    rows = r.rows(
        "select id, at, who, what, text, picture_type from intervention_notes where intervention = ? order by id",
        number,
    )
    return [Note(*row) for row in rows]


def picture(r: Reader, intervention_id: int, note: int) -> tuple[bytes, str] | None:
    """Return a picture and its content type."""
    row = r.one("select picture, picture_type from intervention_notes where id = ? and intervention = ?"
                " and picture is not null", note, intervention_id)  # fmt: skip
    return None if row is None else (bytes(row[0]), str(row[1]))


class Delays(NamedTuple):
    """Delays in seconds of interventions that were closed: from the alert to somebody who took it, and to its end."""

    service: str
    ended: int
    taken: float | None
    closed: float | None


def delays(r: Reader, since: float) -> list[Delays]:
    """Return the mean delays of each service for alerts raised since a moment."""
    rows = r.rows(
        "select i.service, count(*), avg(i.taken_at - a.raised_at), avg(i.closed_at - a.raised_at) from interventions i"
        " join dispatch_alerts a on a.hub = i.hub and a.alert = i.alert where i.closed_at is not null"
        " and a.raised_at >= ? group by i.service order by i.service",
        since,
    )
    return [Delays(str(service), int(count), taken, closed) for service, count, taken, closed in rows]


# who sees what


def seen_by(scope: ScopeLike) -> tuple[str, tuple[Value, ...]]:
    """Return the condition on `dispatch_alerts a` of the alerts that somebody sees: those of things that they see, and
    those that were led to one of their services, within their sectors, their provider's devices and privacy classes."""
    condition, values = things("t", scope)
    of_thing = f"exists (select 1 from things t where t.hub = a.hub and t.device = a.device and {condition})"
    parts: list[str] = []
    given: list[Value] = []
    if scope.services is not None:
        parts.append(f"a.service in ({_marks(tuple(scope.services))})" if scope.services else "1 = 0")
        given += sorted(scope.services)
    if scope.sectors is not None:
        inside = f"x.sector in ({_marks(tuple(scope.sectors))})" if scope.sectors else "1 = 0"
        parts.append(f"exists (select 1 from site_sectors x where x.site = a.site and {inside})")
        given += sorted(scope.sectors)
    if scope.provider:
        parts.append("a.contract = ?")
        given.append(scope.provider)
    classes = tuple(sorted(scope.classes))
    open_ones = f" and p.privacy not in ({_marks(classes)})" if classes else ""
    parts.append(f"not exists (select 1 from things p where p.hub = a.hub and p.device = a.device{open_ones})")
    given += classes
    return f"({of_thing} or ({' and '.join(parts)}))", (*values, *given)


def visible(r: Reader, scope: ScopeLike, hub: str, name: str) -> KnownAlert | None:
    """Return an alert, if somebody sees it."""
    condition, values = seen_by(scope)
    found = listed(r, f"{condition} and a.hub = ? and a.alert = ?", (*values, hub, name), everything=True, most=1)
    return found[0] if found else None


def children_seen(r: Reader, scope: ScopeLike, incident: int) -> list[KnownAlert]:
    """Return the alerts of an incident that somebody sees."""
    condition, values = seen_by(scope)
    return listed(r, f"{condition} and a.incident = ?", (*values, incident), everything=True, most=1000)
