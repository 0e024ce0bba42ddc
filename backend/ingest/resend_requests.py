"""Requests for missing records (`ilot backend want`). The command stores one in the database, and the running backend
reads it at its next check for holes.

Missing numbers are counted from the records themselves: rows that a damaged database lost are found too, though the
stream's own ranges say that they arrived.
"""

from __future__ import annotations

from typing import Any

from backend.ingest.gaps import missing
from backend.ingest.received_streams import Received
from backend.storage.engine import Storage
from hub.core.errors import ConfigError
from hub.core.text import phrase


def request(storage: Storage, hub: str, now: float) -> list[dict[str, Any]]:
    """Store a request; return what is missing by stream and run. `now` is Unix seconds. Raises ConfigError for an
    unknown hub."""
    if storage.registry.find(hub) is None:
        raise ConfigError(phrase("no-such-hub-here", "no hub {hub!r} is enrolled here", hub=hub))
    with storage.transaction():
        storage.notes.wish(hub, now)
    found = []  # counted outside a transaction: the server must be able to write, and a hub has years of records
    for stream in storage.streams.of(hub):
        end = max(stream.announced, stream.stored.last())
        spans = missing(storage, stream, storage.records.numbers(stream), end)
        count = sum(last - first + 1 for first, last in spans)
        if count:
            found.append({"stream": stream.stream, "run": stream.run.hex(), "missing": count})
    return found


def take_requests(received: Received) -> list[str]:
    """Return the hubs with a request, and delete these; their streams are counted again. Inside a transaction."""
    storage = received.storage
    hubs = storage.notes.take_wishes()
    for hub in hubs:
        for stream in storage.streams.of(hub):
            lost = stream.stored.copy()
            for first, last in storage.records.numbers(stream):
                lost.discard(first, last)
            for first, last in lost:
                stream.stored.discard(first, last)
            received.announce(stream, lost.last())
            received.change(stream)
    return hubs
