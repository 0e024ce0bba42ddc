"""Streams in PostgreSQL. See `backend.storage.engine.Streams`.

A stream's row is not written with each record: its numbers and readings are those of the row and of the lines of other
numbers. A stream that is read looks for these, and writes its row when they have become many.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from backend.storage.engine import RecordLine, Stream
from backend.storage.postgresql.writing import Writing, moved
from hub.protocol.ranges import Ranges

MAX_CACHED = 20_000
"""Streams that stay in memory between two transactions."""
MAX_LINES = 256
"""Lines beyond a stream's row, until it is written."""
LAST = 2**63 - 1
_COLUMNS = (
    "select s.id, h.hub, s.run, s.stream, s.stored, s.forked, s.readings, s.announced from streams s"
    " join hubs h on h.number = s.hub"
)
_LINES = (
    "select r.seq, r.readings from unnest(%s::bigint[], %s::bigint[]) as g (first, last)"
    " cross join lateral (select seq, readings from records where stream = %s and seq between g.first and g.last) r"
    " order by r.seq"
)
_CATCH_UP = (
    "select s.id, s.stored, s.forked, s.announced, l.numbers, l.readings from streams s cross join lateral ("
    "select array_agg(r.seq) as numbers, sum(r.readings)::bigint as readings"
    " from unnest(%s::bigint[], %s::bigint[], %s::bigint[]) as g (stream, first, last) cross join lateral ("
    "select seq, readings from records where stream = g.stream and seq between g.first and g.last) r"
    " where g.stream = s.id) l where s.id = any(%s)"
)
_encode = msgspec.msgpack.encode


@dataclass(slots=True)
class _Written:
    """What a reader of the database would find of a stream: `lines` of its numbers are not in its row."""

    stored: Ranges
    readings: int
    forked: Ranges
    announced: int
    lines: int = 0


class Streams:
    """The table `streams`, with those that are cached and those that the current transaction has changed."""

    def __init__(self) -> None:
        self._cached: dict[tuple[str, bytes, str], Stream] = {}
        self._numbered: dict[int, Stream] = {}
        self._of: dict[str, dict[int, _Written]] = {}
        self._changed: dict[int, Stream] = {}
        self._behind: set[int] = set()
        self._lately: dict[str, set[int]] = {}  # streams that got lines since their hub moved last

    def begin_with(self, writing: Writing) -> None:
        self._writing = writing

    def find(self, hub: str, run: bytes, stream: str) -> Stream | None:
        self._writing.check(hub)
        known = self._cached.get((hub, run, stream))
        if known is None:
            row = self._writing.one(f"{_COLUMNS} where h.hub = %s and s.run = %s and s.stream = %s", (hub, run, stream))
            return None if row is None else self._cache(row)
        return self._caught_up(known)

    def numbered(self, number: int) -> Stream | None:
        known = self._numbered.get(number)
        if known is not None:
            self._writing.check(known.hub)
            known = self._numbered.get(number)
        if known is None:
            row = self._writing.one(f"{_COLUMNS} where s.id = %s", (number,))
            return None if row is None else self._cache(row)
        return self._caught_up(known)

    def begin(self, hub: str, run: bytes, stream: str, now: float) -> Stream:
        self._writing.write(hub)
        ((number,),) = self._writing.ask(
            "insert into streams (hub, run, stream, started_at) values (%s, %s, %s, %s) returning id",
            (self._writing.numbered(hub), run, stream, now),
        )
        return self._remember(Stream(int(number), hub, run, stream))

    def begun(self, hub: str) -> list[float]:
        rows = self._writing.ask(
            "select s.started_at from streams s join hubs h on h.number = s.hub where h.hub = %s", (hub,)
        )
        return [float(at) for (at,) in rows]

    def of(self, hub: str) -> list[Stream]:
        self._writing.check(hub)
        rows = self._writing.ask(f"{_COLUMNS} where h.hub = %s order by s.id", (hub,))
        known = [(row, self._numbered.get(int(row[0]))) for row in rows]
        return [self._cache(row) if one is None else self._caught_up(one) for row, one in known]

    def numbers(self) -> list[int]:
        return [int(number) for (number,) in self._writing.ask("select id from streams")]

    def change(self, stream: Stream) -> None:
        """See `engine.Streams.change`. Raises HubMoved for a stream that is not as it was read."""
        self._writing.hold(stream.hub)
        if self._numbered.get(stream.id) is not stream or stream.id in self._behind:
            raise moved()
        self._changed[stream.id] = stream

    def follow(self, stream: Stream, previous: bytes) -> None:
        self._writing.change("update streams set previous = %s where id = %s", (previous, stream.id), hub=stream.hub)

    def trim(self, stream: Stream) -> None:
        if len(self._cached) > MAX_CACHED and stream.id not in self._changed:
            self._drop(stream)

    def write_row(self, number: int) -> None:
        """Have the row of a stream written with the numbers of all its lines, some of which are about to go."""
        stream = self.numbered(number)
        if stream is not None:
            self.change(stream)
            self._written(stream).lines = MAX_LINES

    # of the storage

    @property
    def changed(self) -> bool:
        return bool(self._changed)

    def hubs_to_save(self) -> list[str]:
        """Return the hubs of streams whose rows must be written in this transaction."""
        return sorted({one.hub for one in self._changed.values() if self._must_save(one)})

    def line(self, stream: Stream, line: RecordLine) -> None:
        """Note that a line of a stream is written."""
        self._lately.setdefault(stream.hub, set()).add(stream.id)
        written = self._written(stream)
        written.stored.add(line.seq)
        written.readings += line.readings
        written.lines += 1

    def save(self) -> Iterator[tuple[Any, ...]]:
        """Yield what must be written of streams that were changed, at the end of the transaction."""
        for one in sorted(self._changed.values(), key=lambda one: one.id):
            if self._must_save(one):
                self._note(one, 0)
                yield _encode(list(one.stored)), _encode(list(one.forked)), one.readings, one.announced, one.id
        self._changed.clear()

    def saved(self) -> None:
        """Forget all where they are many, after the transaction."""
        if len(self._cached) > MAX_CACHED:
            self.forget(None)

    def forget(self, hub: str | None = None) -> None:
        if hub is None:
            self._cached.clear()
            self._numbered.clear()
            self._of.clear()
            self._changed.clear()
            self._behind.clear()
            self._lately.clear()
            return
        self._lately.pop(hub, None)
        for number in self._of.pop(hub, {}):
            self._changed.pop(number, None)
            self._behind.discard(number)
            if (gone := self._numbered.pop(number, None)) is not None:
                del self._cached[gone.hub, gone.run, gone.stream]

    def fall_behind(self, hub: str) -> None:
        """Have the streams of a hub read on before they are told again: another worker stored records. Nothing that is
        not stored may have been added to them."""
        self._behind.update(self._of.get(hub, ()))

    def read_on(self, hubs: Iterable[str]) -> None:
        """Read on at once in those streams of these hubs that will be asked for: they got lines lately."""
        lately = {number for hub in hubs for number in self._lately.pop(hub, ())} & self._behind
        self._read_on([self._numbered[number] for number in sorted(lately)])

    def _must_save(self, stream: Stream) -> bool:
        written = self._written(stream)
        return (
            written.lines >= MAX_LINES
            or (stream.readings, stream.announced) != (written.readings, written.announced)
            or stream.stored != written.stored
            or stream.forked != written.forked
        )

    def _written(self, stream: Stream) -> _Written:
        return self._of.setdefault(stream.hub, {}).setdefault(stream.id, _Written(Ranges(), 0, Ranges(), 0))

    def _caught_up(self, stream: Stream) -> Stream:
        self._read_on([stream] if stream.id in self._behind else [])
        return self._numbered.get(stream.id, stream)

    def _read_on(self, streams: Sequence[Stream]) -> None:
        """Read what other workers stored of streams that are behind."""
        if not streams:
            return
        self._behind.difference_update(one.id for one in streams)
        missing = [(one.id, *span) for one in streams for span in one.stored.missing(1, LAST)]
        spans = [list(column) for column in zip(*missing, strict=True)]
        for number, stored, forked, announced, numbers, readings in self._writing.ask(
            _CATCH_UP, (*spans, [one.id for one in streams])
        ):
            stream = self._numbered[number]
            stream.stored.add_all((seq, seq) for seq in numbers or ())
            if any(stream.stored.missing(*span) for span in _ranges(stored)):  # lines that were packed since
                self._drop(stream)
                ((row),) = self._writing.ask(f"{_COLUMNS} where s.id = %s", (number,))
                self._cache(row)
                continue
            stream.readings += readings or 0
            stream.forked, stream.announced = _ranges(forked), announced
            self._note(stream, self._written(stream).lines + len(numbers or ()))

    def _note(self, stream: Stream, lines: int) -> None:
        """Note that what is cached of a stream is what is stored."""
        written = _Written(stream.stored.copy(), stream.readings, stream.forked.copy(), stream.announced, lines)
        self._of.setdefault(stream.hub, {})[stream.id] = written

    def _cache(self, row: tuple[Any, ...]) -> Stream:
        number, hub, run, name, packed, packed_forks, readings, announced = row
        stored, forked = _ranges(packed), _ranges(packed_forks)
        missing = stored.missing(1, LAST)
        lines = self._writing.ask(_LINES, ([first for first, _ in missing], [last for _, last in missing], number))
        stored.add_all((int(seq), int(seq)) for seq, _ in lines)
        readings += sum(int(one) for _, one in lines)
        made = self._remember(Stream(number, hub, run, name, stored, forked, readings, announced))
        self._note(made, len(lines))
        return made

    def _remember(self, stream: Stream) -> Stream:
        self._cached[stream.hub, stream.run, stream.stream] = self._numbered[stream.id] = stream
        self._note(stream, 0)
        return stream

    def _drop(self, stream: Stream) -> None:
        self._cached.pop((stream.hub, stream.run, stream.stream), None)
        self._numbered.pop(stream.id, None)
        self._behind.discard(stream.id)
        self._of.get(stream.hub, {}).pop(stream.id, None)


def _ranges(packed: bytes) -> Ranges:
    return Ranges(msgspec.msgpack.decode(packed))
