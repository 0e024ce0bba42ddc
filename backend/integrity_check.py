"""Whether the database file is whole: SQLite's own `integrity_check`, and what it says by table and index. Blocking.

It reads each page about twice, in one snapshot: the server may run meanwhile, and what it writes waits in the `-wal`
file until the end.

What SQLite cannot see is a value that the disk has altered into another good one: rows have no checksums. What is kept
sealed or signed shows it (`backend.consistency_check`).
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any, NamedTuple, cast

import apsw

from backend.schema import open_for_reading
from hub.core.errors import StorageError

MOST = 1000
"""Findings that SQLite is asked for: one bad page makes many."""
TELL_S = 5.0
_OPS = 100_000
"""Steps of SQLite between two looks at the clock: some milliseconds."""
RESTORE = (
    "look at the disk first. Stop the backend, and keep this file and its -wal as they are. Put the last good copy in "
    "their place: hubs are asked for what is newer. Without one, `sqlite3 {0} .recover | sqlite3 {0}.new` saves what "
    "can be read: put that there, without the -wal, then `ilot backend want` for each hub: it sends what it still holds"
)
REBUILD = (
    "look at the disk first. It is made anew from its table, which is whole: stop the backend, keep a copy of this "
    "file and its -wal, then `sqlite3 {0} 'reindex {1}'`"
)
_DAMAGED = (apsw.CorruptError, apsw.NotADBError)


class _Thing(NamedTuple):
    """A table or an index."""

    kind: str
    name: str
    table: str


_FILE = _Thing("file", "", "")


def damage(path: Path, progress: Callable[[float], None] = lambda share: None) -> Iterator[dict[str, Any]]:
    """{what, hub, stream, run, count, of, remedy} of each table and index that is damaged, and of the file itself.
    `progress` is told about what share is done, each TELL_S. Raises StorageError when the disk refuses to read it."""
    if not path.exists():
        return  # nothing was received yet
    try:
        with closing(open_for_reading(path)) as db:
            found = _asked(db, progress)
    except _DAMAGED as error:
        found = {_FILE: [str(error)]}
    except apsw.Error as error:
        raise StorageError(
            f"{path} cannot be read: {error}. The disk refuses, or somebody keeps the file: look at the system's log"
        ) from error
    hurt = {thing.name for thing in found if thing.kind != "index"}
    for thing, lines in sorted(found.items()):
        alone = thing.kind == "index" and thing.table not in hurt and "" not in hurt
        remedy = REBUILD.format(path, thing.table) if alone else RESTORE.format(path)
        about = {"what": f"damaged {thing.kind}", "hub": "", "stream": "", "run": "", "count": len(lines)}
        yield about | {"of": f"{thing.name or path.name}: {lines[0]}", "remedy": remedy}


def _asked(db: apsw.Connection, progress: Callable[[float], None]) -> dict[_Thing, list[str]]:
    """What SQLite says, of which table or index."""
    rows = cast(Any, db.execute("select rootpage, type, name, tbl_name from sqlite_schema where rootpage > 0"))
    things = {page: _Thing(kind, name, table) for page, kind, name, table in rows}
    pages, told = max(1, db.pragma("page_count")), time.monotonic()

    def look() -> bool:
        nonlocal told
        if time.monotonic() - told >= TELL_S:
            told = time.monotonic()
            progress(min(0.99, db.status(apsw.SQLITE_DBSTATUS_CACHE_MISS)[0] / (2 * pages)))
        return False

    db.set_progress_handler(look, _OPS)
    found: dict[_Thing, list[str]] = {}
    broken = _lines(db, str(MOST), things, _FILE, found)
    if broken:  # it looks at no table behind one that it cannot read on in: one by one then
        for thing in things.values():
            if thing.kind == "table" and (said := _lines(db, f"'{thing.name}'", things, thing, found)):
                found.setdefault(thing, []).append(said)
        if not found:
            found[_FILE] = [broken]
    return found


def _lines(
    db: apsw.Connection, of: str, things: Mapping[int, _Thing], else_of: _Thing, found: dict[_Thing, list[str]]
) -> str:
    """Check `of`, which is how many lines are wanted, or a table; fills `found`. Why it ended before its end, or ""."""
    try:
        for (text,) in cast(Any, db.execute(f"pragma integrity_check({of})")):
            for line in str(text).splitlines():
                lines = (
                    found.setdefault(_whose(line, things, else_of), []) if line != "ok" and line[:3] != "***" else []
                )
                if line not in lines:
                    lines.append(line)
    except _DAMAGED as error:
        return str(error)
    return ""


def _whose(line: str, things: Mapping[int, _Thing], else_of: _Thing) -> _Thing:
    """Of which table or index SQLite speaks: it names it, or the page on which it begins."""
    if (tree := re.match(r"Tree (\d+)\b", line)) and (known := things.get(int(tree[1]))):
        return known
    words = re.findall(r"\w+", line)
    named = [thing for word in words for thing in things.values() if thing.name == word]
    return next((thing for thing in named if thing.kind == "index"), named[0] if named else else_of)
