"""Sentences and figures as French and English print them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.i18n.typography import KEPT, NARROW, ascii_spaces, quantity, typeset


@pytest.mark.parametrize(
    ("value", "french", "english"),
    [
        ("55.2 °C", "55,2 °C", "55.2 °C"),
        ("12345 W", "12 345 W", "12,345 W"),
        ("-1234567.5 kWh", "-1 234 567,5 kWh", "-1,234,567.5 kWh"),
        ("0.004 m³", "0,004 m³", "0.004 m³"),
        ("95", "95", "95"),
        ("30min", "30 min", "30 min"),
        ("2d", "2 j", "2 d"),
        ("12 d", "12 j", "12 d"),
        ("True", "oui", "yes"),
        ("open", "open", "open"),
        ("192.168.1.20", "192.168.1.20", "192.168.1.20"),
        ("v2.0.1", "v2.0.1", "v2.0.1"),
        ("10.0.0.5:502", "10.0.0.5:502", "10.0.0.5:502"),
        ("0075", "0075", "0075"),
        ("", "", ""),
    ],
)
def test_a_value_is_written_as_its_readers_write_it(value: str, french: str, english: str) -> None:
    assert quantity(value, "fr") == french.replace(" ", NARROW)
    assert quantity(value, "en") == english.replace(" ", NARROW)


def test_a_duration_is_written_with_its_parts_on_one_line() -> None:
    assert quantity("1h30min", "fr") == f"1{NARROW}h{KEPT}30{NARROW}min"
    assert quantity("1d12h", "en") == f"1{NARROW}d{KEPT}12{NARROW}h"


def test_a_french_sentence_has_its_signs_and_units_with_their_words() -> None:
    said = typeset("Chaufferie : boucle à 51,2 °C ; aérez ! « ilot check » dit où")
    assert said == (
        f"Chaufferie{KEPT}: boucle à 51,2{NARROW}°C{NARROW}; aérez{NARROW}! «{KEPT}ilot check{KEPT}» dit où"
    )


@given(st.text(max_size=60))
def test_only_spaces_become_other_spaces_and_once(text: str) -> None:
    said = typeset(text)
    assert typeset(said) == said
    assert ascii_spaces(said) == ascii_spaces(text)


@given(st.text(max_size=40), st.sampled_from(["fr", "en"]))
def test_whatever_a_device_says_is_written_somehow(text: str, lang: str) -> None:
    assert bool(quantity(text, lang)) == bool(text)
