"""Holes: numbers that a hub says exist, that nobody declared lost, and that do not come.

A minute makes a hole worth asking for: the hub is told, in the answer to its next state, to send again what its disk
still holds of it. (What it has never sent it sends anyway.) Five minutes make an alarm. Asking goes on, less and less
often, as long as the hole is open: it costs an idle hub nothing, and the alarm stays either way.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from heapq import merge
from itertools import islice

from backend import resend_requests
from backend.gaps import declared_lost, uncovered
from backend.storage import Storage, Stream
from hub.protocol.ranges import Range, Ranges

ALARM_AFTER_S = 300.0
ASK_AFTER_S = 60.0
ASK_FIRST_S, ASK_MOST_S = 90.0, 3600.0
"""Until the same stream is asked for again: a hub heeds one request a minute. Doubled while nothing comes of it."""
MOST_HOLES = 8192
"""Of one stream that are remembered, the lowest: a hub that leaves out every other number has no end of them."""
MAX_STREAMS = 64
"""Streams asked for in one answer."""
MAX_ASKED = 1024
"""Ranges asked for of one stream at a time: an ack has room for its own besides."""


_Hole = tuple[int, int, float]


@dataclass(slots=True)
class _Open:
    """The holes of one stream: each with the time since when it is open."""

    hub: str
    stream: str
    run: bytes
    pause: float
    holes: list[_Hole] = field(default_factory=list)
    ask_at: float = 0.0

    def count(self) -> int:
        return sum(last - first + 1 for first, last, _ in self.holes)


class Holes:
    """Remembers since when each hole is open and when it was asked for. The alarms themselves are in the database."""

    def __init__(self) -> None:
        self._open: dict[int, _Open] = {}
        self._of: dict[str, dict[int, _Open]] = {}  # the same, by hub
        self._promised: list[tuple[_Open, float, float]] = []  # what a batch asks for: when it was due, and its pause

    def look(self, storage: Storage, taken: Callable[[Stream], Ranges], now: float) -> None:
        """Raise an alarm for every stream with a hole older than five minutes, clear it where there is none.

        `taken` tells what came of a stream; `now` is Unix seconds. A hole that shrinks keeps its age. Only what was
        touched since the last look is gone through: hubs have years of runs, in which nothing moves.
        """
        with storage.transaction():
            wished = resend_requests.take(storage)
            for stream in storage.to_look_at():
                self._note(stream, missing(storage, stream, taken(stream)), now)
                if stream.id not in self._open:
                    storage.clear_alarm("hole", stream.hub, _detail(stream), now)
            for hub, streams in self._of.items():
                self._alarm(storage, hub, streams, now)
        storage.touched = set()
        for hub in wished:
            self._ask_at_once(hub)

    def due(self, hub: str, oldest: Mapping[str, tuple[bytes, int]], now: float) -> dict[int, tuple[Range, ...]]:
        """What `hub` is to be asked for now, by stream; it counts as asked for. `oldest` is from its state: the run and
        number of each stream below which its disk holds nothing."""
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
        """The answers of this batch are made: what they ask for counts as asked."""
        self._promised.clear()

    def forget(self) -> None:
        """A batch failed: what it was to ask for is still to be asked."""
        for known, ask_at, pause in reversed(self._promised):
            known.ask_at, known.pause = ask_at, pause
        self._promised.clear()

    def _ask_at_once(self, hub: str) -> None:
        """Ask for every hole of `hub` with the answer to its next state."""
        for known in self._of.get(hub, {}).values():
            known.ask_at, known.pause = 0.0, ASK_FIRST_S
            known.holes = [(first, last, since - ASK_AFTER_S) for first, last, since in known.holes]

    def _alarm(self, storage: Storage, hub: str, streams: Mapping[int, _Open], now: float) -> None:
        for known in streams.values():
            if any(now - since >= ALARM_AFTER_S for _, _, since in known.holes) and not storage.alarm(
                "hole", hub, _detail(known)
            ):
                return  # it has as many as a hub may have

    def _note(self, stream: Stream, holes: Iterable[Range], now: float) -> None:
        known = self._open.pop(stream.id, None)
        fresh = _Open(stream.hub, stream.stream, stream.run, ASK_FIRST_S) if known is None else known
        count = fresh.count()
        fresh.holes = aged(fresh.holes, islice(holes, MOST_HOLES), now)
        if fresh.count() < count:
            fresh.pause = ASK_FIRST_S  # something came of it
        if fresh.holes:
            self._open[stream.id] = self._of.setdefault(stream.hub, {})[stream.id] = fresh
        elif known is not None:
            self._of[stream.hub].pop(stream.id, None)


def _detail(stream: Stream | _Open) -> str:
    return f"{stream.stream} of run {stream.run.hex()} has holes"


def missing(storage: Storage, stream: Stream, taken: Ranges) -> Iterator[Range]:
    """What neither came nor was declared lost, up to the highest number known of, in order."""
    declared = declared_lost(storage.connection, stream.hub, stream.stream, stream.run)
    return uncovered(merge(taken, declared), stream.announced)


def aged(before: Sequence[_Hole], holes: Iterable[Range], now: float) -> list[_Hole]:
    """Holes, each with the time since when some of it is open: of `before`, or `now`. Both come in order, and each is
    looked at once, or twice where it was split."""
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
