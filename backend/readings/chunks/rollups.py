"""Rollups: what is told of the readings of one series in a minute, an hour or a day. Exact, in whole steps of the
resolution. Pure.

The rollups of the parts of an interval make that of the whole, in whatever order they are given: counts, least,
greatest, sum, first, last, and for a counter its increase. An increase depends on which reading follows which: of parts
whose readings lie among each other it is unknown, and has to be computed of the readings. All else is exact.

A counter that falls was reset, and stood at 0 then. Where its dial rolls over, and when its meter was replaced, is only
in the hub's configuration (`hub.history.rollups.counter`). Readings of quality bad are counted, and enter nothing else.

Completeness: an interval has SLOTS equal slots, and remembers in which of them there was a reading. Against the number
of slots in which a series of that period has one, this tells what is missing, without counting a burst as more.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from decimal import Context, Decimal
from fractions import Fraction
from itertools import groupby, pairwise
from math import gcd

import msgspec

from backend.readings.chunks.rows import Picked, Point
from hub.core.errors import DecodeError
from hub.core.model import Quality, Value
from hub.core.nesting import shallow_json
from hub.core.text import reason_of
from hub.protocol.records.compression import Joiner, expand
from hub.protocol.records.dictionary import scale_of
from hub.protocol.records.rows import Column

MINUTE, HOUR, DAY = 60_000, 3_600_000, 86_400_000
SLOTS = 60
COUNTER = "total_increasing"
"""State class of a counter."""
MAX_PACKED = 1 << 24
"""Most bytes of packed rollups, before compression."""
_EXACT = Context(prec=64)
_BAD = int(Quality.BAD)

Item = int | str


class Edge(msgspec.Struct, frozen=True, array_like=True, order=True, forbid_unknown_fields=True):
    """The first or last reading of an interval."""

    time_ms: int
    origin: int
    item: Item


class Rollup(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """Summary of an interval that begins at `begin_ms` (Unix ms) and lasts `width_ms`. Items and sums are in whole
    `step`s: a decimal in the series' unit. A text has no least, greatest and sum.

    `count` readings, `uncertain` of them of that quality, and `bad` ones beside. `increase` is a counter's, with
    `resets`; None where it is no counter's, or unknown. Bit n of `slots`: there was a reading in slot n.
    """

    begin_ms: int
    width_ms: int
    step: str
    count: int = 0
    uncertain: int = 0
    bad: int = 0
    low: int | None = None
    high: int | None = None
    total: int | None = None
    first: Edge | None = None
    last: Edge | None = None
    increase: int | None = None
    resets: int = 0
    slots: int = 0

    def value(self, item: int) -> Value:
        """Return an item or a sum in the series' unit."""
        value: Value = scale_of(self.step).values([item])[0]
        return value

    @property
    def mean(self) -> float | None:
        """The mean of the readings in the series' unit; None without any, and of texts."""
        return None if self.total is None or not self.count else float(Fraction(self.step) * self.total / self.count)

    def completeness(self, period_ms: int) -> float:
        """Return the share, up to 1, of what a series that reports each `period_ms` has in such an interval."""
        expected = max(1, min(SLOTS, self.width_ms // max(1, period_ms)))
        return min(1.0, self.slots.bit_count() / expected)


_rollups = msgspec.json.Decoder(list[Rollup])


def roll_up(picked: Picked, width_ms: int) -> list[Rollup]:
    """Return the rollups of readings, by intervals of `width_ms` that count from 1970 (UTC). Intervals without a
    reading have none."""
    points = sorted(picked.points, key=lambda point: point[:2])
    return [
        roll_up_interval(list(some), picked.column, begin * width_ms, width_ms)
        for begin, some in groupby(points, key=lambda point: point.time_ms // width_ms)
    ]


def roll_up_interval(points: Sequence[Point], column: Column, begin_ms: int, width_ms: int) -> Rollup:
    """Return the rollup of readings of one column that lie in an interval, in order of time and origin."""
    step = column.resolution if column.kind == "number" else "1"
    counter = column.kind == "number" and column.state_class == COUNTER
    return _of(points, begin_ms, width_ms, step, text=column.kind == "text", counter=counter)


def merged(parts: Iterable[Rollup], begin_ms: int, width_ms: int) -> Rollup:
    """Return the rollup of an interval of those of parts of it, which must not have a reading in common. Raises
    ValueError when one is not within, or there is none."""
    some = sorted(parts, key=lambda part: part.first.time_ms if part.first else part.begin_ms)
    if not some or any(not begin_ms <= p.begin_ms <= p.begin_ms + p.width_ms <= begin_ms + width_ms for p in some):
        raise ValueError("an interval is the rollup of parts of it")
    step = _finest([part.step for part in some])
    told = [part if part.step == step else _in_steps(part, step) for part in some]
    full = sorted([part for part in told if part.first and part.last], key=lambda part: (part.first, part.last))
    lows = [part.low for part in full if part.low is not None]
    highs = [part.high for part in full if part.high is not None]
    totals = [part.total for part in full if part.total is not None]
    increase, resets = _increase(full)
    slots = 0
    for part in told:
        slots |= _slots([part.begin_ms + n * part.width_ms // SLOTS for n in _bits(part.slots)], begin_ms, width_ms)
    return Rollup(
        begin_ms, width_ms, step,
        sum(part.count for part in told), sum(part.uncertain for part in told), sum(part.bad for part in told),
        min(lows, default=None), max(highs, default=None), sum(totals) if totals else None,
        full[0].first if full else None, max((part.last for part in full if part.last), default=None),
        increase, resets, slots,
    )  # fmt: skip


def pack(rollups: Sequence[Rollup]) -> bytes:
    """Encode rollups: JSON, whose numbers have no largest, compressed."""
    return Joiner()([msgspec.json.encode(rollups)])


def unpack(data: bytes) -> list[Rollup]:
    """Decode what `pack` returned. Raises DecodeError."""
    try:
        return _rollups.decode(shallow_json(expand(data, MAX_PACKED)))
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        raise DecodeError("bad-rollup", reason_of(error)) from error


def _of(points: Sequence[Point], begin: int, width: int, step: str, *, text: bool, counter: bool) -> Rollup:
    good = [point for point in points if point.quality != _BAD]
    bad = len(points) - len(good)
    if not good:
        return Rollup(begin, width, step, bad=bad)
    first, last = (Edge(p.time_ms, p.origin, p.item if text else int(p.item)) for p in (good[0], good[-1]))
    uncertain = sum(point.quality != 0 for point in good)
    slots = _slots([point.time_ms for point in good], begin, width)
    if text:
        return Rollup(begin, width, step, len(good), uncertain, bad, first=first, last=last, slots=slots)
    items = [int(point.item) for point in good]
    increase, resets = _rises(items) if counter else (None, 0)
    return Rollup(
        begin, width, step, len(good), uncertain, bad, min(items), max(items), sum(items), first, last, increase,
        resets, slots,
    )  # fmt: skip


def _rises(items: Sequence[int]) -> tuple[int, int]:
    """Return the increase of a counter over its items, and how often it was reset."""
    increase = sum(after - before if after >= before else max(after, 0) for before, after in pairwise(items))
    return increase, sum(after < before for before, after in pairwise(items))


def _increase(parts: Sequence[Rollup]) -> tuple[int | None, int]:
    """Return the increase over parts in order of time, and the resets. Unknown when one is, or two overlap."""
    resets = sum(part.resets for part in parts)
    increase: int | None = 0
    for part in parts:
        increase = None if increase is None or part.increase is None else increase + part.increase
    for before, after in pairwise(parts):
        low, high = before.last, after.first
        if low is None or high is None or isinstance(low.item, str) or isinstance(high.item, str):
            return None, resets
        if (low.time_ms, low.origin) >= (high.time_ms, high.origin):
            increase = None
        more, fell = _rises([low.item, high.item])
        increase, resets = None if increase is None else increase + more, resets + fell
    return (increase, resets) if parts and increase is not None else (None, 0)


def _finest(steps: Iterable[str]) -> str:
    """Return the largest step of which all are multiples."""
    known = sorted(set(steps))
    if len(known) == 1:
        return known[0]
    found = Fraction(known[0])
    for other in map(Fraction, known[1:]):
        below = found.denominator * other.denominator
        found = Fraction(gcd(found.numerator * other.denominator, other.numerator * found.denominator), below)
    exact = _EXACT.divide(Decimal(found.numerator), Decimal(found.denominator))
    return format(exact.normalize(_EXACT), "f")


def _in_steps(part: Rollup, step: str) -> Rollup:
    times = Fraction(part.step) / Fraction(step)

    def scaled(item: int | None) -> int | None:
        return None if item is None else int(item * times)

    def edge(one: Edge | None) -> Edge | None:
        return one if one is None or isinstance(one.item, str) else Edge(one.time_ms, one.origin, int(one.item * times))

    return msgspec.structs.replace(
        part, step=step, low=scaled(part.low), high=scaled(part.high), total=scaled(part.total), first=edge(part.first),
        last=edge(part.last), increase=scaled(part.increase),
    )  # fmt: skip


def _slots(times: Iterable[int], begin: int, width: int) -> int:
    slots = 0
    for time in times:
        slots |= 1 << (time - begin) * SLOTS // width
    return slots


def _bits(slots: int) -> list[int]:
    return [n for n in range(SLOTS) if slots >> n & 1]
