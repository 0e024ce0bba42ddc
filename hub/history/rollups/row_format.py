"""Encoding of the rows of hours and months, as msgpack. Pure.

    hour of a counter   [second within the hour, index, then for each further reading: seconds later, steps higher]
    hour of a gauge     for each run of the process [run, weight, covered, integral, low, high, readings], one after the
                        other; run 0 holds readings too late for their hour to be computed again
    month               [resolution, 1, amount, estimated, covered, first index, last index]  of a counter
                        [resolution, 0, weight, covered, integral, low, high, readings]          of a gauge

Indexes, lows, highs and integrals are whole steps of the series' resolution, times and weights seconds.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import msgspec

from hub.history.rollups.counter import Point
from hub.history.rollups.gauge import Stats, merge

LATE = 0
_encode = msgspec.msgpack.encode
_numbers = msgspec.msgpack.Decoder(list[int]).decode
_month = msgspec.msgpack.Decoder(list[str | int]).decode
_WIDTH = 1 + len(Stats._fields)


class Month(NamedTuple):
    """A past month. Amounts in steps of `step`; `stats` for a gauge, else None. `covered` are seconds."""

    step: str
    amount: int = 0
    estimated: int = 0
    covered: int = 0
    first: int = 0
    last: int = 0
    stats: Stats | None = None


def put_points(hour: int, points: Sequence[Point]) -> bytes:
    """Encode a counter's hour; `points` sorted, at least one."""
    numbers, (time, index) = [points[0][0] - hour, points[0][1]], points[0]
    for later, higher in points[1:]:
        numbers += (later - time, higher - index)
        time, index = later, higher
    return _encode(numbers)


def get_points(hour: int, body: bytes) -> list[Point]:
    numbers = _numbers(body)
    time, index, points = hour, 0, []
    for at in range(0, len(numbers), 2):
        time += numbers[at]
        index += numbers[at + 1]
        points.append((time, index))
    return points


def put_lives(lives: Mapping[int, Stats]) -> bytes:
    numbers: list[int] = []
    for life, stats in sorted(lives.items()):
        numbers += (life, *stats)
    return _encode(numbers)


def get_lives(body: bytes) -> dict[int, Stats]:
    numbers = _numbers(body)
    return {numbers[at]: Stats(*numbers[at + 1 : at + _WIDTH]) for at in range(0, len(numbers), _WIDTH)}


def whole(lives: Mapping[int, Stats], seconds: int = 3600) -> Stats:
    """Merge all runs of one hour; two that both covered a second do not cover more than the hour has."""
    found = merge(lives.values())
    return found._replace(covered=min(found.covered, seconds))


def put_month(month: Month) -> bytes:
    if month.stats is not None:
        return _encode([month.step, 0, *month.stats])
    return _encode([month.step, 1, month.amount, month.estimated, month.covered, month.first, month.last])


def get_month(body: bytes) -> Month:
    step, counter, *numbers = _month(body)
    known = [int(number) for number in numbers]
    if counter:
        amount, estimated, covered, first, last = known
        return Month(str(step), amount, estimated, covered, first, last)
    return Month(str(step), covered=known[1], stats=Stats(*known))
