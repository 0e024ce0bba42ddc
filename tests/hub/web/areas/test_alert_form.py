"""What is chosen and typed becomes the rule that YAML would have; each condition and template of it can be had."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.config.load import Models, load
from hub.config.model import Core
from hub.config.parts.rules import TESTS, Rule
from hub.config.parts.templates import TEMPLATES, described
from hub.core.metric_catalogue import METRICS
from hub.core.model import Metric
from hub.web.areas.alert_new.form import FIELD_OF, OF, PLAIN, WHEN, Facts, draft

FLOW = Metric(key="acme_flow", unit="L/h", en="Flow")
MODE = Metric(key="acme_mode", unit="1", kind="text", en="Mode")
FACTS = Facts(
    places={"salle": "rooms", "cave": "plant"},
    zones=("rooms", "plant"),
    rules=("salle-temperature-below",),
    schedules=("night",),
    templates={name: described(name, one, own=False) for name, one in TEMPLATES.items()},
    metric=lambda key: {"acme_flow": FLOW, "acme_mode": MODE}.get(key) or METRICS.get(key),
)
FILE = """\
sites: {s: {}}
zones: {rooms: {site: s}, plant: {site: s}}
places: {salle: {zone: rooms}, cave: {zone: plant}}
schedules: {night: {site: s, weekly: {mon-sun: ["22:00-06:00"]}}}
"""


def made(lang: str = "fr", **fields: str) -> dict[str, Any]:
    """The rule, without its texts."""
    found = draft({"where": "place:salle", **fields}, lang, FACTS)
    assert found.errors == {}
    return {name: value for name, value in found.rule.items() if name not in ("text", "text_fr")}


def read(tmp_path: Path, rule: dict[str, Any]) -> Core:
    """The file with this rule in it, as the hub reads it."""
    file = tmp_path / "config.yaml"
    file.write_text(f"{FILE}rules: {{new: {json.dumps(rule)}}}\n")
    return load(file, Models()).config


SALLE, ZONE = {"places": ["salle"]}, {"zones": ["rooms"]}
CASES: list[tuple[dict[str, str], dict[str, Any]]] = [
    ({"metric": "temperature", "when": "below", "value": "19,5 °C"}, {"metric": "temperature", "below": 19.5}),
    ({"metric": "power", "value": "1,5 kW"}, {"metric": "power", "above": 1500}),
    ({"metric": "power", "value": "1 500", "clears": "1,2 kW", "for": "1 h 30"},
     {"metric": "power", "above": 1500, "clears": 1200, "for": "1h30min"}),
    ({"metric": "door"}, {"metric": "door", "equals": True}),
    ({"metric": "door", "when": "no", "for": "10 min"}, {"metric": "door", "equals": False, "for": "10min"}),
    ({"metric": "acme_mode", "value": "stop"}, {"metric": "acme_mode", "unit": "1", "equals": "stop"}),
    ({"metric": "acme_flow", "value": "2 m³/h"}, {"metric": "acme_flow", "unit": "L/h", "above": 2000}),
    ({"metric": "temperature", "when": "stuck", "value": "12 h"}, {"metric": "temperature", "stuck": "12h"}),
    ({"when": "silent", "value": "2 j"}, {"silent": "2d"}),
    ({"metric": "temperature", "when": "silent", "value": "90 s"}, {"metric": "temperature", "silent": "1min30s"}),
    ({"when": "periods", "value": "3"}, {"silent_periods": 3}),
    ({"metric": "temperature", "of": "rate", "when": "below", "value": "-6 °C/h", "rate_over": "20 min"},
     {"metric": "temperature", "rate_over": "20min", "below": -6}),
    ({"metric": "temperature", "of": "minus", "minus_place": "cave", "value": "10 K", "within": "2 h"},
     {"metric": "temperature", "minus": "cave/temperature", "above": 10, "within": "2h"}),
    ({"metric": "flow_temperature", "of": "minus", "minus_place": "salle", "minus_metric": "return_temperature",
      "value": "25"}, {"metric": "flow_temperature", "minus": "salle/return_temperature", "above": 25}),
    ({"metric": "temperature", "value": "28", "during": "night", "severity": "critical", "escalate": "1 h"},
     {"metric": "temperature", "above": 28, "during": "night", "severity": "critical", "escalate": "1h"}),
    ({"template": "legionella", "in.below": "140 °F", "in.margin": "2 K", "in.for": "1 h"},
     {"template": "legionella", "inputs": {"below": 60, "margin": 2, "for": "1h"}}),
    ({"template": "bin_full", "in.depth": "1,2 m", "in.level": "90"},
     {"template": "bin_full", "inputs": {"depth": 1200}}),
    ({"template": "water_leak_night", "during": "night"}, {"template": "water_leak_night", "during": "night"}),
]  # fmt: skip


@pytest.mark.parametrize(("fields", "rule"), CASES, ids=lambda one: " ".join(map(str, one.values())))
def test_what_is_typed_becomes_the_rule_that_the_file_takes(
    tmp_path: Path, fields: dict[str, str], rule: dict[str, Any]
) -> None:
    assert made(**fields) == {**SALLE, **rule}
    assert read(tmp_path, draft({"where": "place:salle", **fields}, "fr", FACTS).rule).rules["new"]


@pytest.mark.parametrize("kind", ["mean", "max", "min"])
def test_a_zone_has_one_number(tmp_path: Path, kind: str) -> None:
    rule = made(where="zone:rooms", metric="temperature", of=kind, value="28")
    assert rule == {**ZONE, "metric": "temperature", "aggregate": kind, "above": 28}
    assert read(tmp_path, rule).rules["new"].aggregate == kind


def test_every_condition_calculation_option_and_template_of_the_file_can_be_had() -> None:
    conditions = {option for fields, _ in CASES for option in made(**fields)} & set(TESTS)
    assert conditions == set(TESTS)
    assert {fields.get("when") for fields, _ in CASES} | {"above", "yes", "text"} >= set(WHEN)
    assert {fields.get("of") for fields, _ in CASES} | {"value", "mean", "max", "min"} >= set(OF)
    fields = {FIELD_OF.get(name.rstrip("_"), name.rstrip("_")) for name in Rule.model_fields}
    left = fields - set(PLAIN) - {"inputs", "unit", "enabled", "alert", "set"}  # a page that alerts does not act
    assert left == set()
    for name in TEMPLATES:
        assert made(template=name, during="night")["template"] == name


def test_the_texts_are_proposed_in_both_languages_and_name_the_value() -> None:
    rule = draft({"where": "all", "metric": "temperature", "when": "below", "value": "19"}, "fr", FACTS).rule
    assert rule["text"] == "{place}: Temperature {value}, below {limit}"
    assert rule["text_fr"] == "{place} : température {value}, sous {limit}"
    kept = draft({"where": "all", "metric": "co2", "value": "900", "text_fr": "Aérez !"}, "fr", FACTS).rule
    assert kept["text_fr"] == "Aérez !"
    assert "CO2" in kept["text"]


def test_a_rule_is_named_by_its_place_and_value_and_takes_no_others_name() -> None:
    fields = {"where": "place:salle", "metric": "temperature", "when": "below", "value": "19"}
    assert draft(fields, "fr", FACTS).name == "salle-temperature-below-2"
    assert draft({**fields, "where": "all"}, "fr", FACTS).name == "temperature-below"


@pytest.mark.parametrize(
    ("fields", "field", "said"),
    [
        ({"where": "place:nowhere"}, "where", "choose where"),
        ({"where": ""}, "where", "choose where"),
        ({"metric": ""}, "metric", "choose which value"),
        ({"value": ""}, "value", "is no number"),
        ({"value": "19 kg"}, "value", "cannot be converted to °C"),
        ({"clears": "soon"}, "clears", "is no number"),
        ({"clears": "20"}, "clears", "not over at a higher value"),
        ({"when": "below", "clears": "18"}, "clears", "not over at a lower value"),
        ({"for": "10"}, "for", "is no duration"),
        ({"for": "2 months"}, "for", "is no duration"),
        ({"escalate": "60 d"}, "escalate", "1 s to 31 days"),
        ({"when": "yes"}, "when", "this value is a number"),
        ({"metric": "door", "when": "above", "value": "1"}, "when", "yes or no"),
        ({"of": "mean"}, "of", "one of a zone"),
        ({"of": "minus"}, "minus_place", "two places"),
        ({"during": "day"}, "during", "does not exist here any more"),
        ({"template": "nothing"}, "template", "does not exist here any more"),
        ({"template": "water_leak_night"}, "during", "at some hours only"),
        ({"template": "legionella", "in.for": "often"}, "in.for", "is no duration"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said_at_its_field(fields: dict[str, str], field: str, said: str) -> None:
    given_ = {"where": "place:salle", "metric": "temperature", "value": "19", **fields}
    assert said in draft(given_, "en", FACTS).errors[field]


WORDS = ("place:salle", "zone:rooms", "all", "temperature", "19", "10 min", *WHEN, *OF, *TEMPLATES)
NAMES = st.sampled_from([*PLAIN, "in.below", "in.for"])


@given(st.dictionaries(NAMES, st.text(max_size=40) | st.sampled_from(WORDS)), st.sampled_from(("fr", "en")))
def test_no_fields_do_worse_than_errors(fields: dict[str, str], lang: str) -> None:
    found = draft(fields, lang, FACTS)
    assert found.errors or found.rule
    assert len(found.name) <= 64
