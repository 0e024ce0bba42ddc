"""Holes: numbers that a hub says exist, that nobody declared lost, and that do not come. Five minutes make an alarm."""

from __future__ import annotations

from collections.abc import Callable

from backend.storage import Storage, Stream
from hub.ranges import Ranges

ALARM_AFTER_S = 300.0


class Holes:
    """Remembers since when each hole is open. The alarms themselves are in the database."""

    def __init__(self) -> None:
        self._since: dict[int, list[tuple[int, int, float]]] = {}

    def look(self, storage: Storage, taken: Callable[[Stream], Ranges], now: float) -> None:
        """Raise an alarm for every stream with a hole older than five minutes, clear it where there is none.

        `taken` tells what came of a stream; `now` is Unix seconds. A hole that shrinks keeps its age.
        """
        with storage.transaction():
            for stream in storage.all_streams():
                before = self._since.get(stream.id, [])
                holes = []
                for first, last in missing(storage, stream, taken(stream)):
                    ages = [since for low, high, since in before if low <= last and first <= high]
                    holes.append((first, last, min([*ages, now])))
                self._since[stream.id] = holes
                detail = f"{stream.stream} of run {stream.run.hex()} has holes"
                if any(now - since >= ALARM_AFTER_S for _, _, since in holes):
                    storage.alarm("hole", stream.hub, detail)
                elif not holes:
                    storage.clear_alarm("hole", stream.hub, detail, now)


def missing(storage: Storage, stream: Stream, taken: Ranges) -> list[tuple[int, int]]:
    """What neither came nor was declared lost, up to the highest number known of."""
    known = taken.copy()
    rows = storage.connection.execute(
        "select first, last from gaps where hub = ? and run = ? and stream = ?", (stream.hub, stream.run, stream.stream)
    )
    for first, last in rows:
        known.add(first, last)
    return known.missing(1, max(known.last(), stream.announced))
