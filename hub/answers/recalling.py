"""What this hub remembers of its readings, asked for: raw of the last day, hours, days and months."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

from hub.clock import Clock
from hub.errors import HubError
from hub.history import thinned
from hub.model import Device
from hub.observing import Observer
from hub.rollup.cells import STEPS, Cell, Scale, cells, fitting
from hub.rollup.keeping import Rollups
from hub.rollup.views import Key

POINTS = 400
GAP_PERIODS = 3.0
GAPS = 60
"""Silence shorter than this part of what is shown is no gap that anybody could see."""


class Recalling:
    """One a hub: runs the rollups and answers for them. `erased(place)`: what was compiled for a place is stale;
    `lost`: what to say of a file that was damaged."""

    def __init__(
        self, rollups: Rollups, observer: Observer, clock: Clock, device: Callable[[str], Device | None],
        erased: Callable[[str], None], lost: str = "",
    ) -> None:  # fmt: skip
        self._rollups, self._observer, self._clock = rollups, observer, clock
        self._device, self._erased, self._lost = device, erased, lost

    async def run(self) -> None:
        await self._rollups.run(self._observer.drain)

    def status(self) -> dict[str, Any]:
        return {**self._rollups.status(), "beyond": self._observer.beyond, "forgotten": self._observer.forgotten}

    def complaints(self) -> list[str]:
        count = self._observer.forgotten
        undated = f"the clock was not sure for so long that history goes without {count} reports; the buffer has them"
        return [*([self._lost] if self._lost else []), *([undated] if count else []), *self._rollups.complaints()]

    def calls(self) -> dict[str, Any]:
        """history {series | device, metric; from, to: Unix seconds; points; step: auto, hour, day or month} ·
        history.list {} · history.erase {place, metric, dry_run, by}."""
        return {"history": self._history, "history.list": self._list, "history.erase": self._erase}

    async def _history(self, arguments: dict[str, Any]) -> dict[str, Any]:
        key, now = self._key(arguments), self._clock.now()
        end = int(number(arguments, "to", now))
        begin = int(number(arguments, "from", end - 86_400))
        if begin >= end:
            raise HubError("from must be before to")
        points = max(2, min(5000, int(number(arguments, "points", POINTS))))
        step = str(arguments.get("step") or "auto")
        if step not in ("auto", *STEPS):
            raise HubError(f"step is auto, {', '.join(STEPS)}; not {step!r}")
        self._observer.drain()
        views = self._rollups.views
        series = views.series(key)
        if series is None:
            raise HubError(f"nothing is known of the series {'/'.join(key)}; `ilot history` lists those that are")
        shown = fitting(begin, end) if step == "auto" else step
        try:
            found = await cells(views, key, begin, end, shown, now)
        except ValueError as error:
            raise HubError(str(error)) from error
        line = [] if series.counter else self._line(key, found, begin, end, points, step)
        return {
            "series": "/".join(key), "place": key[0], "metric": key[1], "unit": series.unit, "counter": series.counter,
            "from": begin, "to": end, "step": shown, "timezone": views.calendar_of(key).timezone,
            "raw_from": self._raw_from(key), "line": line, "cells": [list(cell) for cell in found],
        }  # fmt: skip

    def _line(
        self, key: Key, found: list[Cell], begin: int, end: int, points: int, step: str
    ) -> list[tuple[int, float | None]]:
        """Raw readings where they are, the means of hours before; a None where nothing was said."""
        track = self._rollups.tracks.get(key)
        raw: list[tuple[int, float]] = []
        start = end
        if track is not None and step == "auto":
            scale = Scale(track.step)
            raw = [(time, scale(value)) for time, value in track.ring.points(max(begin, track.ring.cut + 1), end)]
            start = raw[0][0] if raw else end
        coarse: list[tuple[int, float | None]] = []
        for at, cell in enumerate(found):
            until = found[at + 1].begin if at + 1 < len(found) else end
            whole = until <= start or (track is not None and cell.begin <= track.ring.cut)
            if whole and (cell.begin + until) // 2 < start:  # else it is told reading by reading
                coarse.append(((cell.begin + until) // 2, cell.value))
        fine = thinned(raw, points, max((end - begin) / GAPS, self._gap(raw)))
        return [*coarse, *fine]

    @staticmethod
    def _gap(raw: list[tuple[int, float]]) -> float:
        """Silence beyond this is a gap: three times the longest of the usual steps."""
        steps = sorted(b[0] - a[0] for a, b in itertools.pairwise(raw))
        return GAP_PERIODS * steps[len(steps) * 9 // 10] if steps else 0.0

    def _raw_from(self, key: Key) -> int | None:
        track = self._rollups.tracks.get(key)
        return track.ring.whole_from() if track is not None else None

    async def _list(self, arguments: dict[str, Any]) -> dict[str, Any]:
        self._observer.drain()
        views = self._rollups.views
        found = []
        for key in self._rollups.series:
            series = views.series(key)
            if series is not None:
                found.append({
                    "series": "/".join(key), "place": key[0], "metric": key[1], "unit": series.unit,
                    "counter": series.counter, "since": series.hands[0][0] if series.hands else None,
                })  # fmt: skip
        return {"series": found}

    async def _erase(self, arguments: dict[str, Any]) -> dict[str, Any]:
        """Forget a place, or one metric of it; RAM and disk."""
        place, metric = str(arguments.get("place", "")), str(arguments.get("metric") or "") or None
        keys = [key for key in self._rollups.series if key[0] == place and metric in (None, key[1])]
        if not keys:
            raise HubError(f"nothing is remembered of the place {place!r}")
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
            raise HubError("give a series (place/metric), or a device that is known and a metric")
        return device.place, str(arguments.get("metric", ""))


def number(arguments: dict[str, Any], name: str, otherwise: float) -> float:
    """A number that a caller gave. Raises HubError."""
    given = arguments.get(name)
    if given is None or given == "":
        return otherwise
    try:
        value = float(given)
    except (TypeError, ValueError):
        value = float("nan")
    if not abs(value) < 1e11:
        raise HubError(f"{name} is a number; not {given!r}")
    return value
