"""The database: tables, and how it is opened. SQLite in WAL with `synchronous=FULL`: a commit is on the disk.

Identity of what was received: `streams` numbers each (hub, run, stream), `records` holds one line for each record,
with its digest: the same number with the same digest is a duplicate, with another digest a fork.

Identity of what was measured: a *series* is one metric at one place of one hub, "<hub>/<place>/<metric>" (the
device's id stands for the place where there is none). Each device that stood there has its own line in `series`, so
that two meters at one place never overwrite each other. Readings lie in `bodies` and `chunks`, see
`backend.storage.sqlite.bodies`.

    streams.stored, .forked   record numbers, as MessagePack [[first, last]…]; .announced is the highest number that
            the hub said exists (STATE, or the epoch that followed the run); .previous is the run before
    *_at    Unix seconds by this machine's clock

What a report carries beside its values is listed as series too: rssi, latitude, longitude, position_accuracy,
altitude. Where its device has a metric of such a name, they are report.rssi, and so on.

Format 1 had a row for each reading: `backend.maintenance.row_migration` moves them into chunks.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import apsw

from backend.storage.sqlite import alerts, bodies, callbacks, erasures, lookups, processes, retention, silences, trials
from hub.core.disk.atomic_files import PRIVATE, hand_over, refuse_strange_links
from hub.core.errors import StorageError
from hub.core.text import phrase, reason_of

VERSION, OF_ROWS = 2, 1
BUSY_MS = 10_000
PAGE, LOG = 1024, 32 << 20
"""Bytes of a page of a new database; bytes of its log, about, that are brought into the file at once. A commit writes
each page that it touches to the log, most of them for one line of an index: with pages of 1,024 bytes that is a third
of what it is with 4,096. A database keeps the size with which it was made."""
_PRAGMAS: tuple[tuple[str, str | int], ...] = (
    ("page_size", PAGE), ("journal_mode", "wal"), ("synchronous", "full"), ("foreign_keys", "off"),
    ("temp_store", "memory"), ("cache_size", -65_536), ("journal_size_limit", 64 << 20),
)  # fmt: skip

_TABLES = """
create table meta (key text primary key, value) without rowid;
create table hubs (
    hub text primary key, identity blob not null unique, name text not null, enrolled_at real not null,
    revoked_at real, seen_at real, state blob, state_at real
) without rowid;
create table tokens (
    id text primary key, secret blob, name text not null, created_at real not null, expires_at real not null,
    used_at real, hub text
) without rowid;
create table streams (
    id integer primary key, hub text not null, run blob not null, stream text not null, started_at real not null,
    stored blob not null, forked blob not null, readings integer not null default 0,
    announced integer not null default 0, previous blob, unique (hub, run, stream)
);
create table epochs (
    id integer primary key, eid blob not null unique, stream integer not null, raw blob not null,
    received_at real not null
);
create table tables (epoch integer, number integer, raw blob not null, primary key (epoch, number)) without rowid;
create table records (
    id integer primary key autoincrement, stream integer not null, seq integer not null, digest blob not null,
    epoch integer not null, kind integer not null, readings integer not null, received_at real not null,
    unique (stream, seq)
);
create table series (
    id integer primary key, hub text not null, place text not null, metric text not null, device text not null,
    unit text not null, resolution text not null, kind text not null, device_class text not null,
    state_class text not null, privacy text not null, site text not null, zone text not null, model text not null,
    integration text not null, unique (hub, place, metric, device)
);
create table boots (
    id integer primary key, hub text not null, boot blob not null, offset_ms integer, error_ms integer, source text,
    unique (hub, boot)
);
create table gaps (
    id integer primary key, hub text not null, run blob not null, stream text not null, first integer not null,
    last integer not null, readings integer not null, from_s integer not null, to_s integer not null,
    reason text not null, declared_by integer not null unique, received_at real not null
);
create index gaps_of on gaps (hub, run, stream);
create table forks (
    id integer primary key, stream integer not null, seq integer not null, digest blob not null, eid blob not null,
    raw blob not null, received_at real not null, unique (stream, seq, digest)
);
create table alarms (
    id integer primary key, kind text not null, hub text not null, detail text not null, raised_at real not null,
    cleared_at real
);
create unique index open_alarms on alarms (kind, hub, detail) where cleared_at is null;
create table quarantine (
    id integer primary key, hub text not null, reason text not null, digest blob not null unique, body blob not null,
    received_at real not null, epoch integer
);
"""
_COLUMNS = (
    ("quarantine", "epoch", "integer"), ("alarms", "coded", "blob"), ("hubs", "tags", "text"),
    ("tokens", "tags", "text"), ("tokens", "cancelled_at", "real"), ("series", "day", "integer"),
    ("series", "classes", "integer"),
)  # fmt: skip
"""Columns of later releases, which may be empty."""
_CARRY_OVER = """
insert or ignore into compacted (hub) select distinct hub from erasures;
insert or ignore into erasing (hub, id, kind, name, until_ms, ordered_at, record, readings, late, done_at, left_over)
select c.number, e.id, e.kind, e.name, e.until_ms, e.ordered_at, (select coalesce(max(id), 0) from records),
    e.readings, e.late, e.done_at, e.left_over from erasures e join compacted c on c.hub = e.hub;
drop table erasures;
"""
"""Orders that were executed on rows: nothing is left of them, and they hold for what arrives later."""


def open_database(path: Path) -> apsw.Connection:
    """Open a connection that may write; create the database on first use. When root does, it belongs to the directory's
    user, as do the files that SQLite makes beside it. Raises StorageError."""
    try:
        if os.geteuid() == 0:
            begin_file(path)
        connection = _connect(path, apsw.SQLITE_OPEN_READWRITE | apsw.SQLITE_OPEN_CREATE)
        for (
            name,
            value,
        ) in (
            _PRAGMAS
        ):  # one by one: of several in one text, SQLite does not run those after the first that returns rows
            connection.pragma(name, value)
        connection.pragma("wal_autocheckpoint", LOG // connection.pragma("page_size"))
        with transaction(connection):
            version = connection.pragma("user_version")
            if version == 0:
                connection.execute(_TABLES)
                connection.execute("insert into meta values ('db', ?), ('n', 0)", (secrets.token_bytes(16),))
            if version in (0, OF_ROWS, VERSION):
                upgrade(connection)
    except (apsw.Error, OSError) as error:
        raise StorageError(
            phrase(
                "database-not-opened", "cannot open the database {file}: {reason}", file=path, reason=reason_of(error)
            )
        ) from error
    if version not in (0, OF_ROWS, VERSION):
        raise StorageError(
            phrase(
                "database-of-other-format",
                "{file} has format {version}, this backend reads {known}: use the release that wrote it",
                file=path,
                version=version,
                known=VERSION,
            )
        )
    return connection


def upgrade(connection: apsw.Connection) -> None:
    """Give a database the tables and columns that this release needs. Inside a transaction."""
    if connection.pragma("user_version") == OF_ROWS:
        connection.execute("drop table if exists erasing; drop table if exists bodies_aside")  # never used
    connection.pragma("user_version", VERSION)
    for table, column, kind in _COLUMNS:
        there = connection.execute(f"select name from pragma_table_info('{table}')").fetchall()  # noqa: S608
        if (column,) not in there:
            connection.execute(f"alter table {table} add column {column} {kind}")
    parts = erasures, retention, alerts, callbacks, lookups, trials, silences, bodies, processes
    connection.execute("".join(part.TABLES for part in parts))
    if _has_table(connection, "erasures"):
        connection.execute(_CARRY_OVER)


def has_rows(connection: apsw.Connection) -> bool:
    """Return whether a database has tables with a row for each reading, of a former release."""
    return _has_table(connection, "readings")


def open_former(path: Path) -> apsw.Connection:
    """Open a database as it is, to rehearse its migration. Raises StorageError."""
    try:
        return _connect(path, apsw.SQLITE_OPEN_READWRITE)
    except apsw.Error as error:
        raise StorageError(
            phrase(
                "database-not-opened", "cannot open the database {file}: {reason}", file=path, reason=reason_of(error)
            )
        ) from error


def _has_table(connection: apsw.Connection, name: str) -> bool:
    return connection.execute("select 1 from sqlite_schema where type = 'table' and name = ?", (name,)).get is not None


def begin_file(path: Path) -> None:
    """Make an empty file that belongs to its directory's user."""
    refuse_strange_links(path, path.parent)
    with suppress(FileExistsError):
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, PRIVATE))
        hand_over(path)


@contextmanager
def transaction(connection: apsw.Connection) -> Iterator[None]:
    """Run the block in one transaction, durable on leaving.

    apsw's own `with connection` keeps the GIL while it waits for another writer, and so would stop the event loop, or
    the very thread that it waits for.
    """
    connection.execute("begin immediate")
    try:
        yield
        connection.execute("commit")
    except BaseException:
        if connection.in_transaction:  # on a full disk SQLite rolls back by itself
            connection.execute("rollback")
        raise


def open_for_reading(path: Path) -> apsw.Connection:
    """Open a read-only connection beside the writing one. Raises StorageError."""
    try:
        return _connect(path, apsw.SQLITE_OPEN_READONLY)
    except apsw.Error as error:
        raise StorageError(
            phrase(
                "database-not-opened", "cannot open the database {file}: {reason}", file=path, reason=reason_of(error)
            )
        ) from error


def _connect(path: Path, flags: int) -> apsw.Connection:
    connection = apsw.Connection(str(path), flags=flags)
    connection.set_busy_timeout(BUSY_MS)
    return connection
