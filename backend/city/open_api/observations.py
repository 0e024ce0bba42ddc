"""Readings as observations: lists in an order, conditions, counts, within bounds. Blocking; any thread.

A condition is divided: what concerns the series alone chooses them, what bounds `phenomenonTime` becomes the range that
is read, and all of it is tested on each reading. Lists that are ordered by time are read as far as they are needed;
any other order needs all readings of the question, of which there may be MOST_READ.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from heapq import merge
from itertools import groupby
from operator import attrgetter
from typing import Any, NamedTuple

from backend.city.feed_history import PREFIX, FeedHistory
from backend.city.open_api.evaluation import Test, compile_filter
from backend.city.open_api.filters import And, Call, Compare, Literal, Moment, Node, Not, Or, Path
from backend.city.open_api.model import SETS, Observation, Stream
from backend.queries.range_queries import split
from backend.queries.series_history import SeriesHistory, StoredReading
from backend.storage.city.database import Reader
from backend.storage.queries import Snapshot
from hub.core.errors import DecodeError
from hub.core.text import phrase

MOST_READ = 400_000
MOST_WRITTEN = 30_000
"""Readings that one question reads, and entities that it answers."""
LONGEST_S = 8.0
MOST_MERGED = 500
"""Series that are put in one order of time."""
FIRST, LAST = -(1 << 52), 1 << 52
_TIMES = ("phenomenonTime", "resultTime")
_DAY = 86_400_000
_time_of = attrgetter("time_ms")


class TooMuch(DecodeError):
    """A question asks for more than one answer may cost."""

    def __init__(self, reason: str) -> None:
        super().__init__("bad-query", reason)


class Budget:
    """Limits on the cost of one question."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock, self._until = clock, clock() + LONGEST_S
        self._read = self._written = 0

    def look(self) -> None:
        """Raise TooMuch when the time is over."""
        if self._clock() > self._until:
            raise TooMuch(
                phrase(
                    "open-time-over",
                    "this takes longer than {seconds:g} s: ask for one Datastream, a shorter phenomenonTime, or less at"
                    " once",
                    seconds=LONGEST_S,
                )
            )

    def read(self) -> None:
        self._read += 1
        if self._read % 512 == 0:
            self.look()
        if self._read > MOST_READ:
            raise TooMuch(
                phrase(
                    "open-read-much",
                    "this reads more than {count} observations: ask for one Datastream, or a shorter phenomenonTime",
                    count=MOST_READ,
                )
            )

    def write(self) -> None:
        self._written += 1
        if self._written > MOST_WRITTEN:
            raise TooMuch(
                phrase(
                    "open-written-much", "the answer has more than {count} entities: lower $top, also in $expand",
                    count=MOST_WRITTEN,
                )
            )  # fmt: skip


class Place(NamedTuple):
    """The last observation of a page."""

    stream: int
    time_ms: int
    ordinal: int


class Selection:
    """Observations of some series that fulfil a condition."""

    def __init__(self, streams: Sequence[Stream], condition: Node | None) -> None:
        self.start, self.end = FIRST, LAST
        self._test: Test | None = None
        self._streams = streams
        self.conditioned = condition is not None
        if condition is None:
            return
        parts = condition.parts if isinstance(condition, And) else (condition,)
        rest: list[Node] = []
        for part in parts:
            if _of_series(part):
                self._narrow(part)
            elif not self._bound(part):
                rest.append(part)
        if rest:
            self._test = compile_filter(SETS["Observations"], And(tuple(rest)))

    @property
    def streams(self) -> Sequence[Stream]:
        return self._streams

    @property
    def plain(self) -> bool:
        """Return whether the range and the series say all of the condition."""
        return self._test is None

    def fulfils(self, one: Observation) -> bool:
        return self._test is None or self._test(one)

    def _narrow(self, part: Node) -> None:
        test = compile_filter(SETS["Observations"], part)
        self._streams = [one for one in self._streams if test(Observation(one, 0, 0, None, 0, 0))]

    def _bound(self, part: Node) -> bool:
        """Take a bound of time into the range; return whether this says all of it."""
        found = _bound_of(part)
        if found is None:
            return False
        op, us = found
        ms = us // 1000
        if op in ("ge", "gt", "eq"):
            whole = ms if us % 1000 == 0 else ms + 1
            self.start = max(self.start, whole + (op == "gt" and us % 1000 == 0))
        if op in ("lt", "le", "eq"):
            self.end = min(self.end, ms + (op != "lt" or us % 1000 != 0))
        if op == "eq" and us % 1000:
            self.end = self.start
        return True


def _bound_of(part: Node) -> tuple[str, int] | None:
    if not isinstance(part, Compare) or part.op == "ne":
        return None
    op, left, right = part
    if isinstance(left, Literal):
        op, left, right = {"gt": "lt", "ge": "le", "lt": "gt", "le": "ge"}.get(op, op), right, left
    if isinstance(left, Path) and len(left.steps) == 1 and left.steps[0] in _TIMES and isinstance(right, Literal):
        return (op, right.value.us) if isinstance(right.value, Moment) else None
    return None


def _of_series(part: Node) -> bool:
    """Return whether a condition concerns the series alone."""
    if isinstance(part, Not):
        return _of_series(part.part)
    if isinstance(part, And | Or):
        return all(_of_series(inner) for inner in part.parts)
    sides = (part.left, part.right) if isinstance(part, Compare | Call) else ()
    paths = [side for side in sides if isinstance(side, Path)]
    return bool(paths) and all(path.steps[0] in ("Datastream", "FeatureOfInterest") for path in paths)


class Observations:
    """Observations out of one snapshot of the backend's database."""

    def __init__(
        self, now: Snapshot, budget: Budget, feeds: Callable[[], AbstractContextManager[Reader]] | None = None
    ) -> None:
        """`feeds` opens the city's own tables, where readings of feeds are."""
        self._now, self._budget, self._feeds = now, budget, feeds
        self._hubs: dict[str, Any] = {}

    def all(self, asked: Selection) -> Iterator[Observation]:
        """Yield all observations of a selection."""
        for stream in asked.streams:
            yield from self._ascending(stream, asked, None)

    def by_series(self, asked: Selection, after: Place | None) -> Iterator[Observation]:
        """Yield observations by series, of each by time."""
        for stream in asked.streams:
            if after is None or stream.id >= after.stream:
                yield from self._ascending(stream, asked, after if after and stream.id == after.stream else None)

    def by_time(self, asked: Selection, descending: bool, after: Place | None) -> Iterator[Observation]:
        """Yield observations by time. Raises TooMuch where they are of too many series."""
        streams = asked.streams
        if len(streams) > MOST_MERGED:
            raise TooMuch(
                phrase(
                    "open-merged-many",
                    "{count} Datastreams cannot be put in one order of time, at most {most}: name one, or leave"
                    " $orderby out",
                    count=len(streams),
                    most=MOST_MERGED,
                )
            )
        walk = self._descending if descending else self._ascending
        if len(streams) == 1:
            yield from walk(streams[0], asked, after)
        else:
            yield from merge(*(walk(one, asked, after) for one in streams), key=order_of, reverse=descending)

    def count(self, asked: Selection) -> int:
        """Return how many observations there are: out of the chunks unread, where the condition is one of series and
        time alone."""
        if asked.plain:
            return sum(self._history(one).count(asked.start, asked.end) for one in asked.streams)
        return sum(1 for _ in self.all(asked))

    def one(self, stream: Stream, time_ms: int, ordinal: int) -> Observation | None:
        found = _numbered(stream, self._history(stream).between(time_ms, time_ms + 1))
        return next((one for one in found if one.ordinal == ordinal), None)

    def _ascending(self, stream: Stream, asked: Selection, after: Place | None) -> Iterator[Observation]:
        start = asked.start if after is None else max(asked.start, after.time_ms)
        for one in _numbered(stream, self._counted(self._history(stream).between(start, asked.end))):
            if (after is None or order_of(one) > _order_of(after)) and asked.fulfils(one):
                yield one

    def _descending(self, stream: Stream, asked: Selection, after: Place | None) -> Iterator[Observation]:
        end = asked.end if after is None else min(asked.end, after.time_ms + 1)
        history = self._history(stream)
        for begin, until in _windows(asked.start, end):
            readings = self._counted(history.backwards(begin, until))
            for _, group in groupby(readings, key=_time_of):
                for one in reversed(list(_numbered(stream, list(group)[::-1]))):
                    if (after is None or order_of(one) < _order_of(after)) and asked.fulfils(one):
                        yield one

    def _history(self, stream: Stream) -> SeriesHistory | FeedHistory:
        hub = stream.thing.row.hub
        if hub.startswith(PREFIX) and self._feeds is not None:
            return FeedHistory(self._feeds, stream.id)
        if hub not in self._hubs:
            self._hubs[hub] = self._now.hub(hub)
        _, place, _ = split(stream.row.series)
        self._budget.look()
        return SeriesHistory(self._hubs[hub], stream.thing.row.device, stream.row.metric, place, self._budget.look)

    def _counted(self, readings: Iterable[StoredReading]) -> Iterator[StoredReading]:
        for one in readings:
            self._budget.read()
            yield one


def _windows(start: int, end: int) -> Iterator[tuple[int, int]]:
    """Yield ranges from the end of a range to its start, each wider than the one before: who wants the newest readings
    finds them in the first, without a list of all chunks."""
    now_ms = int(time.time() * 1000) + _DAY
    if start < now_ms < end:
        yield now_ms, end  # ahead of the clock
        end = now_ms
    for days in (2, 16, 128):
        begin = max(start, end - days * _DAY)
        if begin >= end:
            return
        yield begin, end
        end = begin
    if start < end:
        yield start, end


def _numbered(stream: Stream, readings: Iterable[StoredReading]) -> Iterator[Observation]:
    last, ordinal = None, 0
    for one in readings:
        ordinal = ordinal + 1 if one.time_ms == last else 0
        last = one.time_ms
        yield Observation(stream, one.time_ms, ordinal, one.value, one.quality, one.trust)


def order_of(one: Observation) -> tuple[int, int, int]:
    """Return where an observation stands among those of several series."""
    return one.time_ms, one.stream.id, one.ordinal


def _order_of(place: Place) -> tuple[int, int, int]:
    return place.time_ms, place.stream, place.ordinal
