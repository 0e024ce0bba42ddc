"""A rule that cannot be evaluated is refused by `ilot check`, with its line; the templates are whole."""

from __future__ import annotations

from pathlib import Path

import pytest

from hub.automation.rules import compile_rules
from hub.config.checks.rules import check_rules
from hub.config.load import Loaded, Models, load
from hub.config.model import Core
from hub.config.parts.rules import Rule
from hub.config.parts.templates import TEMPLATES, expand
from hub.core.errors import ConfigError
from hub.sdk.options import Config

BASE = """\
sites: {s: {timezone: Indian/Reunion}}
zones: {z: {site: s}}
places: {p: {zone: z}, q: {zone: z}, empty: {zone: z}}
integrations: {radio: {}}
devices:
  "ble:p": {integration: radio, place: p, writable: {dimmer: {low: 0, high: 100}, temperature: {low: 0, high: 9}}}
  "ble:q": {integration: radio, place: q, writable: {humidity: {low: 0, high: 9}, running: {}}}
schedules: {night: {site: s, weekly: {mon-sun: ["22:00-06:00"]}}}
rules:
"""
FIRST = BASE.count("\n") + 1


class Radio(Config):
    pass


def read(tmp_path: Path, rules: str) -> Loaded:
    file = tmp_path / "config.yaml"
    file.write_text(BASE + "".join(f"  {line}\n" for line in rules.splitlines()))
    return load(file, Models(integrations={"radio": (Radio, None)}))


def refused(tmp_path: Path, rules: str) -> list[tuple[int, str]]:
    with pytest.raises(ConfigError) as caught:
        read(tmp_path, rules)
    return [(problem.line - FIRST, problem.message) for problem in caught.value.problems]


def test_a_device_that_a_command_adds_may_stand_where_the_file_has_none(tmp_path: Path) -> None:
    assert "late" in read(tmp_path, "late: {metric: temperature, above: 3, places: [empty]}").config.rules


@pytest.mark.parametrize(
    ("rule", "said"),
    [
        ("{metric: temperature, above: 3, places: [x]}", "there is no place 'x'"),
        ("{metric: temperature, above: 3, zones: [y]}", "there is no zone 'y'"),
        ("{metric: temperatur, above: 3}", "no metric 'temperatur' is in the catalogue"),
        ("{metric: co2, above: 3, unit: ppm}", "co2 is measured in [ppm], not in 'ppm'"),
        ("{metric: door, above: 3}", "door is true or false: use equals"),
        ("{metric: temperature, equals: true}", "temperature is a number: use above or below"),
        ("{metric: temperature, above: 3, minus: q/co2, places: [p]}", "the two series cannot be compared"),
        ("{metric: temperature, above: 3, minus: nowhere/temperature, places: [p]}", "there is no place 'nowhere'"),
        ("{metric: temperature, above: 3, during: day}", "there is no schedule 'day'"),
        ("{metric: temperature, above: 3, clears: 4}", "clears must not be higher"),
        ("{metric: temperature, above: 3, below: 2}", "exactly one test"),
        ("{metric: temperature}", "exactly one test"),
        ("{above: 3}", "say which metric"),
        ("{silent: 1h, for: 2h}", "silent and stuck say how long by themselves"),
        ("{metric: temperature, above: 3, alert: false}", "does nothing"),
        ("{template: bin_ful}", "there is no template 'bin_ful'"),
        ("{template: bin_full, above: 3}", "has its inputs instead of above"),
        ("{template: bin_full, inputs: {lvel: 3}}", "has no input 'lvel'"),
        ("{template: bin_full, inputs: {level: 120}}", "level: must be a number from 1 to 98 %"),
        ("{template: bin_full, inputs: {full: 300}}", "full: must be less than `depth`"),
        ("{template: bin_full, inputs: {full: 2000, depth: 2000}}", "full: must be less than `depth`"),
        ("{template: bin_full, inputs: {level: full}}", "level: must be a number from 1 to 98 %"),
        ("{template: legionella, inputs: {for: 30m}}", "30min"),
        ("{template: legionella, inputs: {metric: co2}}", "metric: must be one of"),
        ("{template: water_leak_night}", "needs `during`"),
        ("{metric: co2, above: 3, set: {device: 'ble:x', metric: dimmer, value: 1}}", "there is no device 'ble:x'"),
        ("{metric: co2, above: 3, set: {device: 'ble:p', metric: light, value: true}}", "is read-only"),
        ("{metric: co2, above: 3, set: {device: 'ble:p', metric: dimmer, value: 101}}", "must be from 0 to 100"),
        ("{metric: temperature, above: 3, set: {device: 'ble:p', metric: temperature, value: 1}}", "reads what it"),
    ],
)  # fmt: skip
def test_what_cannot_be_evaluated_is_refused_with_its_line(tmp_path: Path, rule: str, said: str) -> None:
    found = refused(tmp_path, f"good: {{template: freezing, places: [p]}}\nbad: {rule}")
    assert [line for line, _ in found] == [1]
    assert said in found[0][1]


def test_a_rule_with_the_name_of_the_hubs_own_alerts_is_refused_for_they_would_be_one(tmp_path: Path) -> None:
    found = refused(tmp_path, "good: {template: freezing, places: [p]}\nsecurity: {template: freezing, places: [q]}")
    assert found == [(1, "the hub's own alerts have this name: give the rule another one")]


def test_a_circle_of_rules_is_refused_at_each_of_them(tmp_path: Path) -> None:
    found = refused(
        tmp_path,
        "a: {metric: humidity, places: [q], above: 3, set: {device: 'ble:p', metric: temperature, value: 1}}\n"
        "b: {metric: temperature, zones: [z], above: 3, set: {device: 'ble:q', metric: humidity, value: 1}}\n"
        "c: {metric: temperature, above: 3, set: {device: 'ble:p', metric: dimmer, value: 1}}",
    )
    assert [(line, "goes in a circle" in text) for line, text in found] == [(0, True), (1, True)]


@pytest.mark.parametrize(
    "weekly", ["{monday: ['08:00-12:00']}", "{mon: ['8-12']}", "{mon: ['08:00-08:00']}", "{mon: ['25:00-26:00']}", "{}"]
)
def test_a_programme_that_is_none_is_refused(tmp_path: Path, weekly: str) -> None:
    file = tmp_path / "config.yaml"
    file.write_text(f"schedules:\n  day: {{weekly: {weekly}}}\n")
    with pytest.raises(ConfigError) as caught:
        load(file, Models())
    assert {problem.line for problem in caught.value.problems} == {2}


def test_a_schedule_follows_the_clocks_of_its_site(tmp_path: Path) -> None:
    [rule] = compile_rules(read(tmp_path, "a: {metric: door, equals: true, during: night}").config)
    assert rule.during is not None
    assert rule.during.zone.key == "Indian/Reunion"
    assert rule.during.days[6] == ((1320, 360),)


@pytest.mark.parametrize("name", TEMPLATES)
def test_every_template_stands_by_itself_in_two_languages(name: str) -> None:
    template = TEMPLATES[name]
    whole = expand(Rule(template=name))
    whole.whole()
    core = Core(
        rules={name: Rule(template=name, during="n" if template.needs_schedule else None)},
        schedules={"n": {"weekly": {"mon": ["00:00-24:00"]}}},
    )
    assert list(check_rules(core)) == []
    assert whole.text != whole.text_fr
    assert all(asked.en and asked.fr for asked in template.inputs.values())
    assert template.fr
    assert template.en


def test_a_bin_seen_from_its_lid_is_full_when_the_distance_is_short(tmp_path: Path) -> None:
    loaded = read(tmp_path, "a: {template: bin_full, places: [p], inputs: {depth: 2000, level: 80, margin: 20}}")
    [rule] = compile_rules(loaded.config)
    assert rule.metric == "distance"
    assert rule.test is not None
    assert (rule.test.holds(399.0, False), rule.test.holds(401.0, False)) == (True, False)
    assert (rule.test.holds(799.0, True), rule.test.holds(801.0, True)) == (True, False)


def test_a_bin_whose_sensor_is_above_the_rim_is_full_at_the_rim(tmp_path: Path) -> None:
    inputs = "{depth: 2200, full: 315, level: 98, margin: 8}"
    [rule] = compile_rules(read(tmp_path, f"a: {{template: bin_full, places: [p], inputs: {inputs}}}").config)
    assert rule.test is not None
    assert [rule.test.holds(distance, False) for distance in (315.0, 352.0, 353.0)] == [True, True, False]
    assert [rule.test.holds(distance, True) for distance in (503.0, 504.0)] == [True, False]


def test_a_rule_that_is_not_enabled_is_checked_and_not_watched(tmp_path: Path) -> None:
    assert compile_rules(read(tmp_path, "a: {template: freezing, enabled: false}").config) == []


def test_a_rule_about_what_the_last_good_configuration_lost_is_left_out_alone() -> None:
    from hub.config.last_good import _pruned
    from hub.config.positions import Finding

    data = {"rules": {"a": {}, "b": {}}, "notifiers": {"webhook": {}}, "devices": {}}
    found = [Finding(("rules", "a", "places", 0), "gone"), Finding(("notifiers", "webhook", "token"), "no secret")]
    assert _pruned(data, found) == {"rules": {"b": {}}, "notifiers": {}, "devices": {}}
