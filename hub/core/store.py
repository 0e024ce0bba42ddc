"""The hub's own small memory: an encrypted SQLite file, written by one connection in its own thread.

It holds what must outlive the process and is not a reading: replacements of devices, plugin state, the highest
trust version seen, the audit chain. Pages are encrypted and authenticated (SQLite3 Multiple Ciphers, ChaCha20-
Poly1305) under the hub's store key; rollback to an older copy of the file is not detected by it.
`synchronous=FULL`: a call that returned has reached the disk. It stays writable on a full disk
(`hub.core.disk.sqlite`).

A call that the disk refuses is tried again for a second, then raises DiskRefuses; nothing of it has happened then,
or, when only the very last sync of it failed, all of it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from hashlib import sha256
from pathlib import Path
from typing import TypeVar

import apsw
import msgspec

from hub.core.disk.sqlite import connect, image, persistently, place, refused, restock, told, transaction
from hub.core.errors import DiskRefuses, StorageError
from hub.core.text import phrase, plain, reason_of

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
    # 2
    """
    CREATE TABLE keys (device TEXT PRIMARY KEY, key BLOB NOT NULL, instead BLOB NOT NULL, at REAL NOT NULL)
        WITHOUT ROWID;
    """,
    # 3: see hub.automation.commands.table
    """
    CREATE TABLE commands (
        id TEXT PRIMARY KEY, at REAL NOT NULL, device TEXT NOT NULL, metric TEXT NOT NULL, state TEXT NOT NULL,
        body BLOB NOT NULL
    ) WITHOUT ROWID;
    CREATE INDEX commands_at ON commands (at);
    """,
    # 4: see hub.onboarding.adoption.tables
    """
    CREATE TABLE adopted (id TEXT PRIMARY KEY, body BLOB NOT NULL, at REAL NOT NULL) WITHOUT ROWID;
    CREATE TABLE places (id TEXT PRIMARY KEY, body BLOB NOT NULL, at REAL NOT NULL) WITHOUT ROWID;
    CREATE TABLE inventory (id TEXT PRIMARY KEY, body BLOB NOT NULL, number INTEGER NOT NULL) WITHOUT ROWID;
    CREATE TABLE heard (device TEXT PRIMARY KEY, mark BLOB NOT NULL, at REAL NOT NULL) WITHOUT ROWID;
    """,
    # 5: see hub.web.people.accounts
    """
    CREATE TABLE users (name TEXT PRIMARY KEY, role TEXT NOT NULL, secret BLOB NOT NULL, at REAL NOT NULL)
        WITHOUT ROWID;
    """,
    # 6: see hub.pipeline.dead_letters.table
    """
    CREATE TABLE kept (
        n INTEGER PRIMARY KEY AUTOINCREMENT, device TEXT NOT NULL, mark BLOB NOT NULL, at REAL NOT NULL,
        size INTEGER NOT NULL, pack TEXT NOT NULL, body BLOB NOT NULL, UNIQUE (device, mark)
    );
    CREATE INDEX kept_of ON kept (device, n);
    """,
    # 7: see hub.automation.alerts.table
    """
    CREATE TABLE alerts (id TEXT PRIMARY KEY, raised REAL NOT NULL, open INTEGER NOT NULL, body BLOB NOT NULL)
        WITHOUT ROWID;
    CREATE INDEX alerts_raised ON alerts (open, raised);
    """,
    # 8: see hub.web.people.tokens, hub.web.pictures.table
    """
    CREATE TABLE web_tokens (
        id TEXT PRIMARY KEY, name TEXT NOT NULL, role TEXT NOT NULL, hash BLOB NOT NULL, at REAL NOT NULL,
        expires REAL NOT NULL, by TEXT NOT NULL
    ) WITHOUT ROWID;
    CREATE TABLE plans (
        id TEXT PRIMARY KEY, name TEXT NOT NULL, kind TEXT NOT NULL, body BLOB NOT NULL, at REAL NOT NULL
    );
    """,
    # 9: see hub.pipeline.holding_queue.table and hub.onboarding.adoption.decision_table
    """
    CREATE TABLE held (
        n INTEGER PRIMARY KEY AUTOINCREMENT, device TEXT NOT NULL, at REAL NOT NULL, size INTEGER NOT NULL,
        body BLOB NOT NULL
    );
    CREATE INDEX held_of ON held (device, n);
    CREATE TABLE decisions (filter TEXT PRIMARY KEY, body BLOB NOT NULL, at REAL NOT NULL) WITHOUT ROWID;
    """,
    # 10: see hub.history.rollups.tables
    """
    CREATE TABLE rollup_months (month INTEGER NOT NULL, series TEXT NOT NULL, body BLOB NOT NULL,
        PRIMARY KEY (month, series)) WITHOUT ROWID;
    """,
    # 11: see hub.privacy.consent.tables
    """
    CREATE TABLE consents (
        n INTEGER PRIMARY KEY, person TEXT NOT NULL, purpose TEXT NOT NULL, zone TEXT NOT NULL, given REAL NOT NULL,
        recorded REAL NOT NULL, by TEXT NOT NULL, ended REAL, why TEXT NOT NULL
    );
    CREATE TABLE pseudonym_keys (zone TEXT, purpose TEXT, key BLOB NOT NULL, PRIMARY KEY (zone, purpose)) WITHOUT ROWID;
    CREATE TABLE erasures (
        id TEXT PRIMARY KEY, kind TEXT NOT NULL, name TEXT NOT NULL, until REAL NOT NULL, asked REAL NOT NULL,
        person TEXT NOT NULL, confirmed REAL, readings INTEGER NOT NULL, left INTEGER NOT NULL
    ) WITHOUT ROWID;
    """,
    # 12: see hub.web.pictures.table
    """
    ALTER TABLE plans ADD COLUMN site TEXT NOT NULL DEFAULT '';
    """,
    # 13: see hub.history.archive.table
    """
    CREATE TABLE raw_series (
        n INTEGER PRIMARY KEY AUTOINCREMENT, place TEXT NOT NULL, metric TEXT NOT NULL, step TEXT NOT NULL,
        since INTEGER NOT NULL, secret BLOB NOT NULL, UNIQUE (place, metric, step)
    );
    """,
    # 14: see hub.automation.alerts.table; of alerts that a former version kept it is not known when they changed last
    """
    ALTER TABLE alerts ADD COLUMN changed REAL NOT NULL DEFAULT 0;
    UPDATE alerts SET changed = raised;
    CREATE INDEX alerts_changed ON alerts (open, changed);
    """,
    # 15: see hub.web.people.session_table
    """
    CREATE TABLE web_sessions (
        hash BLOB PRIMARY KEY, name TEXT NOT NULL, mark BLOB NOT NULL, badge BLOB NOT NULL, broken INTEGER NOT NULL,
        boot BLOB NOT NULL, began REAL NOT NULL, seen REAL NOT NULL, ahead REAL
    ) WITHOUT ROWID;
    """,
    # 16: see hub.web.pictures.of_devices
    """
    CREATE TABLE device_pictures (device TEXT PRIMARY KEY, kind TEXT NOT NULL, body BLOB NOT NULL, at REAL NOT NULL);
    """,
)
"""One script a version; `PRAGMA user_version` says how many have run."""


STAYS = ("kept", "held", "pseudonym_keys", "raw_series", "web_sessions")
"""Tables that no backup holds: a hub put back would read its frames a second time, and they are large; a key or a
secret that was destroyed comes back from nowhere, and nor does a session that was ended."""

GENERATION = "generation"
"""Key of `meta`: a number in decimal, as the sent counters are."""


class AuditEntry(msgspec.Struct, frozen=True):
    """One entry of the audit chain: `head` = SHA-256(previous head ‖ at ‖ who ‖ what)."""

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
    async def open(cls, path: Path, key: bytes, schema: Sequence[str] = SCHEMA) -> Store:
        """Open or create. `key` is 32 bytes; another `schema` is that of a file beside the hub's own. Raises
        DiskRefuses when the disk does not let us, StorageError when the file is not ours or is damaged."""
        thread = ThreadPoolExecutor(1, thread_name_prefix="store")
        try:
            db = await asyncio.get_running_loop().run_in_executor(
                thread, persistently, lambda: connect(path, key, schema)
            )
        except (apsw.Error, OSError) as error:
            thread.shutdown(wait=False)
            if refused(error, path):
                raise DiskRefuses(
                    phrase("file-not-openable", "{path} cannot be opened: {reason}", path=path, reason=told(error))
                ) from error
            raise StorageError(
                phrase(
                    "store-unopenable",
                    "{path} cannot be opened: {reason}; it is damaged or belongs to another hub's keys. Restore "
                    "it from the state backup, or move it away: readings in the buffer are not touched",
                    path=path,
                    reason=reason_of(error),
                )
            ) from error
        return cls(db, thread, key)

    async def close(self) -> None:
        await asyncio.get_running_loop().run_in_executor(self._thread, self._db.close)
        self._thread.shutdown()

    async def call(self, work: Callable[[apsw.Connection], T]) -> T:
        """Run `work` in the store's thread: for the modules that keep a table of their own here. It may run more than
        once. Raises DiskRefuses, StorageError."""

        def call() -> T:
            try:
                before = self._db.total_changes()
                done = persistently(lambda: work(self._db))
                if self._db.total_changes() != before:
                    restock(self._db)
            except apsw.Error as error:  # judged here: for another thread the connection may be busy with the next call
                kind = DiskRefuses if refused(error, Path(self._db.filename)) else StorageError
                raise kind(phrase("store-refused", "the store refused: {reason}", reason=told(error))) from error
            return done

        return await asyncio.get_running_loop().run_in_executor(self._thread, call)

    async def get(self, key: str) -> bytes | None:
        """The value of one key of `meta`, None when there is none."""
        rows = await self.call(lambda db: list(db.execute("SELECT value FROM meta WHERE key = ?", (key,))))
        return bytes(rows[0][0]) if rows else None

    async def put(self, key: str, value: bytes) -> None:
        await self.call(lambda db: db.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (key, value)) and None)

    async def next_generation(self) -> int:
        """Count one more start or backup of this hub: a store that was put back is behind what its backend heard."""

        def work(db: apsw.Connection) -> int:
            with transaction(db):
                number = _number(db, GENERATION) + 1
                db.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (GENERATION, str(number)))
            return number

        return await self.call(work)

    async def start(self) -> int:
        """`next_generation`, or the same as before while the disk takes nothing: a hub starts all the same."""
        try:
            return await self.next_generation()
        except DiskRefuses:
            return await self.call(lambda db: _number(db, GENERATION))

    async def image(self, *, without: Sequence[str] = ()) -> bytes:
        """A consistent copy, in clear: see `hub.core.disk.sqlite.image`. `without` the rows of these tables either."""
        try:
            return await self.call(lambda db: image(db, self._key, SCHEMA, without=(*STAYS, *without)))
        except OSError as error:
            raise StorageError(
                phrase("store-copy-failed", "the store cannot be copied: {reason}", reason=reason_of(error))
            ) from error

    async def replaced(self) -> dict[str, tuple[str, bytes | None]]:
        """Former device id -> (the one that took its place, that one's key)."""
        rows = await self.call(lambda db: list(db.execute("SELECT old, new, key FROM replaced")))
        return {old: (new, key) for old, new, key in rows}

    async def replace(self, old: str, new: str, key: bytes | None, at: float, who: str) -> None:
        """Remember a replacement and audit it, in one transaction."""

        def work(db: apsw.Connection) -> None:
            with transaction(db):
                db.execute("DELETE FROM replaced WHERE old = ?", (new,))
                db.execute("DELETE FROM keys WHERE device = ?", (new,))
                db.execute("INSERT OR REPLACE INTO replaced VALUES (?, ?, ?, ?)", (old, new, key, at))
                audit(db, at, who, {"device": "replace", "old": old, "new": new})

        await self.call(work)

    async def keys(self) -> dict[str, tuple[bytes, bytes]]:
        """Device id -> (the key it was given by command, the mark of the key it stands instead of)."""
        return await self.call(given_keys)

    async def give_key(self, device: str, key: bytes | None, instead: bytes, at: float, who: str) -> None:
        """Remember a key given by command, None: forget it. Audited, without the key, in one transaction."""

        def work(db: apsw.Connection) -> None:
            with transaction(db):
                db.execute("DELETE FROM keys WHERE device = ?", (device,))
                if key is not None:
                    db.execute("INSERT INTO keys VALUES (?, ?, ?, ?)", (device, key, instead, at))
                audit(db, at, who, {"device": "key", "id": device, "given": key is not None})

        await self.call(work)

    async def audit(
        self, at: float, who: str, what: Mapping[str, object], noting: Mapping[str, bytes] | None = None
    ) -> None:
        """Append one entry to the audit chain. `noting`: keys of `meta` that are written in the same transaction, so
        that what is audited once is not audited again after a kill."""

        def work(db: apsw.Connection) -> None:
            with transaction(db):
                audit(db, at, who, what)
                note(db, noting)

        await self.call(work)

    async def audit_head(self) -> tuple[int, bytes]:
        """(how many entries the audit chain has, its head; b"" where there are none)."""

        def work(db: apsw.Connection) -> tuple[int, bytes]:
            row = db.execute("SELECT n, head FROM audit ORDER BY n DESC LIMIT 1").fetchone()
            return (0, b"") if row is None else (int(row[0]), bytes(row[1]))

        return await self.call(work)

    async def audited(self) -> list[AuditEntry]:
        """The whole chain, checked. Raises StorageError naming the first entry that does not follow."""

        def work(db: apsw.Connection) -> list[AuditEntry]:
            entries: list[AuditEntry] = []
            head = b""
            for n, at, who, what, stored in db.execute("SELECT n, at, who, what, head FROM audit ORDER BY n"):
                head = _head(head, at, who, what)
                if head != stored or n != len(entries) + 1:
                    raise StorageError(
                        phrase("audit-chain-broken", "the audit chain is broken at entry {entry}", entry=n)
                    )
                entries.append(AuditEntry(n, at, who, msgspec.msgpack.decode(what, type=dict[str, object]), head))
            return entries

        return await self.call(work)


def restore(path: Path, key: bytes, image: bytes, *, sent: str, jump: int) -> int:
    """Make the store of a restored hub from `Store.image`: counters of `meta` whose key starts with `sent`, and the
    generation, go `jump` ahead. Returns the generation. Blocking. Raises StorageError."""
    try:
        place(path, key, SCHEMA, image)
        db = connect(path, key, SCHEMA)
        with transaction(db):
            rows = db.execute(
                "SELECT key FROM meta WHERE substr(key, 1, ?) = ? OR key = ?", (len(sent), sent, GENERATION)
            )
            for (name,) in list(rows):
                db.execute("UPDATE meta SET value = ? WHERE key = ?", (str(_number(db, name) + jump), name))
            generation = _number(db, GENERATION)
        db.close()
    except (apsw.Error, ValueError, OSError) as error:
        raise StorageError(
            phrase(
                "store-restore-failed",
                "the store cannot be restored to {path}: {reason}",
                path=path,
                reason=reason_of(error),
            )
        ) from error
    return generation


def _number(db: apsw.Connection, key: str) -> int:
    value = db.execute("SELECT value FROM meta WHERE key = ?", (key,)).get
    return 0 if value is None else int(value)


def given_keys(db: apsw.Connection) -> dict[str, tuple[bytes, bytes]]:
    """See `Store.keys`: for who reads them together with something else."""
    return {device: (key, instead) for device, key, instead in db.execute("SELECT device, key, instead FROM keys")}


def audit(db: apsw.Connection, at: float, who: str, what: Mapping[str, object]) -> None:
    """Append one entry to the audit chain, inside the caller's transaction."""
    row = list(db.execute("SELECT n, head FROM audit ORDER BY n DESC LIMIT 1"))
    n, head = row[0] if row else (0, b"")
    body, at = (
        msgspec.msgpack.encode(what, enc_hook=plain),
        float(at),
    )  # as it is read again: the head of 7 is not that of 7.0
    db.execute("INSERT INTO audit VALUES (?, ?, ?, ?, ?)", (n + 1, at, who, body, _head(head, at, who, body)))


def note(db: apsw.Connection, noting: Mapping[str, bytes] | None) -> None:
    """Write these keys of `meta`, inside the caller's transaction."""
    for key, value in (noting or {}).items():
        db.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (key, value))


def _head(previous: bytes, at: float, who: str, what: bytes) -> bytes:
    return sha256(previous + msgspec.msgpack.encode((at, who)) + what).digest()
