"""Holes: numbers that a hub announced, that were not declared lost, and that have not arrived.

After a minute a hole is requested: the answer to the hub's next state asks it to send again what its disk still holds.
(Records that it never sent come without asking.) After five minutes it raises an alarm. Requests go on, less and less
often, as long as the hole is open: they cost an idle hub nothing, and the alarm stays either way.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice

from backend.hubs.alarms import clear_alarm
from backend.ingest import resend_requests
from backend.ingest.gaps import missing
from backend.ingest.received_streams import Received
from backend.storage.engine import Stream
from hub.core.text import phrase
from hub.protocol.ranges import Range

ALARM_AFTER_S = 300.0
ASK_AFTER_S = 60.0
ASK_FIRST_S, ASK_MOST_S = 90.0, 3600.0
"""Seconds until the same stream is requested again: a hub serves one request a minute. Doubled while nothing
arrives."""
MAX_HOLES = 8192
"""Holes remembered of one stream, the lowest ones: a hub that skips every other number has no end of them."""
MAX_STREAMS = 64
"""Streams requested in one answer."""
MAX_ASKED = 1024
"""Ranges requested of one stream at a time: an ack has room for its own besides."""


_Hole = tuple[int, int, float]


@dataclass(slots=True)
class _StreamHoles:
    """Holes of one stream, each with the time since when it is open."""

    hub: str
    stream: str
    run: bytes
    pause: float
    holes: list[_Hole] = field(default_factory=list)
    ask_at: float = 0.0

    def count(self) -> int:
        return sum(last - first + 1 for first, last, _ in self.holes)


class MissingRecords:
    """Tracker of holes: since when each is open and when it was requested. Alarms are in the database."""

    def __init__(self) -> None:
        self._open: dict[int, _StreamHoles] = {}
        self._of: dict[str, dict[int, _StreamHoles]] = {}  # the same, by hub
        self._promised: list[
            tuple[_StreamHoles, float, float]
        ] = []  # requested by the current batch: (holes, former ask_at, former pause)

    def check(self, received: Received, now: float) -> None:
        """Raise an alarm for every stream with a hole older than five minutes, clear it where there is none.

        `now` is Unix seconds. A hole that shrinks keeps its age.
        Only streams touched since the last check are read: hubs have years of runs in which nothing changes. Where
        other processes take messages too, those with holes are read each time: another one may have filled them.
        """
        storage = received.storage
        if storage.shared and received.touched is not None:
            received.touched.update(self._open)
        with storage.transaction():
            wished = resend_requests.take_requests(received)
            for stream in received.streams_to_check():
                self._note(stream, missing(storage, stream, stream.stored, stream.announced), now)
                if stream.id not in self._open:
                    clear_alarm(storage, "hole", stream.hub, _detail(stream), now)
            for hub, streams in self._of.items():
                self._alarm(received, hub, streams, now)
        received.touched = set()
        for hub in wished:
            self._ask_at_once(hub)

    def due(self, hub: str, oldest: Mapping[str, tuple[bytes, int]], now: float) -> dict[int, tuple[Range, ...]]:
        """Return the ranges to request from `hub` now, by stream; they count as requested. `oldest` is from its state:
        run and number of each stream below which its disk holds nothing."""
        asked: dict[int, tuple[Range, ...]] = {}
        for number, known in self._of.get(hub, {}).items():
            if now < known.ask_at:
                continue
            run, first = oldest.get(known.stream, (b"", 0))
            floor = first if run == known.run else 1
            old = [(max(low, floor), high) for low, high, since in known.holes if now - since >= ASK_AFTER_S]
            wanted = tuple(span for span in old if span[0] <= span[1])[:MAX_ASKED]
            if wanted:
                asked[number] = wanted
                self._promised.append((known, known.ask_at, known.pause))
                known.ask_at, known.pause = now + known.pause, min(ASK_MOST_S, known.pause * 2)
            if len(asked) == MAX_STREAMS:
                break
        return asked

    def answered(self) -> None:
        """Confirm the requests of this batch: its answers are made."""
        self._promised.clear()

    def rolled_back(self) -> None:
        """Restore the requests of a failed batch, so that they are made again."""
        for known, ask_at, pause in reversed(self._promised):
            known.ask_at, known.pause = ask_at, pause
        self._promised.clear()

    def drop(self, hub: str) -> None:
        """Forget a hub that is deleted."""
        for number in self._of.pop(hub, {}):
            self._open.pop(number, None)

    def _ask_at_once(self, hub: str) -> None:
        """Request every hole of `hub` with the answer to its next state."""
        for known in self._of.get(hub, {}).values():
            known.ask_at, known.pause = 0.0, ASK_FIRST_S
            known.holes = [(first, last, since - ASK_AFTER_S) for first, last, since in known.holes]

    def _alarm(self, received: Received, hub: str, streams: Mapping[int, _StreamHoles], now: float) -> None:
        for known in streams.values():
            if any(now - since >= ALARM_AFTER_S for _, _, since in known.holes) and not received.alarm(
                "hole", hub, _detail(known)
            ):
                return  # the hub has the maximum number of open alarms

    def _note(self, stream: Stream, holes: Iterable[Range], now: float) -> None:
        known = self._open.pop(stream.id, None)
        fresh = _StreamHoles(stream.hub, stream.stream, stream.run, ASK_FIRST_S) if known is None else known
        count = fresh.count()
        fresh.holes = with_ages(fresh.holes, islice(holes, MAX_HOLES), now)
        if fresh.count() < count:
            fresh.pause = ASK_FIRST_S  # some of it arrived
        if fresh.holes:
            self._open[stream.id] = self._of.setdefault(stream.hub, {})[stream.id] = fresh
        elif known is not None:
            self._of[stream.hub].pop(stream.id, None)


def _detail(stream: Stream | _StreamHoles) -> str:
    return phrase("stream-has-holes", "{stream} of run {run} has holes", stream=stream.stream, run=stream.run.hex())


def with_ages(before: Sequence[_Hole], holes: Iterable[Range], now: float) -> list[_Hole]:
    """Return holes, each with the time since when some of it is open: that of `before`, or `now`. Both are sorted; each
    is read once, or twice where it was split."""
    found, at = list[_Hole](), 0
    for first, last in holes:
        while at < len(before) and before[at][1] < first:
            at += 1
        since, on = now, at
        while on < len(before) and before[on][0] <= last:
            since, on = min(since, before[on][2]), on + 1
        at = max(at, on - 1)
        found.append((first, last, since))
    return found
