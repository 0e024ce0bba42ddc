"""Units of one kind are converted to each other exactly; units of different kinds, or unknown ones, never."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from hub.core.metric_catalogue import METRICS
from hub.core.ucum_conversion import convert

UNITS = sorted({metric.unit for metric in METRICS.values()})
KINDS = (
    ("W", "kW", "MW"), ("W.h", "kW.h", "J", "MJ"), ("L", "m3", "[gal_us]"), ("m3/h", "L/h", "L/min"),
    ("Pa", "hPa", "bar", "mbar", "[psi]"), ("Cel", "K", "[degF]"), ("%", "[ppm]", "1"), ("s", "min", "h", "d"),
)  # fmt: skip
ONES = [(one, other) for kind in KINDS for one in kind for other in kind]


@pytest.mark.parametrize(
    ("value", "given", "wanted", "found"),
    [
        ("1.5", "kW", "W", "1500"), ("250", "L/h", "m3/h", "0.25"), ("1", "kW.h", "J", "3600000"),
        ("1", "bar", "hPa", "1000"), ("1", "[ppth]", "[ppm]", "1000"), ("36", "km/h", "m/s", "10"),
        ("1", "mg/m3", "ug/m3", "1000"), ("3", "kW", "kW.h/h", "3"), ("1", "mS/cm", "uS/cm", "1000"),
        ("1", "GiBy", "MiBy", "1024"), ("600", "{rev}/min", "Hz", "10"), ("1", "m[H2O]", "Pa", "9806.65"),
        ("77", "[degF]", "Cel", "25"), ("0", "K", "Cel", "-273.15"), ("50", "%", "1", "0.5"),
    ],
)  # fmt: skip
def test_what_ucum_defines(value: str, given: str, wanted: str, found: str) -> None:
    assert convert(Fraction(value), given, wanted) == Fraction(found)


def test_a_difference_of_temperatures_has_no_zero() -> None:
    assert convert(Fraction(9), "[degF]", "Cel", difference=True) == 5
    assert convert(Fraction(2), "K", "Cel", difference=True) == 2


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("W", "var"),
        ("Bq", "Hz"),
        ("Cel", "W"),
        ("kg", "W"),
        ("dB[SPL]", "1"),
        ("nothing", "W"),
        ("W", "W.h"),
        ("", "W"),
    ],
)
def test_what_is_not_of_one_kind_is_not_converted(one: str, other: str) -> None:
    assert convert(Fraction(1), one, other) is None
    assert convert(Fraction(1), other, one) is None


@given(st.fractions(), st.sampled_from(ONES), st.booleans())
def test_there_and_back_is_what_it_was(value: Fraction, units: tuple[str, str], difference: bool) -> None:
    there = convert(value, *units, difference=difference)
    assert there is not None
    assert convert(there, *reversed(units), difference=difference) == value


@given(st.text(max_size=40), st.sampled_from(UNITS))
@example("/", "W")
@example("m-0", "m")
@example("(m.s)/kg", "W")
@example("10*3", "1")
def test_no_text_breaks_it(text: str, unit: str) -> None:
    assert isinstance(convert(Fraction(1), text, unit), Fraction | None)
