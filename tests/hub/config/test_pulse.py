"""`pulse:` of a place, as an installer writes it, and what he is told when it makes no sense."""

from __future__ import annotations

from decimal import Decimal

import pytest

PLACE = """
hub: {site: ecole}
sites: {ecole: {timezone: Indian/Reunion}}
zones: {plant: {site: ecole}}
places:
  eau:
    zone: plant
    pulse:
"""


def text(*lines: str) -> str:
    return PLACE + "".join(f"      {line}\n" for line in lines)


def test_amounts_are_kept_exactly_in_the_metrics_unit_and_dates_are_the_sites(read):
    loaded = read(
        text(
            "metric: water",
            "weight: 0.25",
            "unit: m3",
            "initial: 1234.567",
            "wraps: 65536",
            "corrections: [{at: 2026-03-01 10:30, index: 1240.1, raw: 812}, {at: 2026-04-01, index: 0, weight: 0.01}]",
        )
    )
    (place,) = loaded.places
    pulse = place.pulse
    assert pulse is not None
    assert (pulse.metric, pulse.source, pulse.wraps) == ("water", "count", 65536)
    assert (pulse.weight, pulse.initial) == (Decimal(250), Decimal("1234567"))
    first, second = pulse.corrections
    assert (first.index, first.raw, first.weight) == (Decimal("1240100"), Decimal(812), None)
    assert first.at == 1772346600.0, "06:30 UTC"
    assert (second.index, second.weight) == (Decimal(0), Decimal(10))


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        (("metric: water", "weight: 1", "unit: kWh"), "water is measured in L or m3, not in kWh"),
        (("metric: water", "weight: 0", "unit: L"), "0"),
        (("metric: water", "unit: L"), "weight"),
        (("metric: heat", "weight: 1", "unit: L"), "expected water, gas, volume or energy"),
        (("metric: water", "source: water", "weight: 1", "unit: L"), "changes nothing"),
        (("metric: gas", "weight: 1", "unit: m3", "corrections: [{at: soon, index: 3}]"), "at"),
        (
            ("metric: gas", "weight: 1", "unit: m3",
             "corrections: [{at: 2026-04-01, index: 3}, {at: 2026-03-01, index: 1}]"),
            "in the order of their dates",
        ),
    ],
)  # fmt: skip
def test_what_makes_no_sense_is_said_with_its_line(wrong, lines, said):
    (problem,) = wrong(text(*lines))
    assert said in f"{problem}"
    assert problem.line >= 7
