"""Damage in the files of a PostgreSQL database: what its server says when everything, or some of it, is read.

The server verifies a checksum of each page, where the cluster has them (`data-checksums`, as `deploy/district` makes
it), and the form of each row and of each long value anyhow. Indexes are looked at where the extension amcheck is
installed, and may be used. Each machine has files of its own: the standby's are to be looked at there.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any, NamedTuple

from psycopg import errors as states
from psycopg import sql

from backend.storage.postgresql.connection import READING, SCHEMA, Database
from backend.storage.postgresql.errors import reason_text
from backend.storage.queries import Damage, Progress, Sample
from hub.core.text import Phrase, phrase

_DAMAGED = (states.DataCorrupted, states.IndexCorrupted, states.InternalError)
"""A bad page or row; an index; a long value of which a part is missing."""
SMALL, PAGE = 1 << 20, 8192
"""Bytes of a table that a sample reads whole, and of a page."""
_PAGES = 40
"""Pages of a large table that a sample reads, about."""
_TABLES = (
    "select c.oid, c.relname, pg_table_size(c.oid) from pg_class c where c.relnamespace = %s::regnamespace"
    " and c.relkind = 'r' order by c.relname"
)
_INDEXES = (
    "select c.oid::regclass, c.relname from pg_class c join pg_index i on i.indexrelid = c.oid"
    " join pg_am a on a.oid = c.relam where c.relnamespace = %s::regnamespace and c.relkind = 'i'"
    " and a.amname = 'btree' order by c.relname"
)
_AMCHECK = (
    "select coalesce(bool_or(has_function_privilege(p.oid, 'execute')), false) from pg_proc p join pg_extension e"
    " on e.extname = 'amcheck' join pg_depend d on d.refobjid = e.oid and d.objid = p.oid where p.proname ="
    " 'bt_index_check' and p.pronargs = 1"
)
_READ = "select count(hash_record_extended(t, 0)) from {} t"
"""Reads each value, also what lies beside the row."""
_READ_SOME = "select count(hash_record_extended(t, 0)) from {} t tablesample system ({})"


class _Table(NamedTuple):
    oid: int
    name: str
    size: int


def find_damage(url: str, progress: Progress) -> Iterator[Damage]:
    """Yield each damaged table and index. Table by table, so that nothing is kept for a snapshot of hours. Raises
    StorageError when the server does not answer, or its disk refuses."""
    database = _database(url)
    try:
        with database.errors():
            tables = _tables(database)
            checked = database.session().execute(_AMCHECK).fetchone() == (True,)
            indexes: list[Any] = database.session().execute(_INDEXES, [SCHEMA]).fetchall() if checked else []
        whole, done = sum(table.size for table in tables) or 1, 0
        for table in tables:
            progress(done / whole)
            if (said := _said(database, sql.SQL(_READ).format(_name(table)))) is not None:
                yield Damage("table", table.name, 1, said, _table_remedy(database.place))
            done += table.size
        for oid, name in indexes:
            check = sql.SQL("select bt_index_check({}::regclass)").format(sql.Literal(oid))
            if (said := _said(database, check)) is not None:
                remedy = phrase(
                    "postgresql-index-remedy",
                    "look at the disk first. It is made anew from its table, which is whole:"
                    " `reindex index concurrently {schema}.{name}`",
                    schema=SCHEMA,
                    name=name,
                )
                yield Damage("index", name, 1, said, remedy)
    finally:
        database.close()


def sample(url: str, seconds: float) -> Sample:
    """Read small tables whole, and of each large one some pages, for about so many seconds. Raises StorageError."""
    database = _database(url)
    try:
        with database.errors():
            tables = _tables(database)
            version = database.session().info.server_version
        end = time.monotonic() + seconds
        whole = rows = 0
        damage = ""
        for left, table in zip(range(len(tables), 0, -1), tables, strict=True):
            share = max(0.001, (end - time.monotonic()) / left)
            with database.errors():
                database.session().execute(
                    "select set_config('statement_timeout', %s, false)", [f"{max(1, int(share * 1000))}ms"]
                )
            small = table.size <= SMALL
            share_of_pages = sql.Literal(min(100.0, 100 * _PAGES * PAGE / max(table.size, 1)))
            statement = sql.SQL(_READ if small else _READ_SOME).format(_name(table), share_of_pages)
            with database.errors():
                try:
                    ((read,),) = database.session().execute(statement).fetchall()
                except states.QueryCanceled:
                    continue
                except _DAMAGED as error:
                    damage = damage or f"{table.name}: {reason_text(error)}"
                    continue
            whole, rows = (whole + 1, rows) if small else (whole, rows + int(read))
        return Sample(len(tables), whole, rows, damage[:200], f"PostgreSQL {version // 10_000}.{version % 10_000}")
    finally:
        database.close()


def _said(database: Database, statement: sql.Composed) -> str | None:
    """Return what the server says of damage while it executes a statement, None where it says nothing."""
    with database.errors():
        try:
            database.session().execute(statement)
        except _DAMAGED as error:
            return reason_text(error)
    return None


def _database(url: str) -> Database:
    return Database(url, name="ilot check", purpose={**READING, "transaction_timeout": "0"})


def _tables(database: Database) -> list[_Table]:
    return [_Table(*row) for row in database.session().execute(_TABLES, [SCHEMA]).fetchall()]


def _name(table: _Table) -> sql.Identifier:
    return sql.Identifier(SCHEMA, table.name)


def _table_remedy(place: str) -> Phrase:
    return phrase(
        "postgresql-table-remedy",
        "look at the disk first. Hand over to the standby, whose files are its own, and make this machine anew from it:"
        " docs/how-to/run-a-district.md. Without a standby, restore the last good backup: hubs are asked for what is"
        " newer ({place})",
        place=place,
    )
