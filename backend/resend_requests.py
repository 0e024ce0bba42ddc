"""Requests for missing records (`ilot backend want`). The command stores one in the database, and the running backend
reads it at its next check for holes.

Missing numbers are counted from the records themselves: rows that a damaged database lost are found too, though the
stream's own ranges say that they arrived.
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
from hub.core.text import phrase
from hub.protocol.ranges import Ranges

_PREFIX = "want/"


def request(connection: apsw.Connection, hub: str, now: float) -> list[dict[str, Any]]:
    """Store a request; return what is missing by stream and run. `now` is Unix seconds. Raises ConfigError for an
    unknown hub."""
    if connection.execute("select 1 from hubs where hub = ?", (hub,)).get is None:
        raise ConfigError(phrase("no-such-hub-here", "no hub {hub!r} is enrolled here", hub=hub))
    with transaction(connection):
        connection.execute("insert or replace into meta values (?, ?)", (f"{_PREFIX}{hub}", now))
    found = []  # counted outside a transaction: the server must be able to write, and a hub has years of records
    streams = connection.execute(
        "select id, stream, run, announced, stored from streams where hub = ? order by id", (hub,)
    ).fetchall()
    for number, name, run, announced, stored in streams:
        known = _stored_numbers(connection, cast(int, number))
        end = max(cast(int, announced), Ranges(msgspec.msgpack.decode(cast(bytes, stored))).last())
        spans = merge(known, declared_lost(connection, hub, str(name), bytes(cast(bytes, run))))
        missing = sum(last - first + 1 for first, last in uncovered(spans, end))
        if missing:
            found.append({"stream": name, "run": bytes(cast(bytes, run)).hex(), "missing": missing})
    return found


def take_requests(storage: Storage) -> list[str]:
    """Return the hubs with a request, and delete these; their streams are counted again. Inside a transaction."""
    db = storage.connection
    wishes = db.execute("select key from meta where key > ? and key < ?", (_PREFIX, f"{_PREFIX}~")).fetchall()
    hubs = [str(key).removeprefix(_PREFIX) for (key,) in wishes]
    for hub in hubs:
        db.execute("delete from meta where key = ?", (f"{_PREFIX}{hub}",))
        for (number,) in db.execute("select id from streams where hub = ?", (hub,)).fetchall():
            stream = storage.stream_by_id(cast(int, number))
            lost = stream.stored.copy()
            for first, last in _stored_numbers(db, stream.id):
                lost.discard(first, last)
            for first, last in lost:
                stream.stored.discard(first, last)
            storage.announce(stream, lost.last())
            storage.change(stream)
    return hubs


def _stored_numbers(db: apsw.Connection, stream: int) -> Ranges:
    """Return the numbers that have a row of their own."""
    found = Ranges()
    for (seq,) in db.execute("select seq from records where stream = ? order by seq", (stream,)):
        found.add(cast(int, seq))
    return found
