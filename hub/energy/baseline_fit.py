"""Fits a baseline to the days of a reference period. Pure.

Balance temperatures are found by weighted least squares over a grid that is refined twice; weights make relative errors
count alike on cold and mild days. The Bayesian information criterion (Schwarz, Annals of Statistics 6, 1978) decides
whether there are terms for heating and cooling, and which weekdays are of one kind (a building heats up on Mondays and
cools down on Saturdays), without asking anybody. It adds log(days) to days × log(mean square) per fitted figure. A term
is fitted only where its season was observed.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

import msgspec

from hub.energy.baseline import BEYOND_K, FLOOR, LOW, SPECIAL, Baseline, Day, Kind, Shape, kind_at
from hub.energy.least_squares import solve

LEAST_DAYS = 120
OFF = 0.93
"""Weekdays with less than this fraction of consumption are days off."""
LEAST_GAIN = 6.0
"""Minimum improvement of the information criterion by a term ("strong" evidence in the usual reading)."""
LEAST_SIGMA = 0.005
LEAST_SPECIAL = 4
APART, APART_SPREADS = 0.05, 3.0
"""Special days are kept apart where their mean deviates by more than both: of the expected consumption, and of its own
spread."""
NEARLY_A_YEAR = 330
SEEN, SEEN_K = 0.08, 1.0
"""A season was observed where at least this fraction of days, of each kind, was this far beyond the balance
temperature."""


class _Found(NamedTuple):
    score: float
    kinds: tuple[Kind, ...]
    week: tuple[int, ...]
    school: int | None = None

    def expected(self, day: Day) -> float:
        return self.kinds[kind_at(self.week, self.school, day)].expected(day)


def fit(days: Sequence[Day]) -> Baseline | None:
    """Fit the baseline of a reference period, None where it is too short or almost nothing was consumed."""
    first = _fit(days)
    if first is None:
        return None
    first = msgspec.structs.replace(first, apart=_apart(first, days))
    usual = [day for day in days if first.residual(day) is not None]
    return (_fit(usual, days, first.apart) if len(usual) < len(days) else None) or first


def _apart(first: Baseline, days: Sequence[Day]) -> tuple[str, ...]:
    """Return the special days to keep apart: clearly deviating ones, and those observed too rarely."""
    found = []
    for kind in SPECIAL:
        some = [first.off_by(day) for day in days if day.special == kind]
        mean = sum(some) / max(1, len(some))
        if len(some) < LEAST_SPECIAL or abs(mean) > max(APART, APART_SPREADS * first.sigma / math.sqrt(len(some))):
            found.append(kind)
    return tuple(found)


def _fit(days: Sequence[Day], whole: Sequence[Day] = (), apart: tuple[str, ...] = ()) -> Baseline | None:
    if len(days) < LEAST_DAYS:
        return None
    typical = sum(day.used for day in days) / len(days)
    if typical <= 0:
        return None
    guess = _guess(days, typical)
    off = _off_days(days, guess, typical)
    # Weights come from expected consumption, so that a day's own noise does not influence its weight.
    found = _Fitting(days, guess.expected, typical).terms(_numbered(lambda at: at in off))
    if found is None:
        return None
    fitting = _Fitting(days, found.expected, typical)
    found = fitting.weeks(found, off or (5, 6))
    found = fitting.each(found)
    expected = [found.expected(day) for day in days]
    around = sum((day.used - typical) ** 2 for day in days)
    off_by = [day.used - one for day, one in zip(days, expected, strict=True)]
    left = sum(one * one for one in off_by)
    free = max(1, len(days) - sum(kind.shape.size for kind in found.kinds))  # degrees of freedom
    coldest, hottest = _seen(days, found)
    made = Baseline(
        kinds=found.kinds,
        week=found.week,
        school=found.school,
        off=off if len(found.kinds) > 1 else (),
        typical=typical,
        coldest=coldest,
        hottest=hottest,
        sigma=1.0,
        sigma_low=1.0,
        r2=1 - left / around if around else 0.0,
        residuals=(),
        first=days[0].number,
        last=(whole or days)[-1].number,
        apart=apart,
        cv=math.sqrt(left / free) / typical,
        nmbe=sum(off_by) / free / typical,
    )
    return _spreads(made, days)


def _seen(days: Sequence[Day], found: _Found) -> tuple[float, float]:
    """Return the coldest and the hottest day the model covers.

    For part of a year without a heating or cooling term: the range in which enough days were seen to find one.
    """
    means = sorted(day.mean for day in days)
    few, whole = int(SEEN * len(means)), days[-1].number - days[0].number >= NEARLY_A_YEAR
    warm, hot = (any(getattr(kind.shape, name) is not None for kind in found.kinds) for name in ("warm", "hot"))
    return (
        means[0] if whole or warm else means[few] + BEYOND_K,
        means[-1] if whole or hot else means[-1 - few] - BEYOND_K,
    )


def _spreads(made: Baseline, days: Sequence[Day]) -> Baseline:
    """Return the baseline with its spreads, and residuals in units of them."""
    high: list[float] = []
    low: list[float] = []
    for day in days:
        expected = made.expected(day)
        some = high if expected >= LOW * made.typical else low
        some.append((day.used - expected) / max(expected, FLOOR * made.typical))
    both = _sigma(high + low)
    sigma, sigma_low = (_sigma(some) if len(some) >= 30 else both for some in (high, low))
    # A coarse dial repeats itself all summer, without any scatter: such days must not count more than heating days.
    made = msgspec.structs.replace(made, sigma=sigma, sigma_low=max(sigma, sigma_low))
    residuals: list[float | None] = [None] * (made.last - made.first + 1)
    for day in days:
        residual = made.residual(day)
        residuals[day.number - made.first] = None if residual is None else residual / made.spread(day)
    return msgspec.structs.replace(made, residuals=tuple(residuals))


def _sigma(residuals: Sequence[float]) -> float:
    """Return a robust spread, from the 68th percentile: a closed week does not widen it."""
    ordered = sorted(abs(one) for one in residuals)
    return max(LEAST_SIGMA, ordered[len(ordered) * 68 // 100]) if ordered else LEAST_SIGMA


def _guess(days: Sequence[Day], typical: float) -> _Found:
    """Make a first estimate of expected consumption, for the weights."""
    for shape in (Shape(warm=16.0, hot=20.0, inertia=0.2), Shape(warm=16.0, inertia=0.2)):
        plain = solve([shape.row(day) for day in days], [day.used for day in days], [1.0] * len(days))
        if plain is not None:
            return _Found(0.0, (Kind(shape=shape, weights=plain[1]),), (0,) * 7)
    return _Found(0.0, (Kind(shape=Shape(), weights=(typical,)),), (0,) * 7)


def _off_days(days: Sequence[Day], guess: _Found, typical: float) -> tuple[int, ...]:
    """Return the weekdays with clearly less consumption at similar temperatures."""
    ratios: list[list[float]] = [[] for _ in range(7)]
    for day in days:
        ratios[day.weekday].append(day.used / max(guess.expected(day), FLOOR * typical))
    middles = [sorted(some)[len(some) // 2] if some else 1.0 for some in ratios]
    full = sorted(middles)[-3]  # most buildings work on three days at least
    return tuple(at for at, middle in enumerate(middles) if middle < OFF * full)


def _numbered(*of: Callable[[int], bool]) -> tuple[int, ...]:
    """Number the kinds of weekdays: each is of the last condition that holds."""
    raw = [max((n for n, holds in enumerate(of, 1) if holds(at)), default=0) for at in range(7)]
    order = sorted(set(raw))
    return tuple(order.index(one) for one in raw)


class _Fitting:
    """A search over the same days with the same weights, which make relative errors count alike."""

    def __init__(self, days: Sequence[Day], expected: Callable[[Day], float], typical: float) -> None:
        self._days = days
        self._weights = [1.0 / max(expected(day), FLOOR * typical) ** 2 for day in days]
        self._penalty = math.log(len(days))

    def terms(self, week: tuple[int, ...]) -> _Found | None:
        """Find the best terms for given kinds of day, one shape for all."""

        def refined(shapes: list[Shape]) -> _Found | None:
            found = self._best(shapes, week)
            for step, sway in ((1.0, 0.1), (0.5, 0.05)):
                if found is not None:
                    found = self._best(_around(found.kinds[0].shape, step, sway), week) or found
            return found

        heats = [Shape(warm=8.0 + 2 * n, inertia=0.2 * m) for n in range(8) for m in range(3)]
        best = _better(self._best([Shape()], week), refined(heats))
        # Search for cooling beside the heating found, or alone.
        heat = best.kinds[0].shape if best is not None else Shape()
        hots = [16.0 + 2 * n for n in range(6)]
        cools = [
            Shape(warm=heat.warm, hot=hot, inertia=heat.inertia)
            for hot in hots
            if heat.warm is None or hot >= heat.warm
        ]
        both = self._best(cools, week)
        if both is not None and _better(best, both) is both:
            best = both = refined([both.kinds[0].shape]) or both
            cool = both.kinds[0].shape
            # Then search for heating again beside the cooling found, which may have hidden it.
            warms = [8.0 + 2 * n for n in range(8) if 8.0 + 2 * n <= (cool.hot or 0.0)] if cool.warm is None else []
            heats = [Shape(warm=warm, hot=cool.hot, inertia=cool.inertia) for warm in warms]
            both = self._best(heats, week)
            best = _better(best, refined([both.kinds[0].shape]) if both is not None else None)
        return best

    def weeks(self, found: _Found, off: tuple[int, ...]) -> _Found:
        """Find which weekdays are of one kind: the simplest grouping that no other clearly improves."""
        back = [at for at in range(7) if at not in off and (at - 1) % 7 in off]
        each = [lambda at, one=one: at == one for one in off]
        ways = (
            (0,) * 7, _numbered(lambda at: at in off), _numbered(*each),
            _numbered(lambda at: at in off, lambda at: at in back), _numbered(*each, lambda at: at in back),
            tuple(range(7)),
        )  # fmt: skip
        best: _Found | None = None
        for week in dict.fromkeys(ways):
            for school in self._schools(week):
                best = _better(best, self._of(found.kinds[0].shape, week, school))
        return best or found

    def _schools(self, week: tuple[int, ...]) -> tuple[int | None, ...]:
        """Return the candidate kinds of weekdays in school holidays: like the weekday, like a weekend day, or their
        own.

        Only where it is known for each day whether it is one.
        """
        there = [day.school for day in self._days]
        if None in there or not any(there):
            return (None,)
        return (None, *dict.fromkeys(kind for kind in (*week[5:], max(week) + 1) if kind != week[0]))

    def each(self, found: _Found) -> _Found:
        """Fit balance temperatures for each kind of day: thermostats are set differently on Sundays."""
        kinds = []
        for at, kind in enumerate(found.kinds):
            alone = tuple(0 if one == at else -1 for one in found.week)
            school = None if found.school is None else 0 if found.school == at else -1
            best = self._of(kind.shape, alone, school)
            for step, sway in ((1.0, 0.1), (1.0, 0.1), (0.5, 0.05), (0.25, 0.05)):
                if best is not None:
                    shapes = _around(best.kinds[0].shape, step, sway)
                    wider = _widths(best.kinds[0].shape) if step != 0.25 else []
                    near = self._best([*shapes, *wider], alone, school)
                    best = near if near is not None and near.score < best.score else best
            if best is not None:
                sunny = msgspec.structs.replace(best.kinds[0].shape, sun=True)
                best = _better(best, self._best(_around(sunny, 0.5, 0.1), alone, school)) or best
            kinds.append(best.kinds[0] if best is not None else kind)
        return _Found(0.0, tuple(kinds), found.week, found.school)

    def _best(self, shapes: Iterable[Shape], week: tuple[int, ...], school: int | None = None) -> _Found | None:
        found = [one for shape in shapes if (one := self._of(shape, week, school)) is not None]
        return min(found, key=lambda one: one.score) if found else None

    def _of(self, shape: Shape, week: tuple[int, ...], school: int | None = None) -> _Found | None:
        """Solve for the coefficients of a shape; weekdays of kind −1 are left out.

        Returns None where the days cannot determine them, a season was not observed, or cold would reduce heating.
        """
        left, count, kinds = 0.0, 0, []
        for kind in range(max((*week, -1 if school is None else school)) + 1):
            some = [at for at, day in enumerate(self._days) if kind_at(week, school, day) == kind]
            if len(some) <= 3 * shape.terms:
                return None
            rows = [shape.row(self._days[at]) for at in some]
            if any(sum(row[term] >= SEEN_K for row in rows) < SEEN * len(rows) for term in range(1, 1 + shape.slopes)):
                return None
            solved = solve(rows, [self._days[at].used for at in some], [self._weights[at] for at in some])
            if solved is None or min((0.0, *solved[1][1 : 1 + shape.slopes])) < 0:
                return None
            left, count = left + solved[0], count + len(some)
            kinds.append(Kind(shape=shape, weights=solved[1]))
        size = shape.size + shape.terms * (len(kinds) - 1)
        return _Found(count * math.log(max(left, 1e-300) / count) + size * self._penalty, tuple(kinds), week, school)


def _around(shape: Shape, step: float, sway: float) -> list[Shape]:
    warms = [None] if shape.warm is None else [shape.warm + n * step for n in (0, -1, 1)]
    hots = [None] if shape.hot is None else [shape.hot + n * step for n in (0, -1, 1)]
    felt = {min(0.7, max(0.0, shape.inertia + n * sway)) for n in (0, -1, 1)} if shape.slopes else {0.0}
    return [
        Shape(warm=warm, hot=hot, inertia=inertia, width=shape.width, sun=shape.sun)
        for warm in warms
        for hot in hots
        for inertia in sorted(felt)
        if warm is None or hot is None or warm <= hot
    ]


def _widths(shape: Shape) -> list[Shape]:
    if not shape.slopes:
        return []
    return [msgspec.structs.replace(shape, width=width) for width in (0.0, 1.5, 3.0, 4.5, 6.0)]


def _better(one: _Found | None, other: _Found | None) -> _Found | None:
    """Return `other` where it is clearly better, else `one`."""
    if one is None or other is None:
        return other if one is None else one
    return other if other.score < one.score - LEAST_GAIN else one
