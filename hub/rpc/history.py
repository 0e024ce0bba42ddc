"""Calls about stored readings: raw ones of the last day, and of more where they are on disk, hours, days and months."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from itertools import pairwise
from typing import TYPE_CHECKING, Any, NamedTuple

from hub.core.calls import number
from hub.core.clock import Clock
from hub.core.errors import HubError
from hub.core.model import Device
from hub.core.text import phrase, reason_of
from hub.history.memory import Downsampler, Scale, Silences, broken
from hub.history.recorder import HistoryRecorder
from hub.history.rollups.cells import STEPS, Cell, cells, fitting
from hub.history.rollups.recorder import Rollups
from hub.history.rollups.views import Key

if TYPE_CHECKING:
    from hub.history.archive import RawArchive

POINTS = 400
PAGE, LARGEST = 1000, 5000
"""Readings of one answer: by default, at most."""
LATELY_S = 3 * 3600
GAPS = 200
"""Silences of one answer, at most."""


class _Line(NamedTuple):
    """A chart's `line`: raw readings where available, the means of hours before, None where there was silence; from
    when to when each silence lasted; and of each of these hours the lowest and the highest reading."""

    line: list[tuple[int, float | None]]
    gaps: list[tuple[int, int]]
    spread: list[tuple[int, float, float]]


class HistoryCalls:
    """Calls about history; runs the rollups. `erased(place)`: what was compiled for a place is stale; `said`: notes
    about damaged files and the like; `raw`: raw history on disk, if any."""

    def __init__(
        self,
        rollups: Rollups,
        observer: HistoryRecorder,
        clock: Clock,
        device: Callable[[str], Device | None],
        erased: Callable[[str], None],
        said: list[str] | None = None,
        raw: RawArchive | None = None,
    ) -> None:
        self._rollups, self._observer, self._clock = rollups, observer, clock
        self._device, self._erased, self._said, self._raw = device, erased, said or [], raw

    async def run(self) -> None:
        await self._rollups.run(self._observer.drain, self._observer.finish)

    def status(self) -> dict[str, Any]:
        return {**self._rollups.status(), "beyond": self._observer.beyond, "forgotten": self._observer.forgotten}

    def complaints(self) -> list[str]:
        count = self._observer.forgotten
        undated = phrase(
            "history-lacks-undated-reports",
            "the clock was not sure for so long that history goes without {count} [report|reports]; the buffer has "
            "them",
            count=count,
        )
        return [*self._said, *([undated] if count else []), *self._rollups.complaints()]

    def calls(self) -> dict[str, Any]:
        """history {series | device, metric; from, to: Unix seconds; points; step: auto, hour, day or month} → among
        others {line: [[second, value or None]…], gaps: [[second, second]…], spread: [[second, lowest, highest]…]}:
        silences, whatever their length beside the span, and what hours of the line were the mean of ·
        history.raw {series | device, metric; from, to; limit} → {readings: [[second, value]…], next: a `from`, or None
        at the end} · history.list {} · history.moving {device} → {metrics: those that changed in the last hours, the
        one that did so most often first} · history.erase {place, metric, dry_run, by}."""
        return {
            "history": self._history, "history.raw": self._readings, "history.list": self._list,
            "history.erase": self._erase, "history.moving": self._moving,
        }  # fmt: skip

    async def _history(self, arguments: dict[str, Any]) -> dict[str, Any]:
        key, now = self._key(arguments), self._clock.now()
        begin, end = self._span(arguments)
        points = max(2, min(5000, int(number(arguments, "points", POINTS))))
        step = str(arguments.get("step") or "auto")
        if step not in ("auto", *STEPS):
            raise HubError(
                phrase("history-step-not-known", "step is auto, {steps}; not {step!r}", steps=list(STEPS), step=step)
            )
        self._observer.drain()
        views = self._rollups.views
        series = views.series(key)
        if series is None:
            raise HubError(_unknown(key))
        shown = fitting(begin, end) if step == "auto" else step
        try:
            found = await cells(views, key, begin, end, shown, now)
        except ValueError as error:
            raise HubError(reason_of(error)) from error
        drawn = _Line([], [], []) if series.counter else await self._line(key, found, begin, end, points, step)
        return {
            "series": "/".join(key), "place": key[0], "metric": key[1], "unit": series.unit, "counter": series.counter,
            "from": begin, "to": end, "step": shown, "timezone": views.calendar_of(key).timezone,
            "raw_from": await self._raw_from(key), **drawn._asdict(),
            "cells": [list(cell) for cell in found],
        }  # fmt: skip

    async def _line(self, key: Key, found: list[Cell], begin: int, end: int, points: int, step: str) -> _Line:
        track = self._rollups.tracks.get(key)
        raw, gaps = await self._fine(key, begin, end, points) if step == "auto" else ([], [])
        start = raw[0][0] if raw else end
        coarse: list[tuple[int, float | None]] = []
        hours: list[tuple[int, int]] = []
        spread: list[tuple[int, float, float]] = []
        for at, cell in enumerate(found):
            until = found[at + 1].begin if at + 1 < len(found) else end
            whole = until <= start or (self._raw is None and track is not None and cell.begin <= track.ring.cut)
            if whole and (cell.begin + until) // 2 < start:  # else raw readings cover the hour
                coarse.append(((cell.begin + until) // 2, cell.value))
                if cell.low is not None and cell.high is not None:
                    spread.append((coarse[-1][0], cell.low, cell.high))
                if cell.value is None and coarse[0][1] is not None:
                    begun = hours.pop()[0] if hours and hours[-1][1] == cell.begin else cell.begin
                    hours.append((begun, min(until, start)))
        return _Line([*coarse, *broken(raw, gaps)], [*hours[-GAPS:], *gaps], spread)

    async def _fine(
        self, key: Key, begin: int, end: int, points: int
    ) -> tuple[list[tuple[int, float]], list[tuple[int, int]]]:
        """Return the raw readings of [begin, end), or a sample of the same shape where they are many: they need not fit
        into memory; and their silences."""
        fold, silences = Downsampler(begin, end, points // 2), Silences(begin, end)

        def add(some: Iterable[tuple[int, float]]) -> None:
            fold.add(some)
            silences.add(some)

        if self._raw is not None:
            async for _, some in self._raw.walk(*key, begin, min(end, self._edge(key))):
                add(some)
        add(self._in_memory(key, begin, end))
        return fold.points(), silences.found(min(end, int(self._clock.now())), GAPS)

    def _edge(self, key: Key) -> int:
        """Return the second from which RAM has every reading: later than any evicted one and than the start of this
        process."""
        track = self._rollups.tracks.get(key)
        return (
            max(track.ring.cut + 1, self._raw.memory_complete_since)
            if track is not None and self._raw is not None
            else 1 << 40
        )

    def _in_memory(self, key: Key, begin: int, end: int) -> list[tuple[int, float]]:
        track = self._rollups.tracks.get(key)
        if track is None:
            return []
        scale = Scale(track.step)
        if self._raw is None:  # before the newest evicted reading, memory is incomplete
            begin = max(begin, track.ring.cut + 1)
        return [(time, scale(value)) for time, value in track.ring.points(begin, end)]

    async def _readings(self, arguments: dict[str, Any]) -> dict[str, Any]:
        """Answer with every raw reading of a span, a page at a time."""
        key = self._key(arguments)
        begin, end = self._span(arguments)
        limit = max(1, min(LARGEST, int(number(arguments, "limit", PAGE))))
        self._observer.drain()
        views = self._rollups.views
        series = views.series(key)
        if series is None:
            raise HubError(_unknown(key))
        found: set[tuple[int, float]] = set()
        edge = end  # everything before it was found
        if self._raw is not None:
            async for edge, some in self._raw.walk(*key, begin, min(end, self._edge(key))):
                found.update(some)
                if len(found) > limit and sum(time < edge for time, _ in found) > limit:
                    break
            else:
                edge = end
        found.update(self._in_memory(key, begin, edge))
        told = sorted(one for one in found if one[0] < edge)
        after: int | None = edge if edge < end else None
        if len(told) > limit:
            last = told[limit - 1][0]
            after = last + 1  # a page never ends within one second
            if all(time <= last for time, _ in told):
                after = edge if edge < end else None
            told = [one for one in told if one[0] <= last]
        return {
            "series": "/".join(key), "place": key[0], "metric": key[1], "unit": series.unit, "from": begin, "to": end,
            "timezone": views.calendar_of(key).timezone, "raw_from": await self._raw_from(key),
            "readings": [list(one) for one in told], "next": after,
        }  # fmt: skip

    def _span(self, arguments: dict[str, Any]) -> tuple[int, int]:
        end = int(number(arguments, "to", self._clock.now()))
        begin = int(number(arguments, "from", end - 86_400))
        if begin >= end:
            raise HubError(phrase("range-from-after-to", "`from` must be before `to`"))
        return begin, end

    async def _raw_from(self, key: Key) -> int | None:
        """Return the second from which raw readings may exist."""
        track = self._rollups.tracks.get(key)
        known = [track.ring.whole_from() if track is not None else None]
        if self._raw is not None:
            known.append(await self._raw.since(*key))
        return min((one for one in known if one is not None), default=None)

    async def _list(self, arguments: dict[str, Any]) -> dict[str, Any]:
        self._observer.drain()
        views = self._rollups.views
        found = []
        for key in self._rollups.series:
            series = views.series(key)
            if series is not None:
                found.append({
                    "series": "/".join(key), "place": key[0], "metric": key[1], "unit": series.unit,
                    "counter": series.counter, "since": series.device_changes[0][0] if series.device_changes else None,
                })  # fmt: skip
        return {"series": found}

    async def _moving(self, arguments: dict[str, Any]) -> dict[str, Any]:
        self._observer.drain()
        device, now = self._device(str(arguments.get("device", ""))), int(self._clock.now())
        changes = dict[str, int]()
        for (place, metric), track in self._rollups.tracks.items():
            if device is not None and place == device.place:
                values = [value for _, value in track.ring.points(now - LATELY_S, now + 1)]
                changes[metric] = sum(one != other for one, other in pairwise(values))
        return {"metrics": sorted((one for one in changes if changes[one]), key=lambda one: -changes[one])}

    async def _erase(self, arguments: dict[str, Any]) -> dict[str, Any]:
        """Erase a place, or one metric of it, in RAM and on disk."""
        place, metric = str(arguments.get("place", "")), str(arguments.get("metric") or "") or None
        known = {*self._rollups.series, *(await self._raw.series() if self._raw is not None else ())}
        keys = sorted(key for key in known if key[0] == place and metric in (None, key[1]))
        if not keys:
            raise HubError(phrase("no-history-of-place", "nothing is remembered of the place {place!r}", place=place))
        rows = 0
        if not arguments.get("dry_run"):
            self._observer.drain()
            rows = await self._rollups.erase(place, metric)
            self._erased(place)
        return {"series": ["/".join(key) for key in keys], "rows": rows}

    def _key(self, arguments: dict[str, Any]) -> Key:
        series = str(arguments.get("series") or "")
        if series:
            place, _, metric = series.rpartition("/")
            return place, metric
        device = self._device(str(arguments.get("device", "")))
        if device is None:
            raise HubError(
                phrase("series-expected", "give a series (place/metric), or a device that is known and a metric")
            )
        return device.place, str(arguments.get("metric", ""))


def _unknown(key: Key) -> str:
    return phrase(
        "series-not-known",
        "nothing is known of the series {series}; `ilot history` lists those that are",
        series="/".join(key),
    )
