"""Quantities and durations are read as people write them; what is wrong or has two meanings is said, never guessed."""

from __future__ import annotations

import contextlib
from datetime import timedelta

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from hub.core.metric_catalogue import METRICS
from hub.i18n.quantities import read_duration, read_quantity, read_rate

UNITS = sorted({metric.unit for metric in METRICS.values()})


@pytest.mark.parametrize(
    ("text", "unit", "value"),
    [
        ("19", "Cel", 19.0), ("19,5", "Cel", 19.5), ("19.5 °C", "Cel", 19.5), ("19C", "Cel", 19.0),
        ("66,2 °F", "Cel", 19.0), ("−5 °C", "Cel", -5.0), ("70 %", "%", 70.0), ("1 500 W", "W", 1500.0),
        ("1\u202f500\u00a0W", "W", 1500.0), ("1,5 kW", "W", 1500.0), ("1,5kw", "W", 1500.0), ("5 MW", "W", 5e6),
        ("5 mW", "W", 0.005), ("12 345,6", "W", 12345.6), ("2.000,5 kWh", "kW.h", 2000.5), ("1,234.5", "W", 1234.5),
        ("0,1 %", "[ppm]", 1000.0), ("2 m³/h", "L/h", 2000.0), ("400 tr/min", "{rev}/min", 400.0), ("230v", "V", 230.0),
        ("2 Gio", "MiBy", 2048.0), ("5", "1", 5.0), ("3 m", "mm", 3000.0),
    ],
)  # fmt: skip
def test_a_quantity_is_converted_to_the_unit_of_its_metric(text: str, unit: str, value: float) -> None:
    assert read_quantity(text, unit, "fr") == value


@pytest.mark.parametrize(
    ("text", "unit", "said"),
    [
        ("5 kg", "W", "cannot be converted to W"), ("chaud", "W", "is no number"),
        ("12 34", "W", "cannot be converted to W"),
        ("", "W", "is no number"), ("5 W", "1", "without a unit"), ("1,500 W", "W", "two ways: write 1500 or 1.500"),
        ("1,2,3", "W", "is no number"), ("9" * 80, "W", "is no number"),
    ],
)  # fmt: skip
def test_a_wrong_quantity_is_refused_with_what_to_write(text: str, unit: str, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        read_quantity(text, unit, "en")


@pytest.mark.parametrize(
    ("text", "unit", "value"),
    [("2 °C/h", "Cel", 2.0), ("2 K par heure", "Cel", 2.0), ("2", "Cel", 2.0), ("3 kW", "kW.h", 3.0),
     ("1 m³/h", "L", 1000.0), ("10 %/h", "%", 10.0), ("5 L per hour", "L", 5.0)],
)  # fmt: skip
def test_a_rate_is_one_of_an_hour(text: str, unit: str, value: float) -> None:
    assert read_rate(text, unit, "fr") == value


@pytest.mark.parametrize(
    ("text", "minutes"),
    [("10 min", 10), ("2 h", 120), ("1 h 30", 90), ("1h30min", 90), ("90s", 1.5), ("2 jours", 2880), ("2 d", 2880),
     ("1,5 h", 90), ("1 semaine", 10_080), ("10 minutes", 10), ("1 min 30", 1.5)],
)  # fmt: skip
def test_a_duration_is_read_in_both_languages(text: str, minutes: float) -> None:
    assert read_duration(text, "fr") == timedelta(minutes=minutes)


@pytest.mark.parametrize("text", ["30", "", "1 h h", "bientôt", "9" * 50 + " j", "-1 h"])
def test_a_wrong_duration_is_refused_with_what_to_write(text: str) -> None:
    with pytest.raises(ValueError, match="write it like 10 min, 2 h, 1 h 30 or 2 j"):
        read_duration(text, "fr")


@given(st.decimals(-(10**9), 10**9, places=3), st.sampled_from(UNITS), st.sampled_from(("fr", "en")))
def test_a_number_alone_is_in_the_unit_of_the_metric_with_comma_or_point(number: object, unit: str, lang: str) -> None:
    value = float(f"{float(str(number)):.12g}")
    assert read_quantity(f"{number:f}", unit, lang) == value
    if lang == "fr":
        assert read_quantity(f"{number:f}".replace(".", ","), unit, lang) == value


@given(st.text(max_size=70), st.sampled_from(UNITS), st.sampled_from(("fr", "en")))
@example("1.", "W", "fr")
@example("1 000 000 000 000", "W", "fr")
@example("1,", "W", "en")
@example("١٢ W", "W", "fr")
@example("5 (m", "W", "fr")
@example("²", "W", "fr")
def test_no_text_does_worse_than_a_refusal(text: str, unit: str, lang: str) -> None:
    for read in (read_quantity, read_rate):
        with contextlib.suppress(ValueError):
            assert isinstance(read(text, unit, lang), float)
    with contextlib.suppress(ValueError):
        assert read_duration(text, lang) >= timedelta(0)
