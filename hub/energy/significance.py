"""Thresholds of the drift test, from the noise of each meter. Pure.

The threshold is not taken from a table: it is what chance exceeds QUIET times a year in DRAWN_Y simulated years. Their
noise follows the residuals of the reference period: an autoregression with resampled innovations (sieve bootstrap,
Bühlmann, Bernoulli 3, 1997), plus a slow random wander where two-week means vary more than that explains; so persistent
noise is no drift. Each simulated year is judged by a baseline fitted to another one, because the real one is no better
known. The seed is fixed: the same days give the same threshold.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from random import Random

import msgspec

from hub.energy.baseline import FLOOR, Baseline, Day, within
from hub.energy.drift import CLIP, LEAST, WINDOWS, Limit, Sums, run
from hub.energy.least_squares import dot, gauss

ORDER = 3
QUIET = 0.6
DRAWN_Y = 80
TRIED = 12
SLOW_DAYS = 21.0
LASTING = 0.8
"""Share of the wander's variance that a mean over the first window keeps."""


def limit_of(baseline: Baseline, days: Sequence[Day]) -> Limit:
    """Compute the threshold of a meter from its reference period."""
    known = {day.number: day for day in days}
    numbers = list(range(baseline.first, baseline.last + 1))
    rows = [
        (day, baseline.residuals[number - baseline.first]) if (day := known.get(number)) else None for number in numbers
    ]
    model = _Noise(baseline.residuals, sum(kind.shape.size for kind in baseline.kinds))
    errors = _Errors(baseline, [one[0] if one is not None and one[1] is not None else None for one in rows])
    spreads = [baseline.sigma if one is None else baseline.spread(one[0]) for one in rows]
    chance = Random(1954)  # noqa: S311 - a draw that can be repeated, not a secret
    model.wander(
        _strays([baseline.residuals], spreads),
        [_minus(rows, drawn := model.drawn(chance, len(numbers)), errors.of(drawn)) for _ in range(TRIED)],
        spreads,
    )
    years, middles = [], []
    for _ in range(max(1, math.ceil(DRAWN_Y * 365 / len(numbers)))):
        made = _minus(rows, model.drawn(chance, len(numbers)), errors.of(model.drawn(chance, len(numbers))))
        sums = Sums(made, spreads)
        years.append((max(abs(sums.strongest(0, at + 1)) for at in range(len(made))), sums))
        middles += [sums.mean(at, at + WINDOWS[0])[0] for at in range(0, len(made) - WINDOWS[0], WINDOWS[0])]
    allowed = QUIET * len(years) * len(numbers) / 365
    low, high = 2.5, 12.0
    for _ in range(10):
        middle = (low + high) / 2
        alarms = sum(len(run(sums, middle).alarms) for most, sums in years if most > middle)
        low, high = (middle, high) if alarms > allowed else (low, middle)
    wide = math.sqrt(sum(one * one for one in middles) / max(1, len(middles)))
    return Limit(high, max(LEAST, (high + 1.2816 * wide) * baseline.sigma / math.sqrt(WINDOWS[0])))


_Rows = Sequence[tuple[Day, float | None] | None]


def _minus(rows: _Rows, drawn: Sequence[float], bias: Sequence[float]) -> list[float | None]:
    return [
        None if row is None or row[1] is None else one - wrong
        for row, one, wrong in zip(rows, drawn, bias, strict=True)
    ]


def _strays(years: Sequence[Sequence[float | None]], spreads: Sequence[float]) -> float:
    """Return the mean square of the first window's mean, in its own standard error."""
    found = []
    for residuals in years:
        sums = Sums(residuals, spreads)
        found += [sums.mean(at, at + WINDOWS[0])[0] ** 2 for at in range(0, len(residuals) - WINDOWS[0], 3)]
    return sum(found) / max(1, len(found))


class _Noise:
    """An autoregressive model of the residuals (Yule-Walker); None marks unknown days."""

    def __init__(self, residuals: Sequence[float | None], lost: int) -> None:
        known = [one for one in residuals if one is not None]
        mean = sum(known) / len(known)
        clean = [None if one is None else max(-CLIP, min(CLIP, one - mean)) for one in residuals]
        lags = [_lagged(clean, lag) for lag in range(ORDER + 1)]
        lines = [[lags[abs(i - j)] for j in range(ORDER)] + [lags[i + 1]] for i in range(ORDER)]
        self.follow: tuple[float, ...] = gauss(lines) or ()
        if sum(abs(one) for one in self.follow) > 0.95:  # nearly non-stationary, which a year of data cannot establish
            first = max(-0.9, min(0.9, lags[1] / lags[0]))
            self.follow = (first,)
        self.innovations = [
            one - dot(self.follow, last)
            for at in range(len(self.follow), len(clean))
            if (one := clean[at]) is not None
            and len(last := [x for x in clean[at - len(self.follow) : at][::-1] if x is not None]) == len(self.follow)
        ] or [0.0]
        # A fitted model absorbs some persistent noise: the noise of an unseen year is wider by this factor.
        lasting = (
            1
            / max(0.2, 1 - sum(self.follow)) ** 2
            * (1 - sum(follow * lags[at + 1] / lags[0] for at, follow in enumerate(self.follow)))
        )
        self.wider = 1 / math.sqrt(max(0.5, 1 - lost * max(1.0, lasting) / len(known)))
        self.slow = 0.0

    def wander(self, strays: float, years: Sequence[Sequence[float | None]], spreads: Sequence[float]) -> None:
        """Set the slow wander by the excess of the reference period's two-week means over those of `years` without
        it."""
        self.slow = math.sqrt(max(0.0, strays - _strays(years, spreads)) / (WINDOWS[0] * LASTING))

    def drawn(self, chance: Random, days: int) -> list[float]:
        made = [0.0] * len(self.follow)
        back = list(reversed(self.follow))
        order, innovations, size = len(back), self.innovations, len(self.innovations)
        if self.slow:
            keep = math.exp(-1 / SLOW_DAYS)
            slow, step = chance.gauss(0.0, self.slow), self.slow * math.sqrt(1 - keep**2)
            wandered = [slow := keep * slow + chance.gauss(0.0, step) for _ in range(days)]
        else:
            wandered = [0.0] * days
        for _ in range(days + 20):
            one = innovations[int(chance.random() * size)] * self.wider
            for at in range(order):
                one += back[at] * made[at - order]
            made.append(one)
        return [one + slow for one, slow in zip(made[-days:], wandered, strict=True)]


def _lagged(residuals: Sequence[float | None], lag: int) -> float:
    pairs = [(a, b) for a, b in zip(residuals, residuals[lag:], strict=False) if a is not None and b is not None]
    return sum(a * b for a, b in pairs) / max(1, len(pairs))


class _Errors:
    """The error of a baseline fitted to noise, in spreads of each day: the same least squares, linearised around the
    balance temperatures and inertia found."""

    def __init__(self, baseline: Baseline, days: Sequence[Day | None]) -> None:
        self._rows: list[tuple[tuple[float, ...], float] | None] = []
        for day in days:
            if day is None:
                self._rows.append(None)
                continue
            unit = max(baseline.expected(day), FLOOR * baseline.typical) * baseline.spread(day)
            weight = baseline.spread(day)  # relative least squares: days with a wide spread count like others
            self._rows.append((tuple(one / unit for one in _slopes(baseline, day)), weight))
        size = len(_slopes(baseline, next(day for day in days if day is not None)))
        normal = [[0.0] * size for _ in range(size)]
        for one in self._rows:
            if one is not None:
                row, weight = one
                for i in range(size):
                    if row[i]:
                        for j in range(size):
                            normal[i][j] += weight**2 * row[i] * row[j]
        for i in range(size):
            normal[i][i] *= 1 + 1e-6
        self._normal = normal

    def of(self, noise: Sequence[float]) -> list[float]:
        right = [0.0] * len(self._normal)
        for one, value in zip(self._rows, noise, strict=True):
            if one is not None:
                row, weight = one
                for i, slope in enumerate(row):
                    if slope:
                        right[i] += weight**2 * slope * value
        found = gauss([[*line, value] for line, value in zip(self._normal, right, strict=True)])
        if found is None:
            return [0.0] * len(self._rows)
        return [0.0 if one is None else dot(found, one[0]) for one in self._rows]


def _slopes(baseline: Baseline, day: Day) -> tuple[float, ...]:
    """Return the derivatives of that day's expectation by each fitted figure: weights, balance temperatures,
    inertia."""
    row: list[float] = []
    for at, kind in enumerate(baseline.kinds):
        shape = kind.shape
        if at != baseline.number(day):
            row += [0.0] * shape.size
            continue
        felt, lag = (1 - shape.inertia) * day.mean + shape.inertia * day.before, 0.0
        row += shape.row(day)
        for term, (balance, sign) in enumerate(((shape.warm, 1.0), (shape.hot, -1.0))):
            if balance is None:
                continue
            over = sign * (balance - felt)
            slope = sign * within(over, shape.width) * kind.weights[1 if term == 0 or shape.warm is None else 2]
            if term and shape.warm == shape.hot:
                row[-1] += slope  # one balance temperature for both
            else:
                row.append(slope)
            lag += slope * (day.mean - day.before)
        row += [lag] * (shape.slopes > 0)
        if shape.width > 0:
            wider = msgspec.structs.replace(shape, width=shape.width + 0.5)
            row.append(2 * (dot(kind.weights, wider.row(day)) - kind.expected(day)))
    return tuple(row)
