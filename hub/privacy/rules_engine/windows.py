"""Aggregates and counts over windows: what many devices of a zone said, of which only the result leaves. Pure.

What is published   an aggregate of `least` devices or more, else nothing; a count rounded to 5, where 0 and 1 to 4 are
                    told alike, as 0: statistical disclosure control with a threshold of 5, not anonymity
Totals              of a site: the sum of what was published of its zones, never of what was counted
Partition           a metric of a zone is in one window of one rule: no two published figures can be subtracted
Dated               by the beginning of the window, in UTC; windows are told a minute after their end. What comes
                    later is counted and left out.
Whole, or missing   a figure is of a window that this process saw from its beginning to its end, by a clock that it was
                    sure of and that nobody set meanwhile, under one rule. Any other is declared missing: a flag in the
                    place of the figure. A total with a zone that is missing is missing.

Raw values are in RAM only, one line a device, and go with the window. See `hub.privacy.rules_engine.open_windows` for
what outlives a kill: that a window was begun, and nothing of what was said in it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from math import isfinite

import msgspec

from hub.core.model import Metric, Quality, Value
from hub.privacy.rules_engine.data_categories import PERSONAL
from hub.privacy.rules_engine.open_windows import Unfinished, Unit
from hub.privacy.rules_engine.rules import Gather
from hub.protocol.records.rows import Column, Row, Shape, Subject

GRACE_S = 60.0
THRESHOLD = 5
STEP_S = 5.0
"""A clock that moved by more than this between two looks was set: what was counted by it is not whole."""
INTEGRATION = "privacy"


def published(count: float) -> int:
    """The figure that may leave."""
    return 0 if count < THRESHOLD else THRESHOLD * int(count / THRESHOLD + 0.5)


class Derived(msgspec.Struct, frozen=True):
    """What is told of a window: `start` in Unix seconds, `value` None where it was not seen whole."""

    unit: Unit
    subject: Subject
    shape: Shape
    start: float
    value: float | None

    def row(self, *, sure: bool) -> Row:
        time_ms = int(self.start * 1000)
        if self.value is None:
            return Row(self.subject, _missing(self.unit.metric), time_ms, sure, (True,))
        return Row(self.subject, self.shape, time_ms, sure, (self.value,), Quality.GOOD)


class _Seen:
    __slots__ = ("count", "greatest", "sum")

    def __init__(self) -> None:
        self.count, self.sum, self.greatest = 0, 0.0, float("-inf")


class ZoneWindow:
    """One metric of one zone under one rule. `take` is all that the straight path calls; `begin(start)` is told of each
    new window; `since` says from when on windows are seen, None while there is no clock to count by."""

    __slots__ = ("_begin", "_closed", "_since", "_windows", "began", "gather", "late", "shape", "site", "subject",
                 "total", "undated", "unit")  # fmt: skip

    def __init__(
        self,
        gather: Gather,
        zone: str,
        site: str,
        metric: Metric,
        began: float,
        begin: Callable[[ZoneWindow, float], None],
        since: Callable[[ZoneWindow], float | None],
    ) -> None:
        self.gather, self.site, self.began = gather, site, began
        self.subject = Subject(device=f"zone:{zone}", site=site, zone=zone, integration=INTEGRATION)
        self.shape = _shape(metric, gather)
        told = self.shape.columns[0].metric
        self.unit = Unit(gather.rule, self.subject.device, site, zone, told, gather.window_s)
        self.total = Unit(gather.rule, f"site:{site}", site, "", told, gather.window_s)
        self.late = self.undated = 0
        self._begin, self._since = begin, since
        self._windows: dict[float, dict[str, _Seen]] = {}
        self._closed = float("-inf")

    def take(self, device: str, value: Value, at: float) -> None:
        """A reading of `at`, Unix seconds."""
        start = at - at % self.gather.window_s
        window = self._windows.get(start)
        if window is None:
            since = self._since(self)
            if since is None:
                self.undated += 1
                return
            if start < self._closed or start + self.gather.window_s <= since:
                self.late += 1
                return
            window = self._windows[start] = {}
            self._begin(self, start)
        seen = window.get(device)
        if seen is None:
            seen = window[device] = _Seen()
        number = float(value)
        seen.count += 1
        seen.sum += number
        seen.greatest = max(seen.greatest, number)

    def due(self, now: float) -> list[tuple[float, float | None]]:
        """(start, figure or None where too few spoke) of the windows that are over."""
        told = []
        for start in sorted(self._windows):
            if start + self.gather.window_s + GRACE_S <= now:
                told.append((start, _figure(self.gather, self._windows.pop(start))))
                self._closed = max(self._closed, start + self.gather.window_s)
        return told


class Windows:
    """All cells of one hub. `count` is told of windows of which nothing is published, and of readings left out.
    `monotonic` seconds stand still for nobody who sets the clock; `sure`: is the clock right?"""

    def __init__(
        self,
        now: Callable[[], float],
        count: Callable[[str, str, int], None],
        *,
        monotonic: Callable[[], float] | None = None,
        sure: Callable[[], bool] = lambda: True,
        unfinished: Unfinished | None = None,
    ) -> None:
        self._now, self._count, self._sure = now, count, sure
        self._monotonic = now if monotonic is None else monotonic
        self._unfinished = Unfinished() if unfinished is None else unfinished
        self._cells: dict[tuple[str, str, str], ZoneWindow] = {}
        self._began: dict[Gather, float] = {}  # by monotonic seconds
        self._steady: float | None = None  # since when the clock goes on without a step
        self._offset = 0.0
        self._look()

    def follow(self, gathers: Iterable[Gather]) -> None:
        """These are the rules from now on. What was begun under another one is not whole."""
        self._began = {one: self._began.get(one, self._monotonic()) for one in gathers}
        for key, cell in list(self._cells.items()):
            if cell.gather not in self._began:
                self._drop(key)

    def cell(self, gather: Gather, zone: str, site: str, metric: Metric) -> ZoneWindow:
        """The one cell of a rule, a zone and a metric."""
        key = (gather.rule, zone, metric.key)
        known = self._cells.get(key)
        if known is None or known.gather != gather or known.site != site:
            if known is not None:
                self._drop(key)
            began = self._began.get(gather, self._monotonic())
            known = self._cells[key] = ZoneWindow(gather, zone, site, metric, began, self._begin, self._since)
        return known

    def due(self) -> list[Derived]:
        """What is told of all windows that are over, and of their totals. Each is told again by the next life, as
        missing, until `told` was called."""
        if not self._look():
            return []
        now = self._now()
        told: list[Derived] = []
        totals: dict[tuple[Unit, float], tuple[Shape, list[float | None]]] = {}
        for cell in self._cells.values():
            self._count_left_out(cell)
            for start, figure in cell.due(now):
                missing = start < (self._since(cell) or now) or self._unfinished.cut(cell.unit, start)
                if cell.gather.total:
                    sums = totals.setdefault((cell.total, start), (cell.shape, []))[1]
                    if missing or figure is not None:
                        sums.append(None if missing else figure)
                if not missing and figure is None:
                    self._count("too-few-to-publish", cell.subject.device, 1)
                    self._unfinished.done(cell.unit, start)
                else:
                    told.append(Derived(cell.unit, cell.subject, cell.shape, start, None if missing else figure))
        for (unit, start), (shape, figures) in totals.items():
            whole = [one for one in figures if one is not None]
            if len(whole) < len(figures) or self._unfinished.cut(unit, start):
                told.append(Derived(unit, _subject(unit), shape, start, None))
            elif whole:
                told.append(Derived(unit, _subject(unit), shape, start, sum(whole)))
            else:
                self._unfinished.done(unit, start)
        done = {(one.unit, one.start) for one in told}
        for unit, start in self._unfinished.over(now, GRACE_S):  # of which nobody spoke since
            if (unit, start) not in done:
                told.append(Derived(unit, _subject(unit), Shape(columns=()), start, None))
        for one in told:
            if one.value is None:
                self._count("window-missing", one.subject.device, 1)
        return told

    def told(self, one: Derived) -> None:
        """It is in the buffer: with the same commit it is no longer unfinished."""
        self._unfinished.done(one.unit, one.start)

    def _begin(self, cell: ZoneWindow, start: float) -> None:
        self._unfinished.begin(cell.unit, start)
        if cell.gather.total:
            self._unfinished.begin(cell.total, start)

    def _drop(self, key: tuple[str, str, str]) -> None:
        self._abandon(self._cells.pop(key))

    def _abandon(self, cell: ZoneWindow) -> None:
        self._unfinished.abandon(cell.unit)
        if cell.gather.total:
            self._unfinished.abandon(cell.total)

    def _look(self) -> bool:
        """Is there a clock to count by? One that was set cuts every window that is open."""
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
        """From when on it sees windows; None without a clock."""
        if self._steady is None or not self._sure():
            return None
        return max(self._steady, cell.began + self._offset)

    def _count_left_out(self, cell: ZoneWindow) -> None:
        if cell.late:
            self._count("late-for-window", cell.subject.device, cell.late)
        if cell.undated:
            self._count("undated-for-window", cell.subject.device, cell.undated)
        cell.late = cell.undated = 0


def _subject(unit: Unit) -> Subject:
    return Subject(device=unit.device, site=unit.site, zone=unit.zone, integration=INTEGRATION)


def _missing(metric: str) -> Shape:
    """`co2_mean` → `co2_mean_missing`."""
    return Shape(columns=(Column(metric=f"{metric[:56]}_missing", kind="flag"),))


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
        metric=key,
        unit="1" if gather.count else metric.unit,
        resolution="1" if gather.count else "0.001" if metric.kind == "flag" else metric.resolution,
        device_class="" if gather.count or metric.kind == "flag" else metric.device_class,
        state_class="measurement",
        privacy=PERSONAL if gather.count or metric.privacy == PERSONAL else metric.privacy,
    )
    return Shape(columns=(column,))
