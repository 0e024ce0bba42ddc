"""The declaration of a metric, judged before anything is read by it."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from msgspec.structs import replace

from hub.core.errors import PluginError
from hub.core.metric_catalogue import METRICS
from hub.core.metric_rules import KINDS, PRIVACY, RESOLUTION, STATES, clash, expect_metrics, metric_problem
from hub.core.model import METRIC_KEY, Metric
from hub.core.ucum import is_ucum
from hub.plugin_host.registry import Registry
from hub.protocol.records.dictionary import scales
from hub.protocol.records.rows import Column, Shape

GOOD = Metric(key="wibble", unit="Cel", resolution="0.1", low=-5, high=90, privacy="personal", en="Wibble")

ANYTHING = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=20), st.binary(max_size=4),
    st.lists(st.text(max_size=3), max_size=2),
    st.sampled_from([*KINDS, *PRIVACY, *STATES, "0.1", "Cel", "1e3", "Personal"]),
)  # fmt: skip


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (
            {"privacy": "Personal"},
            "metric wibble: privacy is 'Personal'; it is one of technical, environment, personal",
        ),
        ({"privacy": "private"}, "privacy is 'private'"),
        ({"privacy": ""}, "privacy is ''"),
        ({"privacy": None}, "privacy is NoneType"),
        ({"privacy": ["personal"]}, "privacy is list"),
        ({"kind": "bool"}, "kind is 'bool'; it is one of number, flag, text"),
        ({"state_class": "rising"}, "state_class is 'rising'"),
        ({"unit": "°C"}, "'°C' is no unit of UCUM: write Cel"),
        ({"unit": "wobbles"}, "'wobbles' is no unit of UCUM, whose units are like Cel"),
        ({"unit": None}, "NoneType is no unit"),
        ({"resolution": "0"}, "resolution is '0'; it is a decimal above zero"),
        ({"resolution": 0.1}, "resolution is 0.1"),
        ({"resolution": "1e-3"}, "resolution is '1e-3'"),
        ({"low": True}, "low is True; it is a finite number"),
        ({"high": math.nan}, "high is nan"),
        ({"high": "90"}, "high is '90'"),
        ({"low": 91}, "low 91 is above high 90"),
        ({"key": "Wibble"}, "no metric can be named 'Wibble'"),
        ({"key": "wib\nble"}, "no metric can be named"),
        ({"key": "a" * 65}, "no metric can be named"),
        ({"en": "two\nlines"}, "en is one line of at most 100 characters"),
        ({"fr": "\u202egnorts"}, "fr is one line"),
        ({"en": "\ud800"}, "en is one line"),
        ({"code": 5}, "code is one line"),
    ],
)
def test_what_is_wrong_with_a_metric_is_said(change: dict[str, Any], says: str) -> None:
    assert metric_problem(GOOD) == ""
    wrong = metric_problem(replace(GOOD, **change))
    assert says in wrong
    wrong.encode()  # whatever a plugin gave can be written into a log


def test_what_is_no_metric_is_said_too() -> None:
    assert metric_problem({"key": "wibble"}) == "a metric is a hub.Metric, not dict"


@given(st.dictionaries(st.sampled_from(Metric.__struct_fields__), ANYTHING))
@example({"privacy": "Personal"})
@example({"resolution": "0.0000000000001"})
def test_a_metric_that_passes_has_all_that_the_hub_relies_on_and_whatever_else_is_refused(
    change: dict[str, Any],
) -> None:
    metric = replace(GOOD, **change)
    if wrong := metric_problem(metric):
        wrong.encode()
        with pytest.raises(PluginError):
            expect_metrics([GOOD, metric], METRICS)
        return
    assert METRIC_KEY.fullmatch(metric.key)
    assert is_ucum(metric.unit)
    assert metric.kind in KINDS
    assert metric.privacy in PRIVACY
    assert RESOLUTION.fullmatch(metric.resolution)
    scales(Shape((Column(metric.key, metric.unit, metric.resolution, metric.kind),)))  # or every reading would be lost
    assert metric.low is None or metric.high is None or metric.low <= metric.high


@given(
    st.sampled_from(sorted(METRICS)), st.sampled_from(PRIVACY), st.sampled_from(KINDS), st.sampled_from(["1", "Cel"])
)
def test_the_name_of_a_metric_of_the_catalogue_means_it_and_protects_people_no_less(
    key: str, privacy: Any, kind: Any, unit: str
) -> None:
    known = METRICS[key]
    metric = replace(known, privacy=privacy, kind=kind, unit=unit)
    same = (unit, kind) == (known.unit, known.kind) and PRIVACY.index(privacy) >= PRIVACY.index(known.privacy)
    assert (clash(metric, known, "the catalogue") == "") is same


def test_the_name_that_is_taken_is_said_with_both_meanings() -> None:
    with pytest.raises(PluginError) as error:
        expect_metrics([replace(METRICS["co2"], privacy="technical")], METRICS)
    assert str(error.value) == (
        "metric co2 is a number in [ppm], privacy technical; the catalogue has one of that name, a number in [ppm], "
        "privacy personal: give it another name"
    )


def test_all_that_plugins_of_this_distribution_register_is_right_and_of_one_unit_under_one_name() -> None:
    registry, units = Registry.discover(), dict[str, set[tuple[str, str]]]()
    for name, plugin in registry.plugins.items():
        if plugin.shipped:
            for metric in registry.load(name).metrics.values():
                assert metric_problem(metric) == ""
                units.setdefault(metric.key, set()).add((metric.unit, metric.kind))
    assert {key: found for key, found in units.items() if len(found) > 1} == {}
