"""Drift of a meter from its baseline: tests the mean residual over two windows. Pure.

A drift of TARGET is to be found within WINDOWS[0] days. Of all tests with a given rate of false alarms, the one that
most often finds a lasting change within a given time is the mean over just that time (Lai, IEEE Trans. Information
Theory 44, 1998, on window-limited tests; a Page CUSUM designed for the shortest mean delay finds a few percent fewer in
time). A second, longer window finds smaller drifts, or those of noisier meters. Days are weighted by the inverse square
of their spread, and limited to CLIP spreads or twice TARGET, so that a closed day or a misreading is no drift.

The threshold is individual to each meter: hub.energy.significance. A drift ends when the mean of the last two weeks is
back within a third of TARGET.
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
"""Factors on the threshold by window: the second one only has to find what the first cannot."""
LEAST = 0.05
"""Smaller means are no drift, however significant: no model is better than that from one year to the next."""
CLIP = 3.0
OVER_DAYS = 14
BACK_DAYS = 84


class Verdict(NamedTuple):
    """The state of a meter on its last day.

    `drifting`: 1 more, −1 less, 0 neither; `since` the day it seems to have begun, `found` the day it was found; `size`
    the mean relative deviation; `more` and `less` the test statistic over its threshold; `judged` the number of days
    judged; `alarms` the days on which a drift was found.
    """

    drifting: int = 0
    since: int | None = None
    found: int | None = None
    size: float = 0.0
    more: float = 0.0
    less: float = 0.0
    judged: int = 0
    alarms: tuple[int, ...] = ()


class Limit(NamedTuple):
    """`threshold` of the test statistic; `sure` the relative drift found within WINDOWS[0] days in nine of ten
    cases."""

    threshold: float
    sure: float


class Sums:
    """Prefix sums over a period, for means over any part of it. `residuals` in spreads, None where not judged;
    `spreads` relative."""

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
        """Return the mean of the days [begin, end): in its own standard error, and relative."""
        weight = self._weight[end] - self._weight[begin]
        over = self._over[end] - self._over[begin]
        return (over / math.sqrt(weight), over / weight) if weight > 0 else (0.0, 0.0)

    def strongest(self, begin: int, end: int) -> float:
        """Return the most significant mean of the windows that end before `end`; 0 where too little is known or it is
        too small."""
        best = 0.0
        for days, stricter in zip(WINDOWS, STRICTER, strict=True):
            first = max(begin, end - days)
            if self._count[end] - self._count[first] >= days / 2:
                clear, size = self.mean(first, end)
                if abs(size) >= LEAST and abs(clear) / stricter > abs(best):
                    best = clear / stricter
        return best


class State(NamedTuple):
    """The result of a run: `side` of the present drift, 0 without; `found`, `begin` (of what windows may see) and
    `alarms` are day indexes; `clear` the last test statistic."""

    side: int
    found: int
    begin: int
    alarms: list[int]
    clear: float


def run(sums: Sums, threshold: float) -> State:
    """Run the test day by day."""
    side, found, begin, alarms, clear = 0, 0, 0, [], 0.0
    for at, residual in enumerate(sums.residuals):
        if residual is None:
            continue
        if side:
            first = max(begin, at + 1 - OVER_DAYS)
            if at >= found + OVER_DAYS and sums.mean(first, at + 1)[1] * side < TARGET / 3:
                side, begin, clear = 0, at + 1, 0.0
            continue
        clear = sums.strongest(begin, at + 1)
        if abs(clear) > threshold:
            side, found = (1 if clear > 0 else -1), at
            alarms.append(at)
    return State(side, found, begin, alarms, clear)


def evaluate(baseline: Baseline, days: Sequence[Day], limit: Limit) -> Verdict:
    """Judge the days after the reference period, in order."""
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
    """Return the start day for which the mean up to the find is most significant."""
    known = [
        at
        for at in range(max(state.begin, state.found + 1 - BACK_DAYS), state.found + 1)
        if sums.residuals[at] is not None
    ]
    return max(known, key=lambda at: state.side * sums.mean(at, state.found + 1)[0])
