"""The hub's own small memory: an encrypted SQLite file, written by one connection in its own thread.

It holds what must outlive the process and is not a reading: replacements of devices, plugin state, the highest
trust version seen, the audit chain. Pages are encrypted and authenticated (SQLite3 Multiple Ciphers, ChaCha20-
Poly1305) under the hub's store key; rollback to an older copy of the file is not detected by it.
`synchronous=FULL`: a call that returned has reached the disk.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from hashlib import sha256
from pathlib import Path
from typing import TypeVar

import apsw
import msgspec

from hub.errors import StorageError

T = TypeVar("T")

SCHEMA = (
    # 1
    """
    CREATE TABLE meta (key TEXT PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID;
    CREATE TABLE replaced (old TEXT PRIMARY KEY, new TEXT NOT NULL, key BLOB, at REAL NOT NULL) WITHOUT ROWID;
    CREATE TABLE audit (
        n INTEGER PRIMARY KEY, at REAL NOT NULL, who TEXT NOT NULL, what BLOB NOT NULL, head BLOB NOT NULL
    );
    """,
)
"""One script a version; `PRAGMA user_version` says how many have run."""


GENERATION = "generation"
"""Key of `meta`: a number in decimal, as the sent counters are."""


class AuditEntry(msgspec.Struct, frozen=True):
    """One line of the audit chain: `head` = SHA-256(previous head ‖ at ‖ who ‖ what)."""

    n: int
    at: float
    who: str
    what: dict[str, object]
    head: bytes


class Store:
    """Open with `await Store.open(path, key)`; every method runs in the store's thread, in order."""

    def __init__(self, db: apsw.Connection, thread: ThreadPoolExecutor, key: bytes) -> None:
        self._db = db
        self._thread = thread
        self._key = key

    @classmethod
    async def open(cls, path: Path, key: bytes) -> Store:
        """Open or create. `key` is 32 bytes. Raises StorageError when the file is not ours or is damaged."""
        thread = ThreadPoolExecutor(1, thread_name_prefix="store")
        try:
            db = await asyncio.get_running_loop().run_in_executor(thread, _connect, path, key)
        except apsw.Error as error:
            thread.shutdown(wait=False)
            raise StorageError(
                f"{path} cannot be opened: {error}; it is damaged or belongs to another hub's keys. "
                "Restore it from the state backup, or move it away: readings in the buffer are not touched"
            ) from error
        return cls(db, thread, key)

    async def close(self) -> None:
        await self._call(lambda db: db.close())
        self._thread.shutdown()

    async def _call(self, work: Callable[[apsw.Connection], T]) -> T:
        try:
            return await asyncio.get_running_loop().run_in_executor(self._thread, work, self._db)
        except apsw.Error as error:
            raise StorageError(f"the store refused: {error}") from error

    async def get(self, key: str) -> bytes | None:
        """The value of one key of `meta`, None when there is none."""
        rows = await self._call(lambda db: list(db.execute("SELECT value FROM meta WHERE key = ?", (key,))))
        return bytes(rows[0][0]) if rows else None

    async def put(self, key: str, value: bytes) -> None:
        await self._call(lambda db: db.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (key, value)) and None)

    async def next_generation(self) -> int:
        """Count one more start or backup of this hub: a store that was put back is behind what its backend heard."""

        def work(db: apsw.Connection) -> int:
            with db:
                number = _number(db, GENERATION) + 1
                db.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (GENERATION, str(number)))
            return number

        return await self._call(work)

    async def image(self) -> bytes:
        """A consistent copy of the file, encrypted under the same key."""
        return await self._call(lambda db: _copy(db, self._key))

    async def replaced(self) -> dict[str, tuple[str, bytes | None]]:
        """Former device id -> (the one that took its place, that one's key)."""
        rows = await self._call(lambda db: list(db.execute("SELECT old, new, key FROM replaced")))
        return {old: (new, key) for old, new, key in rows}

    async def replace(self, old: str, new: str, key: bytes | None, at: float, who: str) -> None:
        """Remember a replacement and audit it, in one transaction."""

        def work(db: apsw.Connection) -> None:
            with db:
                db.execute("DELETE FROM replaced WHERE old = ?", (new,))
                db.execute("INSERT OR REPLACE INTO replaced VALUES (?, ?, ?, ?)", (old, new, key, at))
                _audit(db, at, who, {"device": "replace", "old": old, "new": new})

        await self._call(work)

    async def audit(self, at: float, who: str, what: dict[str, object]) -> None:
        """Append one entry to the audit chain."""

        def work(db: apsw.Connection) -> None:
            with db:
                _audit(db, at, who, what)

        await self._call(work)

    async def audited(self) -> list[AuditEntry]:
        """The whole chain, checked. Raises StorageError naming the first entry that does not follow."""

        def work(db: apsw.Connection) -> list[AuditEntry]:
            entries: list[AuditEntry] = []
            head = b""
            for n, at, who, what, stored in db.execute("SELECT n, at, who, what, head FROM audit ORDER BY n"):
                head = _head(head, at, who, what)
                if head != stored or n != len(entries) + 1:
                    raise StorageError(f"the audit chain is broken at entry {n}")
                entries.append(AuditEntry(n, at, who, msgspec.msgpack.decode(what, type=dict[str, object]), head))
            return entries

        return await self._call(work)


def _connect(path: Path, key: bytes) -> apsw.Connection:
    db = apsw.Connection(str(path))
    db.execute("PRAGMA cipher = 'chacha20'")
    # hexkey is this build's raw-key spelling: no pass-phrase derivation, the key is already 256 random bits.
    db.execute(f"PRAGMA hexkey = '{key.hex()}'")
    db.execute("PRAGMA temp_store = memory")
    db.execute("PRAGMA synchronous = FULL")
    db.set_busy_timeout(5000)
    version = next(db.execute("PRAGMA user_version"))[0]
    for n, script in enumerate(SCHEMA[version:], version + 1):
        with db:
            db.execute(script)
            db.execute(f"PRAGMA user_version = {n}")
    path.chmod(0o600)
    return db


def restore(path: Path, key: bytes, image: bytes, *, sent: str, jump: int) -> int:
    """Make the store of a restored hub from `Store.image`: counters of `meta` whose key starts with `sent`, and the
    generation, go `jump` ahead. Returns the generation. Blocking. Raises StorageError."""
    try:
        path.write_bytes(image)
        db = _connect(path, key)
        with db:
            rows = db.execute(
                "SELECT key FROM meta WHERE substr(key, 1, ?) = ? OR key = ?", (len(sent), sent, GENERATION)
            )
            for (name,) in list(rows):
                db.execute("UPDATE meta SET value = ? WHERE key = ?", (str(_number(db, name) + jump), name))
            generation = _number(db, GENERATION)
        db.close()
    except (apsw.Error, ValueError, OSError) as error:
        raise StorageError(f"the store cannot be restored to {path}: {error}") from error
    return generation


def _copy(db: apsw.Connection, key: bytes) -> bytes:
    path = Path(f"{db.filename}.copy")
    path.unlink(missing_ok=True)
    try:
        copy = _connect(path, key)
        with copy.backup("main", db, "main") as pages:
            pages.step()
        copy.close()
        return path.read_bytes()
    except OSError as error:
        raise StorageError(f"the store cannot be copied: {error}") from error
    finally:
        path.unlink(missing_ok=True)


def _number(db: apsw.Connection, key: str) -> int:
    value = db.execute("SELECT value FROM meta WHERE key = ?", (key,)).get
    return 0 if value is None else int(value)


def _audit(db: apsw.Connection, at: float, who: str, what: dict[str, object]) -> None:
    row = list(db.execute("SELECT n, head FROM audit ORDER BY n DESC LIMIT 1"))
    n, head = row[0] if row else (0, b"")
    body = msgspec.msgpack.encode(what)
    db.execute("INSERT INTO audit VALUES (?, ?, ?, ?, ?)", (n + 1, at, who, body, _head(head, at, who, body)))


def _head(previous: bytes, at: float, who: str, what: bytes) -> bytes:
    return sha256(previous + msgspec.msgpack.encode((at, who)) + what).digest()
