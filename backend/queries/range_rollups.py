"""Figures of a series in an interval of any length, of the readings of its devices in order of time. Pure.

The devices of a series, of which one may have replaced another or measures beside it, are told of together, exactly:
counts, least, greatest, sum, first and last are of all their readings; a counter's increase is the sum of the increases
of its devices.

The rise from one reading of a counter to the next belongs to the interval of the later one: the intervals of a month
add up to that of the month. It counts when the earlier one is at most LOOK_BACK_MS before the interval; else the
increase begins with the first reading that is there.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from fractions import Fraction
from typing import NamedTuple

from backend.queries.intervals import Intervals
from backend.queries.series_history import StoredReading
from backend.readings.chunks.rollups import COUNTER, Rollup, merged, roll_up_interval
from backend.readings.chunks.rows import Point
from hub.core.model import Quality
from hub.protocol.records.dictionary import scale_of
from hub.protocol.records.rows import Column

LOOK_BACK_MS = 2 * 86_400_000
_PART = 8192
"""Readings of an interval that are held at once."""


class Told(NamedTuple):
    """Figures of an interval. `increase` is a counter's, in its unit; None where it is no counter's or unknown."""

    rollup: Rollup
    increase: float | None
    resets: int


class _Dial(NamedTuple):
    """The last reading of a device's counter."""

    time_ms: int
    value: Fraction


class IntervalRollups:
    """Rollups of a series, interval by interval."""

    def __init__(self, intervals: Intervals) -> None:
        self._intervals = intervals
        self._dials: dict[str, _Dial] = {}

    def look_back(self, readings: Iterable[StoredReading]) -> None:
        """Note the counters' last readings before the first interval."""
        newest: dict[str, StoredReading] = {}
        for one in readings:
            if one.quality != Quality.BAD and one.column.state_class == COUNTER and one.column.kind == "number":
                newest[one.subject.device] = one
        for device, one in newest.items():
            (item,) = _items(one.column, [one])
            self._dials[device] = _Dial(one.time_ms, Fraction(one.column.resolution) * int(item))

    def of(self, readings: Iterable[StoredReading]) -> Iterator[Told]:
        """Yield what is told of each interval with a reading; `readings` are in order of time. An interval is complete
        when it is yielded, and nothing is read beyond the first reading of the next one."""
        begin = end = 0
        held: dict[tuple[str, Column], list[StoredReading]] = {}
        parts: dict[str, list[Rollup]] = {}
        for one in readings:
            if one.time_ms >= end:
                if end:
                    yield self._told(parts, held, begin, end)
                    held, parts = {}, {}
                begin = self._intervals.begin(one.time_ms)
                end = self._intervals.after(begin)
            some = held.setdefault((one.subject.device, one.column), [])
            some.append(one)
            if len(some) == _PART:
                parts.setdefault(one.subject.device, []).append(_part(one.column, some, begin, end))
                some.clear()
        if end:
            yield self._told(parts, held, begin, end)

    def _told(
        self,
        parts: dict[str, list[Rollup]],
        held: dict[tuple[str, Column], list[StoredReading]],
        begin: int,
        end: int,
    ) -> Told:
        for (device, column), some in held.items():
            if some:
                parts.setdefault(device, []).append(_part(column, some, begin, end))
        devices = {device: _one(of, begin, end) for device, of in parts.items()}
        increase: Fraction | None = None
        resets = sum(rollup.resets for rollup in devices.values())
        for device, rollup in devices.items():
            if rollup.increase is None or rollup.first is None or rollup.last is None:
                continue
            step, dial = Fraction(rollup.step), self._dials.get(device)
            more = step * rollup.increase
            first = step * int(rollup.first.item)
            if dial is not None and dial.time_ms >= begin - LOOK_BACK_MS:
                more += first - dial.value if first >= dial.value else max(first, Fraction(0))
                resets += first < dial.value
            increase = more + (increase or 0)
            self._dials[device] = _Dial(rollup.last.time_ms, step * int(rollup.last.item))
        return Told(_one(list(devices.values()), begin, end), None if increase is None else float(increase), resets)


def _one(parts: list[Rollup], begin: int, end: int) -> Rollup:
    return parts[0] if len(parts) == 1 else merged(parts, begin, end - begin)


def _part(column: Column, readings: Sequence[StoredReading], begin: int, end: int) -> Rollup:
    items = _items(column, readings)
    points = [
        Point(one.time_ms, one.origin, item, one.quality, one.trust)
        for one, item in zip(readings, items, strict=True)
    ]  # fmt: skip
    return roll_up_interval(points, column, begin, end - begin)


def _items(column: Column, readings: Sequence[StoredReading]) -> Sequence[int | bool | str]:
    """Return the values in whole steps again, as they are stored."""
    values = [one.value for one in readings]
    if column.kind != "number":
        return values  # type: ignore[return-value]
    items, bias = scale_of(column.resolution).items(values)
    return [item - bias for item in items] if bias else items
