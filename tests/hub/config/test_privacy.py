"""A privacy rule that names nothing, or of which nothing is left, is refused by `ilot check`, with its line."""

from __future__ import annotations

from pathlib import Path

import pytest

from hub.config.load import Loaded, Models, load
from hub.core.errors import ConfigError
from hub.privacy.rules_engine import compile_privacy

BASE = """\
sites: {s: {}}
zones: {hall: {site: s}, flat: {site: s, use: logement}}
privacy:
  rules:
"""
FIRST = BASE.count("\n") + 1


def read(tmp_path: Path, rules: str) -> Loaded:
    file = tmp_path / "config.yaml"
    file.write_text(BASE + "".join(f"    {line}\n" for line in rules.splitlines()))
    return load(file, Models())


@pytest.mark.parametrize(
    ("rule", "line", "said"),
    [
        (
            "a: {zones: [hal], drop: true}",
            0,
            "there is no zone 'hal' in `zones`: this rule would protect nothing there",
        ),
        ("a: {metrics: [temperatur], drop: true}", 0, "no metric 'temperatur' is in the catalogue"),
        ("a:\n  drop: true\n  metrics:\n    - co2\n    - c02", 4, "no metric 'c02'"),
        ("a: {device_classes: [wibble], drop: true}", 0, "no metric is of device class 'wibble'"),
        ("a: {plugin_metrics: [co2], drop: true}", 0, "co2 is in the catalogue: name it in `metrics`"),
        ("a: {metrics: [co2]}", 0, "a privacy rule does one of drop, aggregate"),
        ("a: {metrics: [co2], drop: true, coarsen: {step: 1}}", 0, "drop stands alone"),
        ("a: {metrics: [co2], count: {}}", 0, "say what for: purpose"),
        ("a: {metrics: [co2], purpose: p, aggregate: {window: 7h}}", 0, "a window must go into a day without a rest"),
        ("a: {metrics: [co2], coarsen: {}}", 0, "coarsen needs step, time, grid or keep_id"),
        ("a: {metrics: [door], coarsen: {step: 1}}", 0, "door is no number: only numbers are rounded"),
        ("a: {metrics: [text], purpose: p, count: {}}", 0, "text is a text: it cannot be counted"),
        ("a: {metrics: [co2], coarsen: {grid: 100}}", 0, "grid and keep_id are about positions"),
        ("a: {metrics: [position], purpose: p, count: {}}", 0, "positions are not counted"),
        ("a: {metrics: [co2], purpose: p, consent: c}", 0, "consent is given for a home: name its `zones`"),
        ("a: {zones: [flat], metrics: [co2], purpose: p, consent: c, pseudonymise: {}}", 0, "brings its own pseudonym"),
        ("a: {drop: true}\nb: {metrics: [co2], purpose: p, count: {}}", 1, "rule 'a' decides on co2 of hall already"),
        (
            (
                "a: {zones: [hall], metrics: [count], purpose: p, count: {window: 1h}}\n"
                "b: {metrics: [count], purpose: p, count: {window: 15min}}"
            ),
            1,
            "one window only of the same people",
        ),
    ],
)
def test_a_rule_that_protects_nothing_is_an_error_with_its_line(
    tmp_path: Path, rule: str, line: int, said: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        read(tmp_path, rule)
    (problem,) = caught.value.problems
    assert said in problem.message
    assert problem.line - FIRST == line


def test_rules_keep_the_order_of_the_file_and_bare_windows_have_their_defaults(tmp_path: Path) -> None:
    written = (
        "z: {metrics: [count], purpose: p, count: {}}\na: {metrics: [co2], purpose: p, aggregate: {}}\nb: {drop: true}"
    )
    first, second, third = compile_privacy(read(tmp_path, written).config)
    assert (first.name, second.name, third.name) == ("z", "a", "b")
    assert first.window_spec is not None
    assert (first.window_spec.by, first.window_spec.window_s, first.window_spec.count) == ("devices", 3600.0, True)
    assert second.window_spec is not None
    assert (second.window_spec.by, second.window_spec.least) == ("mean", 5)
