"""Streams in SQLite. See `backend.storage.engine.Streams`."""

from __future__ import annotations

from typing import Any, cast

import apsw
import msgspec

from backend.storage.engine import Stream
from backend.storage.sqlite.errors import refusals
from hub.protocol.ranges import Ranges

MAX_CACHED = 20_000
"""Streams that stay in memory between two transactions."""
_COLUMNS = "select id, hub, run, stream, stored, forked, readings, announced from streams"
_encode = msgspec.msgpack.encode


class Streams:
    """The table `streams`, with those that are cached and those that the current transaction has changed."""

    def __init__(self, connection: apsw.Connection) -> None:
        self._db = connection
        self._cached: dict[tuple[str, bytes, str], Stream] = {}
        self._numbered: dict[int, Stream] = {}
        self._changed: dict[int, Stream] = {}

    @refusals()
    def find(self, hub: str, run: bytes, stream: str) -> Stream | None:
        known = self._cached.get((hub, run, stream))
        if known is None:
            row = self._db.execute(f"{_COLUMNS} where hub = ? and run = ? and stream = ?", (hub, run, stream)).get
            known = None if row is None else self._cache(row)
        return known

    @refusals()
    def numbered(self, number: int) -> Stream | None:
        known = self._numbered.get(number)
        if known is None:
            row = self._db.execute(f"{_COLUMNS} where id = ?", (number,)).get
            known = None if row is None else self._cache(row)
        return known

    @refusals()
    def begin(self, hub: str, run: bytes, stream: str, now: float) -> Stream:
        self._db.execute(
            "insert into streams (hub, run, stream, started_at, stored, forked) values (?, ?, ?, ?, ?, ?)",
            (hub, run, stream, now, b"\x90", b"\x90"),
        )
        return self._remember(Stream(self._db.last_insert_rowid(), hub, run, stream))

    @refusals()
    def begun(self, hub: str) -> list[float]:
        rows = self._db.execute("select started_at from streams where hub = ?", (hub,))
        return [cast(float, at) for (at,) in rows]

    @refusals()
    def of(self, hub: str) -> list[Stream]:
        rows = self._db.execute(f"{_COLUMNS} where hub = ? order by id", (hub,)).fetchall()
        return [self._numbered.get(cast(int, row[0])) or self._cache(row) for row in rows]

    @refusals()
    def numbers(self) -> list[int]:
        return [cast(int, number) for (number,) in self._db.execute("select id from streams")]

    def change(self, stream: Stream) -> None:
        self._changed[stream.id] = stream

    @refusals()
    def follow(self, stream: Stream, previous: bytes) -> None:
        self._db.execute("update streams set previous = ? where id = ?", (previous, stream.id))

    def trim(self, stream: Stream) -> None:
        if len(self._cached) > MAX_CACHED and stream.id not in self._changed:
            self._cached.pop((stream.hub, stream.run, stream.stream), None)
            self._numbered.pop(stream.id, None)

    @property
    def changed(self) -> bool:
        return bool(self._changed)

    def save(self) -> None:
        """Store what was changed, at the end of the transaction."""
        self._db.executemany(
            "update streams set stored = ?, forked = ?, readings = ?, announced = ? where id = ?",
            [
                (_encode(list(s.stored)), _encode(list(s.forked)), s.readings, s.announced, s.id)
                for s in self._changed.values()
            ],
        )
        self._changed.clear()

    def saved(self) -> None:
        """Forget all where they are many, after the transaction."""
        if len(self._cached) > MAX_CACHED:
            self.forget(None)

    def forget(self, hub: str | None) -> None:
        gone = [one for one in self._numbered.values() if hub in (None, one.hub)]
        for one in gone:
            del self._cached[one.hub, one.run, one.stream]
            del self._numbered[one.id]
            self._changed.pop(one.id, None)

    def _cache(self, row: Any) -> Stream:
        number, hub, run, stream, stored, forked, readings, announced = row
        return self._remember(
            Stream(number, hub, bytes(run), stream, _ranges(stored), _ranges(forked), readings, announced)
        )

    def _remember(self, stream: Stream) -> Stream:
        self._cached[stream.hub, stream.run, stream.stream] = self._numbered[stream.id] = stream
        return stream


def _ranges(packed: bytes) -> Ranges:
    return Ranges(msgspec.msgpack.decode(packed))
