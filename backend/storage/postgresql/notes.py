"""Single facts, hubs' states and numbers of acknowledgements in PostgreSQL. See `backend.storage.engine`."""

from __future__ import annotations

import time
from typing import Any

import msgspec

from backend.storage.engine import StatedBefore
from backend.storage.postgresql.writing import Writing
from hub.core.errors import StorageError
from hub.core.text import phrase

CLOCK, _JOURNAL, _WISH = "clock", "journal", "want/"
"""Keys in the table `meta`; `want/` is followed by a hub."""
WISH_S = 3600.0
"""Seconds in which each worker looks for a request several times, until it is deleted."""


class Notes:
    """The table `meta`."""

    def __init__(self, writing: Writing) -> None:
        self._writing = writing
        self._wishes: dict[str, float] = {}  # those that this worker has had
        self._read: dict[str, float] | None = None  # those that this transaction has

    def believed(self) -> float | None:
        known = self._value(CLOCK)
        return None if known is None else float(known)

    def believe(self, now: float) -> None:
        self._put(CLOCK, now)

    def journal_end(self) -> tuple[int, int]:
        file, offset = self._value(_JOURNAL) or (0, 0)
        return file, offset

    def put_journal_end(self, end: tuple[int, int]) -> None:
        self._put(_JOURNAL, end)

    def wish(self, hub: str, now: float) -> None:
        self._put(f"{_WISH}{hub}", now)

    def take_wishes(self) -> list[str]:
        rows = self._writing.ask("select key, value from meta where starts_with(key, %s)", (_WISH,))
        found = {str(key).removeprefix(_WISH): msgspec.msgpack.decode(value, type=float) for key, value in rows}
        known = self._wishes if self._read is None else self._read
        fresh = [hub for hub, at in found.items() if known.get(hub) != at]
        self._read = found
        old = [f"{_WISH}{hub}" for hub, at in found.items() if not 0 <= time.time() - at < WISH_S]
        if old:
            self._writing.change("delete from meta where key = any(%s)", (old,))
        return fresh

    def ended(self, *, committed: bool) -> None:
        """Note that the transaction ended: what it read of requests was had, or is still to be had."""
        if committed and self._read is not None:
            self._wishes = self._read
        self._read = None

    def _value(self, key: str) -> Any:
        row = self._writing.one("select value from meta where key = %s", (key,))
        return None if row is None else msgspec.msgpack.decode(row[0])

    def _put(self, key: str, value: object) -> None:
        self._writing.change(
            "insert into meta values (%s, %s) on conflict (key) do update set value = excluded.value",
            (key, msgspec.msgpack.encode(value)),
        )


class States:
    """The table `hub_states`."""

    def __init__(self, writing: Writing) -> None:
        self._writing = writing

    def last(self, hub: str) -> StatedBefore | None:
        row = self._writing.one(
            "select s.state, h.identity, s.state_at from hubs h join hub_states s on s.hub = h.number where h.hub = %s",
            (hub,),
        )
        return None if row is None else StatedBefore(*row)

    def put(self, hub: str, body: bytes, now: float) -> None:
        self._writing.write_state(hub)
        self._writing.change(
            "insert into hub_states (hub, state, state_at, seen_at) values (%s, %s, %s, %s)"
            " on conflict (hub) do update set state = excluded.state, state_at = excluded.state_at,"
            " seen_at = excluded.seen_at",
            (self._writing.numbered(hub), body, now, now),
        )


class AckNumbers:
    """Numbers in the rows of the hubs. They are above the present time in µs too, so that a database that was put back
    goes on above what it signed before."""

    def __init__(self, writing: Writing) -> None:
        self._writing = writing
        self.database = b""

    def begin(self) -> bool:
        row = self._writing.one("select value from meta where key = 'database'")
        if row is None:
            raise StorageError(phrase("database-without-identity", "the database has lost its identity: restore it"))
        self.database = bytes(row[0])
        return False

    def draw(self, hub: str, count: int) -> int:
        return self._writing.draw(hub, count)
