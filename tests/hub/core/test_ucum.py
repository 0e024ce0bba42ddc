"""Units of UCUM, and what people write in their place."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.core import ucum
from hub.core.metric_catalogue import METRICS
from hub.core.ucum import LONGEST, is_ucum, likely_ucum

RIGHT = (
    "1", "%", "Cel", "kW.h", "m3/h", "/m3", "ug/m3", "[ppm]", "{rev}/min", "dB[SPL]", "m/s2", "kg.m-2", "10*3/uL",
    "10*-3", "(m.s)/kg", "L/(min.m2)", "MiBy", "kV.A.h", "kvar.h", "var", "dBm", "[in_i'H2O]", "cm[H2O]", "m{H2O}",
    "B[10.nV]", "[m/s2/Hz^(1/2)]", "{count}", "10.L", "mbar",
)  # fmt: skip
WRONG = (
    "", "°C", "kWh", "VA", "ppm", "foo", "C°", "m//s", "m.", ".m", "(m", "m)", "()", "m s", "1m", "m2 ", " m", "m\n",
    "k", "kmin", "{a}{b}", "m{a", "{a{b}}", "µm", "m³", "mdBm", "é", "m" * (LONGEST + 1), "((((((m))))))",
    "m\0", "\ud800",
)  # fmt: skip


@pytest.mark.parametrize("unit", RIGHT)
def test_a_unit_of_ucum_is_known(unit: str) -> None:
    assert is_ucum(unit)


@pytest.mark.parametrize("unit", WRONG)
def test_a_text_that_is_no_unit_is_not_taken_for_one(unit: str) -> None:
    assert not is_ucum(unit)


def test_each_metric_of_the_catalogue_has_a_unit_of_ucum() -> None:
    assert [metric.key for metric in METRICS.values() if not is_ucum(metric.unit)] == []


def test_a_likely_unit_is_one_and_is_proposed_only_for_a_text_that_is_none() -> None:
    for written, meant in ucum._LIKELY.items():
        assert is_ucum(meant), meant
        assert not is_ucum(written), written
    assert (likely_ucum(" °C "), likely_ucum("KWH"), likely_ucum("wobble")) == ("Cel", "", "")


@given(st.text(alphabet="mkWhC1%[]{}()./*-+2 °'_", max_size=LONGEST + 2))
def test_any_text_is_a_unit_or_not_and_a_unit_stays_one_within_parentheses(text: str) -> None:
    if is_ucum(text) and len(text) <= LONGEST - 4:
        assert is_ucum(f"({text})")
        assert is_ucum(f"{text}.m")


@given(st.lists(st.sampled_from(["m", "kW", "Cel", "s2", "[ppm]", "{x}", "10"]), min_size=1, max_size=4), st.data())
def test_parts_joined_by_points_and_strokes_are_a_unit(parts: list[str], data: st.DataObject) -> None:
    text = parts[0]
    for part in parts[1:]:
        text += data.draw(st.sampled_from("./")) + part
    assert is_ucum(text)
    assert not is_ucum(text + ".")
