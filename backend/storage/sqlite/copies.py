"""Copies of a database that is in use: SQLite's backup API under one read snapshot.

The snapshot is held from the first page to the last. Without it each commit of the server would begin the copy anew,
and under steady ingest it would never end; with it, what is written meanwhile stays in the write-ahead log, which grows
by as much.

The copy is one file without a write-ahead log of its own, so that it can be opened where nothing may be written.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, cast

import apsw

from backend.storage.copies import Contents, Progress
from backend.storage.sqlite.schema import VERSION, open_database, open_for_reading, transaction
from hub.core.errors import NotReady, StorageError
from hub.core.text import phrase, reason_of

_PAGES = 2048
"""Pages of one step: 8 MB."""
_STEPS = 100_000
_WRITE = apsw.SQLITE_OPEN_READWRITE | apsw.SQLITE_OPEN_CREATE


def contents(path: Path) -> Contents:
    """Return what tells one database from another, and an older one from a newer. Raises StorageError."""
    with _reading(path) as db:
        return _contents(db)


def copy(source: Path, target: Path, progress: Progress) -> Contents:
    """Copy a database while others write it; return the contents of the copy. `progress` is called with the share that
    is done. Raises StorageError."""
    with _reading(source) as db:
        found = _contents(db)  # begins the snapshot
        _copy_pages(db, target, progress)
    return found


def copy_city(source: Path, target: Path, progress: Progress) -> None:
    """Copy the city's tables while others write them, and read all of the copy. Raises StorageError."""
    with _reading(source) as db:
        db.execute("select count(*) from sqlite_schema").fetchall()  # begins the snapshot
        _copy_pages(db, target, progress)
    with _reading(target) as db:
        _check_pages(db, target)


def check_city(path: Path) -> None:
    """Read all of a copy of the city's tables. Raises StorageError where it is damaged."""
    with _reading(path) as db:
        _check_pages(db, path)


def _copy_pages(db: apsw.Connection, target: Path, progress: Progress) -> None:
    with closing(apsw.Connection(str(target), flags=_WRITE)) as made:
        for name, value in (("journal_mode", "off"), ("synchronous", "off")):
            made.pragma(name, value)
        with made.backup("main", db, "main") as pages:
            while not pages.done:
                pages.step(_PAGES)
                progress(1.0 - pages.remaining / max(1, pages.page_count))
        made.pragma("journal_mode", "delete")  # the copied header says WAL
    descriptor = os.open(target, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _check_pages(db: apsw.Connection, path: Path) -> None:
    said = db.execute("pragma quick_check(1)").get
    if said != "ok":
        raise StorageError(phrase("copy-is-damaged", "{file} is damaged: {reason}", file=path, reason=str(said)[:200]))


def verify(path: Path, progress: Progress) -> Contents:
    """Open a database, read each page of it and return its contents. Raises StorageError where it is damaged, or of
    another format."""
    with _reading(path) as db:
        found = _contents(db)
        if found.version != VERSION:
            raise _of_other_format(path, found.version)
        pages = max(1, db.pragma("page_count"))

        def look() -> bool:
            progress(min(1.0, db.status(apsw.SQLITE_DBSTATUS_CACHE_MISS)[0] / pages))
            return False

        db.set_progress_handler(look, _STEPS)
        _check_pages(db, path)
        return found


def check_unused(path: Path) -> None:
    """Raise NotReady where another process has this database open. One that is damaged is nobody's: it passes."""
    if not path.exists():
        return
    try:
        with closing(apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READWRITE)) as db:
            db.set_busy_timeout(0)
            db.pragma("locking_mode", "exclusive")
            db.execute("begin exclusive")
            db.execute("rollback")
            # what the write-ahead log holds is taken over, so that the file can be set aside alone
            db.execute("pragma wal_checkpoint(truncate)").fetchall()
    except (apsw.BusyError, apsw.LockedError) as error:
        raise NotReady(
            phrase(
                "database-in-use", "{file} is in use: stop the backend first (systemctl stop ilot-backend)", file=path
            )
        ) from error
    except (apsw.CorruptError, apsw.NotADBError):
        return
    except apsw.Error as error:
        raise _refuses(path, error) from error


def one_file(path: Path) -> None:
    """Make a database one file without a write-ahead log, which can be put in place alone. Raises StorageError."""
    try:
        with closing(apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READWRITE)) as db:
            db.pragma("journal_mode", "delete")
    except apsw.Error as error:
        raise _refuses(path, error) from error


def begin_again(path: Path, now: float) -> int:
    """Make a copy ready to be served in the place of a later database: another identity, so that hubs send again what
    it lacks, and no token that may have been used since. Return how many tokens were withdrawn. Raises StorageError."""
    try:
        with closing(open_database(path)) as db:
            with transaction(db):
                db.execute("update meta set value = ? where key = 'db'", (secrets.token_bytes(16),))
                db.execute("update meta set value = max(value, ?) where key = 'n'", (int(now * 1e6),))
                db.execute("delete from tokens where used_at is null")
                withdrawn = db.changes()
            db.pragma("journal_mode", "delete")  # one file, which can be put in place alone
    except apsw.Error as error:
        raise _refuses(path, error) from error
    return withdrawn


def _contents(db: apsw.Connection) -> Contents:
    version = cast(int, db.pragma("user_version"))
    facts = dict(cast("list[tuple[str, Any]]", db.execute("select key, value from meta").fetchall()))
    hubs = cast(int, db.execute("select count(*) from hubs").get)
    last = cast("int | None", db.execute("select max(id) from records").get) or 0
    newest = db.execute("select received_at from records where id = ?", (last,)).get
    return Contents(
        database=bytes(facts.get("db", b"")).hex(), version=version, hubs=hubs, last_record=last,
        newest_at=cast("float | None", newest),
    )  # fmt: skip


@contextmanager
def _reading(path: Path) -> Iterator[apsw.Connection]:
    with closing(open_for_reading(path)) as db:
        try:
            db.execute("begin")
            yield db
        except apsw.Error as error:
            raise _refuses(path, error) from error


def _refuses(path: Path, error: apsw.Error) -> StorageError:
    return StorageError(
        phrase("database-file-refuses", "the database {file} refuses: {reason}", file=path, reason=reason_of(error))
    )


def _of_other_format(path: Path, version: int) -> StorageError:
    return StorageError(
        phrase(
            "database-of-other-format",
            "{file} has format {version}, this backend reads {known}: use the release that wrote it",
            file=path,
            version=version,
            known=VERSION,
        )
    )
