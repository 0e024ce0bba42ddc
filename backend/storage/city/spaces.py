"""Provider spaces: what companies drop for a service of the city.

spaces        one line each: whose it is, for which service, and how much may come
space_files   what lies in them; `folded` is the name as two that differ by capitals alone share it
space_parts   their bytes, in parts of PART bytes
space_days    what came in a day (Unix days), which deleting does not give back
space_keys    public keys of SSH that stand for a token, by their SHA-256
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from backend.storage.city.database import Reader, Transaction
from backend.storage.city.scope import ScopeLike
from backend.storage.city.sql import Tables, Value

PART = 1 << 20
CLASS = "internal"
"""Privacy class that a viewer must be allowed: nobody knows what is in a file."""

TABLES = Tables(
    "spaces",
    (
        """
        create table spaces (
            name TEXT primary key, provider TEXT not null, service TEXT not null, file_bytes BIGINT not null,
            day_bytes BIGINT not null, day_files BIGINT not null, most_bytes BIGINT not null,
            most_files BIGINT not null, keep_days BIGINT not null, readings BIGINT not null,
            made DOUBLE PRECISION not null
        );
        create table space_files (
            id BIGINT primary key, space TEXT not null, name TEXT not null, folded TEXT not null, size BIGINT not null,
            digest TEXT not null, who TEXT not null, made DOUBLE PRECISION not null
        );
        create unique index space_files_name on space_files (space, folded);
        create index space_files_made on space_files (space, made);
        create table space_parts (file BIGINT not null, n BIGINT not null, data BYTES not null, primary key (file, n));
        create table space_days (
            space TEXT not null, day BIGINT not null, bytes BIGINT not null, files BIGINT not null,
            primary key (space, day)
        )
        """,
        """
        create table space_keys (
            digest TEXT primary key, token TEXT not null, name TEXT not null, made DOUBLE PRECISION not null
        )
        """,
    ),
)


class Space(NamedTuple):
    """A space. `keep_days` after which a file is deleted; `readings`: 1 where readings are taken too."""

    name: str
    provider: str
    service: str
    file_bytes: int
    day_bytes: int
    day_files: int
    most_bytes: int
    most_files: int
    keep_days: int
    readings: int
    made: float


class File(NamedTuple):
    """A file of a space; `digest` is its SHA-256 in hexadecimal digits, `who` dropped it."""

    id: int
    space: str
    name: str
    folded: str
    size: int
    digest: str
    who: str
    made: float


class Used(NamedTuple):
    """How much lies in a space, and how much came in a day."""

    bytes: int
    files: int
    day_bytes: int
    day_files: int


_SPACE = ", ".join(f"s.{name}" for name in Space._fields)
_FILE = ", ".join(File._fields)


def _seen(scope: ScopeLike) -> tuple[str, tuple[Value, ...]]:
    """Return the condition on the table `spaces`, named `s`: of the viewer's provider and services. A file lies in no
    sector, so that whoever is limited to sectors sees none."""
    if scope.sectors is not None or CLASS not in scope.classes:
        return "1 = 0", ()
    parts, values = ["1 = 1"], list[Value]()
    if scope.services is not None:
        parts.append(f"s.service in ({', '.join('?' * len(scope.services))})" if scope.services else "1 = 0")
        values += sorted(scope.services)
    if scope.provider:
        parts.append("s.provider = ?")
        values.append(scope.provider)
    return " and ".join(parts), tuple(values)


def spaces(reader: Reader, scope: ScopeLike) -> list[Space]:
    """Return the spaces that somebody may see, by their names."""
    condition, values = _seen(scope)
    return [
        Space(*row) for row in reader.rows(f"select {_SPACE} from spaces s where {condition} order by s.name", *values)
    ]


def space(reader: Reader, scope: ScopeLike, name: str) -> Space | None:
    """Return a space, None where there is none or somebody may not see it."""
    condition, values = _seen(scope)
    row = reader.one(f"select {_SPACE} from spaces s where s.name = ? and {condition}", name, *values)
    return None if row is None else Space(*row)


def every(reader: Reader) -> list[Space]:
    """Return all spaces, for commands on the server and for retention."""
    return [Space(*row) for row in reader.rows(f"select {_SPACE} from spaces s order by s.name")]


def named(reader: Reader, name: str) -> Space | None:
    row = reader.one(f"select {_SPACE} from spaces s where s.name = ?", name)
    return None if row is None else Space(*row)


def put(t: Transaction, one: Space) -> None:
    """Add a space, or replace the one of this name."""
    t.run("delete from spaces where name = ?", one.name)
    t.run(f"insert into spaces ({', '.join(Space._fields)}) values ({', '.join('?' * len(one))})", *one)


def has_service(r: Reader, service: str) -> bool:
    """Return whether the register knows a service."""
    return r.one("select 1 from services where id = ?", service) is not None


def of_another(reader: Reader, hub: str, provider: str, service: str) -> bool:
    """Return whether readings of a hub are another provider's or service's."""
    sql = "select 1 from things where hub = ? and (provider <> ? or service <> ?) limit 1"
    return reader.one(sql, hub, provider, service) is not None


def remove(t: Transaction, name: str) -> int:
    """Remove a space with its files; return how many."""
    count = drop(t, [one.id for one in files(t, name, 1 << 40)])
    t.run("delete from space_days where space = ?", name)
    t.run("delete from spaces where name = ?", name)
    return count


def used(reader: Reader, name: str, day: int) -> Used:
    lying = reader.one("select coalesce(sum(size), 0), count(*) from space_files where space = ?", name)
    came = reader.one("select bytes, files from space_days where space = ? and day = ?", name, day)
    return Used(*(int(one) for one in (lying or (0, 0))), *(int(one) for one in (came or (0, 0))))


def came(t: Transaction, name: str, day: int, size: int) -> None:
    """Count what came in a day."""
    t.run("insert into space_days values (?, ?, 0, 0) on conflict do nothing", name, day)
    t.run("update space_days set bytes = bytes + ?, files = files + 1 where space = ? and day = ?", size, name, day)


def files(reader: Reader, name: str, limit: int) -> list[File]:
    """Return the files of a space, the newest first."""
    rows = reader.rows(
        f"select {_FILE} from space_files where space = ? order by made desc, id desc limit ?", name, limit
    )
    return [File(*row) for row in rows]


def file(reader: Reader, name: str, folded: str) -> File | None:
    row = reader.one(f"select {_FILE} from space_files where space = ? and folded = ?", name, folded)
    return None if row is None else File(*row)


def add(t: Transaction, one: File, parts: Iterable[bytes]) -> int:
    """Store a file under the next id, and return that."""
    number = t.next("space_files")
    t.run(f"insert into space_files ({_FILE}) values ({', '.join('?' * len(one))})", *one._replace(id=number))
    for n, data in enumerate(parts):
        t.run("insert into space_parts (file, n, data) values (?, ?, ?)", number, n, data)
    return number


def part(reader: Reader, number: int, n: int) -> bytes | None:
    row = reader.one("select data from space_parts where file = ? and n = ?", number, n)
    return None if row is None else bytes(row[0])


def drop(t: Transaction, numbers: Iterable[int]) -> int:
    """Delete files; return how many there were."""
    count = 0
    for number in numbers:
        t.run("delete from space_parts where file = ?", number)
        count += t.run("delete from space_files where id = ?", number)
    return count


def older(reader: Reader, name: str, before: float) -> list[int]:
    """Return the ids of a space's files that came before."""
    return [int(row[0]) for row in reader.rows("select id from space_files where space = ? and made < ?", name, before)]


def forget_days(t: Transaction, before: int) -> None:
    t.run("delete from space_days where day < ?", before)


class Key(NamedTuple):
    """A public key of SSH; `token` is the token that it stands for, `digest` its SHA-256 in hexadecimal digits."""

    digest: str
    token: str
    name: str
    made: float


def key(reader: Reader, digest: str) -> str | None:
    """Return the token that a public key stands for."""
    row = reader.one("select token from space_keys where digest = ?", digest)
    return None if row is None else str(row[0])


def put_key(t: Transaction, one: Key) -> None:
    """Let a public key stand for a token. Keys of tokens that are gone are forgotten."""
    t.run("delete from space_keys where digest = ? or token not in (select id from people_tokens)", one.digest)
    t.run("insert into space_keys (digest, token, name, made) values (?, ?, ?, ?)", *one)


def keys(reader: Reader, token: str) -> list[Key]:
    """Return the public keys of a token."""
    rows = reader.rows("select digest, token, name, made from space_keys where token = ? order by made", token)
    return [Key(*row) for row in rows]
