"""Aggregates and counts over windows: what many devices of a zone said, of which only the result leaves. Pure.

What is published   an aggregate of `least` devices or more, else nothing; a count rounded to 5, where 0 and 1 to 4 are
                    told alike, as 0: statistical disclosure control with a threshold of 5, not anonymity
Totals              of a site: the sum of what was published of its zones, never of what was counted
Partition           a metric of a zone is in one window of one rule: no two published figures can be subtracted
Dated               by the beginning of the window, in UTC; windows are told a minute after their end. What comes
                    later is counted and left out. A window that this process has not seen whole is told as uncertain.

Raw values are in RAM only, one line a device, and go with the window: what a killed process had seen of one is lost.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from math import isfinite

import msgspec

from hub.buffer.rows import Column, Row, Shape, Subject
from hub.model import Metric, Quality, Value
from hub.privacy.classes import PERSONAL
from hub.privacy.rules import Gather

GRACE_S = 60.0
THRESHOLD = 5
INTEGRATION = "privacy"


def published(count: float) -> int:
    """The figure that may leave."""
    return 0 if count < THRESHOLD else THRESHOLD * int(count / THRESHOLD + 0.5)


class Derived(msgspec.Struct, frozen=True):
    """One figure of a window: `start` in Unix seconds, `whole` when this process saw all of it."""

    subject: Subject
    shape: Shape
    start: float
    value: float
    whole: bool

    def row(self, *, sure: bool) -> Row:
        quality = Quality.GOOD if self.whole else Quality.UNCERTAIN
        return Row(self.subject, self.shape, int(self.start * 1000), sure, (self.value,), quality)


class _Seen:
    __slots__ = ("count", "greatest", "sum")

    def __init__(self) -> None:
        self.count, self.sum, self.greatest = 0, 0.0, float("-inf")


class Cell:
    """One metric of one zone under one rule. `take` is all that the straight path calls."""

    __slots__ = ("_closed", "_told", "_windows", "gather", "late", "shape", "site", "subject")

    def __init__(self, gather: Gather, zone: str, site: str, metric: Metric, began: float) -> None:
        self.gather, self.site = gather, site
        self.subject = Subject(device=f"zone:{zone}", site=site, zone=zone, integration=INTEGRATION)
        self.shape = _shape(metric, gather)
        self.late = 0
        self._windows: dict[float, dict[str, _Seen]] = {}
        self._closed = began - began % gather.window_s
        self._told = began

    def take(self, device: str, value: Value, at: float) -> None:
        """A reading of `at`, Unix seconds."""
        start = at - at % self.gather.window_s
        if start < self._closed:
            self.late += 1
            return
        window = self._windows.get(start)
        if window is None:
            window = self._windows[start] = {}
        seen = window.get(device)
        if seen is None:
            seen = window[device] = _Seen()
        number = float(value)
        seen.count += 1
        seen.sum += number
        seen.greatest = max(seen.greatest, number)

    def due(self, now: float) -> list[tuple[float, float | None, bool]]:
        """(start, figure or None where too few spoke, seen whole) of the windows that are over."""
        told = []
        for start in sorted(self._windows):
            if start + self.gather.window_s + GRACE_S <= now:
                told.append((start, _figure(self.gather, self._windows.pop(start)), start >= self._told))
                self._closed = max(self._closed, start + self.gather.window_s)
        return told


class Windows:
    """All cells of one hub. `count` is told of windows of which nothing is published, and of late readings."""

    def __init__(self, now: Callable[[], float], count: Callable[[str, str, int], None]) -> None:
        self._now, self._count = now, count
        self._cells: dict[tuple[str, str, str], Cell] = {}
        self._totals: dict[tuple[str, str, str], tuple[Subject, Shape]] = {}

    def cell(self, gather: Gather, zone: str, site: str, metric: Metric) -> Cell:
        """The one cell of a rule, a zone and a metric."""
        key = (gather.rule, zone, metric.key)
        known = self._cells.get(key)
        if known is None or known.gather != gather:
            known = self._cells[key] = Cell(gather, zone, site, metric, self._now())
        return known

    def due(self) -> list[Derived]:
        """The figures of all windows that are over, and their totals."""
        now = self._now()
        told: list[Derived] = []
        totals: dict[tuple[str, str, str, float], tuple[float, bool]] = {}
        for (rule, zone, metric), cell in self._cells.items():
            if cell.late:
                self._count("late-for-window", f"zone:{zone}", cell.late)
                cell.late = 0
            for start, figure, whole in cell.due(now):
                if figure is None:
                    self._count("too-few-to-publish", f"zone:{zone}", 1)
                    continue
                told.append(Derived(cell.subject, cell.shape, start, figure, whole))
                if cell.gather.total:
                    key = (rule, metric, cell.site, start)
                    sum_, all_whole = totals.get(key, (0.0, True))
                    totals[key] = (sum_ + figure, all_whole and whole)
                    self._totals.setdefault(key[:3], (
                        Subject(device=f"site:{cell.site}", site=cell.site, integration=INTEGRATION), cell.shape,
                    ))  # fmt: skip
        for (rule, metric, site, start), (figure, whole) in totals.items():
            subject, shape = self._totals[rule, metric, site]
            told.append(Derived(subject, shape, start, figure, whole))
        return told


def _figure(gather: Gather, window: dict[str, _Seen]) -> float | None:
    seen: Iterable[_Seen] = window.values()
    if gather.count:
        if gather.by == "devices":
            return published(sum(one.greatest > 0 for one in seen))
        return published(sum(one.sum if gather.by == "sum" else one.greatest for one in seen))
    if len(window) < gather.least:
        return None
    if gather.by == "mean":
        figure = sum(one.sum / one.count for one in seen) / len(window)
    elif gather.by == "sum":
        figure = sum(one.sum for one in seen)
    else:
        figure = max(one.greatest for one in seen)
    return figure if isfinite(figure) else None


def _shape(metric: Metric, gather: Gather) -> Shape:
    """`co2` by mean → `co2_mean`, a number in the same unit; a count has no unit."""
    key = f"{metric.key}_{'count' if gather.count else gather.by}"[:64]
    column = Column(
        metric=key, unit="1" if gather.count else metric.unit,
        resolution="1" if gather.count else "0.001" if metric.kind == "flag" else metric.resolution,
        device_class="" if gather.count or metric.kind == "flag" else metric.device_class, state_class="measurement",
        privacy=PERSONAL if gather.count or metric.privacy == PERSONAL else metric.privacy,
    )  # fmt: skip
    return Shape(columns=(column,))
