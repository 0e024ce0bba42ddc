"""An encrypted SQLite file that stays writable on a full disk, and bears a disk that refuses now and then. Blocking.

Pages are encrypted and authenticated (SQLite3 Multiple Ciphers, ChaCha20-Poly1305). `synchronous=FULL`: what was
committed has reached the disk.

RESERVE bytes are taken while there is room, as free pages inside the file and as a rollback journal that keeps its
length (`journal_mode=persist`), so that a small change allocates nothing. A file that is freed at need would do less:
the buffer, which waits for room too, takes what comes free before SQLite has it.
"""

from __future__ import annotations

import contextlib
import errno
import os
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TypeVar

import apsw

from hub.core.disk.atomic_files import PRIVATE, hand_over, open_here, overwrite, sync_directory, write_atomically
from hub.core.text import phrase, reason_of

T = TypeVar("T")

RESERVE = 128 << 10
"""Bytes kept free inside the file, and of its journal."""
PAUSES = (0.05, 0.2, 0.75)
"""Seconds between the tries of a call that the disk refuses."""
_REFUSED = (apsw.IOError, apsw.FullError, apsw.CantOpenError)
MAGIC = b"SQLite format 3\0"
_RAW = b"raw:"
"""Before a key that is one: it is 256 random bits. Without it, this build takes 32 bytes for a pass phrase and does
64,007 rounds of PBKDF2 at each opening: 27 ms of a PC's core, on each of a hub's files."""
_PERHAPS = (*_REFUSED, apsw.CorruptError, apsw.NotADBError)
"""SQLite also calls a file corrupt when the disk refuses to read it."""


def connect(path: Path, key: bytes, schema: Sequence[str], *, reserve: bool = True) -> apsw.Connection:
    """Open or create; `key` is 32 bytes, `schema` one script a version. Raises apsw.Error, OSError."""
    file = open_here(path, os.O_RDWR | os.O_CREAT)
    try:
        os.fchmod(file, PRIVATE)  # its journal gets the same mode
    finally:
        os.close(file)
    try:
        return _connect(path, _RAW + key, schema, reserve)
    except (apsw.NotADBError, apsw.CorruptError) as error:  # corrupt: with a journal to roll back, which it left alone
        try:
            _connect(path, key, (), reserve=False).close()
        except apsw.Error:
            raise error from None
    with contextlib.suppress(apsw.Error, OSError):  # the disk may take no copy now, or the copy and no more
        _spell_anew(path, key)
    try:
        return _connect(path, _RAW + key, schema, reserve)
    except (apsw.NotADBError, apsw.CorruptError):
        return _connect(path, key, schema, reserve)


def _connect(path: Path, spelled: bytes, schema: Sequence[str], reserve: bool) -> apsw.Connection:
    db = apsw.Connection(str(path))
    try:
        db.execute("PRAGMA cipher = 'chacha20'")
        db.execute(f"PRAGMA hexkey = '{spelled.hex()}'")
        db.execute("PRAGMA temp_store = memory")
        db.execute("PRAGMA synchronous = FULL")
        db.execute("PRAGMA secure_delete = on")  # what is deleted is overwritten with zeros
        if reserve:
            db.execute("PRAGMA journal_mode = persist")
        db.set_busy_timeout(5000)
        version = next(db.execute("PRAGMA user_version"))[0]
        if version < len(schema):
            # all versions in one transaction: each costs five syncs, and a disk that refuses every third would let one
            # version through an opening, so that a new hub's start would take longer with every version there is
            with transaction(db):
                for script in schema[version:]:
                    db.execute(script)
                db.execute(f"PRAGMA user_version = {len(schema)}")
        if reserve:
            restock(db)
    except BaseException:
        db.close()
        raise
    return db


def _spell_anew(path: Path, key: bytes) -> None:
    """Put a copy whose key is spelled as today in the place of a former version's file, and overwrite that. A kill
    leaves the one or the other, whole. Raises apsw.Error, OSError."""
    new = path.with_name(f"{path.name}.new")
    new.unlink(missing_ok=True)
    file = open_here(path, os.O_RDWR)
    try:
        os.close(open_here(new, os.O_RDWR | os.O_CREAT | os.O_EXCL))
        with (
            contextlib.closing(_connect(path, key, (), reserve=False)) as former,
            contextlib.closing(_connect(new, _RAW + key, (), reserve=False)) as copy,
            copy.backup("main", former, "main") as pages,
        ):
            pages.step()
        hand_over(new)  # a command of root may be the first to open it
        new.replace(path)  # SQLite has synced it
        sync_directory(path.parent)
        overwrite(file)
    finally:
        os.close(file)
        new.unlink(missing_ok=True)


@contextlib.contextmanager
def transaction(db: apsw.Connection) -> Iterator[None]:
    """Run a block in one transaction. Not `with db`: where SQLite has rolled back by itself, that raises another error
    instead."""
    db.execute("BEGIN IMMEDIATE")
    try:
        yield
        db.execute("COMMIT")
    except BaseException:
        with contextlib.suppress(apsw.Error):  # the disk may refuse that too: the journal stays, for the next call
            if db.in_transaction:
                db.execute("ROLLBACK")
        raise


def wipe_journal(db: apsw.Connection) -> None:
    """After a secret was deleted: the rollback journal keeps its length, and with it the page on which that was."""
    db.execute("PRAGMA journal_mode = delete")
    db.execute("PRAGMA journal_mode = persist")


def restock(db: apsw.Connection) -> None:
    """Take the reserve where it is short, best effort: on a full disk there is what there is."""
    with contextlib.suppress(apsw.Error, OSError):
        if db.pragma("freelist_count") * db.pragma("page_size") < RESERVE // 2:
            with transaction(db):
                db.execute("CREATE TABLE reserve (x)")
                db.execute("INSERT INTO reserve VALUES (zeroblob(?))", (RESERVE,))
                db.execute("DROP TABLE reserve")
        with open(open_here(Path(f"{db.filename}-journal"), os.O_RDWR), "r+b") as journal:
            # behind what SQLite wrote: it stops reading at the first page number 0
            if (short := RESERVE - journal.seek(0, os.SEEK_END)) > 0:
                journal.write(bytes(short))
                journal.flush()
                os.fsync(journal.fileno())


def image(db: apsw.Connection, key: bytes, schema: Sequence[str], without: Sequence[str] = ()) -> bytes:
    """A consistent copy of the database without the reserve and without the rows of some tables, in clear: whoever
    asks seals it. (Encrypted pages cannot be compressed: 110 KB where 3 do.) It is in clear in memory alone; what is
    on the disk meanwhile is under the same key. Raises apsw.Error, OSError."""
    path = Path(f"{db.filename}.copy")
    path.unlink(missing_ok=True)
    try:
        copy = connect(path, key, schema, reserve=False)
        with copy.backup("main", db, "main") as pages:
            pages.step()
        for table in without:
            copy.execute(f"DELETE FROM {table}")  # noqa: S608 - names of the schema, never a caller's
        copy.execute("VACUUM")  # the reserve would travel with every backup
        clear = copy.serialize("main")
        copy.close()
        return clear
    finally:
        path.unlink(missing_ok=True)


def place(path: Path, key: bytes, schema: Sequence[str], clear: bytes) -> None:
    """Make the file at `path`, under `key`, from an `image`; nothing of it is written in clear. An image of a former
    version of the hub, which was encrypted, is put there as it is. Raises apsw.Error, OSError."""
    if not clear.startswith(MAGIC):
        write_atomically(path, clear)
        return
    source = apsw.Connection(":memory:")
    source.deserialize("main", clear)
    path.unlink(missing_ok=True)
    target = connect(path, key, schema[: source.pragma("user_version")], reserve=False)
    try:
        with transaction(target):
            for (table,) in list(source.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")):
                rows = source.execute(f'SELECT * FROM "{table}"')  # noqa: S608 - a name of the schema
                target.execute(f'DELETE FROM "{table}"')  # noqa: S608
                marks = ", ".join("?" for _ in source.execute("SELECT 1 FROM pragma_table_info(?)", (table,)))
                target.executemany(f'INSERT INTO "{table}" VALUES ({marks})', rows)  # noqa: S608
    finally:
        target.close()
        source.close()


def persistently(attempt: Callable[[], T]) -> T:
    """Try again for a second while the disk refuses. `attempt` may run more than once; when only the very last sync of
    a transaction failed, it runs again although it was done."""
    for pause in PAUSES:
        try:
            return attempt()
        except _PERHAPS:
            time.sleep(pause)
    return attempt()


def refused(error: Exception, path: Path) -> bool:
    """True when it is the disk that refuses, not the file that is wrong."""
    if isinstance(error, _REFUSED):
        return True
    try:
        path.read_bytes()
    except OSError as reading:
        return reading.errno == errno.EIO
    return isinstance(error, OSError) and error.errno in (errno.EIO, errno.ENOSPC)


def told(error: Exception) -> str:
    """Return the cause of an error for people: SQLite has no words for an error that a copy or a commit met on the
    disk."""
    if isinstance(error, apsw.FullError):
        return phrase("disk-full", "no space left on the disk")
    if isinstance(error, (apsw.IOError, apsw.CantOpenError)):
        return phrase("disk-refuses", "the disk refuses")
    return reason_of(error)
