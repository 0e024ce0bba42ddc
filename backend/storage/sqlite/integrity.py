"""Integrity check of the database file: SQLite's `integrity_check`, with its findings by table and index. Blocking.

It reads each page about twice, in one snapshot: the server may run meanwhile, and its writes stay in the `-wal` file
until the end.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterator, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any, NamedTuple, cast

import apsw

from backend.storage.queries import Damage, Progress
from backend.storage.sqlite.schema import open_for_reading
from hub.core.errors import StorageError
from hub.core.text import Phrase, of_table, phrase, reason_of

MAX_FINDINGS = 1000
"""Findings requested from SQLite: one bad page makes many."""
TELL_S = 5.0
_STEPS = 100_000
"""Steps of SQLite's virtual machine between two calls of the progress handler: some milliseconds."""
PHRASES = {
    "restore-database": "look at the disk first. Stop the backend, and keep this file and its -wal as they are. Put "
    "the last good copy in their place: hubs are asked for what is newer. Without one, `sqlite3 {file} .recover | "
    "sqlite3 {file}.new` saves what can be read: put that there, without the -wal, then `ilot backend want` for each "
    "hub: it sends what it still holds",
    "rebuild-index": "look at the disk first. It is made anew from its table, which is whole: stop the backend, keep a "
    "copy of this file and its -wal, then `sqlite3 {file} 'reindex {table}'`",
}
_DAMAGED = (apsw.CorruptError, apsw.NotADBError)


class _SchemaObject(NamedTuple):
    """A table or an index."""

    kind: str
    name: str
    table: str


_FILE = _SchemaObject("file", "", "")


def find_damage(path: Path, progress: Progress) -> Iterator[Damage]:
    """Yield each damaged table and index, and the file itself where it is. `progress` is called each TELL_S. Raises
    StorageError when the disk refuses to read it."""
    if not path.exists():
        return  # no database yet
    try:
        with closing(open_for_reading(path)) as db:
            found = _run_checks(db, progress)
    except _DAMAGED as error:
        found = {_FILE: [str(error)]}
    except apsw.Error as error:
        raise StorageError(
            phrase(
                "database-not-readable",
                "look at the system's log, the disk refuses or somebody keeps the file: {file} cannot be read: "
                "{reason}",
                file=path,
                reason=reason_of(error),
            )
        ) from error
    hurt = {thing.name for thing in found if thing.kind != "index"}
    for thing, lines in sorted(found.items()):
        alone = thing.kind == "index" and thing.table not in hurt and "" not in hurt
        remedy = _of("rebuild-index", file=path, table=thing.table) if alone else _of("restore-database", file=path)
        yield Damage(thing.kind, thing.name or path.name, len(lines), lines[0], remedy)


def _of(code: str, **params: object) -> Phrase:
    return of_table(code, PHRASES[code], **params)


def _run_checks(db: apsw.Connection, progress: Progress) -> dict[_SchemaObject, list[str]]:
    """Run the checks; return SQLite's findings by table or index."""
    rows = cast(Any, db.execute("select rootpage, type, name, tbl_name from sqlite_schema where rootpage > 0"))
    things = {page: _SchemaObject(kind, name, table) for page, kind, name, table in rows}
    pages, told = max(1, db.pragma("page_count")), time.monotonic()

    def look() -> bool:
        nonlocal told
        if time.monotonic() - told >= TELL_S:
            told = time.monotonic()
            progress(min(0.99, db.status(apsw.SQLITE_DBSTATUS_CACHE_MISS)[0] / (2 * pages)))
        return False

    db.set_progress_handler(look, _STEPS)
    found: dict[_SchemaObject, list[str]] = {}
    broken = _lines(db, str(MAX_FINDINGS), things, _FILE, found)
    if broken:  # SQLite stops at a table that it cannot read: check the others one by one
        for thing in things.values():
            if thing.kind == "table" and (said := _lines(db, f"'{thing.name}'", things, thing, found)):
                found.setdefault(thing, []).append(said)
        if not found:
            found[_FILE] = [broken]
    return found


def _lines(
    db: apsw.Connection,
    of: str,
    things: Mapping[int, _SchemaObject],
    else_of: _SchemaObject,
    found: dict[_SchemaObject, list[str]],
) -> str:
    """Check `of`, a number of lines or a table, and add findings to `found`; return why it stopped early, or ""."""
    try:
        for (text,) in cast(Any, db.execute(f"pragma integrity_check({of})")):
            for line in str(text).splitlines():
                lines = (
                    found.setdefault(_object_of(line, things, else_of), [])
                    if line != "ok" and line[:3] != "***"
                    else []
                )
                if line not in lines:
                    lines.append(line)
    except _DAMAGED as error:
        return str(error)
    return ""


def _object_of(line: str, things: Mapping[int, _SchemaObject], else_of: _SchemaObject) -> _SchemaObject:
    """Return the table or index of a finding: SQLite names it, or the page on which it begins."""
    if (tree := re.match(r"Tree (\d+)\b", line)) and (known := things.get(int(tree[1]))):
        return known
    words = re.findall(r"\w+", line)
    named = [thing for word in words for thing in things.values() if thing.name == word]
    return next((thing for thing in named if thing.kind == "index"), named[0] if named else else_of)
