"""Converts values between units of UCUM that measure the same kind of thing. Pure.

Known are the units that meters, sensors and people here use, with their prefixes; `factor` returns None for any other.
Factors are exact fractions, as UCUM defines them. Reactive power (`var`) and radioactivity (`Bq`) are kinds of their
own, so that no watt becomes a var and no hertz a becquerel. Temperatures have a zero of their own: a difference of two
is converted without it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from fractions import Fraction
from typing import NamedTuple

from hub.core.ucum import is_ucum

Kind = Mapping[str, int]
"""Base unit → exponent."""


class _Measure(NamedTuple):
    factor: Fraction
    kind: Kind


_PREFIXES = {
    "T": Fraction(10**12), "G": Fraction(10**9), "M": Fraction(10**6), "k": Fraction(1000), "h": Fraction(100),
    "da": Fraction(10), "d": Fraction(1, 10), "c": Fraction(1, 100), "m": Fraction(1, 1000), "u": Fraction(1, 10**6),
    "n": Fraction(1, 10**9), "Ki": Fraction(1 << 10), "Mi": Fraction(1 << 20), "Gi": Fraction(1 << 30),
}  # fmt: skip
_FORCE = {"g": 1, "m": 1, "s": -2}
_PRESSURE = {"g": 1, "m": -1, "s": -2}
_ENERGY = {"g": 1, "m": 2, "s": -2}
_POWER = {"g": 1, "m": 2, "s": -3}


def _of(factor: str | int, kind: Kind) -> _Measure:
    return _Measure(Fraction(factor), kind)


_METRIC = {
    "m": _of(1, {"m": 1}), "g": _of(1, {"g": 1}), "s": _of(1, {"s": 1}), "A": _of(1, {"A": 1}), "K": _of(1, {"K": 1}),
    "cd": _of(1, {"cd": 1}), "mol": _of(1, {"mol": 1}), "rad": _of(1, {"rad": 1}), "bit": _of(1, {"bit": 1}),
    "By": _of(8, {"bit": 1}), "Hz": _of(1, {"s": -1}), "N": _of(1000, _FORCE), "Pa": _of(1000, _PRESSURE),
    "J": _of(1000, _ENERGY), "W": _of(1000, _POWER), "V": _of(1000, {**_POWER, "A": -1}), "C": _of(1, {"A": 1, "s": 1}),
    "Ohm": _of(1000, {**_POWER, "A": -2}), "S": _of("1/1000", {"g": -1, "m": -2, "s": 3, "A": 2}),
    "lm": _of(1, {"cd": 1}), "lx": _of(1, {"cd": 1, "m": -2}), "Bq": _of(1, {"Bq": 1}), "var": _of(1, {"var": 1}),
    "L": _of("1/1000", {"m": 3}), "l": _of("1/1000", {"m": 3}), "t": _of(10**6, {"g": 1}), "ar": _of(100, {"m": 2}),
    "bar": _of(10**8, _PRESSURE), "m[H2O]": _of("9806650", _PRESSURE), "m[Hg]": _of("133322387.415", _PRESSURE),
}  # fmt: skip
_PLAIN = {
    "1": _of(1, {}), "%": _of("1/100", {}), "[ppth]": _of("1/1000", {}), "[ppm]": _of("1/1000000", {}),
    "[ppb]": _of("1/1000000000", {}), "min": _of(60, {"s": 1}), "h": _of(3600, {"s": 1}), "d": _of(86_400, {"s": 1}),
    "wk": _of(604_800, {"s": 1}), "a": _of(31_557_600, {"s": 1}), "atm": _of(101_325_000, _PRESSURE),
    "[psi]": _of("6894757.293168361", _PRESSURE), "[in_i]": _of("0.0254", {"m": 1}), "[ft_i]": _of("0.3048", {"m": 1}),
    "[mi_i]": _of("1609.344", {"m": 1}), "[kn_i]": _of("463/900", {"m": 1, "s": -1}),
    "[gal_us]": _of("0.003785411784", {"m": 3}), "deg": _of("0.0174532925199433", {"rad": 1}),
}  # fmt: skip
_ZEROS = {
    "Cel": (Fraction(1), Fraction("273.15")), "[degF]": (Fraction(5, 9), Fraction("459.67") * Fraction(5, 9)),
    "K": (Fraction(1), Fraction(0)),
}  # fmt: skip
"""Unit of temperature → kelvins of one of its degrees, and of its zero."""
_PART = re.compile(r"([./]?)((?:[A-Za-z%]|\[[^\]]+\])+|1(?!\d))?(?:\{[^}]*\})?([+-]?\d+)?(?:\{[^}]*\})?")


def convert(value: Fraction, given: str, wanted: str, *, difference: bool = False) -> Fraction | None:
    """Return a value in the unit `wanted`, None where the two units measure different things or one is not known here.
    `difference`: it is one of two values, so that the zero of a thermometer says nothing."""
    if given == wanted:
        return value
    if given in _ZEROS and wanted in _ZEROS:
        (degree, zero), (wanted_degree, wanted_zero) = _ZEROS[given], _ZEROS[wanted]
        if difference:
            return value * degree / wanted_degree
        return (value * degree + zero - wanted_zero) / wanted_degree
    one, other = _measure(given), _measure(wanted)
    if one is None or other is None or one.kind != other.kind:
        return None
    return value * one.factor / other.factor


def _measure(unit: str) -> _Measure | None:
    """Return the factor to base units and the kind of a unit without parentheses."""
    if not is_ucum(unit):
        return None
    factor, kind, at = Fraction(1), dict[str, int](), 0
    while at < len(unit):
        found = _PART.match(unit, at)
        if found is None or found.end() == at:
            return None
        sign, symbol, exponent = found.groups()
        part = _measure_of_symbol(symbol) if symbol else _of(1, {})
        power = int(exponent or 1) * (-1 if sign == "/" else 1)
        if part is None or (symbol is None and exponent) or abs(power) > 9:
            return None
        factor *= part.factor**power
        for base, times in part.kind.items():
            kind[base] = kind.get(base, 0) + times * power
        at = found.end()
    return _Measure(factor, {base: times for base, times in kind.items() if times})


def _measure_of_symbol(symbol: str) -> _Measure | None:
    known = _PLAIN.get(symbol) or _METRIC.get(symbol)
    if known is not None:
        return known
    for prefix, times in _PREFIXES.items():
        base = _METRIC.get(symbol.removeprefix(prefix)) if symbol.startswith(prefix) else None
        if base is not None:
            return _Measure(base.factor * times, base.kind)
    return None
