"""The medical float types, from the definition in IEEE 11073-20601 and values that services publish."""

from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from integrations.bluetooth.floats import medfloat16, medfloat32


@pytest.mark.parametrize(("raw", "value"), [
    (0x0078, 120.0),  # Blood Pressure Service: 120 mmHg
    (0xF16C, 36.4), (0xFF94, -10.8), (0x8001, 1e-8), (0x7001, 1e7), (0xE7FF, 20.47), (0x0803, -2045.0), (0x0000, 0.0),
])  # fmt: skip
def test_sixteen_bits_are_a_mantissa_and_a_signed_power_of_ten(raw: int, value: float) -> None:
    assert medfloat16(raw) == value


@pytest.mark.parametrize(("raw", "value"), [
    (0xFF00016C, 36.4),  # Health Thermometer Service: 364 × 10^-1 °C
    (0xFE000DAC, 35.0), (0xFFFFFF94, -10.8), (0x00000064, 100.0), (0x02000001, 100.0),
])  # fmt: skip
def test_thirty_two_bits_too(raw: int, value: float) -> None:
    assert medfloat32(raw) == value


@pytest.mark.parametrize("raw", [0x07FE, 0x07FF, 0x0800, 0x0801, 0x0802])
def test_what_is_no_number_is_none(raw: int) -> None:
    """+INF, NaN, NRes, reserved, -INF."""
    assert medfloat16(raw) is None


@pytest.mark.parametrize("raw", [0x007FFFFE, 0x007FFFFF, 0x00800000, 0x00800001, 0x00800002])
def test_the_wide_ones_too(raw: int) -> None:
    assert medfloat32(raw) is None


@settings.get_profile("hostile")
@given(raw=st.integers(0, 2**32 - 1), shift=st.integers(-9, 9))
def test_every_pattern_of_bits_is_finite_or_no_number(raw: int, shift: int) -> None:
    for value in (medfloat32(raw, shift), medfloat16(raw & 0xFFFF, shift)):
        assert value is None or math.isfinite(value)
