"""Aggregates and counts over windows of readings of a zone's devices, of which only the result leaves. Pure.

    Published           an aggregate of at least `least` devices, else nothing; a count rounded to 5, with 0 to 4
    published
                        as 0: statistical disclosure control with a threshold of 5, not anonymity
    Totals              of a site: the sum of the figures published for its zones, never of the counts
    Partition           a metric of a zone is in one window of one rule: no two published figures can be subtracted
    Time                the beginning of the window, in UTC; windows are published a minute after their end. Later
                        readings are counted and left out.
    Complete or missing a figure is published only for a window that this process saw from beginning to end, under one
                        rule and with a synchronised clock that nobody set meanwhile. Any other is declared missing:
                        a flag in place of the figure. A total with a missing zone is missing.

Raw values are in memory only, one entry per device, and are dropped with the window. `open_windows` stores what
outlives a kill: that a window was started, and none of its values.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from math import isfinite

import msgspec

from hub.core.model import Metric, Quality, Value
from hub.privacy.rules_engine.data_categories import PERSONAL
from hub.privacy.rules_engine.open_windows import OpenWindows, WindowSubject
from hub.privacy.rules_engine.rules import WindowSpec
from hub.protocol.records.rows import Column, Row, Shape, Subject

GRACE_S = 60.0
THRESHOLD = 5
STEP_S = 5.0
"""A clock that moved by more than this, in seconds, between two looks was set: open windows are incomplete."""
INTEGRATION = "privacy"


def published(count: float) -> int:
    """Return the figure that may be published for a count."""
    return 0 if count < THRESHOLD else THRESHOLD * int(count / THRESHOLD + 0.5)


class WindowFigure(msgspec.Struct, frozen=True):
    """A figure to publish: `start` in Unix seconds, `value` None where the window is missing."""

    unit: WindowSubject
    subject: Subject
    shape: Shape
    start: float
    value: float | None

    def row(self, *, sure: bool) -> Row:
        time_ms = int(self.start * 1000)
        if self.value is None:
            return Row(self.subject, _missing(self.unit.metric), time_ms, sure, (True,))
        return Row(self.subject, self.shape, time_ms, sure, (self.value,), Quality.GOOD)


class _DeviceTotals:
    __slots__ = ("count", "greatest", "sum")

    def __init__(self) -> None:
        self.count, self.sum, self.greatest = 0, 0.0, float("-inf")


class ZoneWindow:
    """The windows of one metric of one zone under one rule. The path of a reading calls `take` only; `begin(start)` is
    called for each new window; `since` returns from when on windows are complete, None without a synchronised clock."""

    __slots__ = (
        "_begin",
        "_closed",
        "_since",
        "_windows",
        "began",
        "late",
        "shape",
        "site",
        "subject",
        "total",
        "undated",
        "unit",
        "window_spec",
    )  # fmt: skip

    def __init__(
        self,
        window_spec: WindowSpec,
        zone: str,
        site: str,
        metric: Metric,
        began: float,
        begin: Callable[[ZoneWindow, float], None],
        since: Callable[[ZoneWindow], float | None],
    ) -> None:
        self.window_spec, self.site, self.began = window_spec, site, began
        self.subject = Subject(device=f"zone:{zone}", site=site, zone=zone, integration=INTEGRATION)
        self.shape = _shape(metric, window_spec)
        told = self.shape.columns[0].metric
        self.unit = WindowSubject(window_spec.rule, self.subject.device, site, zone, told, window_spec.window_s)
        self.total = WindowSubject(window_spec.rule, f"site:{site}", site, "", told, window_spec.window_s)
        self.late = self.undated = 0
        self._begin, self._since = begin, since
        self._windows: dict[float, dict[str, _DeviceTotals]] = {}
        self._closed = float("-inf")

    def take(self, device: str, value: Value, at: float) -> None:
        """Add a reading of `at`, Unix seconds."""
        start = at - at % self.window_spec.window_s
        window = self._windows.get(start)
        if window is None:
            since = self._since(self)
            if since is None:
                self.undated += 1
                return
            if start < self._closed or start + self.window_spec.window_s <= since:
                self.late += 1
                return
            window = self._windows[start] = {}
            self._begin(self, start)
        seen = window.get(device)
        if seen is None:
            seen = window[device] = _DeviceTotals()
        number = float(value)
        seen.count += 1
        seen.sum += number
        seen.greatest = max(seen.greatest, number)

    def due(self, now: float) -> list[tuple[float, float | None]]:
        """Return (start, figure or None where too few devices reported) of the windows that are over."""
        told = []
        for start in sorted(self._windows):
            if start + self.window_spec.window_s + GRACE_S <= now:
                told.append((start, _figure(self.window_spec, self._windows.pop(start))))
                self._closed = max(self._closed, start + self.window_spec.window_s)
        return told


class Windows:
    """All windows of one hub. `count` is called for unpublished windows and left-out readings. `monotonic` returns
    seconds unaffected by clock changes; `sure` whether the clock is synchronised."""

    def __init__(
        self,
        now: Callable[[], float],
        count: Callable[[str, str, int], None],
        *,
        monotonic: Callable[[], float] | None = None,
        sure: Callable[[], bool] = lambda: True,
        unfinished: OpenWindows | None = None,
    ) -> None:
        self._now, self._count, self._sure = now, count, sure
        self._monotonic = now if monotonic is None else monotonic
        self._unfinished = OpenWindows() if unfinished is None else unfinished
        self._cells: dict[tuple[str, str, str], ZoneWindow] = {}
        self._began: dict[WindowSpec, float] = {}  # rule → monotonic second of its first use
        self._steady: float | None = None  # Unix second since which the clock made no step
        self._offset = 0.0
        self._look()

    def set_specs(self, specs: Iterable[WindowSpec]) -> None:
        """Set the rules. Windows started under another one are incomplete."""
        self._began = {one: self._began.get(one, self._monotonic()) for one in specs}
        for key, cell in list(self._cells.items()):
            if cell.window_spec not in self._began:
                self._drop(key)

    def cell(self, window_spec: WindowSpec, zone: str, site: str, metric: Metric) -> ZoneWindow:
        """Return the windows of a rule, a zone and a metric."""
        key = (window_spec.rule, zone, metric.key)
        known = self._cells.get(key)
        if known is None or known.window_spec != window_spec or known.site != site:
            if known is not None:
                self._drop(key)
            began = self._began.get(window_spec, self._monotonic())
            known = self._cells[key] = ZoneWindow(window_spec, zone, site, metric, began, self._begin, self._since)
        return known

    def due(self) -> list[WindowFigure]:
        """Return the figures and totals of all windows that are over. The next run declares each missing unless `told`
        was called."""
        if not self._look():
            return []
        now = self._now()
        told: list[WindowFigure] = []
        totals: dict[tuple[WindowSubject, float], tuple[Shape, list[float | None]]] = {}
        for cell in self._cells.values():
            self._count_left_out(cell)
            for start, figure in cell.due(now):
                missing = start < (self._since(cell) or now) or self._unfinished.cut(cell.unit, start)
                if cell.window_spec.total:
                    sums = totals.setdefault((cell.total, start), (cell.shape, []))[1]
                    if missing or figure is not None:
                        sums.append(None if missing else figure)
                if not missing and figure is None:
                    self._count("too-few-to-publish", cell.subject.device, 1)
                    self._unfinished.done(cell.unit, start)
                else:
                    told.append(WindowFigure(cell.unit, cell.subject, cell.shape, start, None if missing else figure))
        for (unit, start), (shape, figures) in totals.items():
            whole = [one for one in figures if one is not None]
            if len(whole) < len(figures) or self._unfinished.cut(unit, start):
                told.append(WindowFigure(unit, _subject(unit), shape, start, None))
            elif whole:
                told.append(WindowFigure(unit, _subject(unit), shape, start, sum(whole)))
            else:
                self._unfinished.done(unit, start)
        done = {(one.unit, one.start) for one in told}
        for unit, start in self._unfinished.over(now, GRACE_S):  # without any reading since the restart
            if (unit, start) not in done:
                told.append(WindowFigure(unit, _subject(unit), Shape(columns=()), start, None))
        for one in told:
            if one.value is None:
                self._count("window-missing", one.subject.device, 1)
        return told

    def mark_published(self, one: WindowFigure) -> None:
        """Record that a figure is in the buffer; the same commit marks its window as finished."""
        self._unfinished.done(one.unit, one.start)

    def _begin(self, cell: ZoneWindow, start: float) -> None:
        self._unfinished.begin(cell.unit, start)
        if cell.window_spec.total:
            self._unfinished.begin(cell.total, start)

    def _drop(self, key: tuple[str, str, str]) -> None:
        self._abandon(self._cells.pop(key))

    def _abandon(self, cell: ZoneWindow) -> None:
        self._unfinished.abandon(cell.unit)
        if cell.window_spec.total:
            self._unfinished.abandon(cell.total)

    def _look(self) -> bool:
        """Return whether the clock is usable. A clock that was set makes all open windows incomplete."""
        if not self._sure():
            return False
        now, offset = self._now(), self._now() - self._monotonic()
        if self._steady is None:
            self._steady = now
        elif abs(offset - self._offset) > STEP_S:
            self._steady = now
            for cell in self._cells.values():
                self._abandon(cell)
        self._offset = offset
        return True

    def _since(self, cell: ZoneWindow) -> float | None:
        """Return from when on windows are complete; None without a synchronised clock."""
        if self._steady is None or not self._sure():
            return None
        return max(self._steady, cell.began + self._offset)

    def _count_left_out(self, cell: ZoneWindow) -> None:
        if cell.late:
            self._count("late-for-window", cell.subject.device, cell.late)
        if cell.undated:
            self._count("undated-for-window", cell.subject.device, cell.undated)
        cell.late = cell.undated = 0


def _subject(unit: WindowSubject) -> Subject:
    return Subject(device=unit.device, site=unit.site, zone=unit.zone, integration=INTEGRATION)


def _missing(metric: str) -> Shape:
    """Return the shape of a missing figure: `co2_mean` → `co2_mean_missing`."""
    return Shape(columns=(Column(metric=f"{metric[:56]}_missing", kind="flag"),))


def _figure(window_spec: WindowSpec, window: dict[str, _DeviceTotals]) -> float | None:
    seen: Iterable[_DeviceTotals] = window.values()
    if window_spec.count:
        if window_spec.by == "devices":
            return published(sum(one.greatest > 0 for one in seen))
        return published(sum(one.sum if window_spec.by == "sum" else one.greatest for one in seen))
    if len(window) < window_spec.least:
        return None
    if window_spec.by == "mean":
        figure = sum(one.sum / one.count for one in seen) / len(window)
    elif window_spec.by == "sum":
        figure = sum(one.sum for one in seen)
    else:
        figure = max(one.greatest for one in seen)
    return figure if isfinite(figure) else None


def _shape(metric: Metric, window_spec: WindowSpec) -> Shape:
    """Return the shape of a figure: `co2` by mean → `co2_mean`, a number in the same unit; a count has no unit."""
    key = f"{metric.key}_{'count' if window_spec.count else window_spec.by}"[:64]
    column = Column(
        metric=key,
        unit="1" if window_spec.count else metric.unit,
        resolution="1" if window_spec.count else "0.001" if metric.kind == "flag" else metric.resolution,
        device_class="" if window_spec.count or metric.kind == "flag" else metric.device_class,
        state_class="measurement",
        privacy=PERSONAL if window_spec.count or metric.privacy == PERSONAL else metric.privacy,
    )
    return Shape(columns=(column,))
