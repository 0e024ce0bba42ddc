"""One hub in PostgreSQL at one moment. See `backend.storage.chunks.HubSnapshot`.

A question of this machine's SQLite costs microseconds, one of a server a round trip. So the chunks of boots are listed
once for all boots, and the content of a chunk comes with that of those listed behind it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import reduce
from itertools import islice
from operator import or_
from typing import Any

from backend.storage.chunks import (
    Body,
    BootClock,
    Bucket,
    ChunkHead,
    ErasureJob,
    Names,
    SeriesName,
    SeriesSeen,
)
from backend.storage.engine import ErasureOrder
from backend.storage.postgresql.moments import Moment
from backend.storage.postgresql.partitions import UNDATED, month_of_hour
from backend.storage.postgresql.texts import rows_of

AHEAD = 16
"""Chunks whose content is asked for at once."""
BODIES = 500
"""Bodies that are asked for at once."""
HEAD = "id, privacy, boot, hour, rows, arrived_at, loose"

_HUB = (
    "select h.number, coalesce(c.through, 0), coalesce(c.version, 0) from hubs h"
    " left join compaction c on c.hub = h.number where h.hub = %s"
)
_BODIES = (
    "select record, epoch, boot, received_at, data from bodies where hub = %s and record > %s order by record limit %s"
)
_DATED = (
    f"select {HEAD} from chunks where hub = %s and boot = '' and hour between %s and %s and month between %s and %s"  # noqa: S608
    " order by hour, id"
)
_OF_BOOTS = f"select {HEAD} from chunks where hub = %s and boot <> '' and month = {UNDATED} order by hour, id"  # noqa: S608
_AFTER = f"select {HEAD} from chunks where hub = %s and id > %s order by id limit %s"  # noqa: S608
_DATA = "select id, data from chunks where hub = %s and id = any(%s) and privacy = %s and month between %s and %s"
_JOBS = (
    "select id, kind, name, until_ms, ordered_at, record, cursor, readings, late, done_at, left_over from erasures"
    " where hub = %s order by record, id"
)
_SERIES = (
    "select s.place, s.metric, s.device, s.privacy, s.day, s.classes"
    " from unnest(%s::text[], %s::text[], %s::text[]) as n (place, metric, device)"
    " join series s on s.hub = %s and s.place = n.place and s.metric = n.metric and s.device = n.device"
)
_ALL_SERIES = (
    "select convert_to(coalesce(json_agg(json_build_array(json_build_array(place, metric, device),"
    " json_build_array(privacy, day, classes))), '[]')::text,"
    " 'UTF8') from (select place, metric, device, privacy, day, classes from series where hub = %s limit %s) s"
)
"""As one value, since a driver that loads thousands of texts one by one costs more than the server that finds them."""
_NAMED = (
    "select place, metric, device from series where hub = %s and place = %s"
    " union select place, metric, device from series where hub = %s and zone = %s"
    " union select place, metric, device from series where hub = %s and device = %s"
)
_FIRST_HOUR, _LAST_HOUR = -(1 << 62), 1 << 62


class PostgresHubSnapshot:
    """One hub, in a transaction that reads."""

    def __init__(self, moment: Moment, hub: str) -> None:
        self._moment = moment
        found = moment.rows(_HUB, [hub])
        self._hub = hub
        self._number: int
        self.through: int
        self.version: int
        self._number, self.through, self.version = found[0] if found else (0, 0, 0)
        self._of_boots: dict[bytes, list[ChunkHead]] | None = None
        self._listed: dict[int, tuple[list[ChunkHead], int]] = {}  # chunk → list in which it was told last, its place
        self._waiting: dict[int, bytes] = {}  # content that was asked for ahead

    def bodies(self, most: int = -1, after: int = 0) -> Iterator[Body]:
        after, left = max(self.through, after), most if most >= 0 else 1 << 62
        while left > 0:
            rows = self._moment.rows(_BODIES, [self._number, after, min(left, BODIES)])
            yield from (Body(*row) for row in rows)
            if len(rows) < BODIES:
                return
            after, left = rows[-1][0], left - len(rows)

    def aside(self) -> int:
        of = "select count(*) from quarantine where hub = %s and reason = 'body'"
        return int(self._moment.rows(of, [self._hub])[0][0])

    def names(self, epoch: int) -> list[Names]:
        rows = self._moment.rows("select epoch, number, data from names where epoch = %s order by number", [epoch])
        return [Names(*row) for row in rows]

    def named_epochs(self) -> list[int]:
        rows = self._moment.rows("select distinct epoch from names where hub = %s order by epoch", [self._number])
        return [epoch for (epoch,) in rows]

    def heads(self, first: int | None = None, last: int | None = None, boot: bytes | None = None) -> list[ChunkHead]:
        low = _FIRST_HOUR if first is None else max(first, _FIRST_HOUR)
        high = _LAST_HOUR if last is None else min(last, _LAST_HOUR)
        found: list[ChunkHead] = []
        if not boot:
            of = [self._number, low, high, month_of_hour(low), month_of_hour(high)]
            found = [head_of(row) for row in self._moment.rows(_DATED, of)]
        if boot != b"":
            found += [head for head in self._with_boot(boot) if low <= head.bucket.hour <= high]
            found.sort(key=lambda head: (head.bucket.hour, head.id))
        return self._told(found)

    def boots(self) -> list[bytes]:
        self._with_boot(None)
        return sorted(self._of_boots or ())

    def after(self, chunk: int, most: int) -> list[ChunkHead]:
        return self._told([head_of(row) for row in self._moment.rows(_AFTER, [self._number, chunk, most])])

    def data(self, chunk: int) -> bytes:
        if chunk not in self._waiting:
            self._ask_for(chunk)
        return self._waiting.pop(chunk)

    def clocks(self) -> dict[bytes, BootClock]:
        rows = self._moment.rows(
            "select boot, offset_ms, error_ms from boots where hub = %s and offset_ms is not null", [self._number]
        )
        return {boot: BootClock(*clock) for boot, *clock in rows}

    def jobs(self) -> list[ErasureJob]:
        return [ErasureJob(ErasureOrder(*row[:5]), *row[5:]) for row in self._moment.rows(_JOBS, [self._number])]

    def series(self, names: Iterable[SeriesName]) -> dict[SeriesName, SeriesSeen]:
        asked = list(names)
        if not asked:
            return {}
        columns = [[name[at] for name in asked] for at in range(3)]
        rows = self._moment.rows(_SERIES, [*columns, self._number])
        return {SeriesName(*row[:3]): SeriesSeen(*row[3:]) for row in rows}

    def all_series(self, most: int) -> dict[SeriesName, SeriesSeen] | None:
        ((packed,),) = self._moment.rows(_ALL_SERIES, [self._number, most + 1])
        rows = rows_of(packed, list[tuple[SeriesName, SeriesSeen]])
        return dict(rows) if len(rows) <= most else None

    def classes_of(self, device: str, metric: str) -> int:
        rows = self._moment.rows(
            "select classes from series where hub = %s and device = %s and metric = %s", [self._number, device, metric]
        )
        found = [classes for (classes,) in rows]
        return reduce(or_, found) if found and all(found) else -1

    def series_named(self, name: str) -> list[SeriesName]:
        rows = self._moment.rows(_NAMED, [self._number, name] * 3)
        return sorted(SeriesName(*row) for row in rows)

    def personal_before(self, day: int) -> list[SeriesName]:
        rows = self._moment.rows(
            "select place, metric, device from series where hub = %s and privacy = 'personal' and day < %s",
            [self._number, day],
        )
        return [SeriesName(*row) for row in rows]

    def _with_boot(self, boot: bytes | None) -> list[ChunkHead]:
        if self._of_boots is None:
            self._of_boots = {}
            for row in self._moment.rows(_OF_BOOTS, [self._number]):
                head = head_of(row)
                self._of_boots.setdefault(head.bucket.boot, []).append(head)
        if boot is None:
            return [head for heads in self._of_boots.values() for head in heads]
        return self._of_boots.get(boot, [])

    def _told(self, heads: list[ChunkHead]) -> list[ChunkHead]:
        self._listed |= {head.id: (heads, at) for at, head in enumerate(heads)}
        return list(heads)

    def _ask_for(self, chunk: int) -> None:
        """Read the content of a chunk, and of those of its class that were listed behind it."""
        heads, at = self._listed[chunk]
        privacy = heads[at].bucket.privacy
        wanted = list(islice((head for head in heads[at:] if head.bucket.privacy == privacy), AHEAD))
        months = [bucket_month(head.bucket) for head in wanted]
        of = [self._number, [head.id for head in wanted], privacy, min(months), max(months)]
        self._waiting = dict(self._moment.rows(_DATA, of))


def bucket_month(bucket: Bucket) -> int:
    """Return the month under which a chunk lies."""
    return UNDATED if bucket.boot else month_of_hour(bucket.hour)


def head_of(row: Any) -> ChunkHead:
    number, privacy, boot, hour, rows, arrived_at, loose = row
    return ChunkHead(number, Bucket(privacy, boot, hour), rows, arrived_at, loose)
