"""Bodies of records in SQLite, as ingest adds them (`backend.storage.chunks.Bodies`), and the tables of what becomes of
them.

    compacted      one row for each hub: its number in the tables below, its watermark, its version
    bodies         bodies above the watermark: what is compacted is deleted in the same transaction
    names          opened names of epochs, see `backend.readings.stored_bodies`
    erasing        orders to erase, and how far each was executed; `dropped` counts what ingest left out of a body's
                   names, `late` what the compactor left out

The connection overwrites what it deletes (`secure_delete`), or an erased name could be read out of the file.
"""

from __future__ import annotations

import apsw

from backend.storage.chunks import Body, Names
from backend.storage.engine import ErasureOrder
from backend.storage.sqlite.errors import refusals

TABLES = """
create table if not exists compacted (
    number integer primary key, hub text not null unique, through integer not null default 0,
    version integer not null default 0
);
create table if not exists bodies (
    record integer primary key, hub integer not null, epoch integer not null, boot blob not null,
    received_at real not null, data blob not null
);
create index if not exists bodies_of on bodies (hub);
create table if not exists names (
    id integer primary key, hub integer not null, epoch integer not null, number integer not null, data blob not null,
    unique (epoch, number)
);
create index if not exists names_of on names (hub, epoch);
create table if not exists erasing (
    hub integer, id text, kind text not null, name text not null, until_ms integer not null, ordered_at real not null,
    record integer not null, cursor integer not null default 0, readings integer not null default 0,
    late integer not null default 0, done_at real, left_over integer not null default 0,
    dropped integer not null default 0, primary key (hub, id)
) without rowid;
create index if not exists erasing_yet on erasing (hub) where done_at is null;
create table if not exists packed_records (
    stream integer, block integer, data blob not null, primary key (stream, block)
);
create table if not exists chunks (
    id integer primary key autoincrement, hub integer not null, privacy text not null, boot blob not null,
    hour integer not null, rows integer not null, arrived_at real not null, loose integer not null, data blob not null
);
create index if not exists chunks_of on chunks (hub, boot, hour);
create index if not exists chunks_by_age on chunks (privacy, boot, hour);
create index if not exists chunks_loose on chunks (hub, privacy, boot, hour) where loose = 1;
create index if not exists series_by_day on series (hub, day) where privacy = 'personal';
"""
MAX_HUBS = 20_000
"""Numbers of hubs that are cached."""


class SqliteBodies:
    """Writer of bodies over the connection of ingest, inside its transaction."""

    def __init__(self, connection: apsw.Connection) -> None:
        self._db = connection
        self._numbers: dict[str, int] = {}

    @refusals()
    def named(self, hub: str, epoch: int) -> bool:
        return self._db.execute("select 1 from names where epoch = ? limit 1", (epoch,)).get is not None

    @refusals()
    def add_names(self, hub: str, names: Names) -> None:
        self._db.execute(
            "insert or ignore into names (hub, epoch, number, data) values (?, ?, ?, ?)", (self._number(hub), *names)
        )

    @refusals()
    def add(self, hub: str, body: Body) -> None:
        self._db.execute(
            "insert into bodies (record, hub, epoch, boot, received_at, data) values (?, ?, ?, ?, ?, ?)",
            (body.record, self._number(hub), *body[1:]),
        )

    @refusals()
    def order(self, hub: str, order: ErasureOrder, record: int) -> bool:
        number = self._number(hub)
        self._db.execute(
            "insert or ignore into erasing (hub, id, kind, name, until_ms, ordered_at, record)"
            " values (?, ?, ?, ?, ?, ?, ?)",
            (number, *order, record),
        )
        new = self._db.changes() > 0
        if new:
            self._db.execute("update compacted set version = version + 1 where number = ?", (number,))
        return new

    def forget(self, hub: str | None = None) -> None:
        """Drop what is cached of a hub, or of all: a transaction failed, or another process wrote."""
        if hub is None:
            self._numbers.clear()
        else:
            self._numbers.pop(hub, None)

    def _number(self, hub: str) -> int:
        known = self._numbers.get(hub)
        if known is None:
            if len(self._numbers) >= MAX_HUBS:
                self._numbers.clear()
            known = self._numbers[hub] = hub_number(self._db, hub)
        return known


def hub_number(db: apsw.Connection, hub: str) -> int:
    """Return the number of a hub in these tables, given on first use. Inside a transaction."""
    db.execute("insert or ignore into compacted (hub) values (?)", (hub,))
    return int(db.execute("select number from compacted where hub = ?", (hub,)).get)
