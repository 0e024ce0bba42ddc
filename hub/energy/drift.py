"""Drift of a meter from its baseline: two cumulated sums of what the baseline does not explain. Pure.

Page's CUSUM (E. S. Page, Continuous inspection schemes, Biometrika 41, 1954), one for more and one for less, laid out
for a change of TARGET. A day counts for at most CLIP spreads, so that a closed or a misread day is no drift. The
threshold is not taken from a table: it is what chance reaches once in QUIET_Y years, by the reference period's own
residuals drawn again in blocks of a week, and by a made series with their spread and their correlation from day to day.
The draw has a fixed seed: the same days give the same verdict.

A drift is over when the mean of the last two weeks is back within a third of TARGET.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from random import Random
from typing import NamedTuple

from hub.energy.baseline import Baseline, Day

TARGET = 0.10
CLIP = 3.0
BLOCK = 7
QUIET_Y = 2.0
DRAWN_Y = 60
WIDER = 1.1
CALM_DAYS = 4.0
OVER_DAYS = 14


class Verdict(NamedTuple):
    """How a meter stands on its last day. `drifting`: 1 more, −1 less, 0 neither; `since` the day that it seems to have
    begun, `found` the one on which it was found; `size` the mean of it, relative; `more` and `less` the two sums, 1 is
    the threshold; `alarms` the days on which a drift was found."""

    drifting: int = 0
    since: int | None = None
    found: int | None = None
    size: float = 0.0
    more: float = 0.0
    less: float = 0.0
    judged: int = 0
    alarms: tuple[int, ...] = ()


class Sums:
    """The two sums, day by day."""

    def __init__(self, sigma: float, threshold: float) -> None:
        self._gain, self._slack = TARGET / sigma**2, TARGET / 2
        self._clip, self.threshold = CLIP * sigma, threshold
        self.more = self.less = 0.0

    def add(self, residual: float) -> int:
        """1 or −1 where a sum passed the threshold; both begin anew then."""
        clipped = max(-self._clip, min(self._clip, residual))
        self.more = max(0.0, self.more + self._gain * (clipped - self._slack))
        self.less = max(0.0, self.less + self._gain * (-clipped - self._slack))
        passed = 1 if self.more > self.threshold else -1 if self.less > self.threshold else 0
        if passed:
            self.more = self.less = 0.0
        return passed


def threshold(baseline: Baseline) -> float:
    """Where a sum is a drift: what chance alone reaches once in QUIET_Y years, and never less than what a change of
    TARGET reaches in CALM_DAYS."""
    chance = Random(1954)  # noqa: S311 - a draw that can be repeated, not a secret
    days = DRAWN_Y * 365
    known, sigma = baseline.residuals, baseline.sigma
    again: list[float] = []
    while len(again) < days:
        at = chance.randrange(max(1, len(known) - BLOCK))
        again += known[at : at + BLOCK]
    mean = sum(known) / len(known)
    power = sum((one - mean) ** 2 for one in known)
    follow = sum((a - mean) * (b - mean) for a, b in pairwise(known)) / power if power else 0.0
    follow, one, made = max(0.0, min(0.9, follow)), 0.0, []
    own = sigma * WIDER * math.sqrt(1 - follow**2)
    for _ in range(days):
        one = follow * one + chance.gauss(0.0, own)
        made.append(one)
    calm = CALM_DAYS * TARGET / sigma**2 * (TARGET / 2)
    return max(calm, _quiet(again, sigma), _quiet(made, sigma))


def _quiet(residuals: Sequence[float], sigma: float) -> float:
    low, high = 1.0, 60.0
    for _ in range(8):
        middle = (low + high) / 2
        sums = Sums(sigma, middle)
        alarms = sum(1 for residual in residuals if sums.add(residual))
        low, high = (middle, high) if alarms > DRAWN_Y / QUIET_Y else (low, middle)
    return high


def judge(baseline: Baseline, days: Sequence[Day], limit: float) -> Verdict:
    """The days after the reference period, in order."""
    sums = Sums(baseline.sigma, limit)
    drifting, since, found, begun = 0, None, None, {1: None, -1: None}
    history: list[tuple[int, float]] = []
    alarms: list[int] = []
    judged = 0
    for day in days:
        residual = baseline.residual(day)
        if residual is None:
            continue
        judged += 1
        history.append((day.number, residual))
        if drifting:
            last = [one for number, one in history if number > day.number - OVER_DAYS]
            if len(last) >= OVER_DAYS // 2 and found is not None and day.number >= found + OVER_DAYS:
                mean = sum(last) / len(last)
                if mean * drifting < TARGET / 3:
                    drifting, since, found = 0, None, None
                    sums = Sums(baseline.sigma, limit)
            continue
        for side, value in ((1, sums.more), (-1, sums.less)):
            if value == 0.0:
                begun[side] = day.number  # type: ignore[assignment]
        passed = sums.add(residual)
        if passed:
            drifting, since, found = passed, begun[passed], day.number
            alarms.append(day.number)
    size = 0.0
    if drifting and since is not None:
        some = [one for number, one in history if number >= since]
        size = sum(some) / len(some)
    return Verdict(
        drifting, since, found, size, sums.more / limit, sums.less / limit, judged, tuple(alarms)
    )  # fmt: skip
