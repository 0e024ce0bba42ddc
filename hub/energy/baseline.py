"""The baseline model: expected daily consumption by outdoor temperature and kind of day. Pure.

IPMVP (EVO 10000-1:2022), option C, whole facility; the model is the change-point model of ASHRAE Guideline 14-2014,
annex D, with one, three, four or five parameters; each kind of day has its own base and slopes:

    E  = base + heat × max(0, warm − T*) + cool × max(0, T* − hot)
    T* = (1 − inertia) × today's mean + inertia × yesterday's

1 has base alone, 3 heat or cool as well with its balance temperature, 4 both with one balance temperature (warm = hot),
5 both with two.

The bend of max(0, …) is as wide as temperatures vary within a day. Where it improves the fit, the height of the sun
counts too during heating: at the same temperature March has more sun than October. Each kind of day has its own balance
temperatures too, since thermostats are set differently on Sundays. Fitted by hub.energy.baseline_fit.
"""

from __future__ import annotations

import math
from datetime import date
from typing import NamedTuple

import msgspec

from hub.energy.least_squares import Row, dot

FULL_DAYS = 365
LOW = 0.6
"""Fraction of the typical day below which days have a spread of their own: summer consumption varies differently from
heating."""
FLOOR = 0.25
"""Fraction of the mean day used as the minimum divisor of relative residuals."""
CLOSED = 0.15
"""A working day with this much less consumption may be a holiday, if CLEARLY holds too."""
CLEARLY = 0.75
"""Maximum consumption of a day off, as a fraction of a working day, for that."""
BEYOND_K = 2.0
"""Days this much colder than `coldest`, or hotter than `hottest`, are not judged."""
EDGE_K = 1e-6
"""Tolerance for rounding at that limit: a stuck thermometer puts every day exactly on it."""
FORM = 4
"""Version of the stored baseline; older ones are fitted again."""


HOLIDAY, YEAR_END = "holiday", "year-end"
SPECIAL = (HOLIDAY, YEAR_END)
"""Kinds of days on which many buildings deviate from weather and weekday."""
MIDSUMMER = 739_423
"""Day number of a 21 June."""


class Day(NamedTuple):
    """A day's consumption and weather.

    `number` counts days (proleptic ordinal: 1 is a Monday), `used` kWh or units, `mean` and `before` are the outdoor
    temperatures of the day and of the one before it, in °C; `holiday`: public holiday; `away`: school holidays, None if
    unknown; `exception`: excluded by hand.
    """

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
        """True for Monday to Friday in school holidays; they do not affect weekends."""
        return self.away if self.weekday < 5 else False

    @property
    def special(self) -> str:
        """The kind of SPECIAL day, "" if none."""
        if self.holiday:
            return HOLIDAY
        of_year = date.fromordinal(self.number)
        return YEAR_END if (of_year.month, of_year.day) >= (12, 24) or (of_year.month, of_year.day) <= (1, 2) else ""

    @property
    def sun(self) -> float:
        """Seasonal height of the sun in the northern hemisphere: 1 at midsummer, −1 at midwinter."""
        return math.cos((self.number - MIDSUMMER) / 365.2425 * 2 * math.pi)


def kind_at(week: tuple[int, ...], school: int | None, day: Day) -> int:
    """Return the kind of a day from the kinds of weekdays and that of weekdays in school holidays (None: no own
    kind)."""
    return school if school is not None and day.school else week[day.weekday]


def bent(over: float, width: float) -> float:
    """Return max(0, over) smoothed over ±`width`: its mean where `over` swings evenly by `width`."""
    if over >= width:
        return over
    return 0.0 if over <= -width else (over + width) ** 2 / (4 * width)


def within(over: float, width: float) -> float:
    """Return the derivative of `bent`, from 0 to 1."""
    return min(1.0, max(0.0, 0.5 + over / (2 * width))) if width > 0 else float(over > 0)


class Shape(msgspec.Struct, frozen=True, kw_only=True):
    """Structure of the model: `warm` and `hot` are the balance temperatures in °C, None without such a term; `width`
    the smoothing of the bend, in K; `sun` whether the height of the sun counts."""

    warm: float | None = None
    hot: float | None = None
    inertia: float = 0.0
    width: float = 0.0
    sun: bool = False

    def row(self, day: Day) -> Row:
        """Return the regressors of a day: 1, cold, heat, sun, as far as the shape has them."""
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
        """Number of temperature terms."""
        return (self.warm is not None) + (self.hot is not None)

    @property
    def terms(self) -> int:
        """Number of regressors."""
        return 1 + self.slopes + self.sun

    @property
    def parameters(self) -> int:
        """Number of parameters as counted by Guideline 14: 1, 3, 4 or 5."""
        return 1 + self.slopes + len({self.warm, self.hot} - {None})

    @property
    def size(self) -> int:
        """Number of fitted figures."""
        return self.parameters + self.sun + (self.slopes > 0) + (self.width > 0)


class Kind(msgspec.Struct, frozen=True, kw_only=True):
    """A kind of day: `weights` are the coefficients of the columns of `shape`."""

    shape: Shape
    weights: Row

    def expected(self, day: Day) -> float:
        return dot(self.weights, self.shape.row(day))


class Baseline(msgspec.Struct, frozen=True, kw_only=True):
    """A fitted baseline.

    `week` gives the kind of each weekday, from Monday, as an index of `kinds`; `school` that of weekdays in school
    holidays, None where they are like others; `off` the weekdays with less activity. `sigma` is the relative spread of
    residuals on days of high consumption, `sigma_low` on the others; `r2`, `cv` (CV(RMSE)) and `nmbe` (mean bias by the
    mean) measure the fit. `residuals` are those of the reference period from `first` to `last` in units of the spread,
    None where a day is not judged or unknown. `apart` lists the SPECIAL days that are neither fitted nor judged.
    """

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
        """The shape of the most frequent kind of day."""
        return self.kinds[max(set(self.week), key=self.week.count)].shape

    def expected(self, day: Day) -> float:
        """Return the expected consumption of a day."""
        return self.kind(day).expected(day)

    def spread(self, day: Day) -> float:
        """Return the relative spread on that day."""
        return self.sigma if self.expected(day) >= LOW * self.typical else self.sigma_low

    def off_by(self, day: Day) -> float:
        """Return the relative excess consumption."""
        expected = self.expected(day)
        return (day.used - expected) / max(expected, FLOOR * self.typical)

    def residual(self, day: Day) -> float | None:
        """Return the relative excess consumption, or None where the day cannot be judged.

        That is where it is colder or hotter than anything seen, of a special kind kept apart, excluded by hand,
        possibly in school holidays where these matter, or a working day that looks like a day off.
        """
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
