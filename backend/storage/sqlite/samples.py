"""A sample of the database's integrity: small tables whole, of large ones rows at random places.

It takes a bounded time, whatever the size; `backend.storage.sqlite.integrity` reads everything.
"""

from __future__ import annotations

import time
from contextlib import closing
from pathlib import Path
from typing import cast

import apsw

from backend.storage.queries import Sample
from backend.storage.sqlite.schema import open_for_reading
from hub.core.errors import StorageError
from hub.core.text import phrase, reason_of

_STEPS = 20_000
"""Steps of SQLite's virtual machine between two looks at the clock."""
_PLACES, _ROWS = 40, 50
_RANDOM = "select * from {table} where rowid >= abs(random()) % (select max(rowid) + 1 from {table}) limit {rows}"
_DAMAGED = apsw.CorruptError, apsw.NotADBError


def sample(path: Path, seconds: float) -> Sample:
    """Look at each table for its share of so many seconds. Raises StorageError when the disk refuses to read it."""
    try:
        with closing(open_for_reading(path)) as db:
            return _looked_at(db, seconds)
    except _DAMAGED as error:
        return Sample(0, 0, 0, str(error), apsw.sqlite_lib_version())
    except apsw.Error as error:
        raise StorageError(
            phrase("database-file-refuses", "the database {file} refuses: {reason}", file=path, reason=reason_of(error))
        ) from error


def _looked_at(db: apsw.Connection, seconds: float) -> Sample:
    tables = cast(
        "list[tuple[str, str]]",
        db.execute("select name, sql from sqlite_schema where type = 'table' and rootpage > 0").fetchall(),
    )
    until = 0.0
    db.set_progress_handler(lambda: time.monotonic() > until, _STEPS)
    whole = rows = 0
    damage = ""
    for name, sql in tables:
        until = time.monotonic() + seconds / len(tables)
        try:
            said = db.execute(f"pragma integrity_check('{name}')").fetchall()
            whole += 1
            damage = damage or next((str(text) for (text,) in said if text != "ok"), "")
        except apsw.InterruptError:
            until = time.monotonic() + seconds / len(tables)
            rows += _at_random(db, name, "without rowid" in str(sql).lower())
    return Sample(len(tables), whole, rows, damage.strip().replace("\n", ": ")[:200], apsw.sqlite_lib_version())


def _at_random(db: apsw.Connection, table: str, by_key: bool) -> int:
    if by_key:
        return 0
    statement, rows = _RANDOM.format(table=table, rows=_ROWS), 0
    try:
        for _ in range(_PLACES):
            rows += len(db.execute(statement).fetchall())
    except apsw.InterruptError:
        pass
    return rows
