"""What a day should consume: fitted to a reference period, by outdoor temperature and kind of day. Pure.

IPMVP (EVO 10000-1:2022), option C, whole facility; the model is the three-parameter change point of ASHRAE Guideline
14-2014, annex D, with one level for working days and one for the others:

    E = base + slope × max(0, balance − T*) × (1 on working days, else 1 + off)  + level × (1 on other days)
    T* = (1 − inertia) × today's mean + inertia × yesterday's

Fitted by weighted least squares (a percent of a cold day weighs as much as a percent of a mild one) over a grid of
balance temperatures and inertias. Weekdays on which the meter counts clearly less are found in the data, not asked for.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import msgspec

BALANCES = tuple(8.0 + n for n in range(14))
INERTIAS = (0.0, 0.2, 0.4)
LEAST_DAYS = 120
FULL_DAYS = 365
FLOOR = 0.25
"""Of the mean day: a day that should consume less is judged as if it should consume this."""
OFF = 0.93
CLOSED = 0.15
"""A working day that consumes so much less may be a holiday…"""
CLEARLY = 0.75
"""…where a day off consumes less than this part of a working day."""
BEYOND_K = 2.0
"""A day so much colder than any of the reference period is not judged."""


class Day(NamedTuple):
    """`number` counts days (proleptic ordinal: 1 is a Monday), `used` kWh or units, `mean` and `before` the outdoor
    temperature of the day and of the one before it, in °C."""

    number: int
    used: float
    mean: float
    before: float

    @property
    def weekday(self) -> int:
        """0 is Monday."""
        return (self.number - 1) % 7


class Baseline(msgspec.Struct, frozen=True, kw_only=True):
    """`weights`: base, slope, level of other days, slope of other days. `sigma` is the spread of what is not explained,
    relative; `residuals` are those of the reference period, in order; `first`, `last` its days."""

    balance: float
    inertia: float
    off: tuple[int, ...]
    weights: tuple[float, ...]
    typical: float
    coldest: float
    sigma: float
    r2: float
    residuals: tuple[float, ...]
    first: int
    last: int

    def expected(self, day: Day) -> float:
        """What that day should consume."""
        return _dot(self.weights, _row(day, self.balance, self.inertia, self.off))

    def residual(self, day: Day) -> float | None:
        """How much more it consumed, relative; None where the day is colder than anything that was seen, or where a
        working day looks like a day off: a holiday."""
        if day.mean < self.coldest - BEYOND_K:
            return None
        expected = self.expected(day)
        scale = max(expected, FLOOR * self.typical)
        residual = (day.used - expected) / scale
        if self.off and day.weekday not in self.off and residual < -max(CLOSED, 2 * self.sigma):
            other = _dot(self.weights, _row(day, self.balance, self.inertia, tuple(range(7))))
            if other < CLEARLY * expected and abs(day.used - other) < abs(day.used - expected):
                return None
        return residual


def fit(days: Sequence[Day]) -> Baseline | None:
    """The baseline of a reference period, None where it says too little: too short, or next to nothing consumed."""
    first = _fit(days)
    if first is None or not first.off:
        return first
    return _fit([day for day in days if first.residual(day) is not None]) or first


def _fit(days: Sequence[Day]) -> Baseline | None:
    if len(days) < LEAST_DAYS:
        return None
    typical = sum(day.used for day in days) / len(days)
    if typical <= 0:
        return None
    off = _off_days(days, typical)
    # A day's weight comes from what it should have consumed: its own noise must not choose it.
    plain = _solve(days, [1.0] * len(days), 16.0, 0.2, off)
    if plain is None:
        return None
    weights = _weights(days, plain[1], 16.0, 0.2, off, typical)
    coarse = [(balance, inertia) for balance in BALANCES for inertia in INERTIAS]
    best = _best(days, weights, coarse, off)
    if best is None:
        return None
    _, balance, inertia, found = best
    weights = _weights(days, found, balance, inertia, off, typical)
    fine = [
        (balance + 0.25 * n, min(0.6, max(0.0, inertia + 0.05 * m))) for n in range(-3, 4) for m in range(-3, 4)
    ]  # fmt: skip
    _, balance, inertia, found = _best(days, weights, fine, off) or best
    expected = [_dot(found, _row(day, balance, inertia, off)) for day in days]
    residuals = [
        (day.used - one) / max(one, FLOOR * typical) for day, one in zip(days, expected, strict=True)
    ]  # fmt: skip
    spread = sum((day.used - typical) ** 2 for day in days)
    left = sum((day.used - one) ** 2 for day, one in zip(days, expected, strict=True))
    return Baseline(
        balance=balance, inertia=inertia, off=off, weights=found, typical=typical,
        coldest=min(day.mean for day in days), sigma=_sigma(residuals), r2=1 - left / spread if spread else 0.0,
        residuals=tuple(residuals), first=days[0].number, last=days[-1].number,
    )  # fmt: skip


def _weights(
    days: Sequence[Day], found: Sequence[float], balance: float, inertia: float, off: tuple[int, ...], typical: float
) -> list[float]:
    """A percent of a cold day weighs as much as a percent of a mild one."""
    return [1.0 / max(_dot(found, _row(day, balance, inertia, off)), FLOOR * typical) ** 2 for day in days]


def _best(
    days: Sequence[Day], weights: Sequence[float], grid: Sequence[tuple[float, float]], off: tuple[int, ...]
) -> tuple[float, float, float, tuple[float, ...]] | None:
    """(what is left, balance, inertia, weights) of the best of the grid."""
    best: tuple[float, float, float, tuple[float, ...]] | None = None
    for balance, inertia in grid:
        solved = _solve(days, weights, balance, inertia, off)
        if solved is not None and (best is None or solved[0] < best[0]):
            best = (solved[0], balance, inertia, solved[1])
    return best


def _sigma(residuals: Sequence[float]) -> float:
    """Of the middle of them: a closed week does not widen it."""
    ordered = sorted(abs(one) for one in residuals)
    return max(0.005, ordered[len(ordered) * 68 // 100])


def _off_days(days: Sequence[Day], typical: float) -> tuple[int, ...]:
    """The weekdays on which clearly less is consumed, at like temperatures."""
    plain = _solve(days, [1.0] * len(days), 16.0, 0.0, ())
    if plain is None:
        return ()
    ratios: list[list[float]] = [[] for _ in range(7)]
    for day in days:
        expected = max(_dot(plain[1], _row(day, 16.0, 0.0, ())), FLOOR * typical)
        ratios[day.weekday].append(day.used / expected)
    middles = [sorted(some)[len(some) // 2] if some else 1.0 for some in ratios]
    full = sorted(middles)[-3]  # most buildings work on three days at least
    return tuple(at for at, middle in enumerate(middles) if middle < OFF * full)


def _row(day: Day, balance: float, inertia: float, off: tuple[int, ...]) -> tuple[float, ...]:
    felt = (1 - inertia) * day.mean + inertia * day.before
    cold = max(0.0, balance - felt)
    if not off:
        return 1.0, cold
    other = day.weekday in off
    return 1.0, cold, 1.0 if other else 0.0, cold if other else 0.0


def _dot(weights: Sequence[float], row: Sequence[float]) -> float:
    return sum(weight * one for weight, one in zip(weights, row, strict=True))


def _solve(
    days: Sequence[Day], weights: Sequence[float], balance: float, inertia: float, off: tuple[int, ...]
) -> tuple[float, tuple[float, ...]] | None:
    """Weighted least squares: (what is left, the weights); None where the days cannot tell."""
    size = 4 if off else 2
    normal = [[0.0] * (size + 1) for _ in range(size)]
    total = 0.0
    for day, weight in zip(days, weights, strict=True):
        row = _row(day, balance, inertia, off)
        total += weight * day.used * day.used
        for i in range(size):
            scaled = weight * row[i]
            if scaled:
                line = normal[i]
                for j in range(i, size):
                    line[j] += scaled * row[j]
                line[size] += scaled * day.used
    right = [line[size] for line in normal]
    for i in range(size):
        for j in range(i):
            normal[i][j] = normal[j][i]
    found = _gauss(normal, size)
    if found is None:
        return None
    return total - _dot(found, right), found


def _gauss(lines: list[list[float]], size: int) -> tuple[float, ...] | None:
    for at in range(size):
        pivot = max(range(at, size), key=lambda i: abs(lines[i][at]))
        if abs(lines[pivot][at]) < 1e-12 * max(1e-300, abs(lines[0][0])):
            return None
        lines[at], lines[pivot] = lines[pivot], lines[at]
        for i in range(at + 1, size):
            factor = lines[i][at] / lines[at][at]
            for j in range(at, size + 1):
                lines[i][j] -= factor * lines[at][j]
    found = [0.0] * size
    for at in reversed(range(size)):
        found[at] = (lines[at][size] - sum(lines[at][j] * found[j] for j in range(at + 1, size))) / lines[at][at]
    return tuple(found)
