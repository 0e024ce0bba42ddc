"""What a day should consume, by outdoor temperature and kind of day. Pure.

IPMVP (EVO 10000-1:2022), option C, whole facility; the model is the change-point model of ASHRAE Guideline 14-2014,
annex D, of one, three, four or five parameters, of which each kind of day has its own base and slopes:

    E  = base + heat × max(0, warm − T*) + cool × max(0, T* − hot)
    T* = (1 − inertia) × today's mean + inertia × yesterday's

1 has base alone, 3 heat or cool as well with its balance temperature, 4 both with one balance temperature (warm = hot),
5 both with two.

where max(0, …) has a bend as wide as a day is warm and cold by turns. Where it betters the fit, the height of the sun
counts too while there is heating: in March it shines more than in October at the same temperature.
Each kind of day has balance temperatures of its own too: the thermostat of a Sunday is another. hub.energy.baseline_fit
finds all of it.
"""

from __future__ import annotations

import math
from datetime import date
from typing import NamedTuple

import msgspec

from hub.energy.least_squares import Row, dot

FULL_DAYS = 365
LOW = 0.6
"""Of the typical day: days that should consume less have a spread of their own, for what is left in summer is another
thing than heating."""
FLOOR = 0.25
"""Of the mean day: a day that should consume less is judged as if it should consume this."""
CLOSED = 0.15
"""A working day that consumes so much less may be a holiday…"""
CLEARLY = 0.75
"""…where a day off consumes less than this part of a working day."""
BEYOND_K = 2.0
"""A day so much colder than `coldest`, or hotter than `hottest`, is not judged."""
EDGE_K = 1e-6
"""A day on the edge is judged, however a computer adds: a thermometer that is stuck knows no other days."""
FORM = 4
"""Of what is remembered: an older one is fitted anew."""


HOLIDAY, YEAR_END = "holiday", "year-end"
SPECIAL = (HOLIDAY, YEAR_END)
"""Days that many buildings spend otherwise than weather and weekday say."""
MIDSUMMER = 739_423
"""A 21 June."""


class Day(NamedTuple):
    """`number` counts days (proleptic ordinal: 1 is a Monday), `used` kWh or units, `mean` and `before` the outdoor
    temperature of the day and of the one before it, in °C; `holiday`: a public one; `away`: one of school holidays,
    None where nobody knows; `exception`: somebody set it apart by hand."""

    number: int
    used: float
    mean: float
    before: float
    holiday: bool = False
    away: bool | None = False
    exception: bool = False

    @property
    def weekday(self) -> int:
        """0 is Monday."""
        return (self.number - 1) % 7

    @property
    def school(self) -> bool | None:
        """A Monday to Friday in school holidays; weekends are what they always are."""
        return self.away if self.weekday < 5 else False

    @property
    def special(self) -> str:
        """Of which kind of SPECIAL days it is; "" of none."""
        if self.holiday:
            return HOLIDAY
        of_year = date.fromordinal(self.number)
        return YEAR_END if (of_year.month, of_year.day) >= (12, 24) or (of_year.month, of_year.day) <= (1, 2) else ""

    @property
    def sun(self) -> float:
        """How high the sun stands in the north: 1 at midsummer, −1 at midwinter."""
        return math.cos((self.number - MIDSUMMER) / 365.2425 * 2 * math.pi)


def kind_at(week: tuple[int, ...], school: int | None, day: Day) -> int:
    """Of which kind a day is, by the kinds of weekdays and that of weekdays in school holidays (None: it has none)."""
    return school if school is not None and day.school else week[day.weekday]


def bent(over: float, width: float) -> float:
    """max(0, over), its bend as wide as `width` on either side: the mean of it where `over` swings evenly so far."""
    if over >= width:
        return over
    return 0.0 if over <= -width else (over + width) ** 2 / (4 * width)


def within(over: float, width: float) -> float:
    """The slope of that bend: from 0, outside, to 1."""
    return min(1.0, max(0.0, 0.5 + over / (2 * width))) if width > 0 else float(over > 0)


class Shape(msgspec.Struct, frozen=True, kw_only=True):
    """`warm` and `hot` are the balance temperatures in °C, None without such a term; `width` how far round them, in K,
    a day may be warm and cold by turns; `sun` whether the height of the sun counts."""

    warm: float | None = None
    hot: float | None = None
    inertia: float = 0.0
    width: float = 0.0
    sun: bool = False

    def row(self, day: Day) -> Row:
        """Its columns: 1, cold, heat, sun, as far as the shape has them."""
        felt = (1 - self.inertia) * day.mean + self.inertia * day.before
        row = [1.0]
        if self.warm is not None:
            row.append(bent(self.warm - felt, self.width))
        if self.hot is not None:
            row.append(bent(felt - self.hot, self.width))
        if self.sun:
            row.append(day.sun * (1.0 if self.warm is None else within(self.warm - felt, self.width)))
        return tuple(row)

    @property
    def slopes(self) -> int:
        """How many of its columns are of temperature."""
        return (self.warm is not None) + (self.hot is not None)

    @property
    def terms(self) -> int:
        """How many columns a day has."""
        return 1 + self.slopes + self.sun

    @property
    def parameters(self) -> int:
        """Those of Guideline 14: 1, 3, 4 or 5."""
        return 1 + self.slopes + len({self.warm, self.hot} - {None})

    @property
    def size(self) -> int:
        """How many figures it is fitted with."""
        return self.parameters + self.sun + (self.slopes > 0) + (self.width > 0)


class Kind(msgspec.Struct, frozen=True, kw_only=True):
    """One kind of day: `weights` are those of the columns of `shape`."""

    shape: Shape
    weights: Row

    def expected(self, day: Day) -> float:
        return dot(self.weights, self.shape.row(day))


class Baseline(msgspec.Struct, frozen=True, kw_only=True):
    """`week` is the kind of each weekday, from Monday, in `kinds`, `school` that of weekdays in school holidays, None
    where these are days like others; `off` the weekdays on which less is done. `sigma`
    is the spread of what is not explained, relative, of days that consume much, `sigma_low` of the others; `r2`,
    `cv`, CV(RMSE), and `nmbe`, the mean bias by the mean, say how well it fits. `residuals` are those of the
    reference period in units of that spread, None of a day that is not judged or known, from `first` to `last`. `apart`
    are the SPECIAL days that are neither fitted nor judged."""

    kinds: tuple[Kind, ...]
    week: tuple[int, ...]
    off: tuple[int, ...]
    typical: float
    coldest: float
    hottest: float
    sigma: float
    sigma_low: float
    r2: float
    cv: float
    nmbe: float
    residuals: tuple[float | None, ...]
    first: int
    last: int
    apart: tuple[str, ...] = ()
    form: int = FORM
    school: int | None = None

    def number(self, day: Day) -> int:
        return kind_at(self.week, self.school, day)

    def kind(self, day: Day) -> Kind:
        return self.kinds[self.number(day)]

    @property
    def shape(self) -> Shape:
        """Of the kind of day that is met most."""
        return self.kinds[max(set(self.week), key=self.week.count)].shape

    def expected(self, day: Day) -> float:
        """What that day should consume."""
        return self.kind(day).expected(day)

    def spread(self, day: Day) -> float:
        """Of that day, relative."""
        return self.sigma if self.expected(day) >= LOW * self.typical else self.sigma_low

    def off_by(self, day: Day) -> float:
        """How much more it consumed, relative."""
        expected = self.expected(day)
        return (day.used - expected) / max(expected, FLOOR * self.typical)

    def residual(self, day: Day) -> float | None:
        """How much more it consumed, relative; None where the day is colder or hotter than anything that was seen, of
        a special kind that stands apart, set apart by hand, perhaps in school holidays where these matter, or where a
        working day looks like a day off."""
        if day.exception or day.special in self.apart or (self.school is not None and day.school is None):
            return None
        beyond = BEYOND_K + EDGE_K
        if not self.coldest - beyond <= day.mean <= self.hottest + beyond:
            return None
        expected = self.expected(day)
        residual = self.off_by(day)
        if self.off and day.weekday not in self.off and residual < -max(CLOSED, 2 * self.spread(day)):
            others = [self.kinds[kind].expected(day) for kind in {self.week[at] for at in self.off}]
            other = min(others, key=lambda one: abs(day.used - one))
            if other < CLEARLY * expected and abs(day.used - other) < abs(day.used - expected):
                return None
        return residual
