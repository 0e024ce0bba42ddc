"""`ilot backend want`: an operator asks a hub again for what is missing. The command writes a wish into the database,
the running backend takes it up at its next look for holes.

What is missing is counted from the records themselves, so that lines which a damaged database lost are missed too,
though the stream's own account says that they came.
"""

from __future__ import annotations

from heapq import merge
from typing import Any, cast

import apsw
import msgspec

from backend.gaps import declared_lost, uncovered
from backend.schema import transaction
from backend.storage import Storage
from hub.core.errors import ConfigError
from hub.protocol.ranges import Ranges

_PREFIX = "want/"


def ask(connection: apsw.Connection, hub: str, now: float) -> list[dict[str, Any]]:
    """Write the wish down; returns what is missing by stream and run. `now` is Unix seconds. Raises ConfigError for an
    unknown hub."""
    if connection.execute("select 1 from hubs where hub = ?", (hub,)).get is None:
        raise ConfigError(f"no hub {hub!r} is enrolled here")
    with transaction(connection):
        connection.execute("insert or replace into meta values (?, ?)", (f"{_PREFIX}{hub}", now))
    found = []  # counted outside: the server has to write meanwhile, and a hub has years of records
    streams = connection.execute(
        "select id, stream, run, announced, stored from streams where hub = ? order by id", (hub,)
    ).fetchall()
    for number, name, run, announced, stored in streams:
        known = _records(connection, cast(int, number))
        end = max(cast(int, announced), Ranges(msgspec.msgpack.decode(cast(bytes, stored))).last())
        spans = merge(known, declared_lost(connection, hub, str(name), bytes(cast(bytes, run))))
        missing = sum(last - first + 1 for first, last in uncovered(spans, end))
        if missing:
            found.append({"stream": name, "run": bytes(cast(bytes, run)).hex(), "missing": missing})
    return found


def take(storage: Storage) -> list[str]:
    """The hubs that somebody wished to be asked, each wish once; their streams are counted again. Inside a
    transaction."""
    db = storage.connection
    wishes = db.execute("select key from meta where key > ? and key < ?", (_PREFIX, f"{_PREFIX}~")).fetchall()
    hubs = [str(key).removeprefix(_PREFIX) for (key,) in wishes]
    for hub in hubs:
        db.execute("delete from meta where key = ?", (f"{_PREFIX}{hub}",))
        for (number,) in db.execute("select id from streams where hub = ?", (hub,)).fetchall():
            stream = storage.stream_by_id(cast(int, number))
            lost = stream.stored.copy()
            for first, last in _records(db, stream.id):
                lost.discard(first, last)
            for first, last in lost:
                stream.stored.discard(first, last)
            storage.announce(stream, lost.last())
            storage.change(stream)
    return hubs


def _records(db: apsw.Connection, stream: int) -> Ranges:
    """The numbers that have a line of their own."""
    found = Ranges()
    for (seq,) in db.execute("select seq from records where stream = ? order by seq", (stream,)):
        found.add(cast(int, seq))
    return found
