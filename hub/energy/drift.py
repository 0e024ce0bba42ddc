"""Drift of a meter from its baseline: the mean of what the baseline does not explain, over two windows. Pure.

A drift of TARGET is to be found within WINDOWS[0] days. Of all tests with a given rate of false alarms the one that
finds a lasting change within a given time most often is the mean over just that time (Lai, IEEE Trans. Information
Theory 44, 1998, on window-limited tests; a cumulated sum of Page's kind, laid out for the soonest find on the average,
finds a few percent fewer in time). A second, longer window finds what is smaller, or hidden in a noisier meter. Days
count by the square of how well they are explained, and at most as CLIP spreads or twice TARGET, so that a closed or a
misread day is no drift.

The threshold is the meter's own: hub.energy.significance.

A drift is over when the mean of the last two weeks is back within a third of TARGET.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import accumulate
from typing import NamedTuple

from hub.energy.baseline import Baseline, Day

TARGET = 0.10
WINDOWS = (14, 42)
STRICTER = (1.0, 1.15)
"""The second window must be so much clearer: it is there for what the first cannot find, and costs it little."""
LEAST = 0.05
"""A smaller mean is no drift, however sure it is: no model is better than that from one year to the next."""
CLIP = 3.0
OVER_DAYS = 14
BACK_DAYS = 84


class Verdict(NamedTuple):
    """How a meter stands on its last day. `drifting`: 1 more, −1 less, 0 neither; `since` the day that it seems to
    have begun, `found` the one on which it was found; `size` the mean of it, relative; `more` and `less` how near
    either is, 1 is the threshold; `alarms` the days on which a drift was found."""

    drifting: int = 0
    since: int | None = None
    found: int | None = None
    size: float = 0.0
    more: float = 0.0
    less: float = 0.0
    judged: int = 0
    alarms: tuple[int, ...] = ()


class Limit(NamedTuple):
    """`threshold` in spreads of a window of independent days; `sure` the drift that is found within WINDOWS[0] days in
    nine of ten cases, relative, on a day of the usual spread."""

    threshold: float
    sure: float


class Sums:
    """Of one stretch of days: what a mean over any part of it needs. `residuals` in spreads, None of a day that is not
    judged; `spreads` relative."""

    def __init__(self, residuals: Sequence[float | None], spreads: Sequence[float]) -> None:
        self.residuals = residuals
        known = [0.0 if one is None else 1.0 for one in residuals]
        self._over = [0.0, *accumulate(
            0.0 if one is None else max(-most, min(most, one)) / spread
            for one, spread in zip(residuals, spreads, strict=True) for most in [max(CLIP, 2 * TARGET / spread)]
        )]  # fmt: skip
        self._weight = [0.0, *accumulate(one / spread**2 for one, spread in zip(known, spreads, strict=True))]
        self._count = [0.0, *accumulate(known)]

    def mean(self, begin: int, end: int) -> tuple[float, float]:
        """(how clear, how big) the mean of the days from `begin` to before `end` is: in its own spread, and
        relative."""
        weight = self._weight[end] - self._weight[begin]
        over = self._over[end] - self._over[begin]
        return (over / math.sqrt(weight), over / weight) if weight > 0 else (0.0, 0.0)

    def clearest(self, begin: int, end: int) -> float:
        """Of the windows that end before `end`; 0 where too little is known or the mean is too small to be one."""
        best = 0.0
        for days, stricter in zip(WINDOWS, STRICTER, strict=True):
            first = max(begin, end - days)
            if self._count[end] - self._count[first] >= days / 2:
                clear, size = self.mean(first, end)
                if abs(size) >= LEAST and abs(clear) / stricter > abs(best):
                    best = clear / stricter
        return best


class State(NamedTuple):
    """After a stretch: `side` of the drift that stands, 0 without; `found`, `begin` (of what windows may see) and
    `alarms` are numbers of days in it; `clear` how clear the last mean was."""

    side: int
    found: int
    begin: int
    alarms: list[int]
    clear: float


def run(sums: Sums, threshold: float) -> State:
    """Day by day."""
    side, found, begin, alarms, clear = 0, 0, 0, [], 0.0
    for at, residual in enumerate(sums.residuals):
        if residual is None:
            continue
        if side:
            first = max(begin, at + 1 - OVER_DAYS)
            if at >= found + OVER_DAYS and sums.mean(first, at + 1)[1] * side < TARGET / 3:
                side, begin, clear = 0, at + 1, 0.0
            continue
        clear = sums.clearest(begin, at + 1)
        if abs(clear) > threshold:
            side, found = (1 if clear > 0 else -1), at
            alarms.append(at)
    return State(side, found, begin, alarms, clear)


def judge(baseline: Baseline, days: Sequence[Day], limit: Limit) -> Verdict:
    """The days after the reference period, in order."""
    if not days:
        return Verdict()
    first = days[0].number
    residuals: list[float | None] = [None] * (days[-1].number - first + 1)
    spreads = [baseline.sigma] * len(residuals)
    for day in days:
        residual, spread = baseline.residual(day), baseline.spread(day)
        spreads[day.number - first] = spread
        residuals[day.number - first] = None if residual is None else residual / spread
    sums = Sums(residuals, spreads)
    state = run(sums, limit.threshold)
    judged = sum(1 for one in residuals if one is not None)
    alarms = tuple(first + at for at in state.alarms)
    if not state.side:
        near = state.clear / limit.threshold
        return Verdict(more=max(0.0, near), less=max(0.0, -near), judged=judged, alarms=alarms)
    since = _since(sums, state)
    size = sums.mean(since, len(residuals))[1]
    return Verdict(
        state.side,
        first + since,
        first + state.found,
        size,
        float(state.side > 0),
        float(state.side < 0),
        judged,
        alarms,
    )


def _since(sums: Sums, state: State) -> int:
    """From which day to the find the mean is the clearest."""
    known = [
        at
        for at in range(max(state.begin, state.found + 1 - BACK_DAYS), state.found + 1)
        if sums.residuals[at] is not None
    ]
    return max(known, key=lambda at: state.side * sums.mean(at, state.found + 1)[0])
