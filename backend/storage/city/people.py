"""Tables of people: accounts, sessions of browsers, guesses of passwords, tokens of programs, approvals by two persons.

Rules stand in `backend.city.people`. Times are Unix seconds; scopes are JSON, as `backend.city.people.viewer` writes
them; of sessions, tokens and used states only digests are stored.
"""

from __future__ import annotations

from dataclasses import dataclass

from backend.storage.city.database import Reader, Transaction
from backend.storage.city.sql import Row, Tables

TABLES = Tables(
    "people",
    (
        """
        create table people (
            id BIGINT primary key, name TEXT not null unique, full_name TEXT not null, issuer TEXT not null,
            subject TEXT not null, role TEXT not null, scope TEXT not null, language TEXT not null, secret BYTES,
            code BYTES, code_until DOUBLE PRECISION not null, disabled BIGINT not null, made DOUBLE PRECISION not null,
            signed_in DOUBLE PRECISION not null
        );
        create index people_subject on people (issuer, subject);
        create table people_sessions (
            digest BYTES primary key, person BIGINT not null, mark BYTES not null, began DOUBLE PRECISION not null,
            seen DOUBLE PRECISION not null, local BIGINT not null, address TEXT not null, id_token TEXT not null
        );
        create index people_sessions_person on people_sessions (person);
        create table people_guesses (purse TEXT not null, at DOUBLE PRECISION not null);
        create index people_guesses_purse on people_guesses (purse, at);
        create table people_used (digest BYTES primary key, until DOUBLE PRECISION not null);
        create table people_tokens (
            id TEXT primary key, digest BYTES not null, name TEXT not null, person BIGINT not null, uses TEXT not null,
            role TEXT not null, scope TEXT not null, made DOUBLE PRECISION not null, expires DOUBLE PRECISION not null,
            quota BIGINT not null
        );
        create table people_quota (
            token TEXT not null, hour BIGINT not null, used BIGINT not null, primary key (token, hour)
        );
        create table people_approvals (
            action TEXT not null, object TEXT not null, digest TEXT not null, person TEXT not null,
            at DOUBLE PRECISION not null, primary key (action, object)
        );
        create table people_secrets (name TEXT primary key, value BYTES not null)
        """,
        """
        alter table people_sessions add column sid TEXT not null default '';
        create index people_sessions_sid on people_sessions (sid)
        """,
    ),
    again=(
        "delete from people_sessions",
        "update people set code = null, code_until = 0",
        "delete from people_tokens",
        "delete from people_quota",
        "delete from people_approvals",
        "delete from people_secrets where name = 'forms'",  # seals sign-ins that were begun, perhaps used since
    ),
)


@dataclass(frozen=True, slots=True)
class Person:
    """An account. `issuer` and `subject` are "" for a local one; `secret` is the hash of its password, `code` that of
    a code by which it chooses one, until `code_until`."""

    id: int
    name: str
    full_name: str
    issuer: str
    subject: str
    role: str
    scope: str
    language: str
    secret: bytes | None
    code: bytes | None
    code_until: float
    disabled: bool
    made: float
    signed_in: float


_PERSON = (
    "id, name, full_name, issuer, subject, role, scope, language, secret, code, code_until, disabled, made, signed_in"
)


def _person(row: Row) -> Person:
    values = list(row)
    values[11] = bool(values[11])
    return Person(*values)


def person(r: Reader, number: int) -> Person | None:
    row = r.one(f"select {_PERSON} from people where id = ?", number)
    return None if row is None else _person(row)


def person_named(r: Reader, name: str) -> Person | None:
    row = r.one(f"select {_PERSON} from people where name = ?", name)
    return None if row is None else _person(row)


def person_of_provider(r: Reader, issuer: str, subject: str) -> Person | None:
    row = r.one(f"select {_PERSON} from people where issuer = ? and subject = ?", issuer, subject)
    return None if row is None else _person(row)


def people(r: Reader) -> list[Person]:
    return [_person(row) for row in r.rows(f"select {_PERSON} from people order by name")]


def put_person(t: Transaction, one: Person) -> None:
    """Add a person, or replace the one of this id."""
    t.run("delete from people where id = ?", one.id)
    t.run(
        f"insert into people ({_PERSON}) values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        one.id, one.name, one.full_name, one.issuer, one.subject, one.role, one.scope, one.language, one.secret,
        one.code, one.code_until, int(one.disabled), one.made, one.signed_in,
    )  # fmt: skip


def remove_person(t: Transaction, number: int) -> None:
    """Remove a person with everything that admits them."""
    t.run("delete from people where id = ?", number)
    end_sessions(t, number)
    t.run("delete from people_tokens where person = ?", number)


@dataclass(frozen=True, slots=True)
class SessionRow:
    """A session; `local`: by a password although there is a provider; `sid`: the provider's session that it began by,
    "" for none that was named."""

    digest: bytes
    person: int
    mark: bytes
    began: float
    seen: float
    local: bool
    address: str
    id_token: str
    sid: str = ""


_SESSION = "digest, person, mark, began, seen, local, address, id_token, sid"


def _session(row: Row) -> SessionRow:
    values = list(row)
    values[5] = bool(values[5])
    return SessionRow(*values)


def session(r: Reader, digest: bytes) -> SessionRow | None:
    row = r.one(f"select {_SESSION} from people_sessions where digest = ?", digest)
    return None if row is None else _session(row)


def sessions(r: Reader, number: int | None = None) -> list[SessionRow]:
    """Return sessions, of one person or of all, the last seen first."""
    if number is None:
        return [_session(row) for row in r.rows(f"select {_SESSION} from people_sessions order by seen desc")]
    found = r.rows(f"select {_SESSION} from people_sessions where person = ? order by seen desc", number)
    return [_session(row) for row in found]


def add_session(t: Transaction, one: SessionRow) -> None:
    t.run(
        f"insert into people_sessions ({_SESSION}) values (?, ?, ?, ?, ?, ?, ?, ?, ?)",
        one.digest, one.person, one.mark, one.began, one.seen, int(one.local), one.address, one.id_token, one.sid,
    )  # fmt: skip


def touch_session(t: Transaction, digest: bytes, now: float) -> None:
    t.run("update people_sessions set seen = ? where digest = ? and seen < ?", now, digest, now)


def end_session(t: Transaction, digest: bytes) -> None:
    t.run("delete from people_sessions where digest = ?", digest)


def end_sessions(t: Transaction, number: int, but: bytes = b"") -> int:
    """End the sessions of a person, except for one; return how many."""
    return t.run("delete from people_sessions where person = ? and digest <> ?", number, but)


def end_sessions_of_provider(t: Transaction, issuer: str, subject: str, sid: str) -> list[tuple[str, int]]:
    """End what began by a provider's session, of a person where `subject` is not ""; without `sid` all of theirs.
    Sessions of which the provider's is not known end with the person's. Return (name of the account, how many)."""
    people, values = "select id from people where issuer = ?", [issuer]
    if subject:
        people, values = f"{people} and subject = ?", [issuer, subject]
    which = f"local = 0 and person in ({people})"
    if sid:
        which += " and sid in (?, '')" if subject else " and sid = ?"
        values.append(sid)
    found = t.rows(
        "select p.name, count(*) from people_sessions s join people p on p.id = s.person"
        f" where s.digest in (select digest from people_sessions where {which}) group by p.name order by p.name",
        *values,
    )
    t.run(f"delete from people_sessions where {which}", *values)
    return [(str(name), int(count)) for name, count in found]


def drop_over(t: Transaction, now: float, idle: float, longest: float) -> None:
    """Drop sessions that are over, states that are too old to come again, and counts of past hours."""
    t.run("delete from people_sessions where seen < ? or began < ?", now - idle, now - longest)
    t.run("delete from people_used where until < ?", now)
    t.run("delete from people_quota where hour < ?", int(now // 3600) - 48)


def guesses(r: Reader, purse: str, since: float) -> tuple[int, float]:
    """Return (number of guesses since then, time of the first of them)."""
    row = r.one("select count(*), min(at) from people_guesses where purse = ? and at > ?", purse, since)
    return (0, 0.0) if row is None or not row[0] else (int(row[0]), float(row[1]))


def add_guess(t: Transaction, purse: str, now: float) -> None:
    t.run("insert into people_guesses (purse, at) values (?, ?)", purse, now)


def drop_guesses(t: Transaction, before: float) -> None:
    t.run("delete from people_guesses where at < ?", before)


def give_guess_back(t: Transaction, purse: str) -> None:
    """Remove the last guess from a purse."""
    t.run(
        "delete from people_guesses where purse = ? and at = (select max(at) from people_guesses where purse = ?)",
        purse,
        purse,
    )


def use_once(t: Transaction, digest: bytes, until: float) -> bool:
    """Return whether this was not used before, and remember it until then."""
    return t.run("insert into people_used (digest, until) values (?, ?) on conflict do nothing", digest, until) == 1


def was_used(r: Reader, digest: bytes) -> bool:
    return r.one("select 1 from people_used where digest = ?", digest) is not None


@dataclass(frozen=True, slots=True)
class TokenRow:
    """A token of a program: for these uses, of this person, with a quota of requests an hour."""

    id: str
    digest: bytes
    name: str
    person: int
    uses: str
    role: str
    scope: str
    made: float
    expires: float
    quota: int


_PERMIT = "id, digest, name, person, uses, role, scope, made, expires, quota"


def token(r: Reader, number: str) -> TokenRow | None:
    row = r.one(f"select {_PERMIT} from people_tokens where id = ?", number)
    return None if row is None else TokenRow(*row)


def tokens(r: Reader) -> list[TokenRow]:
    return [TokenRow(*row) for row in r.rows(f"select {_PERMIT} from people_tokens order by made")]


def add_token(t: Transaction, one: TokenRow) -> None:
    t.run(
        f"insert into people_tokens ({_PERMIT}) values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        one.id, one.digest, one.name, one.person, one.uses, one.role, one.scope, one.made, one.expires, one.quota,
    )  # fmt: skip


def remove_token(t: Transaction, number: str) -> bool:
    t.run("delete from people_quota where token = ?", number)
    return t.run("delete from people_tokens where id = ?", number) == 1


def drop_tokens(t: Transaction, now: float) -> None:
    """Drop tokens that expired a month ago: until then their owner sees why a program is refused."""
    t.run("delete from people_tokens where expires < ?", now - 30 * 86_400.0)


def take_quota(t: Transaction, number: str, hour: int, wanted: int, quota: int) -> int:
    """Take requests of an hour from a token's quota; return how many could be had."""
    t.run(
        "insert into people_quota (token, hour, used) values (?, ?, 0) on conflict do nothing",
        number,
        hour,
    )
    row = t.one("select used from people_quota where token = ? and hour = ?", number, hour)
    had = max(0, min(wanted, quota - int(row[0] if row else 0)))
    t.run("update people_quota set used = used + ? where token = ? and hour = ?", had, number, hour)
    return had


def quota_used(r: Reader, number: str, hour: int) -> int:
    row = r.one("select used from people_quota where token = ? and hour = ?", number, hour)
    return int(row[0]) if row else 0


def approval(t: Transaction, action: str, object: str) -> tuple[str, str, float] | None:
    """Return (digest, person, time) of an approval that waits for a second person."""
    row = t.one("select digest, person, at from people_approvals where action = ? and object = ?", action, object)
    return None if row is None else (str(row[0]), str(row[1]), float(row[2]))


def approve(t: Transaction, action: str, object: str, digest: str, who: str, now: float) -> None:
    withdraw(t, action, object)
    t.run(
        "insert into people_approvals (action, object, digest, person, at) values (?, ?, ?, ?, ?)",
        action, object, digest, who, now,
    )  # fmt: skip


def withdraw(t: Transaction, action: str, object: str) -> None:
    t.run("delete from people_approvals where action = ? and object = ?", action, object)


def secret(t: Transaction, name: str, fresh: bytes) -> bytes:
    """Return a secret of this name that all processes share; `fresh` becomes it where there is none."""
    t.run("insert into people_secrets (name, value) values (?, ?) on conflict do nothing", name, fresh)
    row = t.one("select value from people_secrets where name = ?", name)
    return bytes(row[0]) if row else fresh
