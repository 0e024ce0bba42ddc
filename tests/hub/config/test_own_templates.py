"""Templates of the operator's own: one file for many hubs, typed, refused with their line when they cannot work."""

from __future__ import annotations

from pathlib import Path

import pytest

from hub.automation.rules import compile_rules
from hub.config.load import Loaded, Models, load
from hub.core.errors import ConfigError
from hub.sdk.options import Config

SHARED = """\
loss:
  en: Heat is lost.
  text: "{place}: {value} lost"
  inputs:
    limit: {default: 8, low: 1, high: 60, unit: Cel}
    time: {kind: duration, default: 20min, low: 1min, high: 1d}
  rule: {metric: flow_temperature, minus: boiler/return_temperature, above: $limit, for: $time}
cold:
  text: "{place} cold"
  inputs: {limit: {low: 0, high: 30}}
  rule: {metric: temperature, below: $limit}
"""
HUB = """\
sites: {s: {}}
zones: {z: {site: s}}
places: {boiler: {zone: z}, end: {zone: z}}
integrations: {radio: {}}
devices: {"x:1": {integration: radio, place: boiler}, "x:2": {integration: radio, place: end}}
rule_templates: !include shared.yaml
rules:
"""


class Radio(Config):
    pass


def read(tmp_path: Path, rules: str, shared: str = SHARED) -> Loaded:
    (tmp_path / "shared.yaml").write_text(shared)
    (tmp_path / "config.yaml").write_text(HUB + rules)
    return load(tmp_path / "config.yaml", Models(integrations={"radio": (Radio, None)}))


def test_one_file_serves_many_rules_with_inputs_of_their_own(tmp_path: Path) -> None:
    rules = {
        rule.name: rule
        for rule in compile_rules(
            read(
                tmp_path,
                "  a: {template: loss, places: [end]}\n"
                "  b: {template: loss, places: [end], inputs: {limit: 12, time: 1h}, severity: critical}\n"
                "  c: {template: cold, inputs: {limit: 5}}\n",
            ).config
        )
    }
    assert (rules["a"].test.limit, rules["a"].for_s, rules["a"].minus) == (8, 1200, ("boiler", "return_temperature"))  # type: ignore[union-attr]
    assert (rules["b"].test.limit, rules["b"].for_s, rules["b"].severity) == (12, 3600, "critical")  # type: ignore[union-attr]
    assert rules["b"].text == "{place}: {value} lost"
    assert rules["c"].limit == "5 °C"


@pytest.mark.parametrize(
    ("rule", "said"),
    [
        ("{template: loss, places: [end], inputs: {limit: 61}}", "limit: must be a number from 1 to 60 Cel"),
        ("{template: loss, places: [end], inputs: {time: 2d}}", "time: must be from 1min to 1d"),
        ("{template: loss, places: [end], inputs: {lmit: 3}}", "has no input 'lmit'"),
        ("{template: cold}", "needs the input limit"),
        ("{template: los}", "there is no template 'los'"),
        ("{template: loss}", "minus compares places"),
    ],
)
def test_a_rule_that_uses_a_template_wrongly_is_refused_with_its_line(tmp_path: Path, rule: str, said: str) -> None:
    with pytest.raises(ConfigError) as caught:
        read(tmp_path, f"  a: {rule}\n")
    assert [problem.line for problem in caught.value.problems] == [HUB.count("\n") + 1]
    assert said in caught.value.problems[0].message


@pytest.mark.parametrize(
    ("written", "line", "said"),
    [
        ("t: {text: x, rule: {metric: temperature, above: $limit}}", 1, "no input 'limit'"),
        ("t: {text: x, inputs: {a: {low: 1, high: 2}}, rule: {metric: co2, above: 3}}", 1, "nothing in `rule` uses $a"),
        ("t: {text: x, rule: {metric: temperature, above: 3, below: 2}}", 1, "exactly one test"),
        ("t: {text: x, rule: {metric: temperature, above: much}}", 1, "valid number"),
        ("t: {text: x, rule: {metric: temperature, above: 3, places: [end]}}", 1, "cannot say 'places'"),
        ("t: {text: x, inputs: {a: {low: 2, high: 1}}, rule: {metric: co2, above: $a}}", 1, "low is above high"),
        ("t: {text: x, inputs: {a: {low: 2, high: 3, default: 9}}, rule: {metric: co2, above: $a}}", 1, "from 2 to 3"),
        ("bin_full: {text: x, rule: {metric: co2, above: 3}}", 1, "the name of a shipped template"),
    ],
)  # fmt: skip
def test_a_template_that_cannot_work_is_refused_in_its_own_file(
    tmp_path: Path, written: str, line: int, said: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        read(tmp_path, "  a: {template: loss, places: [end]}\n", written + "\n")
    problem = next(one for one in caught.value.problems if "shared.yaml" in str(one.file))
    assert problem.line == line
    assert said in problem.message
