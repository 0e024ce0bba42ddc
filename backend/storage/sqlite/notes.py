"""Single facts, hubs' states and numbers of acknowledgements in SQLite. See `backend.storage.engine`."""

from __future__ import annotations

import secrets
import time
from pathlib import Path
from typing import Any, cast

import apsw
import msgspec

from backend.storage.engine import StatedBefore
from backend.storage.sqlite.errors import refusals
from hub.core.disk.atomic_files import write_atomically
from hub.core.errors import StorageError
from hub.core.text import phrase, system_error

ACK_LEASE = 65536
_CLOCK, _JOURNAL, _WISH = "clock", "journal", "want/"
"""Keys in the table `meta`; `want/` is followed by a hub."""


class Notes:
    """The table `meta`."""

    def __init__(self, connection: apsw.Connection) -> None:
        self._db = connection

    def believed(self) -> float | None:
        return cast("float | None", self._value(_CLOCK))

    def believe(self, now: float) -> None:
        self._put(_CLOCK, now)

    def journal_end(self) -> tuple[int, int]:
        packed = self._value(_JOURNAL)
        return msgspec.msgpack.decode(packed, type=tuple[int, int]) if packed else (0, 0)

    def put_journal_end(self, end: tuple[int, int]) -> None:
        self._put(_JOURNAL, msgspec.msgpack.encode(end))

    def wish(self, hub: str, now: float) -> None:
        self._put(f"{_WISH}{hub}", now)

    @refusals()
    def take_wishes(self) -> list[str]:
        keys = self._db.execute("select key from meta where key > ? and key < ?", (_WISH, f"{_WISH}~")).fetchall()
        self._db.executemany("delete from meta where key = ?", keys)
        return [str(key).removeprefix(_WISH) for (key,) in keys]

    @refusals()
    def _value(self, key: str) -> Any:
        return self._db.execute("select value from meta where key = ?", (key,)).get

    @refusals()
    def _put(self, key: str, value: object) -> None:
        self._db.execute("insert or replace into meta values (?, ?)", (key, value))


class States:
    """The states in the table `hubs`."""

    def __init__(self, connection: apsw.Connection) -> None:
        self._db = connection

    @refusals()
    def last(self, hub: str) -> StatedBefore | None:
        row = self._db.execute(
            "select state, identity, state_at from hubs where hub = ? and state is not null", (hub,)
        ).get
        if row is None:
            return None
        body, identity, at = cast("tuple[bytes, bytes, float | None]", row)
        return StatedBefore(bytes(body), bytes(identity), at or 0.0)

    @refusals()
    def put(self, hub: str, body: bytes, now: float) -> None:
        self._db.execute("update hubs set state = ?, state_at = ?, seen_at = ? where hub = ?", (body, now, now, hub))


class AckNumbers:
    """Numbers in leases, of which the greatest is in `meta` and in a file beside the database, or a database that was
    put back would not be noticed."""

    def __init__(self, connection: apsw.Connection, path: Path) -> None:
        self._db, self._beside = connection, path.with_name("incarnation")
        self.database = b""
        self._n = self._leased = 0

    @refusals()
    def begin(self) -> bool:
        self._n = self._leased = cast(int, self._db.execute("select value from meta where key = 'n'").get)
        self.database = bytes(cast(bytes, self._db.execute("select value from meta where key = 'db'").get))
        try:
            known, leased = self._beside.read_text(encoding="ascii").split()
            rolled_back = known == self.database.hex() and int(leased) > self._leased
        except (FileNotFoundError, ValueError):
            rolled_back = False
        if rolled_back:
            self.database = secrets.token_bytes(16)
            self._db.execute("update meta set value = ? where key = 'db'", (self.database,))
        return rolled_back

    @refusals()
    def draw(self, hub: str, count: int) -> int:
        """See `engine.AckNumbers.draw`.

        Each lease begins at the current time in µs, if that is greater: a database that was put back, with all that lay
        beside it, continues above what it signed before, or hubs would take its acknowledgements for old ones.
        """
        if self._n + count > self._leased:
            self._n = max(self._n, int(time.time() * 1e6))
            self._leased = self._n + max(count, ACK_LEASE)
            self._db.execute("update meta set value = ? where key = 'n'", (self._leased,))
            self._remember(self._leased)  # before any is used, or a rollback to this point would not be noticed
        self._n += count
        return self._n - count + 1

    def rolled_back(self) -> None:
        """Have the next numbers lease anew: a transaction failed, perhaps the one that leased."""
        self._leased = self._n

    def _remember(self, leased: int) -> None:
        try:
            write_atomically(self._beside, f"{self.database.hex()} {leased}\n".encode())
        except OSError as error:
            raise StorageError(
                phrase(
                    "beside-database-not-written",
                    "{directory} cannot be written: {reason}",
                    directory=self._beside.parent,
                    reason=system_error(error),
                )
            ) from error
