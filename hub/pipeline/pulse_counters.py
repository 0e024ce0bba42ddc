"""Pulse counters: raw registers converted to the index that the meter's own dial shows. Pure but for the memory it is
given.

Pulse weight, initial index and corrections belong to the place (`places: … pulse:`): the hardware that counts there may
be replaced, roll over or start anew, and the meter itself may be. In words:

    total = all that was counted since the first reading of this place, whatever counted it
    index = index of the last correction + weight × what was counted since it      (the first "correction" is `initial`)

Everything is decimal and exact. A correction without `raw` holds from the last reading before its date: pulses between
the two are taken for pulses after it. `CounterState` and the last readings become durable in the commit of the reading
that moved them, as replay windows do, so a crash loses both or neither.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any, NamedTuple

import msgspec

from hub.core.model import Correction, Place, Pulse, Quality, Report, Value

PREFIX = "pulse/"
POINTS, POINT_S = 72, 3600.0
"""Former readings that are kept, one an hour: a correction may be entered three days late."""
BACKWARDS = 4
"""A register that falls is taken for a roll-over when it comes out within 1/BACKWARDS of its range; else it
restarted."""

Remember = Callable[[str, Any], None]


class CounterState(msgspec.Struct, frozen=True):
    """State of a place's counter. `raw` is the last register of `device`, at `time` (Unix seconds, None while the clock
    was not sure); `total` the pulses since the first reading; decimals as text."""

    device: str
    raw: str
    total: str
    time: float | None


class CounterHistory(msgspec.Struct, frozen=True):
    """History of a place's counter: former readings (time, total), oldest first, and for each date of a correction the
    total from which it holds. `whole`: the first of them is the first reading ever."""

    points: list[tuple[float, str]] = []
    marks: dict[str, str] = {}
    whole: bool = True


class CounterChange(NamedTuple):
    """Counter after a reading. `total` belongs to the reading; `after` is None when the reading is a former one and
    moves nothing; `reason` is to be counted, "" when all is well."""

    after: CounterState | None
    total: Decimal
    reason: str = ""


def advance(
    pulse: Pulse, count: CounterState | None, device: str, raw: Decimal, time: float | None, *, live: bool
) -> CounterChange | None:
    """Apply a reading of the raw register. `live`: it is of now, whatever the clock did. Returns None for a former
    reading that is impossible."""
    if count is None:
        start = pulse.initial_raw
        total = raw - start if start is not None and raw >= start else Decimal(0)
        return CounterChange(_count(device, raw, total, time), total)
    total, last = Decimal(count.total), Decimal(count.raw)
    if device != count.device:  # a new transmitter: what it counted before is not this place's
        return CounterChange(_count(device, raw, total, time), total, "pulse-new-counter")
    if not live and time is not None and count.time is not None and time < count.time:
        since = _past_zero(last - raw, pulse.wraps)
        if since >= 0 and (pulse.wraps is None or 2 * since <= pulse.wraps):
            return CounterChange(None, total - since) if since <= total else None
        # a counter that rose is better evidence than a clock that went back
    step, reason = raw - last, ""
    if step < 0:
        ahead = _past_zero(step, pulse.wraps)
        if pulse.wraps is not None and 0 <= ahead * BACKWARDS <= pulse.wraps:
            step = ahead
        else:
            step, reason = raw, "pulse-restarted"
    return CounterChange(_count(device, raw, total + step, time), total + step, reason)


def _past_zero(step: Decimal, wraps: int | None) -> Decimal:
    """Take a step down as a step up over the end of the register."""
    return step + wraps if step < 0 and wraps is not None and step + wraps >= 0 else step


def _count(device: str, raw: Decimal, total: Decimal, time: float | None) -> CounterState:
    return CounterState(device, str(raw), str(total), time)


def note(past: CounterHistory, count: CounterState) -> CounterHistory:
    """Keep one reading an hour."""
    if count.time is None or (past.points and count.time < past.points[-1][0] + POINT_S):
        return past
    points = [*past.points, (count.time, count.total)]
    return CounterHistory(points[-POINTS:], past.marks, past.whole and len(points) <= POINTS)


def mark(
    pulse: Pulse, past: CounterHistory, before: CounterState | None, now: CounterState
) -> tuple[CounterHistory, int]:
    """Fix the total from which each correction holds, once its date has come. Also returns how many cannot be fixed
    because no reading of that time is remembered."""
    if now.time is None:
        return past, 0
    marks, lost = dict(past.marks), 0
    for correction in pulse.corrections:
        name = repr(correction.at)
        if correction.at > now.time or name in marks:
            continue
        total = _total_at(correction, pulse, past, before, now)
        if total is None:
            lost += 1
        else:
            marks[name] = str(total)
    return (past if marks == past.marks else CounterHistory(past.points, marks, past.whole)), lost


def _total_at(
    correction: Correction, pulse: Pulse, past: CounterHistory, before: CounterState | None, now: CounterState
) -> Decimal | None:
    if correction.raw is not None:
        since = _past_zero(Decimal(now.raw) - correction.raw, pulse.wraps)
        return Decimal(now.total) - since if since >= 0 else None
    known = [(time, total) for time, total in past.points if time <= correction.at]
    if before is not None and before.time is not None and before.time <= correction.at:
        known.append((before.time, before.total))
    if now.time is not None and now.time <= correction.at:
        known.append((now.time, now.total))
    if known:
        return Decimal(max(known)[1])
    first = past.points[0][1] if past.points else (before or now).total
    return Decimal(first) if past.whole else None


def index(pulse: Pulse, past: CounterHistory, total: Decimal, time: float | None) -> Decimal:
    """Return the dial's value at that moment, in the metric's unit."""
    value, weight, since = pulse.initial, pulse.weight, Decimal(0)
    for correction in pulse.corrections:
        held = past.marks.get(repr(correction.at))
        if held is None or (time is not None and time < correction.at):
            continue
        weight = weight if correction.weight is None else correction.weight
        value, since = correction.index, Decimal(held)
    return value + weight * (total - since)


class Pulses:
    """The places whose counters have a weight. `remember(key, value)` writes a change with the next commit;
    `counted(reason, place)` counts what a person should look at."""

    def __init__(self, remembered: Mapping[str, Any], remember: Remember, counted: Callable[[str, str], None]) -> None:
        self._remember = remember
        self._counted = counted
        self._counts: dict[str, CounterState] = {}
        self._pasts: dict[str, CounterHistory] = {}
        for name, value in remembered.items():
            if name.startswith(PREFIX):
                place, _, what = name.removeprefix(PREFIX).rpartition("/")
                if what == "count":
                    self._counts[place] = msgspec.convert(value, CounterState)
                elif what == "past":
                    self._pasts[place] = msgspec.convert(value, CounterHistory)

    def of(self, place: Place | None) -> PulseConversion | None:
        """Return the conversion for reports of a place; None where nothing is counted."""
        return None if place is None or place.pulse is None else PulseConversion(self, place.id, place.pulse)

    def move(
        self, place: str, pulse: Pulse, device: str, raw: Decimal, time: float | None, *, live: bool
    ) -> tuple[Decimal, Quality]:
        """Return the index of a reading, and remember it. Raises ValueError for a former reading that is impossible."""
        before, past = self._counts.get(place), self._pasts.get(place, CounterHistory())
        moved = advance(pulse, before, device, raw, time, live=live)
        if moved is None:
            self._counted("pulse-order", place)
            raise ValueError
        if moved.reason:
            self._counted(moved.reason, place)
        if moved.after is not None:
            settled, lost = mark(pulse, past, before, moved.after)
            for _ in range(lost):
                self._counted("pulse-correction", place)
            later = note(settled, moved.after)
            self._counts[place] = moved.after
            self._remember(f"{PREFIX}{place}/count", msgspec.to_builtins(moved.after))
            if later is not past:
                self._pasts[place] = past = later
                self._remember(f"{PREFIX}{place}/past", msgspec.to_builtins(later))
        quality = Quality.UNCERTAIN if moved.reason else Quality.GOOD
        return index(pulse, past, moved.total, time), quality


class PulseConversion:
    """Conversion of one place: the raw register of a report becomes the index of the meter."""

    __slots__ = ("_place", "_pulse", "_pulses")

    def __init__(self, pulses: Pulses, place: str, pulse: Pulse) -> None:
        self._pulses, self._place, self._pulse = pulses, place, pulse

    def apply(self, report: Report, time: float | None) -> Report:
        """Convert a report. `time` is the report's, or now where it has none; None while the clock is not sure. A
        report without the register, or with something that is no number, is returned unchanged."""
        raw = report.values.get(self._pulse.source)
        if isinstance(raw, bool) or not isinstance(raw, int | float) or not math.isfinite(raw) or raw < 0:
            return report
        values: dict[str, Value] = {key: value for key, value in report.values.items() if key != self._pulse.source}
        quality = report.quality
        try:
            reading, doubt = self._pulses.move(
                self._place, self._pulse, report.device, Decimal(str(raw)), time, live=report.time is None
            )
            values[self._pulse.metric] = float(reading)
            quality = max(quality, doubt)
        except ValueError:
            pass  # counted; what else it says counts
        return msgspec.structs.replace(report, values=values, quality=quality)
